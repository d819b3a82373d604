//! What argument printers write to and read captures from.

use std::fmt::{self, Write};

use crate::event::{Capture, CaptureStatus, SyscallEnter, SyscallExit};
use crate::syscall::arg::Registers;
use crate::syscall::flags::Names;

use super::text::push_quoted;

/// Formats like `write!`, to a [`Printer`].
macro_rules! put {
    ($p:expr, $($format:tt)+) => { $p.format(format_args!($($format)+)) };
}
pub(super) use put;

/// Result of an interrupted call that goes on, and has told how much is left
/// (include/linux/errno.h).
pub(super) const ERESTART_RESTARTBLOCK: i64 = -516;

/// When a capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Enter,
    Exit,
}

/// One call being printed.
#[derive(Debug)]
pub struct Printer<'a> {
    pub(super) out: String,
    pub(super) args: Registers,
    /// Bytes of a string and elements of an array that are shown.
    pub(super) limit: usize,
    enter: &'a [Capture],
    exit: Option<&'a SyscallExit>,
    faults: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        enter: Option<&'a SyscallEnter>,
        exit: Option<&'a SyscallExit>,
        limit: usize,
    ) -> Self {
        Self {
            out: String::new(),
            args: enter.map_or([0; 6], |e| e.args),
            limit,
            enter: enter.map_or(&[], |e| e.captures.as_slice()),
            exit,
            faults: 0,
        }
    }

    /// The text so far and the number of captures that were missed in it.
    pub(super) fn finish(self) -> (String, u64) {
        (self.out, self.faults)
    }

    pub(super) fn format(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(arguments);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn arg(&self, index: usize) -> u64 {
        self.args.get(index).copied().unwrap_or(0)
    }

    /// The result, 0 while the call has not returned.
    pub(super) fn ret(&self) -> i64 {
        self.exit.map_or(0, |e| e.ret)
    }

    /// Whether the call returned an error.
    pub(super) fn failed(&self) -> bool {
        self.exit.is_some_and(|e| (-4095..0).contains(&e.ret))
    }

    /// The capture of an argument. A capture that could not be read counts as a fault.
    pub(super) fn capture(&mut self, phase: Phase, arg: usize, index: u8) -> Option<&'a Capture> {
        let failed = self.failed() && self.ret() != ERESTART_RESTARTBLOCK;
        if self.arg(arg) == 0 || (phase == Phase::Exit && failed) {
            return None;
        }
        let found = self
            .captures(phase)
            .iter()
            .find(|c| usize::from(c.arg) == arg && c.index == index)
            .filter(|c| c.status != CaptureStatus::Fault);
        if found.is_none() {
            self.faults += 1;
        }
        found
    }

    /// The address of something that was not read.
    pub(super) fn unread(&mut self, address: u64) {
        self.faults += 1;
        self.pointer(address);
    }

    /// All captures of a phase.
    pub(super) fn captures(&self, phase: Phase) -> &'a [Capture] {
        match phase {
            Phase::Enter => self.enter,
            Phase::Exit => self.exit.map_or(&[], |e| e.captures.as_slice()),
        }
    }

    /// At least `size` captured bytes of a structure.
    pub(super) fn bytes(&mut self, phase: Phase, arg: usize, size: usize) -> Option<&'a [u8]> {
        let data = &self.capture(phase, arg, 0)?.data;
        (data.len() >= size).then_some(data)
    }

    pub(super) fn pointer(&mut self, address: u64) {
        match address {
            0 => self.text("NULL"),
            _ => put!(self, "{address:#x}"),
        }
    }

    /// The address in an argument, for what could not be followed.
    pub(super) fn address_of(&mut self, arg: usize) {
        self.pointer(self.arg(arg));
    }

    /// C's `%#llx`.
    pub(super) fn hex(&mut self, value: u64) {
        match value {
            0 => self.text("0"),
            _ => put!(self, "{value:#x}"),
        }
    }

    pub(super) fn flags(&mut self, names: &Names, value: u64) {
        names.flags(&mut self.out, value);
    }

    pub(super) fn name(&mut self, names: &Names, value: u64) {
        names.value(&mut self.out, value);
    }

    /// A user or group id, where -1 means "unchanged".
    pub(super) fn id(&mut self, value: u32) {
        match value {
            u32::MAX => self.text("-1"),
            _ => put!(self, "{value}"),
        }
    }

    /// Bytes cut to the string limit; `len` is how many there were.
    pub(super) fn string(&mut self, bytes: &[u8], len: u64) {
        let shown = bytes.len().min(self.limit);
        push_quoted(&mut self.out, &bytes[..shown]);
        if len > shown as u64 {
            self.text("...");
        }
    }

    /// Bytes up to a NUL inside a structure, cut to the string limit.
    pub(super) fn c_string(&mut self, bytes: &[u8]) {
        let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        self.string(&bytes[..len], len as u64);
    }

    /// `[a, b, ...]` of `count` elements of `size` bytes, of which `data` holds the first.
    pub(super) fn array(
        &mut self,
        data: &[u8],
        size: usize,
        count: u64,
        mut element: impl FnMut(&mut Self, &[u8]),
    ) {
        self.text("[");
        let shown = (data.len() / size.max(1)).min(self.limit);
        let shown = shown.min(usize::try_from(count).unwrap_or(usize::MAX));
        for (i, bytes) in data.chunks_exact(size.max(1)).take(shown).enumerate() {
            if i > 0 {
                self.text(", ");
            }
            element(self, bytes);
        }
        if count > shown as u64 {
            self.text(if shown > 0 { ", ..." } else { "..." });
        }
        self.text("]");
    }
}
