//! Processes: creation, `execve`, waiting, limits, `prctl`.

use tracer_common::capture::{self, CaptureRule};

use crate::event::{Capture, CaptureStatus};
use crate::syscall::arg::{Comma, Custom, Form, Layout};
use crate::syscall::flags::process;
use crate::syscall::signal::push_signal;

use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

const fn rule(kind: u8, phase: u8, size: u16) -> [CaptureRule; 1] {
    [CaptureRule {
        kind,
        phase,
        len_from: capture::len::FIXED,
        size,
        arg: 0,
        len_arg: 1,
        word: 0,
    }]
}

const STRUCT: u8 = capture::kind::STRUCT;
const ENTER: u8 = capture::phase::ENTER;
const EXIT: u8 = capture::phase::EXIT;

/// `["echo", "hi"]`; a vector that was not read to its end ends in `...`.
pub(super) fn print_argv(p: &mut Printer<'_>, index: usize) {
    let mut shown = 0;
    let mut complete = false;
    let limit = p.element_limit();
    if !p.is_verbose() {
        return p.address_of(index);
    }
    for c in p.captures(Phase::Enter) {
        if usize::from(c.arg) != index || c.kind != capture::kind::STRINGS {
            continue;
        }
        match c.status {
            CaptureStatus::End => complete = true,
            CaptureStatus::Fault if c.wanted == 0 || shown >= limit => {}
            CaptureStatus::Fault => {
                p.text(if shown == 0 { "[" } else { ", " });
                p.unread(c.wanted);
                shown += 1;
            }
            CaptureStatus::Ok | CaptureStatus::Truncated if shown < limit => {
                p.text(if shown == 0 { "[" } else { ", " });
                let len = (c.data.len() as u64).max(c.wanted);
                p.string(&c.data, len);
                shown += 1;
            }
            CaptureStatus::Ok | CaptureStatus::Truncated => {
                complete = false;
                break;
            }
        }
    }
    match (shown, complete) {
        (0, true) => p.text("[]"),
        (0, false) if limit == 0 => p.text("[...]"),
        (0, false) => p.vector_missing(index),
        (_, true) => p.text("]"),
        (_, false) => p.text(", ...]"),
    }
}

/// `0x7ffd… /* 39 vars */`, or all of them.
pub(super) fn print_envp(p: &mut Printer<'_>, index: usize) {
    let is_string = |c: &Capture| usize::from(c.arg) == index && c.kind == capture::kind::STRINGS;
    if !p.is_abbreviated() && p.captures(Phase::Enter).iter().any(is_string) {
        return print_argv(p, index);
    }
    p.address_of(index);
    if !p.is_verbose() {
        return;
    }
    let Some(capture) = p.capture(Phase::Enter, index, 0) else {
        return;
    };
    let more = if capture.status == CaptureStatus::Truncated {
        "+"
    } else {
        ""
    };
    let plural = if capture.wanted == 1 { "" } else { "s" };
    put!(p, " /* {}{more} var{plural} */", capture.wanted);
}

impl Printer<'_> {
    /// Prints the address of a vector of which nothing was captured, and counts that.
    fn vector_missing(&mut self, index: usize) {
        self.capture(Phase::Enter, index, u8::MAX);
        self.address_of(index);
    }

    fn clone_flags(&mut self, flags: u64) {
        self.flags(&process::CLONE, flags);
    }
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_SETTLS: u64 = 0x0008_0000;
const CLONE_PARENT_SETTID: u64 = 0x0010_0000;
const CLONE_CHILD: u64 = 0x0020_0000 | 0x0100_0000;

/// The stack of `clone`: printed first, though it is the second argument.
pub static CLONE_STACK: Custom = Custom {
    register: Some(1),
    form: Some(Form::Address),
    print: |p, _| {
        p.text("child_stack=");
        p.address_of(1);
    },
    ..Custom::PLAIN
};

/// Flags and exit signal of `clone`: printed second.
pub static CLONE_FLAGS: Custom = Custom {
    register: Some(0),
    form: Some(Form::Flags64),
    print: |p, _| {
        const CSIGNAL: u64 = 0xff;
        let flags = p.arg(0);
        p.text("flags=");
        if flags & !CSIGNAL != 0 {
            p.clone_flags(flags & !CSIGNAL);
            p.text(if flags & CSIGNAL != 0 { "|" } else { "" });
        }
        match flags & CSIGNAL {
            0 if flags != 0 => {}
            0 => p.text("0"),
            signal => p.signal_name(signal as u32),
        }
    },
    ..Custom::PLAIN
};

