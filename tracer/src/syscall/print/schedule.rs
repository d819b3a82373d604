//! Scheduling: attributes, policies, I/O priorities.

use crate::syscall::arg::{Custom, Form};
use crate::syscall::flags::process;

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, EXIT, counted, fixed};
use super::struct_bytes::StructBytes;

/// Bytes of the first version of `struct sched_attr` (`linux/sched/types.h`).
const FIRST_VERSION: u32 = 48;

const TIMES: &[Field] = &[
    ("sched_nice", 16, As::I32),
    ("sched_priority", 20, As::U32),
    ("sched_runtime", 24, As::U64),
    ("sched_deadline", 32, As::U64),
    ("sched_period", 40, As::U64),
];
const CLAMPS: &[Field] = &[
    ("sched_util_min", 48, As::U32),
    ("sched_util_max", 52, As::U32),
];

/// Attributes of `sched_setattr`: of those that are kept nothing is shown.
pub static SCHED_ATTR_IN: Custom = Custom {
    rules: &[fixed(ENTER, 56)],
    print: |p, index| {
        const KEEP_POLICY: u64 = 8;
        const KEEP_PARAMS: u64 = 16;
        let Some(b) = p.bytes(Phase::Enter, index, FIRST_VERSION as usize) else {
            return p.address_of(index);
        };
        let flags = b.u64_at(8);
        put!(p, "{{size={}", b.u32_at(0));
        if b.u32_at(0) >= FIRST_VERSION {
            if flags & KEEP_POLICY == 0 {
                p.more_fields(b, &[("sched_policy", 4, As::Name32(&process::SCHED))]);
            }
            p.more_fields(b, SCHED_FLAGS);
            if flags & KEEP_PARAMS == 0 {
                p.more_fields(b, TIMES);
            }
            p.sched_clamps(b, b.u32_at(0));
        }
        p.text("}");
    },
    ..Custom::PLAIN
};

/// Attributes of `sched_getattr`, their size in the next argument.
pub static SCHED_ATTR_OUT: Custom = Custom {
    rules: &[counted(EXIT, 2, 1)],
    at_exit: |_| true,
    print: |p, index| {
        let Some(b) = p.bytes(Phase::Exit, index, 4) else {
            return p.address_of(index);
        };
        let size = p.arg(2) as u32;
        put!(p, "{{size={}", b.u32_at(0));
        p.more_fields(b, &[("sched_policy", 4, As::Name32(&process::SCHED))]);
        p.more_fields(b, SCHED_FLAGS);
        p.more_fields(b, TIMES);
        p.sched_clamps(b, size.min(b.u32_at(0)));
        p.text("}");
    },
    ..Custom::PLAIN
};

const SCHED_FLAGS: &[Field] = &[("sched_flags", 8, As::Flags64(&process::SCHED_FLAG))];

/// Result of `sched_getscheduler`.
pub fn policy_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if let Some(name) = process::SCHED.get(ret.cast_unsigned()) {
        p.note("", |p| p.text(name));
    }
}

/// Priority of `ioprio_set`.
pub static IO_PRIORITY: Custom = Custom {
    form: Some(Form::UInt32),
    print: |p, index| p.io_priority(p.arg(index) as u32),
    ..Custom::PLAIN
};

/// Result of `ioprio_get`.
pub fn io_priority_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    p.note("", |p| p.io_priority(ret as u32));
}

impl Printer<'_> {
    /// `struct sched_attr` grew by these.
    fn sched_clamps(&mut self, b: &[u8], size: u32) {
        if size > FIRST_VERSION {
            self.more_fields(b, CLAMPS);
        }
    }

    /// Class and data of `linux/ioprio.h`.
    fn io_priority(&mut self, value: u32) {
        self.text("IOPRIO_PRIO_VALUE(");
        self.name(&process::IOPRIO_CLASS, (value >> 13).into());
        put!(self, ", {})", value & 0x1fff);
    }
}
