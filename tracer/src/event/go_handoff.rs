//! Threads that lose their P in system calls.

use serde::{Deserialize, Serialize};

use super::FrameSymbol;

/// What was counted in one process since the previous one; it comes also when there was nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoHandoffs {
    pub places: Vec<GoHandoff>,
}

/// In one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoHandoff {
    pub cause: HandoffCause,
    /// The innermost function of the program's own on the stack of the system call, where the release
    /// tells (Go 1.23).
    pub own: Option<FrameSymbol>,
    /// The innermost one that is neither the runtime's nor a mere entry to the kernel.
    pub call: Option<FrameSymbol>,
    pub count: u64,
}

/// Why. A recording knows these by their number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum HandoffCause {
    /// The runtime's monitor took the P: the call lasted (`retake`).
    Retaken,
    /// The thread gave it up before a call that is known to last (`entersyscallblock`).
    Blocking,
    /// It waits for the goroutine that is locked to it (`stoplockedm`).
    Locked,
    /// Something else: the thread ends, or the runtime asks something of all Ps.
    #[default]
    Other,
    /// No P was lost: the goroutine came back from a call, found none, and was queued.
    NoProcessor,
}
