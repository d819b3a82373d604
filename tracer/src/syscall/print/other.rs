//! Acting on other processes, and the rest that concerns a process: `ptrace`, `kcmp`,
//! `process_vm_readv`, capabilities, segments, `membarrier`, `reboot`.

use tracer_common::capture::kind;

use crate::syscall::arg::{Comma, Custom, Form, Layout, Registers};
use crate::syscall::flags::process;
use crate::syscall::signal::push_signal;

use super::fields::As;
use super::printer::{Phase, Printer, put};
use super::rule::{BOTH, ENTER, EXIT, counted, fixed, of_kind, string};
use super::struct_bytes::StructBytes;

/// A `struct iovec` whose buffer belongs to another process.
pub static IOVEC_REMOTE: Layout = Layout {
    size: 16,
    print: |p, b| p.record(b, &[("iov_base", 0, As::Pointer), ("iov_len", 8, As::U64)]),
};

/// The local vector of `process_vm_readv`: addresses only when nothing was read.
pub static IOVEC_READ: Custom = Custom {
    rules: &[
        of_kind(counted(EXIT, 2, 16), kind::IOVEC),
        counted(ENTER, 2, 16),
    ],
    at_exit: |_| true,
    print: |p, index| match p.failed() {
        true => p.structures(Phase::Enter, index, &IOVEC_REMOTE, p.arg(2)),
        false => super::msg::iovec_argument(p, Phase::Exit, index, 2),
    },
    ..Custom::PLAIN
};

const KCMP_FILE: u64 = 0;
const KCMP_EPOLL_TFD: u64 = 7;
/// Kinds of objects without a number (`linux/kcmp.h`).
const KCMP_UNNUMBERED: std::ops::RangeInclusive<u64> = 1..=6;

fn kcmp_is_numbered(args: &Registers) -> bool {
    !KCMP_UNNUMBERED.contains(&(args[2] & 0xffff_ffff))
}

/// First object of `kcmp`.
pub static KCMP_FIRST: Custom = Custom {
    shown: kcmp_is_numbered,
    print: |p, index| match p.arg(2) & 0xffff_ffff {
        KCMP_FILE | KCMP_EPOLL_TFD => put!(p, "{}", p.arg(index) as i32),
        _ => p.hex(p.arg(index)),
    },
    ..Custom::PLAIN
};

/// Second object of `kcmp`: for a target of an epoll, `struct kcmp_epoll_slot`.
pub static KCMP_SECOND: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(ENTER, 12)],
    shown: kcmp_is_numbered,
    print: |p, index| match p.arg(2) & 0xffff_ffff {
        KCMP_FILE => put!(p, "{}", p.arg(index) as i32),
        KCMP_EPOLL_TFD => match p.bytes(Phase::Enter, index, 12) {
            Some(b) => p.record(
                b,
                &[
                    ("efd", 0, As::I32),
                    ("tfd", 4, As::I32),
                    ("toff", 8, As::U32),
                ],
            ),
            None => p.address_of(index),
        },
        _ => p.hex(p.arg(index)),
    },
    ..Custom::PLAIN
};

/// `struct __user_cap_header_struct` (`linux/capability.h`).
pub static CAP_HEADER: Layout = Layout {
    size: 8,
    print: |p, b| {
        p.record(
            b,
            &[
                ("version", 0, As::Name32(&process::CAP_VERSION)),
                ("pid", 4, As::I32),
            ],
        );
    },
};

/// Capabilities of `capset`: one or, from version 2 on, two `struct __user_cap_data_struct`.
pub static CAP_DATA_IN: Custom = Custom {
    rules: &[fixed(ENTER, 24)],
    print: |p, index| p.capabilities(Phase::Enter, index),
    ..Custom::PLAIN
};

