//! What is on the heap of a Go program, by the stack that allocated it.

use serde::{Deserialize, Serialize};

use super::{Frame, MemoryLedger, ProfileRun, StackTree, ThreadStack, ThreadTotal};

/// Objects and their bytes, estimated from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapAmounts {
    /// Allocated since the program began.
    pub alloc_objects: u64,
    pub alloc_bytes: u64,
    /// Of these, not freed as of the garbage collection before the last one that has ended.
    pub inuse_objects: u64,
    pub inuse_bytes: u64,
}

impl HeapAmounts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        let add = |to: &mut u64, value: u64| *to = to.saturating_add(value);
        add(&mut self.alloc_objects, other.alloc_objects);
        add(&mut self.alloc_bytes, other.alloc_bytes);
        add(&mut self.inuse_objects, other.inuse_objects);
        add(&mut self.inuse_bytes, other.inuse_bytes);
    }
}

/// Which of the amounts a profile shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeapShown {
    #[default]
    InUse,
    Allocated,
}

impl HeapShown {
    /// Objects and bytes.
    #[must_use]
    pub const fn of(self, amounts: &HeapAmounts) -> (u64, u64) {
        match self {
            Self::InUse => (amounts.inuse_objects, amounts.inuse_bytes),
            Self::Allocated => (amounts.alloc_objects, amounts.alloc_bytes),
        }
    }
}

/// What one function allocated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapFunction {
    #[serde(flatten)]
    pub frame: Frame,
    /// By itself.
    pub flat_bytes: u64,
    pub flat_objects: u64,
    /// By itself and what it calls.
    pub cum_bytes: u64,
    pub cum_objects: u64,
}

/// What was allocated with one stack, in one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapSite {
    /// Innermost node of the stack in the tree.
    pub node: u32,
    /// Bytes of one object; 0 when none has been seen.
    pub object_bytes: u64,
    pub amounts: HeapAmounts,
}

/// The heap by stack, as `runtime/pprof` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapProfile {
    pub pid: u32,
    pub shown: HeapShown,
    /// Bytes allocated from one sample to the next, on average (`runtime.MemProfileRate`); 0 when
    /// the program takes none.
    pub rate: u64,
    /// Why there is no profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// All stacks together.
    pub amounts: HeapAmounts,
    /// Stacks, each in one size of objects, and how many of them could not be read while they stood
    /// still, or at all.
    pub sites_read: u64,
    pub torn: u64,
    pub unreadable: u64,
    /// Where all memory is.
    pub memory: MemoryLedger,
    /// Most bytes by itself first.
    pub functions: Vec<HeapFunction>,
    /// What is covered once more, for formats that say it alike for all profiles.
    #[serde(skip)]
    pub run: ProfileRun,
    /// One entry, for the whole heap.
    #[serde(skip)]
    pub together: Vec<ThreadTotal>,
    /// What is shown of all stacks.
    #[serde(skip)]
    pub by_thread: Vec<ThreadStack>,
    /// All amounts of all stacks.
    #[serde(skip)]
    pub sites: Vec<HeapSite>,
    /// In bytes of what is shown.
    pub tree: StackTree,
}
