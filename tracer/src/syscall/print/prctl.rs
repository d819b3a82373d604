//! `prctl` and `arch_prctl`: which arguments count, and what they are, depends on the first.

use crate::syscall::arg::{Comma, Custom, Form};
use crate::syscall::flags::{Names, process};
use crate::syscall::signal::push_signal;

use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, EXIT, fixed, string};
use super::struct_bytes::StructBytes;
use tracer_common::capture::kind;

/// Options that the code below treats apart (`linux/prctl.h`).
const GET_PDEATHSIG: u32 = 2;
const GET_DUMPABLE: u32 = 3;
const GET_NAME: u32 = 16;
const SET_SECCOMP: u32 = 22;
const CAPBSET_DROP: u32 = 24;
const GET_SECUREBITS: u32 = 27;
const MCE_KILL_GET: u32 = 34;
const CAP_AMBIENT: u32 = 47;
const GET_SPECULATION_CTRL: u32 = 52;
const SCHED_CORE: u32 = 62;
const SET_PTRACER: u32 = 0x5961_6d61;
const SET_VMA: u32 = 0x5356_4d41;

/// Bytes of a thread's name with its NUL (`TASK_COMM_LEN` of include/linux/sched.h).
const NAME_SIZE: usize = 16;

/// What a value of `prctl` is.
#[derive(Clone, Copy)]
enum Value {
    Dec,
    Hex,
    Pointer,
    Name(&'static Names),
    Flags(&'static Names),
    Signal,
    /// Text that the caller passes, for a thread's name.
    NameIn,
    /// Text that the caller passes.
    Text,
    /// What the kernel stores:
    NameOut,
    IntOut,
    SignalOut,
    NamedOut(&'static Names),
    WordOut,
    /// `struct sock_fprog`.
    Program,
    /// A `pid_type` (include/linux/pid_types.h).
    PidType,
}

impl Value {
    fn is_stored(self) -> bool {
        use Value::{IntOut, NameOut, NamedOut, SignalOut, WordOut};
        matches!(self, NameOut | IntOut | SignalOut | NamedOut(_) | WordOut)
    }
}

/// The values that strace shows after an option.
fn values(args: &[u64; 6]) -> &'static [Value] {
    use Value::*;
    match args[0] as u32 {
        GET_DUMPABLE | 7 | 13 | 21 | GET_SECUREBITS | 30 | 31 | 32 | 46 | 51 => &[],
        // PR_SET_PDEATHSIG.
        1 => &[Signal],
        GET_PDEATHSIG => &[SignalOut],
        4 => const { &[Name(&process::PR_DUMPABLE)] },
        // PR_GET_UNALIGN, PR_SET_UNALIGN.
        5 => const { &[NamedOut(&process::PR_UNALIGN)] },
        6 => const { &[Flags(&process::PR_UNALIGN)] },
        // PR_GET_FPEMU, PR_GET_ENDIAN, PR_GET_CHILD_SUBREAPER.
        9 | 19 | 37 => &[IntOut],
        // PR_GET_FPEXC, PR_SVE_SET_VL.
        11 | 50 => &[Hex],
        // PR_SET_KEEPCAPS, PR_SET_FPEMU, PR_SET_FPEXC, PR_SET_TIMING, PR_SET_ENDIAN,
        // PR_SET_TIMERSLACK, PR_SET_CHILD_SUBREAPER.
        8 | 10 | 12 | 14 | 20 | 29 | 36 => &[Dec],
        15 => &[NameIn],
        GET_NAME => &[NameOut],
        SET_SECCOMP if args[1] == 2 => const { &[Name(&process::SECCOMP_MODE), Program] },
        SET_SECCOMP => const { &[Name(&process::SECCOMP_MODE)] },
        // PR_CAPBSET_READ.
        23 | CAPBSET_DROP => const { &[Name(&process::CAP)] },
        // PR_GET_TSC, PR_SET_TSC.
        25 => const { &[NamedOut(&process::PR_TSC)] },
        26 => const { &[Name(&process::PR_TSC)] },
        28 => const { &[Flags(&process::SECBIT)] },
        // PR_MCE_KILL.
        33 if args[1] == 1 => {
            const {
                &[
                    Name(&process::PR_MCE_KILL),
                    Name(&process::PR_MCE_KILL_POLICY),
                    Hex,
                    Hex,
                ]
            }
        }
        33 => const { &[Name(&process::PR_MCE_KILL), Hex, Hex, Hex] },
        // PR_SET_MM.
        35 => const { &[Name(&process::PR_SET_MM), Hex, Hex, Hex] },
        // PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE.
        38 | 39 | 41 | 42 => &[Dec, Dec, Dec, Dec],
        // PR_GET_TID_ADDRESS.
        40 => &[WordOut],
        45 => const { &[Flags(&process::PR_FP_MODE)] },
        CAP_AMBIENT if matches!(args[1], 1..=3) => {
            const {
                &[
                    Name(&process::PR_CAP_AMBIENT),
                    Name(&process::CAP),
                    Hex,
                    Hex,
                ]
            }
        }
        CAP_AMBIENT => const { &[Name(&process::PR_CAP_AMBIENT), Hex, Hex, Hex] },
        GET_SPECULATION_CTRL => const { &[Name(&process::PR_SPEC)] },
        // PR_SET_SPECULATION_CTRL.
        53 if args[1] <= 2 => const { &[Name(&process::PR_SPEC), Name(&process::PR_SPEC_SET)] },
        53 => const { &[Name(&process::PR_SPEC), Hex] },
        // PR_SET_IO_FLUSHER.
        57 => &[Dec, Dec, Dec, Dec],
        // PR_SET_SYSCALL_USER_DISPATCH.
        59 => const { &[Name(&process::PR_SYS_DISPATCH), Hex, Hex, Pointer] },
        SCHED_CORE if args[1] == 0 => {
            const { &[Name(&process::PR_SCHED_CORE), Dec, PidType, WordOut] }
        }
        SCHED_CORE => const { &[Name(&process::PR_SCHED_CORE), Dec, PidType, Pointer] },
        SET_VMA if args[1] == 0 => {
            const { &[Name(&process::PR_SET_VMA), Pointer, Value::Dec, Text] }
        }
        SET_PTRACER => &[Dec],
        _ => &[Hex, Hex, Hex, Hex],
    }
}

/// First value of `prctl`.
pub static PRCTL_1: Custom = Custom {
    form: Some(Form::Any),
    // What the caller passes is one rule, what it gets another: an entry that could not read is
    // made good for the former alone.
    rules: &[string(ENTER), string(EXIT), fixed(EXIT, 8)],
    shown: |args| !values(args).is_empty(),
    ..PRCTL_TEMPLATE
};

/// Second value of `prctl`.
pub static PRCTL_2: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(ENTER, 16)],
    shown: |args| values(args).len() >= 2,
    ..PRCTL_TEMPLATE
};

