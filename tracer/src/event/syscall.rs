//! Syscall events and what was copied from the target's memory with them.

use serde::{Deserialize, Serialize};

/// A syscall was entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallEnter {
    pub nr: u32,
    pub args: [u64; 6],
    pub captures: Vec<Capture>,
    /// The 32-bit ABI was used.
    pub compat: bool,
    /// There was no room for all captures.
    pub captures_cut: bool,
}

/// A syscall returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallExit {
    pub nr: u32,
    /// The return value; -4095 to -1 are error numbers.
    pub ret: i64,
    pub captures: Vec<Capture>,
    /// The 32-bit ABI was used.
    pub compat: bool,
    /// There was no room for all captures.
    pub captures_cut: bool,
}

/// Bytes behind one pointer argument; see [`tracer_common::capture`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Index of the pointer argument.
    pub arg: u8,
    /// One of [`tracer_common::capture::kind`].
    pub kind: u8,
    /// Place in an argument vector, or 1 + place in an `iovec` array.
    pub index: u8,
    pub status: CaptureStatus,
    /// Bytes there were to copy, as far as known.
    pub wanted: u64,
    pub data: Vec<u8>,
}

/// What became of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaptureStatus {
    /// All of it is there.
    #[default]
    Ok,
    /// Clipped to a limit.
    Truncated,
    /// The memory could not be read from the probe.
    Fault,
    /// The NULL that ends an argument vector was seen.
    End,
}
