//! Signals: sets, actions, alternate stacks, `siginfo_t`.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Custom, Layout};
use crate::syscall::flags::{Names, signal};
use crate::syscall::machine::Machine;
use crate::syscall::signal::{push_signal, push_signal_set};
use crate::syscall::table;

use super::options::DecodeOptions;
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

/// Bytes of the kernel's `sigset_t`.
const SIGSET: u16 = 8;

const fn set_rule(phase: u8) -> [CaptureRule; 1] {
    [CaptureRule {
        kind: capture::kind::STRUCT,
        phase,
        len_from: capture::len::FIXED,
        size: SIGSET,
        arg: 0,
        len_arg: 0,
        word: 0,
    }]
}

/// A signal set the caller passes, its size in the argument after the next (`rt_sigprocmask`).
pub static SIGSET_IN_3: Custom = Custom {
    rules: &set_rule(capture::phase::ENTER),
    print: |p, index| p.signal_set(Phase::Enter, index, 3),
    ..Custom::PLAIN
};

/// The old set of `rt_sigprocmask`.
pub static SIGSET_OUT_3: Custom = Custom {
    rules: &set_rule(capture::phase::EXIT),
    at_exit: |_| true,
    print: |p, index| p.signal_set(Phase::Exit, index, 3),
    ..Custom::PLAIN
};

/// A set with its size in the next argument.
pub static SIGSET_IN: Custom = Custom {
    rules: &set_rule(capture::phase::ENTER),
    print: |p, index| p.signal_set(Phase::Enter, index, index + 1),
    ..Custom::PLAIN
};

/// A set the kernel stores, its size in the next argument.
pub static SIGSET_OUT: Custom = Custom {
    rules: &set_rule(capture::phase::EXIT),
    at_exit: |_| true,
    print: |p, index| p.signal_set(Phase::Exit, index, index + 1),
    ..Custom::PLAIN
};

/// The frame that `rt_sigreturn` goes back through, at the stack pointer: the signal set that it
/// restores. x86-64 (arch/x86/include/asm/sigframe.h): `struct ucontext` from the stack pointer on.
pub static SIGNAL_FRAME: Custom = frame(&frame_rule(304));

/// [`SIGNAL_FRAME`] of arm64 (arch/arm64/kernel/signal.c): `siginfo_t` before `struct ucontext`.
pub static SIGNAL_FRAME_A64: Custom = frame(&frame_rule(176));

const fn frame_rule(size: u16) -> [CaptureRule; 1] {
    let [rule] = set_rule(capture::phase::ENTER);
    [CaptureRule { size, ..rule }]
}

const fn frame(rules: &'static [CaptureRule]) -> Custom {
    Custom {
        rules,
        print: |p, index| {
            // The set is the last word of what is copied.
            match p.bytes(Phase::Enter, index, SIGSET.into()) {
                Some(b) => {
                    p.text("{mask=");
                    push_signal_set(&mut p.out, b.u64_at(b.len() - 8));
                    p.text("}");
                }
                None => p.address_of(index),
            }
        },
        ..Custom::PLAIN
    }
}

/// The kernel's `struct sigaction` (`asm/signal.h`): handler, flags, restorer, mask.
pub static SIGACTION: Layout = Layout {
    size: 32,
    print: |p, b| {
        const SA_RESTORER: u64 = 0x0400_0000;
        let flags = b.u64_at(8);
        p.text("{sa_handler=");
        let handler = b.u64_at(0);
        p.constant(handler, |p| match handler {
            0 => p.text("SIG_DFL"),
            1 => p.text("SIG_IGN"),
            u64::MAX => p.text("SIG_ERR"),
            handler => put!(p, "{handler:#x}"),
        });
        p.text(", sa_mask=");
        push_signal_set(&mut p.out, b.u64_at(24));
        p.text(", sa_flags=");
        p.flags(&signal::SIGACTION, flags);
        if flags & SA_RESTORER != 0 {
            p.text(", sa_restorer=");
            p.pointer(b.u64_at(16));
        }
        p.text("}");
    },
};

/// `stack_t`.
pub static STACK: Layout = Layout {
    size: 24,
    print: |p, b| {
        p.text("{ss_sp=");
        p.pointer(b.u64_at(0));
        p.text(", ss_flags=");
        p.flags(&signal::SIGALTSTACK, b.u32_at(8).into());
        put!(p, ", ss_size={}}}", b.u64_at(16));
    },
};

/// `siginfo_t`; a signal number of 0 prints `{}`.
pub static SIGINFO: Layout = Layout {
    size: 48,
    print: print_siginfo,
};

/// Result of `rt_sigtimedwait`.
pub fn signal_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if ret > 0 {
        p.note("", |p| push_signal(&mut p.out, ret as u32));
    }
}

impl Printer<'_> {
    /// The number of a signal as a constant.
    pub(super) fn signal_name(&mut self, signal: u32) {
        self.formed(|p| put!(p, "{signal}"), |p| push_signal(&mut p.out, signal));
    }

    fn signal_set(&mut self, phase: Phase, index: usize, size_arg: usize) {
        if self.arg(size_arg) != u64::from(SIGSET) {
            return self.address_of(index);
        }
        match self.bytes(phase, index, SIGSET.into()) {
            Some(b) => push_signal_set(&mut self.out, b.u64_at(0)),
            None => self.address_of(index),
        }
    }
}

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;
const SIGCHLD: u32 = 17;
const SIGIO: u32 = 29;
const SIGSYS: u32 = 31;

const SI_USER: i32 = 0;
const SI_TIMER: i32 = -2;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;

