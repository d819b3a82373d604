//! `prctl` and `arch_prctl`: which arguments count, and what they are, depends on the first.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Comma, Custom};
use crate::syscall::flags::process;
use crate::syscall::signal::push_signal;

use super::printer::{Phase, Printer, put};
use super::process::WORD;

const ENTER: u8 = capture::phase::ENTER;
const EXIT: u8 = capture::phase::EXIT;

const PR_SET_PDEATHSIG: u32 = 1;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
const PR_GET_CHILD_SUBREAPER: u32 = 37;

/// First value of `prctl`.
pub static PRCTL_1: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRING,
        phase: ENTER | EXIT,
        len_from: 0,
        size: 0,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    shown: |args| prctl_values(args[0] as u32) >= 1,
    ..PRCTL_TEMPLATE
};

/// Second value of `prctl`.
pub static PRCTL_2: Custom = Custom {
    shown: |args| prctl_values(args[0] as u32) >= 2,
    ..PRCTL_TEMPLATE
};

/// Third and fourth value of `prctl`, always together.
pub static PRCTL_4: Custom = Custom {
    shown: |args| prctl_values(args[0] as u32) >= 4,
    ..PRCTL_TEMPLATE
};

const PRCTL_TEMPLATE: Custom = Custom {
    rules: &[],
    at_exit: |args| {
        matches!(
            args[0] as u32,
            PR_GET_PDEATHSIG | PR_GET_NAME | PR_GET_CHILD_SUBREAPER
        )
    },
    shown: |_| true,
    comma: Comma::Early,
    print: print_prctl_arg,
};

/// How many values strace shows for an option.
fn prctl_values(option: u32) -> usize {
    match option {
        // Those that only return something.
        3 | 5 | 7 | 9 | 11 | 13 | 19 | 21 | 27 | 30 | 31 | 32 | 34 => 0,
        1 | 2 | 4 | 6 | 8 | 10 | 12 | 14 | 15 | 16 | 20 | 23 | 24 | 25 | 26 | 28 | 29 | 36 | 37 => {
            1
        }
        22 => 2,
        _ => 4,
    }
}

fn print_prctl_arg(p: &mut Printer<'_>, index: usize) {
    let value = p.arg(index);
    match (p.arg(0) as u32, index) {
        (PR_SET_NAME, 1) => p.text_arg(index),
        (PR_GET_NAME, 1) => match p.capture(Phase::Exit, index, 0) {
            Some(c) => p.c_string(&c.data),
            None => p.address_of(index),
        },
        (PR_SET_PDEATHSIG, 1) => push_signal(&mut p.out, value as u32),
        (PR_SET_DUMPABLE, 1) => p.name(&process::PR_DUMPABLE, value),
        (PR_GET_PDEATHSIG | PR_GET_CHILD_SUBREAPER, 1) => p.address_of(index),
        // `PR_CAPBSET_READ` and `PR_CAPBSET_DROP`.
        (23 | 24, 1) => p.name(&process::CAP, value),
        // `PR_SET_SECCOMP`.
        (22, 1) => p.name(&process::SECCOMP_MODE, value),
        (22, 2) => p.pointer(value),
        // Numbers: `PR_SET_KEEPCAPS`, `PR_SET_TIMERSLACK`, `PR_SET_CHILD_SUBREAPER`,
        // `PR_SET_NO_NEW_PRIVS` and `PR_GET_NO_NEW_PRIVS`, `PR_SET_THP_DISABLE` and its getter.
        (8 | 29 | 36 | 38 | 39 | 41 | 42, _) => put!(p, "{value}"),
        _ => p.hex(value),
    }
}

/// Result of `prctl`.
pub fn prctl_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if p.arg(0) as u32 == PR_GET_DUMPABLE {
        p.note("", |p| p.name(&process::PR_DUMPABLE, ret.cast_unsigned()));
    }
}

/// Address of `arch_prctl`: a result for the getters.
pub static ARCH_PRCTL_ADDRESS: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: EXIT,
        len_from: capture::len::FIXED,
        size: 8,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |args| matches!(args[0] as u32, 0x1003 | 0x1004),
    print: |p, index| match p.arg(0) as u32 {
        0x1003 | 0x1004 => p.structure(Phase::Exit, index, &WORD),
        _ => p.hex(p.arg(index)),
    },
    ..Custom::PLAIN
};
