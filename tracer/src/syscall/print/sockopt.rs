//! Socket options: the name depends on the level, the value on both.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::Custom;
use crate::syscall::errno::errno;
use crate::syscall::flags::{Names, net};

use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

const SOL_SOCKET: u64 = 1;
const SOL_TCP: u64 = 6;

const SO_ERROR: u64 = 4;
const SO_LINGER: u64 = 13;
const SO_PEERCRED: u64 = 17;
const SO_RCVTIMEO_OLD: u64 = 20;
const SO_SNDTIMEO_OLD: u64 = 21;
const SO_BINDTODEVICE: u64 = 25;
const SO_ATTACH_FILTER: u64 = 26;
const SO_PEERNAME: u64 = 28;
const SO_PEERSEC: u64 = 31;
const SO_RCVTIMEO_NEW: u64 = 66;
const SO_SNDTIMEO_NEW: u64 = 67;
const TCP_INFO: u64 = 11;
const TCP_CONGESTION: u64 = 13;
const TCP_ULP: u64 = 31;

/// Name of an option, by the level in argument 1.
pub static SOCKET_OPTION: Custom = Custom {
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        match options(p.arg(1) & 0xffff_ffff) {
            Some(names) => p.name(names, value),
            None => put!(p, "{}", value as u32),
        }
    },
    ..Custom::PLAIN
};

fn options(level: u64) -> Option<&'static Names> {
    Some(match level {
        0 => &net::SO_IP,
        SOL_SOCKET => &net::SO_SOCKET,
        SOL_TCP => &net::SO_TCP,
        17 => &net::SO_UDP,
        41 => &net::SO_IPV6,
        132 => &net::SO_SCTP,
        255 => &net::SO_RAW,
        263 => &net::SO_PACKET,
        270 => &net::SO_NETLINK,
        282 => &net::SO_TLS,
        _ => return None,
    })
}

/// Value of `setsockopt`, its length in argument 4.
pub static OPTION_IN: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::ENTER,
        len_from: capture::len::ARG,
        size: 1,
        arg: 0,
        len_arg: 4,
        word: 0,
    }],
    print: |p, index| {
        let len = p.arg(4) & 0xffff_ffff;
        match p.bytes(Phase::Enter, index, 1) {
            Some(b) => p.option(b, len),
            None => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

/// Value of `getsockopt`, its length behind argument 4.
pub static OPTION_OUT: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::EXIT,
        len_from: capture::len::DEREF,
        size: 1,
        arg: 0,
        len_arg: 4,
        word: 0,
    }],
    at_exit: |_| true,
    print: |p, index| {
        let len = p.bytes(Phase::Exit, 4, 4).map(|b| b.u32_at(0));
        match (p.bytes(Phase::Exit, index, 1), len) {
            (Some(b), Some(len)) => p.option(b, len.into()),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn option(&mut self, b: &[u8], len: u64) {
        let option = (self.arg(1) & 0xffff_ffff, self.arg(2) & 0xffff_ffff);
        match option {
            (SOL_SOCKET, SO_ERROR) if b.len() >= 4 && b.i32_at(0) != 0 => self.error_option(b),
            (SOL_SOCKET, SO_LINGER) if b.len() >= 8 => {
                put!(
                    self,
                    "{{l_onoff={}, l_linger={}}}",
                    b.i32_at(0),
                    b.i32_at(4)
                );
            }
            (SOL_SOCKET, SO_PEERCRED) if b.len() >= 12 => {
                put!(self, "{{pid={}, uid=", b.i32_at(0));
                self.id(b.u32_at(4));
                self.text(", gid=");
                self.id(b.u32_at(8));
                self.text("}");
            }
            (SOL_SOCKET, SO_ATTACH_FILTER) if b.len() >= 16 => {
                put!(self, "{{len={}, filter=", b.u16_at(0));
                self.pointer(b.u64_at(8));
                self.text("}");
            }
            (
                SOL_SOCKET,
                SO_RCVTIMEO_OLD | SO_SNDTIMEO_OLD | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW
                | SO_BINDTODEVICE | SO_PEERNAME | SO_PEERSEC,
            )
            | (SOL_TCP, TCP_CONGESTION | TCP_INFO | TCP_ULP) => self.string(b, len),
            (level, _) if b.len() >= 4 && options(level).is_some() => {
                put!(self, "[{}]", b.i32_at(0))
            }
            _ => self.string(b, len),
        }
    }

    fn error_option(&mut self, b: &[u8]) {
        match errno(b.u32_at(0)) {
            Some((name, _)) => put!(self, "[{name}]"),
            None => put!(self, "[{}]", b.i32_at(0)),
        }
    }
}
