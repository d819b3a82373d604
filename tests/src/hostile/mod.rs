//! Entry points for input that others control: files and memory of a target, records, recordings,
//! expressions.
//!
//! Each [`Surface`] takes any bytes. It must return: no panic, no more memory than its bound, no
//! more output than its input is worth. The fuzz targets of `tests/fuzz` and the tests in
//! `tests/tests/hostile.rs` call the same functions, so an input that a fuzzer found is replayed
//! by name in the default test run.

mod accounting;
mod core_file;
mod files;
mod go_image;
mod go_memory;
mod host_text;
mod input;
mod kernel_types;
mod replay;
mod seeds;
mod surface;
mod syscalls;
mod wire;

pub use accounting::{Accounting, peak_during};
pub use seeds::{decoded_records, recorded_events, replayed_events, write_seeds};
pub use surface::{SURFACES, Surface, surface};
