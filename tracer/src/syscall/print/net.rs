//! Sockets: addresses, types, protocols.

use std::net::{Ipv4Addr, Ipv6Addr};

use tracer_common::capture::{self, CaptureRule};

use crate::process::interface_name;
use crate::syscall::arg::{Custom, Form};
use crate::syscall::flags::net;

use super::fields::As;
use super::options::Constants;
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_PACKET: u16 = 17;
const AF_CAN: u16 = 29;
const AF_BLUETOOTH: u16 = 31;
const AF_ALG: u16 = 38;
const AF_VSOCK: u16 = 40;
const AF_XDP: u16 = 44;
/// Bytes of `struct sockaddr_ll` (`linux/if_packet.h`).
const SOCKADDR_LL: usize = 20;

/// Type of `socket`, with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
pub static SOCKET_TYPE: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const TYPE: u64 = 0xf;
        let value = p.arg(index) & 0xffff_ffff;
        match net::SOCK_TYPE.get(value & TYPE) {
            Some(_) => {
                p.name(&net::SOCK_TYPE, value & TYPE);
                if value & !TYPE != 0 {
                    p.text("|");
                    p.flags(&net::SOCK_FLAGS, value & !TYPE);
                }
            }
            None => p.flags(&net::SOCK_FLAGS, value),
        }
    },
    ..Custom::PLAIN
};

/// Protocol of `socket`, which depends on the family.
pub static SOCKET_PROTOCOL: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        match p.arg(0) as u16 {
            AF_INET | AF_INET6 => p.name(&net::IPPROTO, value),
            AF_NETLINK => p.name(&net::NETLINK, value),
            AF_PACKET => p.ether_type((value as u16).swap_bytes()),
            AF_BLUETOOTH => p.name(&net::BTPROTO, value),
            AF_CAN => p.name(&net::CAN_PROTOCOL, value),
            _ => put!(p, "{}", p.arg(index)),
        }
    },
    ..Custom::PLAIN
};

/// Length of a socket address that the kernel stores; ignored when there is no room for one.
pub static SOCKADDR_LEN: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::ENTER | capture::phase::EXIT,
        len_from: capture::len::FIXED,
        size: 4,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    // Where the address is not the second argument, something before it waits anyway.
    at_exit: |args| args[1] != 0 && args[2] != 0,
    print: |p, index| match p.arg(index.saturating_sub(1)) {
        0 => p.address_of(index),
        _ => p.len_ptr(index),
    },
    ..Custom::PLAIN
};

/// Prints the address of `len` bytes behind an argument.
pub(super) fn print_sockaddr(p: &mut Printer<'_>, phase: Phase, index: usize, len: u64) {
    let wanted = usize::try_from(len).unwrap_or(usize::MAX);
    match p.bytes(phase, index, 2).filter(|_| wanted >= 2) {
        Some(b) => sockaddr(p, &b[..b.len().min(wanted)]),
        None => p.address_of(index),
    }
}

/// Prints `struct sockaddr` of some family.
pub(super) fn sockaddr(p: &mut Printer<'_>, b: &[u8]) {
    let family = b.u16_at(0);
    p.text("{sa_family=");
    p.name(&net::AF, family.into());
    match family {
        AF_UNIX if b.len() > 2 => p.unix(&b[2..]),
        AF_INET if b.len() >= 16 => {
            let address = Ipv4Addr::from(b.be32_at(4));
            p.text(", sin_port=");
            p.network(&b[2..4], &format!("htons({})", b.be16_at(2)));
            p.text(", sin_addr=");
            p.network(&b[4..8], &format!("inet_addr(\"{address}\")"));
        }
        AF_INET6 if b.len() >= 24 => p.inet6(b),
        AF_NETLINK if b.len() >= 12 => {
            put!(p, ", nl_pid={}, nl_groups=", b.i32_at(4));
            // C's `%#08x`.
            match b.u32_at(8) {
                0 => p.text("00000000"),
                groups => put!(p, "{groups:#08x}"),
            }
        }
        AF_PACKET if b.len() >= SOCKADDR_LL => p.packet(b),
        AF_VSOCK if b.len() >= 12 => p.more_fields(
            b,
            &[
                ("svm_cid", 8, As::Name32(&net::VMADDR_CID)),
                ("svm_port", 4, As::Name32(&net::VMADDR_PORT)),
                ("svm_flags", 12, As::Hex8),
            ],
        ),
        AF_ALG if b.len() >= 25 => {
            p.text(", salg_type=");
            p.c_string(&b[2..16]);
            p.more_fields(
                b,
                &[("salg_feat", 16, As::Hex32), ("salg_mask", 20, As::Hex32)],
            );
            p.text(", salg_name=");
            p.c_string(&b[24..]);
        }
        AF_XDP if b.len() >= 16 => {
            p.more_fields(b, &[("sxdp_flags", 2, As::Hex16)]);
            p.text(", sxdp_ifindex=");
            p.interface(b.u32_at(4));
            p.more_fields(
                b,
                &[
                    ("sxdp_queue_id", 8, As::U32),
                    ("sxdp_shared_umem_fd", 12, As::Hex32),
                ],
            );
        }
        _ if b.len() > 2 => {
            p.text(", sa_data=");
            p.quoted(&b[2..b.len().min(128)]);
        }
        _ => {}
    }
    p.text("}");
}

