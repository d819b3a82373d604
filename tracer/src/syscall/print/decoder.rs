//! From the two halves of a call to the pieces of a line.

use std::cell::RefCell;
use std::fmt::Write;

use crate::event::{SyscallEnter, SyscallExit};
use crate::process::{Descriptors, NetlinkSockets, returns_descriptor};
use crate::syscall::arg::{Comma, Kind, Registers, Ret, Syscall};
use crate::syscall::errno::{errno, restarts};
use crate::syscall::machine::Machine;
use crate::syscall::table;

use super::options::DecodeOptions;
use super::printer::{Printer, put};
use super::signal::push_siginfo;
use super::thread_names::ThreadNames;

/// Formats calls. Keeps count of what could not be shown.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(super) options: DecodeOptions,
    machine: Option<Machine>,
    pub(super) faults: u64,
    /// What descriptors refer to, when that is shown.
    descriptors: Option<RefCell<Descriptors>>,
    /// Sockets whose messages are decoded.
    netlink: RefCell<NetlinkSockets>,
    /// Process of the calls.
    pid: u32,
    thread_names: ThreadNames,
}

impl Decoder {
    /// For the calls of [`Machine::HOST`]. `string_limit` is the number of bytes of a string, and of
    /// elements of an array, to show.
    #[must_use]
    pub fn new(string_limit: usize) -> Self {
        Self::with_options(DecodeOptions::limited(string_limit))
    }

    /// Shows what the options say.
    #[must_use]
    pub fn with_options(options: DecodeOptions) -> Self {
        let tables = options.track_descriptors || !options.descriptors.is_empty();
        Self {
            options,
            machine: Some(Machine::HOST),
            faults: 0,
            descriptors: tables.then(RefCell::default),
            netlink: RefCell::default(),
            pid: 0,
            thread_names: ThreadNames::default(),
        }
    }

    /// The tables of descriptors, when they are shown: the caller keeps them up to date.
    pub fn descriptors(&mut self) -> Option<&mut Descriptors> {
        self.descriptors.as_mut().map(RefCell::get_mut)
    }

    /// Names of threads: the caller keeps them up to date.
    #[must_use]
    pub fn thread_names(&self) -> ThreadNames {
        self.thread_names.clone()
    }

    /// What strace puts between the dashes of a signal: `SIGCHLD {si_signo=SIGCHLD, …}`.
    #[must_use]
    pub fn signal(&self, signo: u32, info: Option<&[u8]>) -> String {
        let mut p = self.printer(None, None);
        push_siginfo(&mut p, signo, info);
        p.finish().0
    }

    /// The next calls are of this process.
    pub const fn of_process(&mut self, pid: u32) {
        self.pid = pid;
    }

    pub(super) fn printer<'a>(
        &'a self,
        enter: Option<&'a SyscallEnter>,
        exit: Option<&'a SyscallExit>,
    ) -> Printer<'a> {
        let mut printer =
            Printer::new(enter, exit, &self.options).with_netlink(self.pid, &self.netlink);
        if self.options.thread_names {
            printer = printer.with_thread_names(&self.thread_names);
        }
        match &self.descriptors {
            Some(tables) => printer.with_descriptors(self.pid, tables),
            None => printer,
        }
    }

    /// Keeps track of the sockets of netlink; `ret` is 0 when the call begins.
    fn track_netlink(&self, name: &str, args: &Registers, ret: i64) {
        const AF_NETLINK: u64 = 16;
        let mut sockets = self.netlink.borrow_mut();
        match name {
            "close" => sockets.closed(self.pid, args[0] as i32),
            "socket" if args[0] == AF_NETLINK && ret > 0 => {
                sockets.opened(self.pid, ret as i32, args[2] as u32);
            }
            _ => {}
        }
    }

    /// Whether a call's arguments are shown as numbers.
    pub(super) fn is_raw(&self, nr: u32) -> bool {
        self.options.raw.contains(nr)
    }

    /// From now on the calls are those of `machine`; without one all are shown by number.
    pub fn set_machine(&mut self, machine: Option<Machine>) {
        self.machine = machine;
        for set in [&mut self.options.raw, &mut self.options.verbose] {
            *set = set.on(machine);
        }
        if let Some(tables) = self.descriptors() {
            tables.set_machine(machine);
        }
    }

    /// Arguments printed as addresses so far because their memory could not be read.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// The name, or `syscall_0x1c3` for numbers without one.
    #[must_use]
    pub fn name(&self, nr: u32, compat: bool) -> String {
        table::name_on(self.machine.filter(|_| !compat), nr)
    }

    /// Whether a number is that of the call of this name.
    pub(crate) fn is_called(&self, nr: u32, compat: bool, name: &str) -> bool {
        self.row(nr, compat).is_some_and(|row| row.name == name)
    }

    /// The 32-bit ABI has other numbers: its calls are shown by number.
    pub(crate) fn row(&self, nr: u32, compat: bool) -> Option<&'static Syscall> {
        let machine = self.machine.filter(|_| !compat)?;
        table::lookup_on(machine, nr)
    }

    /// What is known at entry: `read(3, `.
    pub fn begin(&mut self, enter: &SyscallEnter) -> String {
        if let Some(row) = self.row(enter.nr, enter.compat) {
            self.track_netlink(row.name, &enter.args, 0);
        }
        let mut p = self.printer(Some(enter), None);
        match self.row(enter.nr, enter.compat) {
            Some(row) if self.is_raw(enter.nr) => {
                put!(p, "{}(", row.name);
                raw_arguments(&mut p, row.args.len());
            }
            Some(row) => {
                put!(p, "{}(", row.name);
                first_arguments(&mut p, row);
            }
            None => {
                put!(p, "{}(", self.name(enter.nr, enter.compat));
                raw_arguments(&mut p, 6);
            }
        }
        let (text, faults) = p.finish();
        self.faults += faults;
        text
    }

    /// Whether all arguments are printed at entry.
    #[must_use]
    pub fn complete_at_entry(&self, enter: &SyscallEnter) -> bool {
        self.is_raw(enter.nr)
            || self
                .row(enter.nr, enter.compat)
                .is_none_or(|row| split(row, &enter.args) == row.args.len())
    }

    /// Whether the call has no end.
    #[must_use]
    pub fn never_returns(&self, enter: &SyscallEnter) -> bool {
        self.row(enter.nr, enter.compat)
            .is_some_and(|row| matches!(row.ret, Ret::Never))
    }

    /// The rest of the arguments, without the closing parenthesis. Empty when the entry was not
    /// seen.
    pub fn rest(&mut self, enter: Option<&SyscallEnter>, exit: &SyscallExit) -> String {
        let (Some(enter), Some(row)) = (enter, self.row(exit.nr, exit.compat)) else {
            return String::new();
        };
        if self.is_raw(exit.nr) {
            return String::new();
        }
        let mut p = self.printer(Some(enter), Some(exit));
        last_arguments(&mut p, row);
        let (text, faults) = p.finish();
        self.faults += faults;
        text
    }

    /// The result: `3`, `-1 ENOENT (No such file or directory)`, `? ERESTARTSYS (To be
    /// restarted if SA_RESTART is set)`.
    pub fn result(&mut self, enter: Option<&SyscallEnter>, exit: &SyscallExit) -> String {
        if let (Some(enter), Some(row)) = (enter, self.row(exit.nr, exit.compat)) {
            self.track_netlink(row.name, &enter.args, exit.ret);
        }
        let mut p = self.printer(enter, Some(exit));
        if p.failed() {
            push_error(&mut p.out, exit.ret.unsigned_abs());
        } else if self.is_raw(exit.nr) {
            p.hex(exit.ret.cast_unsigned());
        } else {
            success(
                &mut p,
                self.row(exit.nr, exit.compat),
                enter.is_some(),
                exit.ret,
            );
            if let Some(row) = self.row(exit.nr, exit.compat) {
                p.name_result(row.name, exit.ret);
            }
            let row = enter.and_then(|e| Some((self.row(e.nr, e.compat)?, &e.args)));
            if row.is_some_and(|(row, args)| returns_descriptor(row, args)) {
                p.referent(exit.ret as i32);
            }
        }
        let (text, faults) = p.finish();
        self.faults += faults;
        text
    }
}