/// Capabilities of `capget`.
pub static CAP_DATA_OUT: Custom = Custom {
    rules: &[fixed(EXIT, 24)],
    at_exit: |_| true,
    print: |p, index| p.capabilities(Phase::Exit, index),
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn capabilities(&mut self, phase: Phase, index: usize) {
        const VERSIONS_OF_64_BITS: [u32; 2] = [0x2007_1026, 0x2008_0522];
        let Some(b) = self.bytes(phase, index, 12) else {
            return self.address_of(index);
        };
        let version = self.bytes(Phase::Enter, 0, 8).map_or(0, |b| b.u32_at(0));
        let wide = VERSIONS_OF_64_BITS.contains(&version);
        for (name, at) in [
            ("{effective=", 0),
            (", permitted=", 4),
            (", inheritable=", 8),
        ] {
            self.text(name);
            let high = if wide { b.u32_at(at + 12) } else { 0 };
            self.capability_set(u64::from(b.u32_at(at)) | u64::from(high) << 32);
        }
        self.text("}");
    }

    /// Low and high word are printed one after the other.
    fn capability_set(&mut self, set: u64) {
        let start = self.out.len();
        for shift in [0, 32] {
            let word = set >> shift & 0xffff_ffff;
            let mut rest = word;
            for bit in (0..32).filter(|bit| word & 1 << bit != 0) {
                if let Some(name) = process::CAP.get(bit + shift) {
                    self.bar(start);
                    put!(self, "1<<{name}");
                    rest &= !(1 << bit);
                }
            }
            if rest != 0 {
                let alone = self.out.len() == start;
                self.bar(start);
                put!(self, "{rest:#x}");
                self.text(if alone { " /* CAP_??? */" } else { "" });
            }
        }
        if self.out.len() == start {
            self.text("0");
        }
    }

    /// `|` where something was printed since `start`.
    fn bar(&mut self, start: usize) {
        let bar = if self.out.len() > start { "|" } else { "" };
        self.text(bar);
    }
}

/// `struct user_desc` (`asm/ldt.h` of x86).
pub static USER_DESC: Layout = Layout {
    size: 16,
    print: print_user_desc,
};

fn print_user_desc(p: &mut Printer<'_>, b: &[u8]) {
    let (entry, bits) = (b.u32_at(0), b.u32_at(12));
    p.text("{entry_number=");
    match entry {
        u32::MAX => p.text("-1"),
        _ => put!(p, "{entry}"),
    }
    put!(
        p,
        ", base_addr={:#08x}, limit={:#08x}",
        b.u32_at(4),
        b.u32_at(8)
    );
    for (name, shift, mask) in [
        ("seg_32bit", 0, 1),
        ("contents", 1, 3),
        ("read_exec_only", 3, 1),
        ("limit_in_pages", 4, 1),
        ("seg_not_present", 5, 1),
        ("useable", 6, 1),
        ("lm", 7, 1),
    ] {
        put!(p, ", {name}={}", bits >> shift & mask);
    }
    p.text("}");
}

