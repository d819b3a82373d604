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
    /// Waits, with those that the run's beginning or end has cut off; `None` from looks, which do not
    /// tell one from the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<u64>,
    /// The longest of these, in ns, as far as it was within the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ns: Option<u64>,
}

/// Time of goroutines that one function has made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineCreatorTime {
    /// The function of the `go` statement.
    pub creator: String,
    /// Time of all goroutines together, in ns.
    pub time_ns: u64,
    /// Goroutines at the end.
    pub open: u64,
    /// As [`GoroutineTime::waits`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<u64>,
}

/// Time of goroutines that wait for the same at the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineStackTime {
    /// Innermost node of the stack in the tree.
    pub node: u32,
    #[serde(flatten)]
    pub time: GoroutineTime,
}

/// What goroutines do, from looks at all of them, or what they wait for, from all of their waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineWaitProfile {
    pub pid: u32,
    /// From the first look to the last, or while waits were measured, in ns.
    pub duration_ns: u64,
    /// Looks at all goroutines; 0 when each wait was measured.
    pub looks: u64,
    /// Time of all goroutines together, in ns.
    pub time_ns: u64,
    /// Goroutines in looks, or waits, and how many of them could not be read, or have no stack: did not
    /// stand still, or found no room.
    pub seen: u64,
    pub unreadable: u64,
    pub torn: u64,
    /// Of these, those whose outermost frames are missing.
    pub truncated: u64,
    /// Looks at goroutines left out because there were too many different stacks.
    pub over_limit: u64,
    /// Most time first.
    pub reasons: Vec<GoroutineTime>,
    /// Most time first.
    pub creators: Vec<GoroutineCreatorTime>,
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

impl GoroutineWaitProfile {
    /// Whether each wait was measured, not looked at now and then.
    #[must_use]
    pub const fn is_measured(&self) -> bool {
        self.looks == 0
    }
}
