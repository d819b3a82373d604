//! Folds of the event stream into reports. No I/O.

mod gc;
pub mod goroutine_groups;
mod goroutine_waits;
mod run_queue;

#[cfg(test)]
pub(crate) use gc::tests as gc_fixture;
pub use gc::{Gc, GcRecord, GcTotals, GcTriggers};
pub use run_queue::{
    GoSchedules, Octave, RunQueue, RunQueueProcess, RunQueueReport, RunQueueRow, RunQueueThreadRow,
};
mod off_cpu;
mod on_cpu;
mod run_interval;
mod stack_fold;
mod waker;
mod wall;

pub use goroutine_waits::GoroutineWaits;
pub use off_cpu::OffCpu;
pub use on_cpu::OnCpu;
pub use stack_fold::{FoldedStack, FoldedStacks, Marks, StackFold, Weight};
pub use wall::{Wall, WallDetail};
