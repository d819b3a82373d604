//! What goroutines wait for, and how long.

use serde::{Deserialize, Serialize};

use super::{ProfileRun, StackTree, ThreadStack, ThreadTotal};

/// Time of goroutines in one state, or with one stack in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineTime {
    /// The wait reason in the runtime's words, or the status of what does not wait.
    pub reason: String,
    /// Time of all goroutines together, in ns: how many there were, added up over time.
    pub time_ns: u64,
    /// Goroutines in it at the end.
    pub open: u64,
    /// How long one of these has waited, in ns, as far as a garbage collection has noted it.
    pub oldest_ns: Option<u64>,
}

/// Time of goroutines that wait for the same at the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineStackTime {
    /// Innermost node of the stack in the tree.
    pub node: u32,
    #[serde(flatten)]
    pub time: GoroutineTime,
}

/// What goroutines do, from looks at all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineWaitProfile {
    pub pid: u32,
    /// From the first look to the last, in ns.
    pub duration_ns: u64,
    /// Looks at all goroutines.
    pub looks: u64,
    /// Time of all goroutines together, in ns.
    pub time_ns: u64,
    /// Goroutines in looks, and how many of them could not be read or did not stand still.
    pub seen: u64,
    pub unreadable: u64,
    pub torn: u64,
    /// Looks at goroutines left out because there were too many different stacks.
    pub over_limit: u64,
    /// Most time first.
    pub reasons: Vec<GoroutineTime>,
    /// Most time first; those that run have none.
    pub stacks: Vec<GoroutineStackTime>,
    /// What is covered once more, for formats that say it alike for all profiles.
    #[serde(skip)]
    pub run: ProfileRun,
    /// One entry, for all goroutines.
    #[serde(skip)]
    pub together: Vec<ThreadTotal>,
    /// The time of all stacks, with those that run.
    #[serde(skip)]
    pub by_thread: Vec<ThreadStack>,
    /// In ns.
    pub tree: StackTree,
}
