//! Harness of the tests that run the `tracer` binary against real processes and a real kernel.
//!
//! `cargo xtask test` sets `TRACER_BIN` (the binary) and `TRACER_FIXTURES` (the built fixture
//! programs). A test that misses one of them, or root, prints why on stderr and returns.
//!
//! [`hostile`] is the other half: what the crate `tests/fuzz` and the test `hostile` feed with
//! damaged input.

mod bpf;
mod golden;
pub mod hostile;
mod lines;
mod place;
mod process;
mod tracer;

pub use bpf::{Loaded, assert_no_orphans};
pub use golden::assert_golden;
pub use lines::{Line, number_after, whole_calls, without_prefix};
pub use place::{Place, is_root, place};
pub use process::{Finished, Running, until};
pub use tracer::{Tracer, one_line};
