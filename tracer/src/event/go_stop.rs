//! Stops of the world in Go processes.

use serde::{Deserialize, Serialize};

use super::FrameSymbol;

/// The world was stopped and is about to be started again. Times in ns of `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoStop {
    /// `stwReason` (runtime/proc.go, since Go 1.21); `None` when the release does not say.
    pub reason: Option<u32>,
    /// When the probe at `stopTheWorldWithSema` was hit.
    pub began_ns: u64,
    /// When the runtime itself began to stop (Go 1.22), and when all had stopped (Go 1.23).
    pub started_ns: Option<u64>,
    pub finished_ns: Option<u64>,
    /// When the thread that stops the world last came back to a CPU from waiting; `None` when it did
    /// not wait.
    pub woke_ns: Option<u64>,
    /// Start of the runtime, where that could be read.
    pub runtime_start_ns: Option<u64>,
    /// Ps that there are.
    pub processors: u32,
    /// Ps that were seen to stop by themselves; the others were idle, in a syscall, or stopped the
    /// world.
    pub seen: u32,
    /// The last of these.
    pub last: Option<GoDelay>,
}

/// The P that was the last to stop. Times in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoDelay {
    /// Number of the P.
    pub processor: u32,
    /// Thread that ran it.
    pub tid: u32,
    /// When it stopped.
    pub stopped_ns: u64,
    /// Goroutine that it ran when the stop began; `None` when it ran none.
    pub goid: Option<u64>,
    /// Another goroutine came to run on it before it stopped: that one is not known.
    pub moved_on: bool,
    /// `g.atomicstatus` of the goroutine when all stood still.
    pub status: u32,
    /// Of the thread's time since the stop began: waiting for a CPU, for a page, and in a syscall.
    pub runnable_ns: u64,
    pub fault_ns: u64,
    pub syscall_ns: u64,
    /// Partly on a CPU and partly not: the kernel did not tell when it came back to one.
    pub untold_ns: u64,
    /// Number of the last such syscall.
    pub syscall: Option<u32>,
    /// Where the goroutine goes on, and the callers: addresses, innermost first.
    pub stack: Vec<u64>,
    /// The same with names, as far as there are any; inlined functions are frames of their own.
    pub frames: Vec<FrameSymbol>,
}
