//! What argument printers write to and read captures from.

use std::fmt::{self, Write};

use std::cell::RefCell;

use crate::event::{Capture, CaptureStatus, SyscallEnter, SyscallExit};
use crate::process::{Descriptors, NetlinkSockets};
use crate::syscall::arg::Registers;
use crate::syscall::flags::Names;
use crate::syscall::qualify::DescriptorDetails;

use super::options::{Constants, DecodeOptions};
use super::text::push_quoted_as;
use super::thread_names::ThreadNames;

/// Formats like `write!`, to a [`Printer`].
macro_rules! put {
    ($p:expr, $($format:tt)+) => { $p.format(format_args!($($format)+)) };
}
pub(super) use put;

/// Result of an interrupted call that goes on, and has told how much is left
/// (include/linux/errno.h).
pub(super) const ERESTART_RESTARTBLOCK: i64 = -516;

/// Bytes that most pieces of lines fit into.
const USUAL: usize = 96;

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
    pub(super) options: &'a DecodeOptions,
    /// Process of the call and the tables of descriptors, when they are shown.
    descriptors: Option<(u32, &'a RefCell<Descriptors>)>,
    /// Process of the call and what is known of sockets of netlink.
    netlink: Option<(u32, &'a RefCell<NetlinkSockets>)>,
    /// When they are shown.
    pub(super) thread_names: Option<&'a ThreadNames>,
    nr: u32,
    constants: Constants,
    enter: &'a [Capture],
    exit: Option<&'a SyscallExit>,
    faults: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        enter: Option<&'a SyscallEnter>,
        exit: Option<&'a SyscallExit>,
        options: &'a DecodeOptions,
    ) -> Self {
        let nr = enter.map(|e| e.nr).or(exit.map(|e| e.nr));
        Self {
            out: String::with_capacity(USUAL),
            args: enter.map_or([0; 6], |e| e.args),
            limit: options.string_limit,
            options,
            descriptors: None,
            netlink: None,
            thread_names: None,
            nr: nr.unwrap_or(u32::MAX),
            constants: options.constants,
            enter: enter.map_or(&[], SyscallEnter::of_arguments),
            exit,
            faults: 0,
        }
    }

    /// Descriptors are shown with what they refer to in process `pid`.
    pub(super) fn with_descriptors(mut self, pid: u32, tables: &'a RefCell<Descriptors>) -> Self {
        self.descriptors = Some((pid, tables));
        self
    }

    /// Messages of the netlink sockets of process `pid` are decoded.
    pub(super) fn with_netlink(mut self, pid: u32, sockets: &'a RefCell<NetlinkSockets>) -> Self {
        self.netlink = Some((pid, sockets));
        self
    }

    /// Ids of threads are shown with their names.
    pub(super) const fn with_thread_names(mut self, names: &'a ThreadNames) -> Self {
        self.thread_names = Some(names);
        self
    }

    /// The netlink family of the socket in the first argument.
    pub(super) fn netlink_family(&self) -> Option<u32> {
        let (pid, sockets) = self.netlink?;
        sockets.borrow_mut().family(pid, self.arg(0) as i32)
    }

    /// Whether structures are shortened.
    pub(super) fn is_abbreviated(&self) -> bool {
        self.options.abbrev.contains(self.nr)
    }

    /// Whether structures are followed.
    pub(super) fn is_verbose(&self) -> bool {
        self.options.verbose.contains(self.nr)
    }

    /// Elements of a list that are shown.
    pub(super) fn element_limit(&self) -> usize {
        match self.is_abbreviated() {
            true => self.limit,
            false => usize::MAX,
        }
    }

    /// The text so far and the number of captures that were missed in it.
    pub(super) fn finish(self) -> (String, u64) {
        (self.out, self.faults)
    }

    /// Captures that were missed so far.
    pub(super) const fn faults(&self) -> u64 {
        self.faults
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

    /// Bytes of an argument's first capture of one of [`tracer_common::capture::kind`]: an argument
    /// whose form depends on others has several.
    pub(super) fn capture_of(&mut self, phase: Phase, arg: usize, kind: u8) -> Option<&'a [u8]> {
        if self.arg(arg) == 0 || (phase == Phase::Exit && self.failed()) {
            return None;
        }
        let found = self
            .captures(phase)
            .iter()
            .find(|c| usize::from(c.arg) == arg && c.kind == kind)
            .filter(|c| c.status != CaptureStatus::Fault);
        if found.is_none() {
            self.faults += 1;
        }
        found.map(|c| c.data.as_slice())
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
    /// `None` where structures are not to be followed.
    pub(super) fn bytes(&mut self, phase: Phase, arg: usize, size: usize) -> Option<&'a [u8]> {
        if !self.is_verbose() {
            return None;
        }
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
        self.constant(value, |p| names.flags(&mut p.out, value));
    }

    pub(super) fn name(&mut self, names: &Names, value: u64) {
        self.constant(value, |p| names.value(&mut p.out, value));
    }

    /// A constant in the form asked for; `print` prints its names.
    pub(super) fn constant(&mut self, value: u64, print: impl FnOnce(&mut Self)) {
        let form = std::mem::replace(&mut self.constants, Constants::Names);
        match form {
            Constants::Names => print(self),
            Constants::Numbers => self.hex(value),
            Constants::Both => {
                let start = self.out.len();
                print(self);
                let names = self.out.split_off(start);
                // What has no name is a number already.
                if names.starts_with(|c: char| c.is_ascii_digit()) {
                    self.text(&names);
                } else {
                    self.hex(value);
                    put!(self, " /* {names} */");
                }
            }
        }
        self.constants = form;
    }

    /// A value that has a number and a text of its own, in the form asked for.
    pub(super) fn formed(&mut self, number: impl Fn(&mut Self), text: impl Fn(&mut Self)) {
        match self.constants {
            Constants::Names => text(self),
            Constants::Numbers => number(self),
            Constants::Both => {
                let start = self.out.len();
                text(self);
                let words = self.out.split_off(start);
                number(self);
                if self.out[start..] != words {
                    put!(self, " /* {words} */");
                }
            }
        }
    }

    /// The form of constants.
    pub(super) const fn constants(&self) -> Constants {
        self.constants
    }

    /// A descriptor's number and, when asked for, what it refers to.
    pub(super) fn descriptor(&mut self, fd: i32) {
        put!(self, "{fd}");
        self.referent(fd);
    }

    /// As [`Self::descriptor`], of a number that may be free.
    pub(super) fn open_descriptor(&mut self, fd: i32) {
        put!(self, "{fd}");
        self.described(|tables, pid, details| tables.describe_known(pid, fd, details));
    }

    /// `</etc/passwd>` after the number of a descriptor.
    pub(super) fn referent(&mut self, fd: i32) {
        self.described(|tables, pid, details| tables.describe(pid, fd, details));
    }

    fn described(
        &mut self,
        describe: impl FnOnce(&mut Descriptors, u32, DescriptorDetails) -> Option<String>,
    ) {
        let Some((pid, tables)) = self.descriptors else {
            return;
        };
        let details = self.options.descriptors;
        if details.is_empty() {
            return;
        }
        let Some(text) = describe(&mut tables.borrow_mut(), pid, details) else {
            return;
        };
        match text.strip_suffix(" (deleted)") {
            Some(path) => put!(self, "<{path}>(deleted)"),
            None => put!(self, "<{text}>"),
        }
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
        self.quoted(&bytes[..shown]);
        if len > shown as u64 {
            self.text("...");
        }
    }

    /// All of `bytes` between quotes, escaped in the form asked for.
    pub(super) fn quoted(&mut self, bytes: &[u8]) {
        push_quoted_as(&mut self.out, bytes, self.options.escapes);
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
        let shown = (data.len() / size.max(1)).min(self.element_limit());
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
