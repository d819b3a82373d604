//! Harness of the tests that run the `tracer` binary against real processes and a real kernel.
//!
//! `cargo xtask test` sets `TRACER_BIN` (the binary) and `TRACER_FIXTURES` (the built fixture
//! programs). A test that misses one of them, or root, [`skip`]s itself. `TRACER_TIME_SCALE=N`
//! gives everything N times the patience, for machines that are that much slower.
//!
//! [`hostile`] is the other half: what the crate `tests/fuzz` and the test `hostile` feed with
//! damaged input.

mod bpf;
mod calls;
mod footprint;
mod go_layout;
mod go_tool;
mod go_types;
mod golden;
#[cfg(feature = "hostile")]
pub mod hostile;
mod lines;
mod place;
mod process;
mod skip;
mod tracer;

pub use bpf::{Loaded, assert_no_orphans, wait_for_no_orphans};
pub use calls::{NEW_THREAD, POLL};
pub use footprint::{Probing, changed_text, descriptors};
pub use go_layout::{RowPart, releases_of_table, row_of_table, row_parts, row_text};
pub use go_tool::{go_pprof, go_tool};
pub use go_types::GoTypes;
pub use golden::assert_golden;
pub use lines::{Line, equal_but_cold, number_after, whole_calls, without_prefix};
pub use place::{Place, is_root, minor, place};
pub use process::{Finished, Running, duration, is_emulated, lifetime, until};
pub use skip::skip;
pub use tracer::{COMMANDS, Tracer, one_line};
