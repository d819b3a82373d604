//! What this crate knows about the Go runtime, as pure readers: executables on disk, memory of a
//! live target, bytes that a probe captured.
//!
//! Nothing here attaches, blocks or writes. Facts about the runtime carry the release they were
//! read in; a release that is not known is refused with a reason, never guessed.

mod binary;
pub mod gc;
mod memory;
pub mod pclntab;
pub mod probe_site;
mod version;

pub use binary::{Arch, Binary, BinaryError, BuildInfo, ModuleData, Symbol};
pub use memory::{Memory, MemoryError, ProcessMemory, RangeMemory};
pub use version::Release;