impl Printer<'_> {
    /// A path, or a name in the abstract space, which begins with NUL.
    fn unix(&mut self, path: &[u8]) {
        self.text(", sun_path=");
        let path = &path[..path.len().min(108)];
        match path {
            [0, name @ ..] => {
                self.text("@");
                self.quoted(name);
            }
            _ => {
                let len = path.iter().position(|&c| c == 0).unwrap_or(path.len());
                self.quoted(&path[..len]);
            }
        }
    }

    /// A value in the order of bytes of the network: how a program would write it, or its bytes.
    fn network(&mut self, bytes: &[u8], text: &str) {
        let number = |p: &mut Self| {
            p.text("\"");
            bytes.iter().for_each(|byte| put!(p, "\\x{byte:02x}"));
            p.text("\"");
        };
        self.formed(number, |p| p.text(text));
    }

    fn inet6(&mut self, b: &[u8]) {
        let address = Ipv6Addr::from(b.array::<16>(8));
        self.text(", sin6_port=");
        self.network(&b[2..4], &format!("htons({})", b.be16_at(2)));
        self.text(", sin6_flowinfo=");
        self.network(&b[4..8], &format!("htonl({})", b.be32_at(4)));
        if self.constants() == Constants::Names {
            put!(self, ", inet_pton(AF_INET6, \"{address}\", &sin6_addr)");
        } else {
            self.text(", sin6_addr=");
            let text = format!("inet_pton(AF_INET6, \"{address}\")");
            self.network(&b[8..24], &text);
        }
        if b.len() >= 28 {
            self.text(", sin6_scope_id=");
            let local = address.is_unicast_link_local() || address.octets()[..2] == [0xff, 2];
            match local {
                true => self.interface(b.u32_at(24)),
                false => put!(self, "{}", b.u32_at(24)),
            }
        }
    }

    fn packet(&mut self, b: &[u8]) {
        self.text(", sll_protocol=");
        self.ether_type(b.be16_at(2));
        self.text(", sll_ifindex=");
        self.interface(b.u32_at(4));
        self.more_fields(
            b,
            &[
                ("sll_hatype", 8, As::Name16(&net::ARPHRD)),
                (
                    "sll_pkttype",
                    10,
                    As::With(|p, b| p.name(&net::PACKET_TYPE, b.u8_at(0).into())),
                ),
                ("sll_halen", 11, As::U8),
            ],
        );
        let len = usize::from(b.u8_at(11)).min(8);
        if len > 0 && b.len() >= 12 + len {
            self.text(", sll_addr=");
            self.array(&b[12..12 + len], 1, len as u64, |p, b| {
                p.hex(b.u8_at(0).into())
            });
        }
    }

    /// The number of a network interface. Elsewhere only that of the loopback is the same
    /// (`LOOPBACK_IFINDEX` of include/net/net_namespace.h).
    pub(super) fn interface(&mut self, index: u32) {
        let name = match index {
            1 => Some("lo".to_owned()),
            _ if self.options.interface_names => interface_name(index),
            _ => None,
        };
        match name {
            Some(name) => put!(self, "if_nametoindex(\"{name}\")"),
            None => put!(self, "{index}"),
        }
    }

    fn ether_type(&mut self, value: u16) {
        self.text("htons(");
        self.name(&net::ETH_P, value.into());
        self.text(")");
    }
}
