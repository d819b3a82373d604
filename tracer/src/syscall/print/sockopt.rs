//! Socket options: the name depends on the level, the value on both.

use std::net::{Ipv4Addr, Ipv6Addr};

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Custom, Form};
use crate::syscall::errno::errno;
use crate::syscall::flags::{Names, net};

use super::fields::{As, Field};
use super::net::sockaddr;
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;
use super::text::push_hex_quoted;

const SOL_IP: u64 = 0;
const SOL_SOCKET: u64 = 1;
const SOL_TCP: u64 = 6;
const SOL_IPV6: u64 = 41;
const SOL_RAW: u64 = 255;
const SOL_PACKET: u64 = 263;

/// `SOL_SOCKET` (`asm-generic/socket.h`).
const SO_ERROR: u64 = 4;
const SO_LINGER: u64 = 13;
const SO_PEERCRED: u64 = 17;
const SO_ATTACH_FILTER: u64 = 26;
const SO_ATTACH_REUSEPORT_CBPF: u64 = 51;
const SO_TXREHASH: u64 = 74;
/// `SOL_IP` (`linux/in.h`): with `IP_DROP_MEMBERSHIP`; `MCAST_JOIN_GROUP`, `MCAST_LEAVE_GROUP`.
const IP_ADD_MEMBERSHIP: [u64; 2] = [35, 36];
const MCAST_GROUP: [u64; 2] = [42, 45];
/// `SOL_IPV6` (`linux/in6.h`): memberships, and anycast, joined and left.
const IPV6_MEMBERSHIP: [u64; 4] = [20, 21, 27, 28];
/// `SOL_RAW` (`linux/icmp.h`).
const ICMP_FILTER: u64 = 1;
/// `SOL_PACKET` (`linux/if_packet.h`).
const PACKET_MEMBERSHIP: [u64; 2] = [1, 2];
const PACKET_RING: [u64; 2] = [5, 13];
const PACKET_STATISTICS: u64 = 6;

/// Name of an option, by the level in argument 1.
pub static SOCKET_OPTION: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        match options(p.arg(1) & 0xffff_ffff) {
            Some(names) => p.name(names, value),
            None => put!(p, "{}", value as u32),
        }
    },
    ..Custom::PLAIN
};

/// Name of an option that is read: some numbers have another meaning then.
pub static SOCKET_OPTION_READ: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| match (p.arg(1) & 0xffff_ffff, p.arg(index) & 0xffff_ffff) {
        (SOL_SOCKET, SO_ATTACH_FILTER) => p.text("SO_GET_FILTER"),
        (SOL_IPV6, 64) => p.text("IP6T_SO_GET_INFO"),
        (SOL_IPV6, 65) => p.text("IP6T_SO_GET_ENTRIES"),
        (SOL_IPV6, 68) => p.text("IP6T_SO_GET_REVISION_MATCH"),
        (SOL_IPV6, 69) => p.text("IP6T_SO_GET_REVISION_TARGET"),
        _ => (SOCKET_OPTION.print)(p, index),
    },
    ..Custom::PLAIN
};

