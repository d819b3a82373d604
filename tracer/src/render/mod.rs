//! Text, graphics and data formats of what was found.

mod gc_line;
mod histogram;
mod run_queue;

pub use gc_line::{GcFormat, GcSink, GcSummarySink, gc_summary};
pub use histogram::log2_histogram;
pub use run_queue::{RunQueueFormat, RunQueueSink, run_queue_text};
