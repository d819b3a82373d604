//! The kernel side, and the only user of aya.

mod constants;
mod kernel;
mod kernel_types;
mod probe_table;
mod snapshot;

pub use constants::Constants;
pub use kernel::{BpfError, Kernel, Sizes, object};
pub use kernel_types::{KernelTypeError, KernelTypes, VMLINUX_BTF};
pub use probe_table::{Attach, Group, PROBES, Probe};
pub use snapshot::{OffCpuRead, RunQueueRead};
