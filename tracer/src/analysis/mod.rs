//! Folds of the event stream into reports. No I/O.

mod gc;
mod run_queue;

#[cfg(test)]
pub(crate) use gc::tests as gc_fixture;
pub use gc::{Gc, GcRecord, GcTotals, GcTriggers};
pub use run_queue::{
    GoSchedules, Octave, RunQueue, RunQueueProcess, RunQueueReport, RunQueueRow, RunQueueThreadRow,
};
