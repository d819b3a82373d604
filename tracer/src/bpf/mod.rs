//! The kernel side, and the only user of aya.

mod constants;
mod error;
mod feature;
mod goroutine_waits;
mod kernel;
mod kernel_types;
mod missed;
mod probe_table;
mod sample_event;
mod snapshot;
mod switches;
mod trial;
mod undisturbed;
mod unwind_maps;
mod uprobe;

pub use constants::Constants;
pub use error::BpfError;
pub use feature::{Abilities, Feature, Features, Refusal};
pub use goroutine_waits::{GoHandoffRead, GoroutineAssistRead, GoroutineWaitRead};
pub use kernel::{Kernel, Sizes, object};
pub use kernel_types::{KernelTypeError, KernelTypes, VMLINUX_BTF};
pub use probe_table::{Attach, CallPlace, Group, PROBES, Probe, Walk, When};
pub use sample_event::{SampleEvent, UnknownEvent};
pub use snapshot::{OffCpuRead, OpenWaitRead, RunQueueRead};
pub use trial::RunningKernel;
pub use uprobe::UprobeError;
