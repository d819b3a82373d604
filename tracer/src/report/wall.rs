//! All time of threads, on the CPU and off it.

use serde::{Deserialize, Serialize};

use super::{Frame, ProfileRun, StackTree, ThreadStack, ThreadTotal};

/// Time by what the threads did, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallTime {
    pub on_cpu_ns: u64,
    /// Waiting for a CPU.
    pub runnable_ns: u64,
    pub blocked_ns: u64,
}

impl WallTime {
    /// All of it.
    #[must_use]
    pub const fn sum_ns(&self) -> u64 {
        self.on_cpu_ns
            .saturating_add(self.runnable_ns)
            .saturating_add(self.blocked_ns)
    }

    /// Adds another.
    pub const fn add(&mut self, other: &Self) {
        self.on_cpu_ns = self.on_cpu_ns.saturating_add(other.on_cpu_ns);
        self.runnable_ns = self.runnable_ns.saturating_add(other.runnable_ns);
        self.blocked_ns = self.blocked_ns.saturating_add(other.blocked_ns);
    }
}

/// Time of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallThread {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    /// How long it was there during the run; 0 when that is not known.
    pub elapsed_ns: u64,
    #[serde(flatten)]
    pub time: WallTime,
    /// Part of the blocked time in which the thread had no goroutine to run.
    pub idle_ns: u64,
    /// Samples that tell what it did on the CPU.
    pub samples: u64,
}

/// Time of one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallFunction {
    #[serde(flatten)]
    pub frame: Frame,
    /// Time in which it was the innermost function outside the kernel.
    #[serde(rename = "self")]
    pub own: WallTime,
    /// Time in which it was in the stack.
    pub total_ns: u64,
}

/// Where the time of threads goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallProfile {
    pub run: ProfileRun,
    /// Sum over all threads.
    pub elapsed_ns: u64,
    /// Time found, of the elapsed.
    pub accounted: WallTime,
    /// Times off the CPU are estimates: one in so many was measured at the end. 1 when all were; 0
    /// when measuring was given up.
    pub one_in: u32,
    /// Part of the blocked time in which threads of a Go program had no goroutine to run.
    pub idle_ns: u64,
    pub samples: u64,
    /// Samples and waits whose stack was as long as the limit.
    pub truncated: u64,
    /// Samples per second and CPU asked for.
    pub sample_hz: u32,
    /// Most time outside idleness first.
    pub threads: Vec<WallThread>,
    /// All time of each of `threads`, in the same order; left out of the JSON document.
    #[serde(skip)]
    pub thread_totals: Vec<ThreadTotal>,
    /// The time again, each stack apart by thread; left out of the JSON document.
    #[serde(skip)]
    pub by_thread: Vec<ThreadStack>,
    /// Most own time first.
    pub functions: Vec<WallFunction>,
    /// In ns; time on the CPU is exact for each thread, and shared among its stacks by samples.
    pub tree: StackTree,
}
