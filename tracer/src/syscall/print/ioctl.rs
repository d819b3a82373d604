//! `ioctl`: requests of terminals and sockets, and plain numbers.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Comma, Custom, Registers};
use crate::syscall::flags::ioctl::IOCTL;

use super::printer::{Phase, Printer, put};
use super::process::INT;
use super::struct_bytes::StructBytes;
use super::termios::print_termios;

/// Bytes captured at the third argument: `struct termios2` is the largest shown.
const SIZE: u16 = 44;

/// What the third argument of a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    None,
    Number,
    Pointer,
    IntIn,
    IntOut,
    WindowIn,
    WindowOut,
    TermiosIn,
    TermiosOut,
}

fn shape(request: u32) -> Shape {
    match request {
        0x5401 => Shape::TermiosOut,
        0x5402..=0x5404 => Shape::TermiosIn,
        // TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TCSBRKP; FICLONE.
        0x5409 | 0x540a | 0x540b | 0x540e | 0x5425 | 0x4004_9409 => Shape::Number,
        // TIOCEXCL, TIOCNXCL, TIOCNOTTY, TIOCSBRK, TIOCCBRK, TIOCVHANGUP, FIONCLEX, FIOCLEX.
        0x540c | 0x540d | 0x5422 | 0x5427 | 0x5428 | 0x5437 | 0x5450 | 0x5451 => Shape::None,
        // TIOCGPGRP, TIOCOUTQ, FIONREAD, TIOCGSID, TIOCGPTN, TIOCGETD, FIOGETOWN, SIOCGPGRP,
        // SIOCATMARK, TIOCGPKT, TIOCGPTLCK, TIOCGEXCL.
        0x540f
        | 0x5411
        | 0x541b
        | 0x5424
        | 0x5429
        | 0x8004_5430
        | 0x8903..=0x8905
        | 0x8004_5438..=0x8004_5440 => Shape::IntOut,
        // TIOCSPGRP, TIOCPKT, FIONBIO, TIOCSETD, FIOASYNC, TIOCSPTLCK, FIOSETOWN, SIOCSPGRP.
        0x5410 | 0x5420 | 0x5421 | 0x5423 | 0x5452 | 0x4004_5431 | 0x8901 | 0x8902 => Shape::IntIn,
        0x5413 => Shape::WindowOut,
        0x5414 => Shape::WindowIn,
        _ => Shape::Pointer,
    }
}

fn of(args: &Registers) -> Shape {
    shape(args[1] as u32)
}

/// The request.
pub static IOCTL_REQUEST: Custom = Custom {
    print: |p, index| {
        let request = p.arg(index) & 0xffff_ffff;
        match IOCTL.get(request) {
            Some(name) => p.text(name),
            None => p.encoded_request(request as u32),
        }
    },
    ..Custom::PLAIN
};

/// The third argument.
pub static IOCTL_ARG: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::ENTER | capture::phase::EXIT,
        len_from: capture::len::FIXED,
        size: SIZE,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |args| {
        matches!(
            of(args),
            Shape::IntOut | Shape::WindowOut | Shape::TermiosOut
        )
    },
    shown: |args| of(args) != Shape::None,
    comma: Comma::Late,
    print: |p, index| match of(&p.args) {
        Shape::None => {}
        Shape::Number => put!(p, "{}", p.arg(index) as i32),
        Shape::Pointer => p.hex(p.arg(index)),
        Shape::IntIn => p.structure(Phase::Enter, index, &INT),
        Shape::IntOut => p.structure(Phase::Exit, index, &INT),
        Shape::WindowIn => p.window(Phase::Enter, index),
        Shape::WindowOut => p.window(Phase::Exit, index),
        Shape::TermiosIn => p.termios(Phase::Enter, index),
        Shape::TermiosOut => p.termios(Phase::Exit, index),
    },
};

impl Printer<'_> {
    /// `_IOC(_IOC_READ, 0x56, 0x78, 0x4)` (`asm-generic/ioctl.h`).
    fn encoded_request(&mut self, request: u32) {
        let direction = match request >> 30 {
            0 => "_IOC_NONE",
            1 => "_IOC_WRITE",
            2 => "_IOC_READ",
            _ => "_IOC_READ|_IOC_WRITE",
        };
        put!(self, "_IOC({direction}, ");
        self.hex((request >> 8 & 0xff).into());
        self.text(", ");
        self.hex((request & 0xff).into());
        self.text(", ");
        self.hex((request >> 16 & 0x3fff).into());
        self.text(")");
    }

    /// `struct winsize`.
    fn window(&mut self, phase: Phase, index: usize) {
        let Some(b) = self.bytes(phase, index, 8) else {
            return self.address_of(index);
        };
        let [row, column, x, y] = [0, 2, 4, 6].map(|at| b.u16_at(at));
        put!(
            self,
            "{{ws_row={row}, ws_col={column}, ws_xpixel={x}, ws_ypixel={y}}}"
        );
    }

    fn termios(&mut self, phase: Phase, index: usize) {
        match self.bytes(phase, index, 36) {
            Some(b) => print_termios(self, b),
            None => self.address_of(index),
        }
    }
}