/// Index of the first argument that waits for the end of the call.
pub(super) fn split(row: &Syscall, args: &Registers) -> usize {
    row.args
        .iter()
        .position(|(_, kind)| kind.shown(args) && kind.at_exit(args))
        .unwrap_or(row.args.len())
}

fn first_arguments(p: &mut Printer<'_>, row: &'static Syscall) {
    let args = p.args;
    let split = split(row, &args);
    let mut separator = "";
    for (index, (name, kind)) in row.args[..split].iter().enumerate() {
        if kind.shown(&args) {
            p.text(separator);
            argument(p, (row.name, name), kind, index);
            separator = ", ";
        }
    }
    if row
        .args
        .get(split)
        .is_some_and(|(_, kind)| kind.comma() == Comma::Early)
    {
        p.text(separator);
    }
}

fn last_arguments(p: &mut Printer<'_>, row: &'static Syscall) {
    let args = p.args;
    let split = split(row, &args);
    let mut separator = match row.args.get(split) {
        Some((_, kind)) if kind.comma() == Comma::Late => ", ",
        _ => "",
    };
    for (index, (name, kind)) in row.args.iter().enumerate().skip(split) {
        if kind.shown(&args) {
            p.text(separator);
            argument(p, (row.name, name), kind, index);
            separator = ", ";
        }
    }
}

/// One argument, with its name where that is asked for and does not stand there anyway.
fn argument(p: &mut Printer<'_>, (call, name): (&str, &str), kind: &Kind, index: usize) {
    let start = p.out.len();
    kind.print(p, index);
    p.name_argument(call, index);
    let named = p.out[start..]
        .split_once('=')
        .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    if p.options.argument_names && !named {
        p.out.insert_str(start, &format!("{name}="));
    }
}

fn raw_arguments(p: &mut Printer<'_>, count: usize) {
    for (i, value) in p.args.into_iter().take(count).enumerate() {
        p.text(if i > 0 { ", " } else { "" });
        p.hex(value);
    }
}

fn success(p: &mut Printer<'_>, row: Option<&'static Syscall>, entered: bool, ret: i64) {
    match row.map_or(Ret::Dec, |row| row.ret) {
        Ret::Hex => p.hex(ret.cast_unsigned()),
        // What is added to the result depends on the arguments.
        Ret::Custom(print) if entered => print(p, ret),
        Ret::Dec | Ret::Custom(_) => put!(p, "{ret}"),
        Ret::Never => p.text("?"),
    }
}

fn push_error(out: &mut String, number: u64) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let sign = if restarts(number) { "?" } else { "-1" };
    let _ = match errno(number) {
        Some((name, text)) => write!(out, "{sign} {name} ({text})"),
        None => write!(out, "-1 (errno {number})"),
    };
}
