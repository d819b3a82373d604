//! Why a GC cycle began.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The function whose arguments tell: it runs once per cycle, the world stopped.
pub const GC_TRIGGER_PROBE: &str = "runtime.(*gcControllerState).startCycle";

/// Index of the integer argument that holds the kind: receiver, start time, procs, then the
/// flattened `gcTrigger`. RDI on amd64, X3 on arm64 (register ABI, Go 1.19 to 1.27).
pub const TRIGGER_KIND_ARGUMENT: usize = 3;

/// `gcTriggerKind` of runtime/mgc.go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GcTrigger {
    /// The heap reached its trigger.
    Heap,
    /// Two minutes went by without a cycle.
    Time,
    /// `runtime.GC`, `debug.FreeOSMemory` or a heap dump asked for it.
    Cycle,
}

impl GcTrigger {
    /// The kind in the argument register; only its low 32 bits count, the rest is unspecified.
    pub fn from_register(value: u64) -> Option<Self> {
        match value as u32 {
            0 => Some(Self::Heap),
            1 => Some(Self::Time),
            2 => Some(Self::Cycle),
            _ => None,
        }
    }
}

impl fmt::Display for GcTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heap => "heap",
            Self::Time => "time",
            Self::Cycle => "forced",
        })
    }
}
