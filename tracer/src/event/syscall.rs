//! Syscall events and what was copied from the target's memory with them.

use serde::{Deserialize, Serialize};
use tracer_common::capture::{STACK_FRAMES, kind};

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

impl SyscallEnter {
    /// Whether something could not be read when the call began.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread() != 0
    }

    /// How many strings, buffers and structures could not be read.
    #[must_use]
    pub fn unread(&self) -> u64 {
        unread(&self.captures)
    }

    /// The captures that belong to arguments.
    #[must_use]
    pub fn of_arguments(&self) -> &[Capture] {
        &self.captures[usize::from(self.stack().is_some())..]
    }

    /// The first addresses of the stack on which the call was made, if they came with it.
    #[must_use]
    pub fn stack(&self) -> Option<CallerStack<'_>> {
        let first = self.captures.first();
        first.filter(|c| c.kind == kind::STACK).map(CallerStack)
    }

    /// Takes what could be read when the call ended in the place of what could not when it began.
    pub fn fill(&mut self, late: Vec<Capture>) {
        for capture in late {
            let place = |c: &Capture| c.place() == capture.place();
            match self.captures.iter_mut().find(|c| place(c)) {
                Some(unread) if unread.status == CaptureStatus::Fault => *unread = capture,
                Some(_) => {}
                None => self.captures.push(capture),
            }
        }
    }
}

/// The innermost addresses of a stack: a [`kind::STACK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerStack<'a>(&'a Capture);

impl CallerStack<'_> {
    /// Innermost first: that of the call itself, then return addresses.
    pub fn addresses(self) -> impl Iterator<Item = u64> {
        let words = self.0.data.chunks_exact(8).take(STACK_FRAMES);
        words.map(|word| u64::from_le_bytes(word.try_into().expect("chunks of eight")))
    }

    /// The return address of the innermost function, if that has no frame: such a function's
    /// caller is not among the addresses. Of another function, any number.
    #[must_use]
    pub const fn leaf_return(self) -> u64 {
        self.0.wanted
    }

    /// Writes what tells stacks apart into `key`.
    pub fn write_key(self, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(&self.0.data);
        key.extend_from_slice(&self.0.wanted.to_le_bytes());
    }
}

impl Capture {
    /// What it is a capture of.
    #[must_use]
    pub const fn place(&self) -> (u8, u8, u8) {
        (self.arg, self.kind, self.index)
    }
}

/// How many captures could not be read.
#[must_use]
pub fn unread(captures: &[Capture]) -> u64 {
    let unread = captures.iter().filter(|c| c.status == CaptureStatus::Fault);
    unread.count() as u64
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

impl SyscallExit {
    /// The entry of a call that seccomp let fail before its entry could be seen; `None` for what has
    /// not brought its arguments ([`kind::ARGUMENTS`]).
    #[must_use]
    pub fn unseen_entry(&self) -> Option<SyscallEnter> {
        let (arguments, captures): (Vec<_>, Vec<_>) = self
            .captures
            .iter()
            .cloned()
            .partition(|c| c.kind == kind::ARGUMENTS);
        let mut args = [0; 6];
        let words = arguments.first()?.data.as_chunks::<8>().0;
        for (arg, word) in args.iter_mut().zip(words) {
            *arg = u64::from_le_bytes(*word);
        }
        Some(SyscallEnter {
            nr: self.nr,
            args,
            captures,
            compat: self.compat,
            captures_cut: self.captures_cut,
        })
    }
}

/// Bytes behind one pointer argument; see [`tracer_common::capture`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Index of the pointer argument, or [`tracer_common::capture::STACK_ARG`].
    pub arg: u8,
    /// One of [`tracer_common::capture::kind`].
    pub kind: u8,
    /// Place in an argument vector, or 1 + place in an `iovec` array.
    pub index: u8,
    pub status: CaptureStatus,
    /// Bytes there were to copy, as far as known; of a string that could not be read, its address.
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
