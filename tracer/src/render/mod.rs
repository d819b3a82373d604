//! Text, graphics and data formats of what was found.

mod costed;
mod gc_assists;
mod gc_line;
mod gc_summary;
mod go_creators;
mod go_scheduling;
mod go_stop;
pub mod goroutine_diff;
pub mod goroutine_dump;
pub mod goroutine_json;
pub mod goroutine_leaks;
pub mod goroutine_summary;
pub mod goroutine_waiters;
mod histogram;
mod run_queue;
pub mod sched_detail;
pub mod sched_trace;

pub use gc_assists::gc_assists_text;
pub use gc_line::{GcFormat, GcRemarks, GcSink};
pub use gc_summary::{GcSummarySink, GcTold, gc_summary};
pub use go_creators::go_creators_text;
pub use go_scheduling::go_scheduling_text;
pub use go_stop::{stop_line, stop_totals_line};
pub use histogram::log2_histogram;
pub use run_queue::{RunQueueFormat, RunQueueSink, run_queue_text};
mod caption;
mod stack_diff;
mod stack_format;
mod stack_sink;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod time_tests;

pub use stack_diff::{DIFF_FORMATS, DiffOutput, WriteDiff};
pub use stack_format::{STACK_FORMATS, StackFormat, StackText};
pub use stack_sink::{StackBy, StackOutput, StackSink, write_goroutine_waits, write_heap};
pub mod call_group;
pub mod call_times;
pub mod flight;
mod path_filter;
mod strace_calls;
pub mod strace_count;
pub mod strace_json;
pub mod strace_line;