/// Where `clone` stores the thread id or the pid descriptor.
pub static CLONE_PARENT_TID: Custom = Custom {
    rules: &rule(STRUCT, EXIT, 4),
    at_exit: |_| true,
    shown: |args| args[0] & (CLONE_PARENT_SETTID | CLONE_PIDFD) != 0,
    comma: Comma::Late,
    print: |p, index| {
        p.text("parent_tid=");
        p.structure(Phase::Exit, index, &INT);
    },
    ..Custom::PLAIN
};

/// Thread-local storage of `clone`: printed fourth, though it is the fifth argument.
pub static CLONE_TLS: Custom = Custom {
    register: Some(4),
    print: |p, _| p.clone_tls(4),
    ..CLONE_TLS_TEMPLATE
};

/// [`CLONE_TLS`] where it is the fourth argument (`CONFIG_CLONE_BACKWARDS`).
pub static CLONE_TLS_A64: Custom = CLONE_TLS_TEMPLATE;

const CLONE_TLS_TEMPLATE: Custom = Custom {
    form: Some(Form::Address),
    at_exit: |_| true,
    shown: |args| args[0] & CLONE_SETTLS != 0,
    comma: Comma::Late,
    print: |p, index| p.clone_tls(index),
    ..Custom::PLAIN
};

/// Where `clone` stores or clears the child's thread id: printed last, though it is the fourth
/// argument.
pub static CLONE_CHILD_TID: Custom = Custom {
    register: Some(3),
    print: |p, _| p.clone_child_tid(3),
    ..CLONE_CHILD_TID_TEMPLATE
};

/// [`CLONE_CHILD_TID`] where it is the fifth argument.
pub static CLONE_CHILD_TID_A64: Custom = CLONE_CHILD_TID_TEMPLATE;

const CLONE_CHILD_TID_TEMPLATE: Custom = Custom {
    form: Some(Form::Address),
    at_exit: |_| true,
    shown: |args| args[0] & CLONE_CHILD != 0,
    comma: Comma::Late,
    print: |p, index| p.clone_child_tid(index),
    ..Custom::PLAIN
};

