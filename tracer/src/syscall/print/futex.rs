//! `futex`: which arguments count, and what they are, depends on the operation.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Custom, Form, Registers};
use crate::syscall::flags::process;

use super::printer::{Phase, Printer, put};
use super::time::TIMESPEC;

const PRIVATE: u64 = 128;
const CLOCK_REALTIME: u64 = 256;

const WAIT: u64 = 0;
const WAKE: u64 = 1;
const FD: u64 = 2;
const REQUEUE: u64 = 3;
const CMP_REQUEUE: u64 = 4;
const WAKE_OP: u64 = 5;
const LOCK_PI: u64 = 6;
const UNLOCK_PI: u64 = 7;
const TRYLOCK_PI: u64 = 8;
const WAIT_BITSET: u64 = 9;
const WAKE_BITSET: u64 = 10;
const WAIT_REQUEUE_PI: u64 = 11;
const CMP_REQUEUE_PI: u64 = 12;
const LOCK_PI2: u64 = 13;
/// Operations from here on show all six arguments.
const UNKNOWN: u64 = 14;

fn operation(args: &Registers) -> u64 {
    args[1] & 0xffff_ffff & !(PRIVATE | CLOCK_REALTIME)
}

/// The operation and its modifiers.
pub static FUTEX_OP: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        match process::FUTEX.get(value & !(PRIVATE | CLOCK_REALTIME)) {
            Some(name) => {
                let private = if value & PRIVATE != 0 { "_PRIVATE" } else { "" };
                let clock = if value & CLOCK_REALTIME != 0 {
                    "|FUTEX_CLOCK_REALTIME"
                } else {
                    ""
                };
                // A name that was taken out of the kernel has no private form.
                let private = if name == "FUTEX_FD" && !private.is_empty() {
                    "|FUTEX_PRIVATE_FLAG"
                } else {
                    private
                };
                put!(p, "{name}{private}{clock}");
            }
            None => p.name(&process::FUTEX, value),
        }
    },
    ..Custom::PLAIN
};

/// The value to compare, or how many to wake.
pub static FUTEX_VALUE: Custom = Custom {
    form: Some(Form::UInt32),
    shown: |args| !matches!(operation(args), LOCK_PI | UNLOCK_PI | TRYLOCK_PI | LOCK_PI2),
    print: |p, index| put!(p, "{}", p.arg(index) as u32),
    ..Custom::PLAIN
};

/// A timeout, or a second count.
pub static FUTEX_TIMEOUT: Custom = Custom {
    form: Some(Form::Any),
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::ENTER,
        len_from: capture::len::FIXED,
        size: 16,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    shown: |args| {
        !matches!(
            operation(args),
            WAKE | FD | UNLOCK_PI | TRYLOCK_PI | WAKE_BITSET
        )
    },
    print: |p, index| match operation(&p.args) {
        WAIT | WAIT_BITSET | LOCK_PI | LOCK_PI2 | WAIT_REQUEUE_PI => {
            p.structure(Phase::Enter, index, &TIMESPEC);
        }
        REQUEUE | CMP_REQUEUE | CMP_REQUEUE_PI | WAKE_OP => put!(p, "{}", p.arg(index) as u32),
        _ => p.hex(p.arg(index)),
    },
    ..Custom::PLAIN
};

/// The second futex.
pub static FUTEX_ADDRESS2: Custom = Custom {
    form: Some(Form::Address),
    shown: |args| {
        matches!(
            operation(args),
            REQUEUE | CMP_REQUEUE | WAKE_OP | WAIT_REQUEUE_PI | CMP_REQUEUE_PI | UNKNOWN..
        )
    },
    print: |p, index| p.address_of(index),
    ..Custom::PLAIN
};

/// Bit set, compared value, or encoded operation.
pub static FUTEX_VALUE3: Custom = Custom {
    form: Some(Form::UInt32),
    shown: |args| {
        matches!(
            operation(args),
            CMP_REQUEUE | WAKE_OP | WAIT_BITSET | WAKE_BITSET | CMP_REQUEUE_PI | UNKNOWN..
        )
    },
    print: |p, index| {
        let value = p.arg(index) as u32;
        match operation(&p.args) {
            WAIT_BITSET | WAKE_BITSET if value == u32::MAX => p.text("FUTEX_BITSET_MATCH_ANY"),
            CMP_REQUEUE | CMP_REQUEUE_PI => put!(p, "{value}"),
            WAKE_OP => p.wake_op(value),
            _ => p.hex(value.into()),
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    /// `FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_GT<<24|0x1` (`linux/futex.h`).
    fn wake_op(&mut self, value: u32) {
        const SHIFT: u32 = 8;
        let (op, compare) = (value >> 28, value >> 24 & 15);
        if op & SHIFT != 0 {
            self.text("FUTEX_OP_OPARG_SHIFT<<28|");
        }
        let ops = ["SET", "ADD", "OR", "ANDN", "XOR"];
        match ops.get((op & !SHIFT) as usize) {
            Some(name) => put!(self, "FUTEX_OP_{name}<<28|"),
            None => put!(self, "{:#x}<<28 /* FUTEX_OP_??? */|", op & !SHIFT),
        }
        self.hex((value >> 12 & 0xfff).into());
        let compares = ["EQ", "NE", "LT", "LE", "GT", "GE"];
        match compares.get(compare as usize) {
            Some(name) => put!(self, "<<12|FUTEX_OP_CMP_{name}<<24|"),
            None => put!(self, "<<12|{compare:#x}<<24 /* FUTEX_OP_CMP_??? */|"),
        }
        self.hex((value & 0xfff).into());
    }
}