/// Descriptor of `modify_ldt`, of the size in argument 2.
pub static LDT_ENTRY: Custom = Custom {
    rules: &[fixed(BOTH, 16)],
    print: |p, index| match p.arg(2) {
        16 => p.structure(Phase::Enter, index, &USER_DESC),
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Flags of `membarrier`.
pub static MEMBARRIER_CPU: Custom = Custom {
    shown: |args| args[1] & 0xffff_ffff != 0,
    print: |p, index| put!(p, "{}", p.arg(index) as i32),
    ..Custom::PLAIN
};

/// Result of `membarrier`: for `MEMBARRIER_CMD_QUERY` the commands there are.
pub fn membarrier_result(p: &mut Printer<'_>, ret: i64) {
    let value = ret.cast_unsigned();
    if p.arg(0) as u32 != 0 || ret == 0 {
        return put!(p, "{ret}");
    }
    p.hex(value);
    p.note("", |p| p.flags(&process::MEMBARRIER, value));
}

/// Command text of `reboot`.
pub static REBOOT_TEXT: Custom = Custom {
    form: Some(Form::Text),
    rules: &[string(ENTER)],
    shown: |args| args[2] as u32 == 0xa1b2_c3d4,
    print: |p, index| p.text_arg(index),
    ..Custom::PLAIN
};

/// Requests of `ptrace` that the code below treats apart (`linux/ptrace.h`).
const PTRACE_TRACEME: u32 = 0;
const PTRACE_PEEKUSER: u32 = 3;
const PTRACE_POKEUSER: u32 = 6;
const PTRACE_ATTACH: u32 = 16;
const PTRACE_SETOPTIONS: u32 = 0x4200;
const PTRACE_GETEVENTMSG: u32 = 0x4201;
const PTRACE_GETSIGINFO: u32 = 0x4202;
const PTRACE_SETSIGINFO: u32 = 0x4203;
const PTRACE_SEIZE: u32 = 0x4206;
const PTRACE_INTERRUPT: u32 = 0x4207;
const PTRACE_LISTEN: u32 = 0x4208;

/// How many arguments strace shows after the request.
fn ptrace_arguments(args: &Registers) -> usize {
    match args[0] as u32 {
        PTRACE_TRACEME => 0,
        // With PTRACE_KILL.
        PTRACE_ATTACH | 8 | PTRACE_INTERRUPT | PTRACE_LISTEN => 1,
        _ => 3,
    }
}

/// Process of `ptrace`.
pub static PTRACE_PID: Custom = Custom {
    shown: |args| ptrace_arguments(args) >= 1,
    print: |p, index| put!(p, "{}", p.arg(index) as i32),
    ..Custom::PLAIN
};

/// Address of `ptrace`.
pub static PTRACE_ADDRESS: Custom = Custom {
    shown: |args| ptrace_arguments(args) >= 2,
    print: |p, index| p.address_of(index),
    ..Custom::PLAIN
};

/// [`PTRACE_ADDRESS`] of x86_64, where registers have names.
pub static PTRACE_ADDRESS_X86_64: Custom = Custom {
    print: |p, index| match p.arg(0) as u32 {
        PTRACE_PEEKUSER | PTRACE_POKEUSER => p.user_area(p.arg(index)),
        _ => p.address_of(index),
    },
    ..PTRACE_ADDRESS
};

/// Data of `ptrace`.
pub static PTRACE_DATA: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(BOTH, 48)],
    at_exit: |args| {
        matches!(
            args[0] as u32,
            1 | 2 | 3 | PTRACE_GETEVENTMSG | PTRACE_GETSIGINFO
        )
    },
    shown: |args| ptrace_arguments(args) >= 3,
    comma: Comma::Early,
    print: print_ptrace_data,
    ..Custom::PLAIN
};

fn print_ptrace_data(p: &mut Printer<'_>, index: usize) {
    let value = p.arg(index);
    match p.arg(0) as u32 {
        // PTRACE_CONT, PTRACE_SINGLESTEP, PTRACE_DETACH, PTRACE_SYSCALL, PTRACE_SYSEMU.
        7 | 9 | 17 | 24 | 31 | 32 => push_signal(&mut p.out, value as u32),
        PTRACE_SETOPTIONS | PTRACE_SEIZE => p.flags(&process::PTRACE_O, value),
        // PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_PEEKUSER.
        1..=3 => match p.bytes(Phase::Exit, index, 8) {
            Some(b) => put!(p, "[{:#x}]", b.u64_at(0)),
            None => p.address_of(index),
        },
        PTRACE_GETEVENTMSG => match p.bytes(Phase::Exit, index, 8) {
            Some(b) => put!(p, "[{}]", b.u64_at(0)),
            None => p.address_of(index),
        },
        PTRACE_GETSIGINFO => p.structure(Phase::Exit, index, &super::SIGINFO),
        PTRACE_SETSIGINFO => p.structure(Phase::Enter, index, &super::SIGINFO),
        // PTRACE_POKETEXT, PTRACE_POKEDATA.
        4 | 5 | PTRACE_POKEUSER => p.hex(value),
        _ => p.address_of(index),
    }
}

impl Printer<'_> {
    /// Offset in `struct user`: registers in the order of `struct user_regs_struct`.
    fn user_area(&mut self, offset: u64) {
        const NAMES: [&str; 27] = [
            "R15", "R14", "R13", "R12", "RBP", "RBX", "R11", "R10", "R9", "R8", "RAX", "RCX",
            "RDX", "RSI", "RDI", "ORIG_RAX", "RIP", "CS", "EFLAGS", "RSP", "SS", "FS_BASE",
            "GS_BASE", "DS", "ES", "FS", "GS",
        ];
        let place = usize::try_from(offset / 8).unwrap_or(usize::MAX);
        match NAMES.get(place).filter(|_| offset.is_multiple_of(8)) {
            Some(name) => put!(self, "8*{name}"),
            None => self.hex(offset),
        }
    }
}
