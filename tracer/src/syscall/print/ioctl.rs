//! `ioctl`: requests of terminals and sockets, and plain numbers.

use tracer_common::capture;

use crate::syscall::arg::{Comma, Custom, Form, Layout, Registers};
use crate::syscall::flags::ioctl::{self, IOCTL};
use crate::syscall::flags::{Names, file, net};

use super::fields::{As, Field};
use super::net::sockaddr;
use super::printer::{Phase, Printer, put};
use super::process::{INT, SIZE as SIZE_OUT};
use super::rule::{BOTH, ENTER, fixed, string};
use super::struct_bytes::StructBytes;
use super::termios::print_termios;

/// Bytes captured at the third argument: `struct termios2` is the largest shown.
const SIZE: u16 = 44;

/// What the third argument of a request is.
#[derive(Clone, Copy)]
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
    LongOut,
    /// Two 64-bit numbers.
    RangeIn,
    /// Text of a filter.
    Text,
    FileFlagsIn,
    FileFlagsOut,
    /// One of some values, by number or behind a pointer.
    Name(&'static Names),
    NameOut(&'static Names),
    Flags(&'static Names),
    RecordIn(&'static [Field]),
    /// `struct ifreq`.
    InterfaceIn,
    InterfaceOut,
    /// `struct ifreq` in which the kernel looks up the name.
    InterfaceName,
}

/// `struct fstrim_range` (`linux/fs.h`).
const TRIM: &[Field] = &[
    ("start", 0, As::Hex64),
    ("len", 8, As::U64),
    ("minlen", 16, As::U64),
];

/// `struct file_clone_range`.
const CLONE_RANGE: &[Field] = &[
    ("src_fd", 0, As::I64),
    ("src_offset", 8, As::U64),
    ("src_length", 16, As::U64),
    ("dest_offset", 24, As::U64),
];

fn shape(request: u32) -> Shape {
    match request {
        0x5401 => Shape::TermiosOut,
        0x5402..=0x5404 => Shape::TermiosIn,
        // TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TCSBRKP; FICLONE.
        0x5409 | 0x540a | 0x540e | 0x5425 | 0x4004_9409 => Shape::Number,
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
        // BLKSSZGET, BLKPBSZGET, BLKIOMIN, BLKIOOPT, BLKROGET, SG_GET_VERSION_NUM.
        0x1268 | 0x127b | 0x1278 | 0x1279 | 0x125e | 0x2282 => Shape::IntOut,
        // BLKROSET.
        0x125d => Shape::IntIn,
        // BLKGETSIZE, BLKGETSIZE64, BLKBSZGET, BLKRAGET, PERF_EVENT_IOC_ID.
        0x1260 | 0x8008_1272 | 0x8008_1270 | 0x1263 | 0x8008_2407 => Shape::LongOut,
        // BLKRRPART, BLKFLSBUF, BLKTRACESTART to BLKTRACETEARDOWN, FIFREEZE, FITHAW, NS_GET_USERNS
        // to NS_GET_NSTYPE.
        0x125f | 0x1261 | 0x1274..=0x1276 | 0xc004_5877 | 0xc004_5878 | 0xb701..=0xb703 => {
            Shape::None
        }
        // BLKDISCARD, BLKSECDISCARD, BLKZEROOUT.
        0x1277 | 0x127d | 0x127f => Shape::RangeIn,
        // BLKRASET, BLKFRASET, PERF_EVENT_IOC_SET_BPF.
        0x1262 | 0x1264 | 0x4004_2408 => Shape::Number,
        0x4008_2406 => Shape::Text,
        // FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FITRIM, FICLONERANGE.
        0x8008_6601 => Shape::FileFlagsOut,
        0x4008_6602 => Shape::FileFlagsIn,
        0xc018_5879 => Shape::RecordIn(TRIM),
        0x4020_940d => Shape::RecordIn(CLONE_RANGE),
        // KDSETMODE, KDGETMODE; PERF_EVENT_IOC_ENABLE, _DISABLE, _RESET.
        0x4b3a => Shape::Name(&ioctl::KD_MODE),
        0x4b3b => Shape::NameOut(&ioctl::KD_MODE),
        0x2400 | 0x2401 | 0x2403 => Shape::Flags(&ioctl::PERF_FLAG),
        SIOCGIFNAME => Shape::InterfaceName,
        SIOCGIFFLAGS | SIOCGIFADDR | SIOCGIFDSTADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK
        | SIOCGIFMETRIC | SIOCGIFMTU | SIOCGIFHWADDR | SIOCGIFINDEX | SIOCGIFTXQLEN => {
            Shape::InterfaceOut
        }
        SIOCSIFFLAGS | SIOCSIFADDR | SIOCSIFDSTADDR | SIOCSIFBRDADDR | SIOCSIFNETMASK
        | SIOCSIFMETRIC | SIOCSIFMTU | SIOCSIFHWADDR | SIOCSIFTXQLEN => Shape::InterfaceIn,
        0x540b => Shape::Name(&ioctl::TCFLSH),
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
    form: Some(Form::UInt32),
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
    form: Some(Form::Any),
    rules: &[fixed(BOTH, SIZE), string(ENTER)],
    at_exit: |args| {
        matches!(
            of(args),
            Shape::IntOut
                | Shape::WindowOut
                | Shape::TermiosOut
                | Shape::LongOut
                | Shape::FileFlagsOut
                | Shape::NameOut(_)
                | Shape::InterfaceOut
                | Shape::InterfaceName
        )
    },
    shown: |args| !matches!(of(args), Shape::None),
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
        Shape::LongOut => p.structure(Phase::Exit, index, &SIZE_OUT),
        Shape::RangeIn => p.structure(Phase::Enter, index, &RANGE),
        Shape::Text => match p.capture_of(Phase::Enter, index, capture::kind::STRING) {
            Some(b) => p.string(b, b.len() as u64),
            None => p.address_of(index),
        },
        Shape::FileFlagsIn => p.structure(Phase::Enter, index, &FILE_FLAGS),
        Shape::FileFlagsOut => p.structure(Phase::Exit, index, &FILE_FLAGS),
        Shape::Name(names) => p.name(names, p.arg(index)),
        Shape::Flags(names) => p.flags(names, p.arg(index)),
        Shape::NameOut(names) => match p.bytes(Phase::Exit, index, 4) {
            Some(b) => {
                p.text("[");
                p.name(names, b.u32_at(0).into());
                p.text("]");
            }
            None => p.address_of(index),
        },
        Shape::RecordIn(fields) => match p.bytes(Phase::Enter, index, 32) {
            Some(b) => p.record(b, fields),
            None => p.address_of(index),
        },
        Shape::InterfaceIn | Shape::InterfaceOut | Shape::InterfaceName => {
            p.interface_request(index)
        }
    },
    ..Custom::PLAIN
};

static RANGE: Layout = Layout {
    size: 16,
    print: |p, b| put!(p, "[{}, {}]", b.u64_at(0), b.u64_at(8)),
};

static FILE_FLAGS: Layout = Layout {
    size: 8,
    print: |p, b| {
        p.text("[");
        p.flags(&file::FS_FLAGS, b.u32_at(0).into());
        p.text("]");
    },
};

/// Requests with a `struct ifreq` (`linux/sockios.h`).
const SIOCGIFNAME: u32 = 0x8910;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCSIFFLAGS: u32 = 0x8914;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCSIFADDR: u32 = 0x8916;
const SIOCGIFDSTADDR: u32 = 0x8917;
const SIOCSIFDSTADDR: u32 = 0x8918;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCSIFBRDADDR: u32 = 0x891a;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCSIFNETMASK: u32 = 0x891c;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCSIFMETRIC: u32 = 0x891e;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCSIFMTU: u32 = 0x8922;
const SIOCSIFHWADDR: u32 = 0x8924;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;
const SIOCGIFTXQLEN: u32 = 0x8942;
const SIOCSIFTXQLEN: u32 = 0x8943;

impl Printer<'_> {
    /// `struct ifreq` (`linux/if.h`): a name of 16 bytes, then what the request is about. Of one
    /// that failed only what was passed is shown.
    fn interface_request(&mut self, index: usize) {
        const SIZE: usize = 40;
        let request = self.arg(1) as u32;
        let stored = !matches!(shape(request), Shape::InterfaceIn);
        let phase = match stored && !self.failed() {
            true => Phase::Exit,
            false => Phase::Enter,
        };
        let Some(b) = self.bytes(phase, index, SIZE) else {
            return self.address_of(index);
        };
        if request == SIOCGIFNAME {
            put!(self, "{{ifr_ifindex={}", b.i32_at(16));
            if !self.failed() {
                self.text(", ifr_name=");
                self.c_string(&b[..16]);
            }
            return self.text("}");
        }
        self.text("{ifr_name=");
        self.c_string(&b[..16]);
        if !stored || !self.failed() {
            self.text(", ");
            self.interface_value(request, &b[16..SIZE]);
        }
        self.text("}");
    }

    fn interface_value(&mut self, request: u32, b: &[u8]) {
        let address: Option<&str> = match request {
            SIOCGIFADDR | SIOCSIFADDR => Some("ifr_addr"),
            SIOCGIFDSTADDR | SIOCSIFDSTADDR => Some("ifr_dstaddr"),
            SIOCGIFBRDADDR | SIOCSIFBRDADDR => Some("ifr_broadaddr"),
            SIOCGIFNETMASK | SIOCSIFNETMASK => Some("ifr_netmask"),
            _ => None,
        };
        if let Some(name) = address {
            put!(self, "{name}=");
            return sockaddr(self, &b[..16]);
        }
        match request {
            SIOCGIFFLAGS | SIOCSIFFLAGS => {
                self.field(b, ("ifr_flags", 0, As::Flags16(&net::IFF)));
            }
            SIOCGIFMETRIC | SIOCSIFMETRIC => self.field(b, ("ifr_metric", 0, As::I32)),
            SIOCGIFMTU | SIOCSIFMTU => self.field(b, ("ifr_mtu", 0, As::I32)),
            SIOCGIFTXQLEN | SIOCSIFTXQLEN => self.field(b, ("ifr_qlen", 0, As::I32)),
            SIOCGIFINDEX => self.field(b, ("ifr_ifindex", 0, As::I32)),
            _ => {
                self.text("ifr_hwaddr={");
                self.field(b, ("sa_family", 0, As::Name16(&net::ARPHRD)));
                self.text(", sa_data=");
                for (i, byte) in b[2..16].iter().enumerate() {
                    put!(self, "{}{byte:02x}", if i > 0 { ":" } else { "" });
                }
                self.text("}");
            }
        }
    }

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
