//! Folds of the event stream into reports. No I/O.

mod gc;
mod gc_assists;
mod gc_watch;
mod go_creators;
mod go_handoffs;
mod go_scheduling;
mod go_stops;
pub mod goroutine_diff;
pub mod goroutine_groups;
pub mod goroutine_leaks;
mod goroutine_wait_profile;
mod goroutine_wait_sums;
mod goroutine_waits;
mod heap_profile;
mod memory_ledger;
mod run_queue;

#[cfg(test)]
pub(crate) use gc::tests as gc_fixture;
pub use gc::{Gc, GcRecord, GcTotals, GcTriggers};
#[cfg(test)]
pub(crate) use gc_assists::tests as gc_assists_fixture;
pub use gc_assists::{GcAssistFold, GcAssistReport, GcAssistRow};
pub use gc_watch::{GcDisagreement, GcWarning, LONG_PAUSE_NS, MUCH_CPU, NEAR_LIMIT};
pub use go_creators::{GoCreatorRow, GoCreators};
#[cfg(test)]
pub(crate) use go_handoffs::tests as go_handoffs_fixture;
pub use go_handoffs::{GoHandoffReport, GoHandoffRow, GoHandoffSums};
#[cfg(test)]
pub(crate) use go_scheduling::tests as go_scheduling_fixture;
pub use go_scheduling::{GoLatency, GoProcessorRow, GoSchedulingReport, Mean, thousandths};
#[cfg(test)]
pub(crate) use go_stops::tests as go_stops_fixture;
pub use go_stops::{GoStops, LastP, StopRecord, StopTotals};
pub use run_queue::{
    GoSchedules, Octave, RunQueue, RunQueueProcess, RunQueueReport, RunQueueRow, RunQueueThreadRow,
};
mod functions;
mod hot_regions;
mod off_cpu;
mod on_cpu;
mod peek;
mod run_interval;
mod stack_analysis;
mod stack_diff;
mod stack_fold;
mod stack_roots;
mod stack_trim;
mod waker;
mod wall;

pub use functions::function_totals;
pub use goroutine_wait_profile::NamedWait;
pub use goroutine_wait_sums::{GoroutineWaitSums, WaitNames};
pub use goroutine_waits::GoroutineWaits;
pub use heap_profile::heap_profile;
pub use hot_regions::HotRegions;
pub use memory_ledger::{GoRanges, memory_ledger};
pub use off_cpu::OffCpu;
pub use on_cpu::OnCpu;
pub use peek::{Peek, peek};
pub use stack_analysis::StackAnalysis;
pub use stack_diff::{FunctionChange, StackDiff, scale_to};
pub use stack_fold::{
    FoldedStack, FoldedStacks, Marks, StackDetail, StackFold, StackWeight, Weight,
};
pub use wall::Wall;
