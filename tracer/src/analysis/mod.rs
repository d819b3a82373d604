//! Folds of the event stream into reports. No I/O.

mod run_queue;

pub use run_queue::{
    GoSchedules, Octave, RunQueue, RunQueueProcess, RunQueueReport, RunQueueRow, RunQueueThreadRow,
};