fn options(level: u64) -> Option<&'static Names> {
    Some(match level {
        SOL_IP => &net::SO_IP,
        SOL_SOCKET => &net::SO_SOCKET,
        SOL_TCP => &net::SO_TCP,
        17 => &net::SO_UDP,
        40 => &net::SO_VSOCK,
        SOL_IPV6 => &net::SO_IPV6,
        132 => &net::SO_SCTP,
        SOL_RAW => &net::SO_RAW,
        SOL_PACKET => &net::SO_PACKET,
        270 => &net::SO_NETLINK,
        279 => &net::SO_ALG,
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
        let len = p.arg(4) as i32;
        match p.bytes(Phase::Enter, index, 1) {
            Some(b) if len > 0 => p.option_set(index, b, len as u64),
            _ => p.address_of(index),
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
            (Some(b), Some(len)) => p.option_read(index, b, len.into()),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn option_name(&self) -> (u64, u64) {
        (self.arg(1) & 0xffff_ffff, self.arg(2) & 0xffff_ffff)
    }

    /// Whether the option is known to be an `int`: of a longer value the rest is not shown.
    fn is_int_option(&self) -> bool {
        // Times, names, lists, and those of newer kernels.
        let other = |option| {
            matches!(
                option,
                SO_PEERCRED | 20 | 21 | 25 | 28 | 31 | 51 | 55 | 57 | 59 | 61 | 66 | 67
            )
        };
        matches!(self.option_name(), (SOL_SOCKET, option) if !other(option))
    }

    /// Options that are set: a structure of which a part is missing shows as its address.
    fn option_set(&mut self, index: usize, b: &[u8], len: u64) {
        type Print = fn(&mut Printer<'_>, &[u8]);
        let (size, print): (usize, Print) = match self.option_name() {
            (SOL_SOCKET, SO_LINGER) => (8, |p, b| p.record(b, LINGER)),
            (SOL_SOCKET, SO_ATTACH_FILTER | SO_ATTACH_REUSEPORT_CBPF) => {
                (16, |p, b| p.filter_program(b))
            }
            (SOL_IP, option) if IP_ADD_MEMBERSHIP.contains(&option) => (8, |p, b| {
                p.record(
                    b,
                    &[
                        ("imr_multiaddr", 0, As::With(|p, b| p.inet(b))),
                        ("imr_interface", 4, As::With(|p, b| p.inet(b))),
                    ],
                );
            }),
            (SOL_IP, option) if MCAST_GROUP.contains(&option) => (136, |p, b| {
                p.text("{gr_interface=");
                p.interface(b.u32_at(0));
                p.text(", gr_group=");
                sockaddr(p, &b[8..136]);
                p.text("}");
            }),
            (SOL_IPV6, option) if IPV6_MEMBERSHIP.contains(&option) => (20, |p, b| {
                let address = Ipv6Addr::from(b.array::<16>(0));
                put!(
                    p,
                    "{{inet_pton(AF_INET6, \"{address}\", &ipv6mr_multiaddr), ipv6mr_interface="
                );
                p.interface(b.u32_at(16));
                p.text("}");
            }),
            (SOL_PACKET, option) if PACKET_MEMBERSHIP.contains(&option) => {
                (16, |p, b| p.packet_membership(b))
            }
            (SOL_PACKET, option) if PACKET_RING.contains(&option) => (16, |p, b| {
                p.record(
                    b,
                    &[
                        ("tp_block_size", 0, As::U32),
                        ("tp_block_nr", 4, As::U32),
                        ("tp_frame_size", 8, As::U32),
                        ("tp_frame_nr", 12, As::U32),
                    ],
                );
            }),
            (SOL_RAW, ICMP_FILTER) => (4, |p, b| p.icmp_filter(b)),
            _ => (4, |p, b| p.option_number(b)),
        };
        let known_size = size > 4 || matches!(self.option_name(), (SOL_RAW, ICMP_FILTER));
        match usize::try_from(len).unwrap_or(usize::MAX) {
            len if !known_size && !self.is_int_option() && len != size => {
                self.string(b, len as u64)
            }
            len if len < size || b.len() < size => self.address_of(index),
            _ => print(self, b),
        }
    }

    /// Options that are read: of a structure the fields that there are.
    fn option_read(&mut self, index: usize, b: &[u8], len: u64) {
        let whole = |fields: &'static [Field]| {
            let whole = fields.iter().take_while(|f| f.1 as u64 + 4 <= len);
            &fields[..whole.count()]
        };
        match self.option_name() {
            (SOL_SOCKET, SO_LINGER) => self.record(b, whole(LINGER)),
            (SOL_SOCKET, SO_PEERCRED) => self.record(b, whole(CREDENTIALS)),
            (SOL_SOCKET, SO_ATTACH_FILTER) => self.address_of(index),
            (SOL_SOCKET, SO_ERROR) if len >= 4 && b.i32_at(0) != 0 => self.error_option(b),
            (SOL_PACKET, PACKET_STATISTICS) => self.record(b, whole(STATISTICS)),
            (SOL_RAW, ICMP_FILTER) if len >= 4 => self.icmp_filter(b),
            _ if len == 4 && b.len() >= 4 => self.option_number(b),
            _ if !self.is_int_option() => self.string(b, len),
            _ if len < 4 => {
                let shown = b.len().min(len as usize);
                push_hex_quoted(&mut self.out, &b[..shown]);
            }
            _ => self.option_number(b),
        }
    }

    fn option_number(&mut self, b: &[u8]) {
        self.text("[");
        match self.option_name() {
            (SOL_SOCKET, SO_TXREHASH) => self.name(&net::TXREHASH, b.u32_at(0).into()),
            _ => put!(self, "{}", b.i32_at(0)),
        }
        self.text("]");
    }

    fn icmp_filter(&mut self, b: &[u8]) {
        self.text("[");
        self.flags(&net::ICMP_TYPE, b.u32_at(0).into());
        self.text("]");
    }

    /// `struct packet_mreq`.
    fn packet_membership(&mut self, b: &[u8]) {
        self.text("{mr_ifindex=");
        self.interface(b.u32_at(0));
        self.more_fields(
            b,
            &[
                ("mr_type", 4, As::Name16(&net::PACKET_MR)),
                ("mr_alen", 6, As::U16),
            ],
        );
        self.text(", mr_address=");
        for i in 0..usize::from(b.u16_at(6)).min(8) {
            put!(
                self,
                "{}{:02x}",
                if i > 0 { ":" } else { "" },
                b.u8_at(8 + i)
            );
        }
        self.text("}");
    }

    fn inet(&mut self, b: &[u8]) {
        put!(self, "inet_addr(\"{}\")", Ipv4Addr::from(b.be32_at(0)));
    }

    fn error_option(&mut self, b: &[u8]) {
        match errno(b.u32_at(0)) {
            Some((name, _)) => put!(self, "[{name}]"),
            None => put!(self, "[{}]", b.i32_at(0)),
        }
    }
}

const LINGER: &[Field] = &[("l_onoff", 0, As::I32), ("l_linger", 4, As::I32)];
const CREDENTIALS: &[Field] = &[("pid", 0, As::I32), ("uid", 4, As::Id), ("gid", 8, As::Id)];
const STATISTICS: &[Field] = &[
    ("tp_packets", 0, As::U32),
    ("tp_drops", 4, As::U32),
    ("tp_freeze_q_cnt", 8, As::U32),
];
