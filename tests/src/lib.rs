//! Harness of the tests that run the `tracer` binary against real processes and a real kernel.
//!
//! `cargo xtask test` sets `TRACER_BIN` (the binary) and `TRACER_FIXTURES` (the built fixture
//! programs). A test that misses one of them, or root, prints why on stderr and returns.

mod bpf;
mod footprint;
mod golden;
mod lines;
mod place;
mod process;
mod tracer;

pub use bpf::{Loaded, assert_no_orphans, wait_for_no_orphans};
pub use footprint::{Probing, changed_text, descriptors};
pub use golden::assert_golden;
pub use lines::{Line, number_after, whole_calls, without_prefix};
pub use place::{Place, is_root, place};
pub use process::{Finished, Running, until};
pub use tracer::{COMMANDS, Tracer, one_line};
