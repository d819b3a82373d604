//! What this crate knows about the Go runtime, as pure readers: executables on disk, memory of a
//! live target, bytes that a probe captured.
//!
//! Nothing here attaches, blocks or writes. Facts about the runtime carry the release they were
//! read in; a release that is not known is refused with a reason, never guessed.

pub mod allocator;
mod binary;
mod code;
pub mod core_file;
pub mod crash;
pub mod gc;
mod globals;
pub mod goroutine;
pub mod handoff;
pub mod heap;
mod held_memory;
pub mod layout;
mod memory;
mod origin;
mod own_code;
pub mod pclntab;
pub mod probe_site;
mod runtime;
mod scheduler;
mod scheduler_detail;
pub mod stop;
mod time_histogram;
mod tls;
pub mod traceback;
mod version;
pub mod waits;

pub use binary::{Arch, Binary, BinaryError, BuildInfo, ModuleData, Symbol};
pub(crate) use binary::{Elf, Segment, Source};
pub use globals::{Globals, GlobalsError};
pub use held_memory::HeldMemory;
pub use memory::{Memory, MemoryError, ProcessMemory, RangeMemory};
pub use origin::{Origin, origin};
pub use own_code::own_code;
pub use runtime::{Live, Runtime, load_bias};
pub use scheduler::{Processor, Scheduler, SchedulerError};
pub use scheduler_detail::{GoroutineDetail, ProcessorDetail, SchedDetail, ThreadDetail};
pub use time_histogram::TimeHistogram;
pub use tls::{CurrentG, CurrentGError};
pub use version::Release;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod live_tests;
