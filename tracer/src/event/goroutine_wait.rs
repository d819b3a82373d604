//! Sums of goroutines.

use serde::{Deserialize, Serialize};

/// Waits of goroutines of the event's process that were alike: in the whole run so far, or one that is
/// still open at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineWait {
    /// `waitReason` of the release (runtime/runtime2.go).
    pub reason: u32,
    /// `g.gopc`: live address after the call of the `go` statement that made them.
    pub creator: u64,
    /// Live addresses, innermost first, all return addresses; the call of `runtime.gopark` comes first.
    pub stack: Vec<u64>,
    /// The stack has more frames.
    pub truncated: bool,
    pub waits: u64,
    /// Of all of them, in ns.
    pub time_ns: u64,
    /// Of the longest, in ns.
    pub max_ns: u64,
    /// The end of the run cut it off.
    pub open: bool,
}

/// Samples in the event's process while goroutines ran that one `go` statement had made, since the last
/// such event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatorSamples {
    /// As [`GoroutineWait::creator`]; 0 while a thread ran no goroutine that is known.
    pub creator: u64,
    pub samples: u64,
}
