//! One file a command: what may be asked, the plan that answers it, and what shows the answer.

pub mod completions;
pub mod diff;
pub mod doctor;
pub mod gc;
pub mod goroutines;
pub mod heap;
pub mod man;
pub mod offcpu;
pub mod profile;
pub mod record;
pub mod report;
pub mod sched;
pub mod schema;
pub mod strace;
pub mod wall;

mod execute;
mod go_core;
mod go_process;
mod goroutine_probes;
mod goroutine_waits;
mod sched_trace;

pub use execute::{Exit, execute};
