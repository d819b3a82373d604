//! Text, graphics and data formats of what was found.

mod histogram;
mod run_queue;

pub use histogram::log2_histogram;
pub use run_queue::{RunQueueFormat, RunQueueSink, run_queue_text};
