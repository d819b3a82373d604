//! `ioctl`: requests of terminals and sockets, and plain numbers.

use tracer_common::capture;

use crate::event::CaptureStatus;
use crate::syscall::arg::{Comma, Custom, Form, Layout, Registers};
use crate::syscall::flags::ioctl::{self, IOCTL};
use crate::syscall::flags::{Names, file, net};

use super::fields::{As, Field};
use super::net::sockaddr;
use super::printer::{Phase, Printer, put};
use super::process::{INT, SIZE as SIZE_OUT};
use super::rule::{BOTH, ENTER, EXIT, at_word, behind_word, fixed, string};
use super::struct_bytes::StructBytes;
use super::termios::{print_termio, print_termios};

/// Bytes captured at the third argument: `struct termios2` is the largest shown.
const SIZE: u16 = 44;
/// Bytes of `struct fiemap_extent`, which begin at a word of `struct fiemap` (`linux/fiemap.h`).
const EXTENT: u16 = 56;
const EXTENTS_WORD: u8 = 4;
/// Bytes of `struct ifreq`.
const INTERFACE: u16 = 40;

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
    RecordOut(&'static [Field]),
    /// `struct termio`.
    TermioIn,
    TermioOut,
    /// A byte behind a pointer.
    Character,
    /// `struct fiemap`.
    Extents,
    LabelOut,
    /// `struct ifconf`.
    InterfaceList,
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
    ("src_fd", 0, As::With(|p, b| p.descriptor(b.i32_at(0)))),
    ("src_offset", 8, As::U64),
    ("src_length", 16, As::U64),
    ("dest_offset", 24, As::U64),
];

/// `struct fsxattr` (`linux/fs.h`).
const ATTRIBUTES: &[Field] = &[
    ("fsx_xflags", 0, As::Flags32(&file::FS_XFLAGS)),
    ("fsx_extsize", 4, As::U32),
    ("fsx_nextents", 8, As::U32),
    ("fsx_projid", 12, As::U32),
    ("fsx_cowextsize", 16, As::U32),
];

fn shape(request: u32) -> Shape {
    match request {
        0x5401 => Shape::TermiosOut,
        0x5402..=0x5404 => Shape::TermiosIn,
        // TCSBRK, TIOCSCTTY, TCSBRKP; FICLONE.
        0x5409 | 0x540e | 0x5425 | 0x4004_9409 => Shape::Number,
        0x540a => Shape::Name(&ioctl::TCXONC),
        // TCGETA, TCSETA to TCSETAF.
        0x5405 => Shape::TermioOut,
        0x5406..=0x5408 => Shape::TermioIn,
        // TIOCSTI.
        0x5412 => Shape::Character,
        // TIOCEXCL, TIOCNXCL, TIOCCONS, TIOCGSERIAL, TIOCSSERIAL, TIOCNOTTY, TIOCSBRK, TIOCCBRK,
        // TIOCVHANGUP, FIONCLEX, FIOCLEX; LOOP_CTL_GET_FREE.
        0x540c | 0x540d | 0x541d | 0x541f | 0x5422 | 0x5427 | 0x5428 | 0x5437 | 0x5450 | 0x5451
        | 0x4c82 => Shape::None,
        // TIOCGPGRP, TIOCOUTQ, FIONREAD, TIOCGSID, TIOCGPTN, TIOCGETD, FIOGETOWN, SIOCGPGRP,
        // SIOCATMARK, TIOCGPKT, TIOCGEXCL; RNDGETENTCNT.
        0x540f
        | 0x5411
        | 0x541b
        | 0x5424
        | 0x5429
        | 0x8004_5430
        | 0x8903..=0x8905
        | 0x8004_5438
        | 0x8004_5440
        | 0x8004_5200 => Shape::IntOut,
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
        // FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR, FS_IOC_FIEMAP, FS_IOC_GETFSLABEL, FS_IOC_SETFSLABEL.
        0x801c_581f => Shape::RecordOut(ATTRIBUTES),
        0x401c_5820 => Shape::RecordIn(ATTRIBUTES),
        0xc020_660b => Shape::Extents,
        0x8100_9431 => Shape::LabelOut,
        0x4100_9432 => Shape::Text,
        // KDSETMODE, KDGETMODE; PERF_EVENT_IOC_ENABLE, _DISABLE, _RESET.
        0x4b3a => Shape::Name(&ioctl::KD_MODE),
        0x4b3b => Shape::NameOut(&ioctl::KD_MODE),
        0x2400 | 0x2401 | 0x2403 => Shape::Flags(&ioctl::PERF_FLAG),
        SIOCGIFCONF => Shape::InterfaceList,
        SIOCGIFNAME => Shape::InterfaceName,
        SIOCGIFFLAGS | SIOCGIFADDR | SIOCGIFDSTADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK
        | SIOCGIFMETRIC | SIOCGIFMTU | SIOCGIFHWADDR | SIOCGIFINDEX | SIOCGIFTXQLEN
        | SIOCGIFMAP | SIOCGIFSLAVE => Shape::InterfaceOut,
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
        p.constant(request, |p| match IOCTL.get(request) {
            Some(name) => p.text(name),
            None => p.encoded_request(request as u32),
        });
    },
    ..Custom::PLAIN
};