/// `struct clone_args` of `clone3` (`linux/sched.h`), its size in argument 1.
pub static CLONE_ARGS: Custom = Custom {
    rules: &[
        super::rule::counted(ENTER, 1, 1),
        super::rule::behind_word(super::rule::fixed(EXIT, 4), CLONE_ARGS_PIDFD),
        super::rule::behind_word(super::rule::fixed(EXIT, 4), CLONE_ARGS_PARENT_TID),
        CaptureRule {
            kind: STRUCT | capture::kind::FOLLOW,
            phase: ENTER,
            len_from: capture::len::FIELD,
            size: 4,
            arg: 0,
            len_arg: CLONE_ARGS_SET_TID + 1,
            word: CLONE_ARGS_SET_TID,
        },
    ],
    print: |p, index| match p.bytes(Phase::Enter, index, 64) {
        Some(b) => p.clone_args(index, b),
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Words of `struct clone_args`.
const CLONE_ARGS_PIDFD: u8 = 1;
const CLONE_ARGS_PARENT_TID: u8 = 3;
const CLONE_ARGS_SET_TID: u8 = 8;

/// Size of `struct clone_args`, after what the kernel stored: ` => {parent_tid=[5]}, 88`.
pub static CLONE_ARGS_SIZE: Custom = Custom {
    form: Some(Form::UInt64),
    at_exit: |_| true,
    comma: Comma::Own,
    print: |p, index| {
        p.clone_results();
        put!(p, ", {}", p.arg(index));
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn clone_tls(&mut self, index: usize) {
        self.text("tls=");
        self.hex(self.arg(index));
    }

    fn clone_child_tid(&mut self, index: usize) {
        self.text("child_tidptr=");
        self.address_of(index);
    }

    /// What the kernel stored where words of `struct clone_args` point to.
    fn clone_results(&mut self) {
        let flags = match self.bytes(Phase::Enter, 0, 64) {
            Some(b) if !self.failed() => b.u64_at(0),
            _ => return,
        };
        let mut separator = " => {";
        for (bit, name, word) in [
            (CLONE_PIDFD, "pidfd", CLONE_ARGS_PIDFD),
            (CLONE_PARENT_SETTID, "parent_tid", CLONE_ARGS_PARENT_TID),
        ] {
            let stored = self.captures(Phase::Exit).iter().find(|c| c.index == word);
            if let (true, Some(c)) = (flags & bit != 0, stored.filter(|c| c.data.len() == 4)) {
                put!(self, "{separator}{name}=[{}]", c.data.i32_at(0));
                separator = ", ";
            }
        }
        self.text(if separator == ", " { "}" } else { "" });
    }

    fn clone_args(&mut self, index: usize, b: &[u8]) {
        const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
        let flags = b.u64_at(0);
        self.text("{flags=");
        self.clone_flags(flags);
        for (bit, name, at) in [
            (CLONE_PIDFD, "pidfd", 8),
            (CLONE_CHILD, "child_tid", 16),
            (CLONE_PARENT_SETTID, "parent_tid", 24),
        ] {
            if flags & bit != 0 {
                put!(self, ", {name}=");
                self.pointer(b.u64_at(at));
            }
        }
        self.text(", exit_signal=");
        match b.u64_at(32) {
            signal @ 1..=64 => self.signal_name(signal as u32),
            other => put!(self, "{other}"),
        }
        self.text(", stack=");
        self.pointer(b.u64_at(40));
        self.text(", stack_size=");
        self.hex(b.u64_at(48));
        if flags & CLONE_SETTLS != 0 {
            self.text(", tls=");
            self.hex(b.u64_at(56));
        }
        if b.u64_at(64) != 0 || b.u64_at(72) != 0 {
            self.text(", set_tid=");
            let ids = self.captures(Phase::Enter).iter();
            let mut ids = ids.filter(|c| c.index == CLONE_ARGS_SET_TID && !c.data.is_empty());
            match ids.next() {
                Some(c) => self.array(&c.data, 4, b.u64_at(72), |p, b| put!(p, "{}", b.i32_at(0))),
                None => self.pointer(b.u64_at(64)),
            }
            put!(self, ", set_tid_size={}", b.u64_at(72));
        }
        if flags & CLONE_INTO_CGROUP != 0 {
            put!(self, ", cgroup={}", b.u64_at(80));
        }
        self.unknown_tail(b, 88, self.arg(index + 1));
        self.text("}");
    }
}

impl Printer<'_> {
    /// Bytes of a structure after those that are known: `, /* bytes 88..95 */ "\x01…"`. `size` is
    /// what the caller says the structure has.
    pub(super) fn unknown_tail(&mut self, b: &[u8], known: usize, size: u64) {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(b.len());
        let rest = b.get(known..size).unwrap_or_default();
        if rest.iter().any(|&b| b != 0) {
            put!(self, ", /* bytes {known}..{} */ ", size - 1);
            let shown = rest.len().min(self.limit);
            super::text::push_hex_quoted(&mut self.out, &rest[..shown]);
            self.text(if shown < rest.len() { "..." } else { "" });
        }
    }
}

/// Wait status of `wait4`: shown when a child was found.
pub static WAIT_STATUS: Custom = Custom {
    rules: &rule(STRUCT, EXIT, 4),
    at_exit: |_| true,
    print: |p, index| match p.bytes(Phase::Exit, index, 4).filter(|_| p.ret() != 0) {
        Some(b) => {
            p.text("[");
            p.wait_status(b.u32_at(0) & 0xffff);
            p.wait_event(b.u32_at(0));
            p.text("]");
        }
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Resource usage of `wait4`: shown when a child was found.
pub static WAIT_RUSAGE: Custom = Custom {
    rules: &rule(STRUCT, EXIT, 144),
    at_exit: |_| true,
    print: |p, index| match p.ret() {
        0 => p.address_of(index),
        _ => p.structure(Phase::Exit, index, &RUSAGE),
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    /// The event of a traced process in the upper half of a stop's status.
    fn wait_event(&mut self, status: u32) {
        let (event, low) = (status >> 16, status & 0xffff);
        if event == 0 {
            return;
        }
        self.text("|");
        self.name(&process::WAIT_EVENT, event.into());
        self.text("<<16");
        if low & 0xff != 0x7f && low & 0xff00 != 0 {
            put!(self, "|{:#x}", low & 0xff00);
        }
    }

    /// `{WIFEXITED(s) && WEXITSTATUS(s) == 0}` (`wait.h`).
    fn wait_status(&mut self, status: u32) {
        const CONTINUED: u32 = 0xffff;
        let (signal, high) = (status & 0x7f, status >> 8 & 0xff);
        match (status, signal) {
            (CONTINUED, _) => self.text("{WIFCONTINUED(s)}"),
            (_, 0) => put!(self, "{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}"),
            (_, 0x7f) => {
                self.text("{WIFSTOPPED(s) && WSTOPSIG(s) == ");
                // With `PTRACE_O_TRACESYSGOOD` bit 7 marks a syscall stop.
                push_signal(&mut self.out, high & 0x7f);
                self.text(if high & 0x80 != 0 { " | 0x80}" } else { "}" });
            }
            _ => {
                self.text("{WIFSIGNALED(s) && WTERMSIG(s) == ");
                push_signal(&mut self.out, signal);
                self.text(if status & 0x80 != 0 {
                    " && WCOREDUMP(s)}"
                } else {
                    "}"
                });
            }
        }
    }
}

/// `int *`.
pub static INT: Layout = Layout {
    size: 4,
    print: |p, b| put!(p, "[{}]", b.i32_at(0)),
};

/// `unsigned int *`.
pub static UINT: Layout = Layout {
    size: 4,
    print: |p, b| put!(p, "[{}]", b.u32_at(0)),
};

/// `int` in an array.
pub static INT_ELEMENT: Layout = Layout {
    size: 4,
    print: |p, b| put!(p, "{}", b.i32_at(0)),
};

/// `off_t *`.
pub static LONG: Layout = Layout {
    size: 8,
    print: |p, b| put!(p, "[{}]", b.i64_at(0)),
};

/// A 64-bit word in hexadecimal.
pub static WORD: Layout = Layout {
    size: 8,
    print: |p, b| {
        p.text("[");
        p.hex(b.u64_at(0));
        p.text("]");
    },
};

/// `unsigned long` in decimal.
pub static SIZE: Layout = Layout {
    size: 8,
    print: |p, b| put!(p, "[{}]", b.u64_at(0)),
};

/// A pointer to a pointer.
pub static POINTER: Layout = Layout {
    size: 8,
    print: |p, b| {
        p.text("[");
        p.pointer(b.u64_at(0));
        p.text("]");
    },
};

/// `int[2]` of `pipe` and `socketpair`.
pub static INT_PAIR: Layout = Layout {
    size: 8,
    print: |p, b| {
        p.text("[");
        p.descriptor(b.i32_at(0));
        p.text(", ");
        p.descriptor(b.i32_at(4));
        p.text("]");
    },
};

/// A user or group id in a list.
pub static ID_ELEMENT: Layout = Layout {
    size: 4,
    print: |p, b| p.id(b.u32_at(0)),
};

/// A user or group id behind a pointer.
pub static ID: Layout = Layout {
    size: 4,
    print: |p, b| {
        p.text("[");
        p.id(b.u32_at(0));
        p.text("]");
    },
};

/// A user or group id, -1 for "unchanged".
pub static ID_ARG: Custom = Custom {
    form: Some(Form::Int32),
    print: |p, index| p.id(p.arg(index) as u32),
    ..Custom::PLAIN
};

/// Offset that `sendfile` reads and updates.
pub static SENDFILE_OFFSET: Custom = Custom {
    rules: &rule(STRUCT, ENTER | EXIT, 8),
    print: |p, index| p.structure(Phase::Enter, index, &LONG),
    ..Custom::PLAIN
};

/// Count of `sendfile`, after what became of the offset: ` => [80], 100`.
pub static SENDFILE_COUNT: Custom = Custom {
    form: Some(Form::UInt64),
    at_exit: |args| args[2] != 0,
    comma: Comma::Own,
    print: |p, index| {
        if p.arg(2) != 0 {
            if p.ret() > 0 {
                p.text(" => ");
                p.structure(Phase::Exit, 2, &LONG);
            }
            p.text(", ");
        }
        put!(p, "{}", p.arg(index));
    },
    ..Custom::PLAIN
};

/// `struct rusage`, of which strace shows the CPU times.
pub static RUSAGE: Layout = Layout {
    size: 144,
    print: |p, b| {
        p.text("{ru_utime=");
        p.seconds(b, "usec");
        p.text(", ru_stime=");
        p.seconds(&b[16..], "usec");
        if p.is_abbreviated() {
            return p.text(", ...}");
        }
        for (i, name) in USAGE.iter().enumerate() {
            put!(p, ", ru_{name}={}", b.u64_at(32 + 8 * i));
        }
        p.text("}");
    },
};

/// Counters of `struct rusage` (`linux/resource.h`), in their order.
const USAGE: [&str; 14] = [
    "maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt", "nswap", "inblock", "oublock",
    "msgsnd", "msgrcv", "nsignals", "nvcsw", "nivcsw",
];

/// `struct rlimit`.
pub static RLIMIT: Layout = Layout {
    size: 16,
    print: |p, b| {
        p.text("{rlim_cur=");
        p.limit_value(b.u64_at(0));
        p.text(", rlim_max=");
        p.limit_value(b.u64_at(8));
        p.text("}");
    },
};

impl Printer<'_> {
    fn limit_value(&mut self, value: u64) {
        match value {
            u64::MAX => self.formed(|p| put!(p, "{value}"), |p| p.text("RLIM64_INFINITY")),
            _ if value > 1024 && value.is_multiple_of(1024) => {
                self.formed(|p| put!(p, "{value}"), |p| put!(p, "{}*1024", value / 1024))
            }
            _ => put!(self, "{value}"),
        }
    }
}

/// `struct new_utsname`.
pub static UTSNAME: Layout = Layout {
    size: 390,
    print: |p, b| {
        p.text("{sysname=");
        p.c_string(&b[..65]);
        p.text(", nodename=");
        p.c_string(&b[65..130]);
        if p.is_abbreviated() {
            return p.text(", ...}");
        }
        let names = ["release", "version", "machine", "domainname"];
        for (name, field) in names.into_iter().zip(b[130..].chunks_exact(65)) {
            put!(p, ", {name}=");
            p.c_string(field);
        }
        p.text("}");
    },
};

/// `struct sysinfo`.
pub static SYSINFO: Layout = Layout {
    size: 112,
    print: |p, b| {
        put!(
            p,
            "{{uptime={}, loads=[{}, {}, {}]",
            b.i64_at(0),
            b.u64_at(8),
            b.u64_at(16),
            b.u64_at(24)
        );
        let names = [
            "totalram",
            "freeram",
            "sharedram",
            "bufferram",
            "totalswap",
            "freeswap",
        ];
        for (i, name) in names.into_iter().enumerate() {
            put!(p, ", {name}={}", b.u64_at(32 + i * 8));
        }
        put!(
            p,
            ", procs={}, totalhigh={}, freehigh={}, mem_unit={}}}",
            b.u16_at(80),
            b.u64_at(88),
            b.u64_at(96),
            b.u32_at(104)
        );
    },
};

/// Result of `personality`: the old one.
pub fn personality_result(p: &mut Printer<'_>, ret: i64) {
    let value = ret.cast_unsigned();
    p.hex(value);
    p.note("", |p| p.personality(value));
}

/// Argument of `personality`.
pub static PERSONALITY: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| match p.arg(index) & 0xffff_ffff {
        0xffff_ffff => p.text("0xffffffff"),
        value => p.personality(value),
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn personality(&mut self, value: u64) {
        const PER_MASK: u64 = 0xff;
        self.name(&process::PER, value & PER_MASK);
        if value & !PER_MASK != 0 {
            self.text("|");
            self.flags(&process::PERSONALITY, value & !PER_MASK);
        }
    }
}

/// Data of `getrandom`: strace shows all of it in hexadecimal.
pub static RANDOM_BYTES: Custom = Custom {
    form: Some(Form::Bytes),
    rules: &[CaptureRule {
        kind: capture::kind::BUFFER,
        phase: EXIT,
        len_from: capture::len::RET,
        size: 1,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |_| true,
    print: |p, index| match p.capture(Phase::Exit, index, 0) {
        Some(c) => {
            let shown = c.data.len().min(p.limit);
            super::text::push_hex_quoted(&mut p.out, &c.data[..shown]);
            if p.ret().cast_unsigned() > shown as u64 {
                p.text("...");
            }
        }
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};
