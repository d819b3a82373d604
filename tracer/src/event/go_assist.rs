//! Marking that goroutines do for the garbage collector because they allocate.

use serde::{Deserialize, Serialize};

use super::FrameSymbol;

/// Assists of the event's goroutine in one place, since the previous one. The event has no goroutine
/// when there was no room to tell it from others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoAssist {
    /// Live address that the call of the `go` statement that made it returns to (`g.gopc`); 0 for
    /// the first goroutine.
    pub created_at: u64,
    /// The function that the statement is in, and its line; `None` when they are not known.
    pub creator: Option<FrameSymbol>,
    /// The innermost function on the stack that is not the runtime's: it allocates.
    pub allocator: Option<FrameSymbol>,
    /// The innermost one that is neither the runtime's nor another package's of the standard library.
    pub own: Option<FrameSymbol>,
    pub count: u64,
    /// Of all of them, in ns.
    pub time_ns: u64,
    /// Of the longest, in ns.
    pub max_ns: u64,
    /// Waits for others to do the work, their time and that of the longest, in ns.
    pub waits: u64,
    pub wait_ns: u64,
    pub max_wait_ns: u64,
}

/// Assists of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcAssists {
    pub count: u64,
    /// In ns.
    pub time_ns: u64,
    /// Time that Ps ran goroutines otherwise, as the runtime counts it; `None` before Go 1.20.
    pub user_ns: Option<u64>,
}