/// The third argument.
pub static IOCTL_ARG: Custom = Custom {
    form: Some(Form::Any),
    rules: &[
        fixed(BOTH, SIZE),
        string(ENTER),
        // The extents of `struct fiemap`, 56 bytes each, and the list of `struct ifconf`.
        at_word(fixed(EXIT, 4 * EXTENT), EXTENTS_WORD),
        behind_word(fixed(EXIT, 10 * INTERFACE), 1),
    ],
    at_exit: |args| {
        matches!(
            of(args),
            Shape::IntOut
                | Shape::WindowOut
                | Shape::TermiosOut
                | Shape::LongOut
                | Shape::FileFlagsOut
                | Shape::NameOut(_)
                | Shape::RecordOut(_)
                | Shape::TermioOut
                | Shape::Extents
                | Shape::LabelOut
                | Shape::InterfaceList
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
        Shape::Character => match p.bytes(Phase::Enter, index, 1) {
            Some(b) => p.quoted(&b[..1]),
            None => p.address_of(index),
        },
        Shape::TermioIn => p.termio(Phase::Enter, index),
        Shape::TermioOut => p.termio(Phase::Exit, index),
        Shape::Extents => p.extents(index),
        Shape::LabelOut => match p.bytes(Phase::Exit, index, 1) {
            Some(b) => p.c_string(b),
            None => p.address_of(index),
        },
        Shape::InterfaceList => p.interface_list(index),
        Shape::RecordOut(fields) => match p.bytes(Phase::Exit, index, 32) {
            Some(b) => p.record(b, fields),
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
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFSLAVE: u32 = 0x8929;
const SIOCGIFMAP: u32 = 0x8970;
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
        if (!stored || !self.failed()) && request != SIOCGIFSLAVE {
            self.text(", ");
            self.interface_value(request, &b[16..SIZE]);
        }
        self.text("}");
    }

    /// `struct ifconf` (`linux/if.h`): a length in bytes and a pointer to `struct ifreq`.
    fn interface_list(&mut self, index: usize) {
        let Some(before) = self.bytes(Phase::Enter, index, 16) else {
            return self.address_of(index);
        };
        let failed = self.failed();
        let after = match failed {
            true => before,
            false => self.bytes(Phase::Exit, index, 16).unwrap_or(before),
        };
        let length = |p: &mut Self, len: u32| {
            put!(p, "{len}");
            if len > 0 && len.is_multiple_of(INTERFACE.into()) {
                put!(
                    p,
                    " /* {} * sizeof(struct ifreq) */",
                    len / u32::from(INTERFACE)
                );
            }
        };
        self.text("{ifc_len=");
        let (room, filled) = (before.u32_at(0), after.u32_at(0));
        if before.u64_at(8) != 0 {
            length(self, room);
        }
        if before.u64_at(8) == 0 || (room != filled && !failed) {
            self.text(if before.u64_at(8) == 0 { "" } else { " => " });
            length(self, filled);
        }
        self.text(", ifc_buf=");
        let mut captures = self.captures(Phase::Exit).iter();
        let list = captures.find(|c| c.index == 1 && usize::from(c.arg) == index);
        match list.filter(|c| !failed && c.status != CaptureStatus::Fault) {
            Some(list) => {
                let count = u64::from(filled / u32::from(INTERFACE));
                self.array(&list.data, INTERFACE.into(), count, |p, b| {
                    p.text("{ifr_name=");
                    p.c_string(&b[..16]);
                    p.text(", ifr_addr=");
                    sockaddr(p, &b[16..32]);
                    p.text("}");
                });
            }
            None => self.pointer(after.u64_at(8)),
        }
        self.text("}");
    }

    /// `struct fiemap` (`linux/fiemap.h`): what is asked for, then what there is.
    fn extents(&mut self, index: usize) {
        let Some(asked) = self.bytes(Phase::Enter, index, 32) else {
            return self.address_of(index);
        };
        self.record(
            asked,
            &[
                ("fm_start", 0, As::U64),
                ("fm_length", 8, As::U64),
                ("fm_flags", 16, As::Flags32(&file::FIEMAP)),
                ("fm_extent_count", 24, As::U32),
            ],
        );
        if self.failed() {
            return;
        }
        let Some(found) = self.bytes(Phase::Exit, index, 32) else {
            return;
        };
        self.text(" => {");
        self.fields(
            found,
            &[
                ("fm_flags", 16, As::Flags32(&file::FIEMAP)),
                ("fm_mapped_extents", 20, As::U32),
            ],
        );
        self.extent_list(index, asked.u32_at(24).min(found.u32_at(20)));
        self.text("}");
    }

    fn extent_list(&mut self, index: usize, count: u32) {
        if self.is_abbreviated() {
            return self.text(", ...");
        }
        self.text(", fm_extents=");
        let mut captures = self.captures(Phase::Exit).iter();
        let list = captures.find(|c| c.index == EXTENTS_WORD && usize::from(c.arg) == index);
        match list.filter(|c| c.status != CaptureStatus::Fault) {
            Some(list) => self.array(&list.data, EXTENT.into(), count.into(), |p, b| {
                p.record(
                    b,
                    &[
                        ("fe_logical", 0, As::U64),
                        ("fe_physical", 8, As::U64),
                        ("fe_length", 16, As::U64),
                        ("fe_flags", 40, As::Flags32(&file::FIEMAP_EXTENT)),
                    ],
                );
            }),
            None => self.pointer(self.arg(index).wrapping_add(32)),
        }
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
            SIOCGIFMAP => {
                self.text("ifr_map=");
                self.record(b, super::route::MAP);
            }
            _ => {
                self.text("ifr_hwaddr={");
                self.field(b, ("sa_family", 0, As::Name16(&net::ARPHRD)));
                self.text(", sa_data=");
                // Of Ethernet, whose addresses have 6 bytes, only those are shown.
                const ETHERNET: u16 = 1;
                let len = if b.u16_at(0) == ETHERNET { 6 } else { 14 };
                for (i, byte) in b[2..2 + len].iter().enumerate() {
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

    fn termio(&mut self, phase: Phase, index: usize) {
        match self.bytes(phase, index, 18) {
            Some(b) => print_termio(self, b),
            None => self.address_of(index),
        }
    }

    fn termios(&mut self, phase: Phase, index: usize) {
        match self.bytes(phase, index, 36) {
            Some(b) => print_termios(self, b),
            None => self.address_of(index),
        }
    }
}
