//! Go executables on disk: identity, address ranges, and the way to their tables.
//!
//! Works on stripped, trimmed, position-independent and cgo builds. Files are read piecewise with
//! `pread(2)`; see [`source`] for why they are not mapped.

mod build_info;
mod build_version;
pub(in crate::go) mod elf;
mod error;
mod file;
mod module_data;
pub(in crate::go) mod source;

pub use build_info::BuildInfo;
pub use elf::{Arch, Symbol};
pub(crate) use elf::{Elf, Segment};
pub(in crate::go) use elf::{u16_at, u32_at, u64_at};
pub use error::BinaryError;
pub use file::Binary;
pub use module_data::ModuleData;
pub(crate) use source::Source;