/// Third and fourth value of `prctl`, always together.
pub static PRCTL_4: Custom = Custom {
    form: Some(Form::Any),
    rules: &[string(ENTER), fixed(EXIT, 8)],
    shown: |args| values(args).len() >= 4,
    ..PRCTL_TEMPLATE
};

const PRCTL_TEMPLATE: Custom = Custom {
    rules: &[],
    at_exit: |args| values(args).iter().any(|value| value.is_stored()),
    shown: |_| true,
    comma: Comma::Early,
    print: |p, index| {
        if let Some(value) = values(&p.args).get(index - 1) {
            p.prctl_value(index, *value);
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn prctl_value(&mut self, index: usize, form: Value) {
        let value = self.arg(index);
        match form {
            Value::Dec if self.arg(0) as u32 == SET_PTRACER && value == u64::MAX => {
                self.text("PR_SET_PTRACER_ANY");
            }
            Value::Dec => put!(self, "{value}"),
            Value::Hex => self.hex(value),
            Value::Pointer => self.pointer(value),
            Value::Name(names) => self.name(names, value),
            Value::Flags(names) => self.flags(names, value),
            Value::Signal => push_signal(&mut self.out, value as u32),
            Value::NameIn => self.limited(NAME_SIZE - 1, |p| p.text_arg(index)),
            Value::Text => self.text_arg(index),
            Value::PidType => {
                self.hex(value);
                let name = process::PIDTYPE.get(value).unwrap_or("PIDTYPE_???");
                put!(self, " /* {name} */");
            }
            Value::Program => match self.bytes(Phase::Enter, index, 16) {
                Some(b) => self.filter_program(b),
                None => self.address_of(index),
            },
            stored => self.prctl_stored(index, stored),
        }
    }

    fn prctl_stored(&mut self, index: usize, form: Value) {
        let wanted = match form {
            Value::NameOut => kind::STRING,
            _ => kind::STRUCT,
        };
        let captures = self.captures(Phase::Exit).iter();
        let mut captures = captures.filter(|c| usize::from(c.arg) == index && c.kind == wanted);
        let Some(capture) = captures.next().filter(|_| !self.failed()) else {
            return self.address_of(index);
        };
        let b: &[u8] = &capture.data;
        match form {
            Value::NameOut => {
                let len = b.len() as u64;
                self.limited(NAME_SIZE, |p| p.string(b, len));
            }
            Value::SignalOut => {
                self.text("[");
                push_signal(&mut self.out, b.u32_at(0));
                self.text("]");
            }
            Value::NamedOut(names) => {
                self.text("[");
                self.name(names, b.u32_at(0).into());
                self.text("]");
            }
            Value::WordOut => put!(self, "[{:#x}]", b.u64_at(0)),
            _ => put!(self, "[{}]", b.u32_at(0)),
        }
    }

    /// Prints with a lower string limit.
    fn limited(&mut self, limit: usize, print: impl FnOnce(&mut Self)) {
        let usual = std::mem::replace(&mut self.limit, limit);
        self.limit = limit.min(usual);
        print(self);
        self.limit = usual;
    }

    /// `struct sock_fprog` (`linux/filter.h`).
    pub(super) fn filter_program(&mut self, b: &[u8]) {
        put!(self, "{{len={}, filter=", b.u16_at(0));
        self.pointer(b.u64_at(8));
        self.text("}");
    }
}

/// Result of `prctl`.
pub fn prctl_result(p: &mut Printer<'_>, ret: i64) {
    let value = ret.cast_unsigned();
    match p.arg(0) as u32 {
        GET_SECUREBITS | GET_SPECULATION_CTRL => p.hex(value),
        _ => put!(p, "{ret}"),
    }
    match p.arg(0) as u32 {
        GET_DUMPABLE => p.note("", |p| p.name(&process::PR_DUMPABLE, value)),
        GET_SECUREBITS if value != 0 => p.note("", |p| p.flags(&process::SECBIT, value)),
        GET_SPECULATION_CTRL => p.note("", |p| p.flags(&process::PR_SPEC_STATE, value)),
        MCE_KILL_GET => p.note("", |p| p.name(&process::PR_MCE_KILL_POLICY, value)),
        _ => {}
    }
}

const ARCH_GET_FS: u32 = 0x1003;
const ARCH_GET_GS: u32 = 0x1004;
const ARCH_GET_CPUID: u32 = 0x1011;
const ARCH_GET_XCOMP_SUPP: u32 = 0x1021;
const ARCH_GET_XCOMP_PERM: u32 = 0x1022;
const ARCH_REQ_XCOMP_PERM: u32 = 0x1023;

/// Address of `arch_prctl`: a result for the getters.
pub static ARCH_PRCTL_ADDRESS: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(EXIT, 8)],
    at_exit: |args| {
        matches!(
            args[0] as u32,
            ARCH_GET_FS | ARCH_GET_GS | ARCH_GET_XCOMP_SUPP | ARCH_GET_XCOMP_PERM
        )
    },
    shown: |args| args[0] as u32 != ARCH_GET_CPUID,
    print: |p, index| match p.arg(0) as u32 {
        ARCH_GET_FS | ARCH_GET_GS => match p.bytes(Phase::Exit, index, 8) {
            Some(b) => {
                p.text("[");
                p.pointer(b.u64_at(0));
                p.text("]");
            }
            None => p.address_of(index),
        },
        ARCH_GET_XCOMP_SUPP | ARCH_GET_XCOMP_PERM => match p.bytes(Phase::Exit, index, 8) {
            Some(b) => {
                p.text("[");
                p.hex(b.u64_at(0));
                p.text(" /* ");
                p.flags(&process::XFEATURE, b.u64_at(0));
                p.text(" */]");
            }
            None => p.address_of(index),
        },
        ARCH_REQ_XCOMP_PERM => {
            p.hex(p.arg(index));
            let bit = 1_u64.checked_shl(p.arg(index) as u32).unwrap_or(0);
            let name = process::XFEATURE.get(bit).map(|n| n.replace("MASK_", ""));
            put!(p, " /* {} */", name.as_deref().unwrap_or("XFEATURE_???"));
        }
        _ => p.hex(p.arg(index)),
    },
    ..Custom::PLAIN
};
