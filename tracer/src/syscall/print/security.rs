//! Confinement: `seccomp` and Landlock.

use tracer_common::capture::kind;

use crate::syscall::arg::{Custom, Form, Layout};
use crate::syscall::flags::{process, security};

use super::fields::As;
use super::printer::{Phase, Printer};
use super::rule::{BOTH, ENTER, counted, fixed};
use super::struct_bytes::StructBytes;

/// Operations of `seccomp` (`linux/seccomp.h`).
const SET_MODE_FILTER: u32 = 1;
const GET_ACTION_AVAIL: u32 = 2;
const GET_NOTIF_SIZES: u32 = 3;

/// Flags of `seccomp`, which only installing a filter has.
pub static SECCOMP_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const SECCOMP_SET_MODE_FILTER: u64 = 1;
        let flags = p.arg(index) & 0xffff_ffff;
        match p.arg(0) & 0xffff_ffff {
            SECCOMP_SET_MODE_FILTER => p.flags(&process::SECCOMP_FILTER, flags),
            _ => p.hex(flags),
        }
    },
    ..Custom::PLAIN
};

/// What `seccomp` is given or stores.
pub static SECCOMP_ARGS: Custom = Custom {
    rules: &[fixed(ENTER, 4), fixed(BOTH, 16)],
    at_exit: |args| args[0] as u32 == GET_NOTIF_SIZES,
    print: |p, index| p.seccomp_argument(index),
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn seccomp_argument(&mut self, index: usize) {
        let operation = self.arg(0) as u32;
        let phase = match operation {
            GET_NOTIF_SIZES => Phase::Exit,
            _ => Phase::Enter,
        };
        let mut captures = self.captures(phase).iter();
        let program = captures.rfind(|c| usize::from(c.arg) == index);
        let program = program.map(|c| c.data.as_slice());
        let all = program.filter(|b| b.len() == 16 && !(phase == Phase::Exit && self.failed()));
        match (operation, all) {
            (SET_MODE_FILTER, Some(b)) => self.filter_program(b),
            (GET_NOTIF_SIZES, Some(b)) => self.record(
                b,
                &[
                    ("seccomp_notif", 0, As::U16),
                    ("seccomp_notif_resp", 2, As::U16),
                    ("seccomp_data", 4, As::U16),
                ],
            ),
            (GET_ACTION_AVAIL, _) => match self.capture_of(Phase::Enter, index, kind::STRUCT) {
                Some(b) => {
                    self.text("[");
                    self.name(&security::SECCOMP_RET, b.u32_at(0).into());
                    self.text("]");
                }
                None => self.address_of(index),
            },
            _ => self.address_of(index),
        }
    }
}

/// `struct landlock_ruleset_attr` (`linux/landlock.h`), its size in the next argument.
pub static LANDLOCK_RULESET: Custom = Custom {
    rules: &[counted(ENTER, 1, 1)],
    print: |p, index| {
        let Some(b) = p.bytes(Phase::Enter, index, 8) else {
            return p.address_of(index);
        };
        p.text("{");
        p.field(
            b,
            ("handled_access_fs", 0, As::Flags64(&security::LANDLOCK_FS)),
        );
        p.text(if p.arg(1) > 8 { ", ...}" } else { "}" });
    },
    ..Custom::PLAIN
};

/// `struct landlock_path_beneath_attr`, for that type of rule.
pub static LANDLOCK_RULE: Custom = Custom {
    rules: &[fixed(ENTER, 12)],
    print: |p, index| {
        const PATH_BENEATH: u32 = 1;
        match p.arg(1) as u32 {
            PATH_BENEATH => p.structure(Phase::Enter, index, &LANDLOCK_PATH),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

static LANDLOCK_PATH: Layout = Layout {
    size: 12,
    print: |p, b| {
        p.record(
            b,
            &[
                ("allowed_access", 0, As::Flags64(&security::LANDLOCK_FS)),
                ("parent_fd", 8, As::I32),
            ],
        );
    },
};

/// `struct futex_waitv` (`linux/futex.h`).
pub static FUTEX_WAITER: Layout = Layout {
    size: 24,
    print: |p, b| {
        p.text("{");
        p.fields(
            b,
            &[
                ("val", 0, As::Hex64),
                ("uaddr", 8, As::Pointer),
                ("flags", 16, As::Flags32(&process::FUTEX2)),
            ],
        );
        if b.u32_at(20) != 0 {
            p.more_fields(b, &[("__reserved", 20, As::Hex32)]);
        }
        p.text("}");
    },
};

/// `struct futex_waitv[2]` of `futex_requeue`.
pub static FUTEX_PAIR: Layout = Layout {
    size: 48,
    print: |p, b| p.array(b, 24, 2, FUTEX_WAITER.print),
};
