//! Text, graphics and data formats of what was found.

mod costed;
mod gc_line;
pub mod goroutine_dump;
pub mod goroutine_json;
pub mod goroutine_summary;
mod goroutine_waits;
mod histogram;
mod run_queue;

pub use gc_line::{GcFormat, GcSink, GcSummarySink, gc_summary};
pub use goroutine_waits::write_goroutine_waits;
pub use histogram::log2_histogram;
pub use run_queue::{RunQueueFormat, RunQueueSink, run_queue_text};
mod flame_graph;
mod folded;
mod stack_sink;
#[cfg(test)]
mod stack_tests;
mod stack_text;
mod wall;

pub use flame_graph::{FlameGraph, write_flame_graph};
pub use folded::write_folded;
pub use stack_sink::{OffCpuSink, OnCpuSink, StackFormat, StackOutput};
pub use stack_text::{StackText, write_off_cpu, write_on_cpu};
pub use wall::{WallOutput, WallSink, write_wall};
pub mod call_group;
pub mod call_times;
pub mod flight;
mod path_filter;
mod strace_calls;
pub mod strace_count;
pub mod strace_json;
pub mod strace_line;