/// Prints `siginfo_t` (`asm-generic/siginfo.h`).
pub(super) fn print_siginfo(p: &mut Printer<'_>, b: &[u8]) {
    let (signo, errno, code) = (b.u32_at(0), b.i32_at(4), b.i32_at(8));
    if signo == 0 {
        return p.text("{}");
    }
    p.text("{si_signo=");
    p.signal_name(signo);
    if errno != 0 {
        p.text(", si_errno=");
        p.formed(
            |p| put!(p, "{errno}"),
            |p| match crate::syscall::errno::errno(errno.unsigned_abs()) {
                Some((name, _)) => p.text(name),
                None => put!(p, "{errno}"),
            },
        );
    }
    p.text(", si_code=");
    p.signal_code(signo, code);
    p.signal_details(signo, code, b);
    p.text("}");
}

/// As [`Decoder::signal`](super::Decoder::signal), with named constants and bare ids.
#[must_use]
pub fn siginfo_text(signo: u32, info: Option<&[u8]>) -> String {
    let options = DecodeOptions::default();
    let mut p = Printer::new(None, None, &options);
    push_siginfo(&mut p, signo, info);
    p.finish().0
}

pub(super) fn push_siginfo(p: &mut Printer<'_>, signo: u32, info: Option<&[u8]>) {
    push_signal(&mut p.out, signo);
    if let Some(info) = info {
        p.text(" ");
        print_siginfo(p, info);
    }
}

/// How a thread ended, by its wait status: `exited with 3`, `killed by SIGSEGV (core dumped)`.
#[must_use]
pub fn exit_text(status: u32) -> String {
    let signal = status & 0x7f;
    if signal == 0 {
        return format!("exited with {}", status >> 8 & 0xff);
    }
    let mut text = "killed by ".to_owned();
    push_signal(&mut text, signal);
    if status & 0x80 != 0 {
        text += " (core dumped)";
    }
    text
}

impl Printer<'_> {
    fn signal_code(&mut self, signo: u32, code: i32) {
        let own = own_codes(signo).and_then(|names| names.get(code.into_u64()));
        let name = own.or_else(|| signal::SI.get(code.into_u64()));
        let number = |p: &mut Self| put!(p, "{code}");
        match name {
            Some(name) => self.formed(number, |p| p.text(name)),
            None => self.hex(u64::from(code.cast_unsigned())),
        }
    }

    fn signal_details(&mut self, signo: u32, code: i32, b: &[u8]) {
        match (signo, code) {
            (_, SI_USER | SI_TKILL) => self.sender(b),
            (_, SI_TIMER) => {
                put!(
                    self,
                    ", si_timerid={}, si_overrun={}",
                    b.i32_at(16),
                    b.i32_at(20)
                );
                self.signal_value(b);
            }
            (_, i32::MIN..0) => {
                self.sender(b);
                self.signal_value(b);
            }
            (SIGCHLD, 1..) if code != SI_KERNEL => self.child_details(code, b),
            (SIGILL | SIGTRAP | SIGBUS | SIGFPE | SIGSEGV, _) => {
                self.text(", si_addr=");
                self.pointer(b.u64_at(16));
            }
            (SIGIO, 1..) if code != SI_KERNEL => {
                put!(self, ", si_band={}, si_fd={}", b.i64_at(16), b.i32_at(24));
            }
            (SIGSYS, _) => self.seccomp_details(b),
            // Any other has what the sender gave, if it gave something.
            _ if b.u64_at(16) != 0 || b.u64_at(24) != 0 => {
                self.sender(b);
                self.signal_value(b);
            }
            _ => {}
        }
    }

    fn sender(&mut self, b: &[u8]) {
        self.text(", si_pid=");
        self.process_id(b.i32_at(16));
        put!(self, ", si_uid={}", b.u32_at(20));
    }

    fn signal_value(&mut self, b: &[u8]) {
        let (int, pointer) = (b.i32_at(24), b.u64_at(24));
        if pointer != 0 {
            put!(self, ", si_int={int}, si_ptr={pointer:#x}");
        }
    }

    fn child_details(&mut self, code: i32, b: &[u8]) {
        const CLD_EXITED: i32 = 1;
        self.sender(b);
        self.text(", si_status=");
        match code {
            CLD_EXITED => put!(self, "{}", b.i32_at(24)),
            _ => self.signal_name(b.u32_at(24)),
        }
        for (name, at) in [("si_utime", 32), ("si_stime", 40)] {
            let ticks = b.i64_at(at);
            put!(self, ", {name}={ticks}");
            if ticks != 0 {
                put!(
                    self,
                    " /* {}.{:02} s */",
                    ticks / 100,
                    ticks.unsigned_abs() % 100
                );
            }
        }
    }

    fn seccomp_details(&mut self, b: &[u8]) {
        self.text(", si_call_addr=");
        self.pointer(b.u64_at(16));
        let arch = b.u32_at(28);
        let name = table::name_on(Machine::of_audit(arch), b.u32_at(24));
        put!(self, ", si_syscall=__NR_{name}, si_arch={arch:#x}");
    }
}

/// Codes that mean something for one signal only.
fn own_codes(signo: u32) -> Option<&'static Names> {
    Some(match signo {
        SIGILL => &signal::ILL,
        SIGTRAP => &signal::TRAP,
        SIGBUS => &signal::BUS,
        SIGFPE => &signal::FPE,
        SIGSEGV => &signal::SEGV,
        SIGCHLD => &signal::CLD,
        SIGIO => &signal::POLL_SI,
        SIGSYS => &signal::SYS_SI,
        _ => return None,
    })
}

trait SignExtend {
    fn into_u64(self) -> u64;
}

impl SignExtend for i32 {
    fn into_u64(self) -> u64 {
        i64::from(self).cast_unsigned()
    }
}
