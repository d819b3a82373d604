//! `NETLINK_SOCK_DIAG`: lists of sockets (`linux/sock_diag.h`, `linux/inet_diag.h`,
//! `linux/unix_diag.h`, `linux/netlink_diag.h`).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::syscall::flags::{net, netlink as names};

use super::fields::{As, Field};
use super::netlink::{Attributes, Header, Value};
use super::printer::{Printer, put};
use super::struct_bytes::StructBytes;
use Value::*;

const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_NETLINK: u8 = 16;

/// What follows the header of a request or an answer.
pub(super) fn payload(p: &mut Printer<'_>, header: Header, b: &[u8]) {
    let family = b.u8_at(0);
    let name = match (header.is_request(), family) {
        (true, _) => "sdiag_family",
        (false, AF_UNIX) => "udiag_family",
        (false, AF_NETLINK) => "ndiag_family",
        (false, _) => "idiag_family",
    };
    put!(p, "{{{name}=");
    p.name(&net::AF, family.into());
    match (header.is_request(), family, b.len()) {
        (true, AF_INET | AF_INET6, 56..) => p.inet_request(b),
        (false, AF_INET | AF_INET6, 72..) => p.inet_answer(b),
        (true, AF_UNIX, 24..) => p.unix_request(b),
        (false, AF_UNIX, 16..) => p.unix_answer(b),
        (true, AF_NETLINK, 20..) => p.netlink_request(b),
        _ => {
            if b.len() > 1 {
                p.text(", ");
                p.octets(&b[1..]);
            }
            p.text("}");
        }
    }
}

static INET_ATTRIBUTES: Attributes = Attributes {
    unknown: "INET_DIAG_???",
    all: &[
        (0, "INET_DIAG_NONE", Raw),
        (1, "INET_DIAG_MEMINFO", Record(MEMORY, 16)),
        (2, "INET_DIAG_INFO", Raw),
        (3, "INET_DIAG_VEGASINFO", Record(VEGAS, 16)),
        (4, "INET_DIAG_CONG", Text),
        (5, "INET_DIAG_TOS", U8),
        (6, "INET_DIAG_TCLASS", U8),
        (7, "INET_DIAG_SKMEMINFO", With(socket_memory, 4)),
        (8, "INET_DIAG_SHUTDOWN", U8),
        (9, "INET_DIAG_DCTCPINFO", Raw),
        (10, "INET_DIAG_PROTOCOL", Name8(&net::IPPROTO)),
        (11, "INET_DIAG_SKV6ONLY", U8),
        (12, "INET_DIAG_LOCALS", Raw),
        (13, "INET_DIAG_PEERS", Raw),
        (14, "INET_DIAG_PAD", Raw),
        (15, "INET_DIAG_MARK", U32),
        (16, "INET_DIAG_BBRINFO", Raw),
        (17, "INET_DIAG_CLASS_ID", U32),
        (18, "INET_DIAG_MD5SIG", Raw),
        (19, "INET_DIAG_ULP_INFO", Raw),
        (20, "INET_DIAG_SK_BPF_STORAGES", Raw),
        (21, "INET_DIAG_CGROUP_ID", U64),
        (22, "INET_DIAG_SOCKOPT", With(socket_options, 2)),
    ],
};

const MEMORY: &[Field] = &[
    ("idiag_rmem", 0, As::U32),
    ("idiag_wmem", 4, As::U32),
    ("idiag_fmem", 8, As::U32),
    ("idiag_tmem", 12, As::U32),
];
const VEGAS: &[Field] = &[
    ("tcpv_enabled", 0, As::U32),
    ("tcpv_rttcnt", 4, As::U32),
    ("tcpv_rtt", 8, As::U32),
    ("tcpv_minrtt", 12, As::U32),
];

/// Counters by place (`SK_MEMINFO_*`): `[[SK_MEMINFO_RMEM_ALLOC]=0, …]`.
fn socket_memory(p: &mut Printer<'_>, b: &[u8]) {
    const PLACES: [&str; 9] = [
        "SK_MEMINFO_RMEM_ALLOC",
        "SK_MEMINFO_RCVBUF",
        "SK_MEMINFO_WMEM_ALLOC",
        "SK_MEMINFO_SNDBUF",
        "SK_MEMINFO_FWD_ALLOC",
        "SK_MEMINFO_WMEM_QUEUED",
        "SK_MEMINFO_OPTMEM",
        "SK_MEMINFO_BACKLOG",
        "SK_MEMINFO_DROPS",
    ];
    p.text("[");
    for (i, value) in b.chunks_exact(4).enumerate() {
        p.text(if i > 0 { ", " } else { "" });
        match PLACES.get(i) {
            Some(name) => put!(p, "[{name}]={}", value.u32_at(0)),
            None => put!(p, "[{i}]={}", value.u32_at(0)),
        }
    }
    p.text("]");
}

/// `struct inet_diag_sockopt`, bits of which those that are set are shown.
fn socket_options(p: &mut Printer<'_>, b: &[u8]) {
    const BITS: [&str; 11] = [
        "recverr",
        "is_icsk",
        "freebind",
        "hdrincl",
        "mc_loop",
        "transparent",
        "mc_all",
        "nodefrag",
        "bind_address_no_port",
        "recverr_rfc4884",
        "defer_connect",
    ];
    p.text("{");
    let mut separator = "";
    for (bit, name) in BITS.into_iter().enumerate() {
        let is_set = b.u16_at(0) >> bit & 1 != 0;
        if is_set || !p.is_abbreviated() {
            put!(p, "{separator}{name}={}", u8::from(is_set));
            separator = ", ";
        }
    }
    p.text("}");
}

static UNIX_ATTRIBUTES: Attributes = Attributes {
    unknown: "UNIX_DIAG_???",
    all: &[
        (0, "UNIX_DIAG_NAME", With(unix_name, 1)),
        (1, "UNIX_DIAG_VFS", Record(FILE, 8)),
        (2, "UNIX_DIAG_PEER", U32),
        (3, "UNIX_DIAG_ICONS", Raw),
        (
            4,
            "UNIX_DIAG_RQLEN",
            Record(
                &[("udiag_rqueue", 0, As::U32), ("udiag_wqueue", 4, As::U32)],
                8,
            ),
        ),
        (5, "UNIX_DIAG_MEMINFO", With(socket_memory, 4)),
        (6, "UNIX_DIAG_SHUTDOWN", U8),
        (7, "UNIX_DIAG_UID", U32),
    ],
};

const FILE: &[Field] = &[
    (
        "udiag_vfs_dev",
        4,
        As::With(|p, b| p.device(b.u32_at(0).into())),
    ),
    ("udiag_vfs_ino", 0, As::U32),
];

/// A path, or a name in the abstract space.
fn unix_name(p: &mut Printer<'_>, b: &[u8]) {
    match b {
        [0, name @ ..] => {
            p.text("@");
            p.quoted(name);
        }
        _ => p.c_string(b),
    }
}

const COOKIE: As = As::With(|p, b| put!(p, "[{}, {}]", b.u32_at(0), b.u32_at(4)));

impl Printer<'_> {
    /// `struct inet_diag_req_v2`.
    fn inet_request(&mut self, b: &[u8]) {
        self.text(", sdiag_protocol=");
        self.name(&net::IPPROTO, b.u8_at(1).into());
        self.text(", idiag_ext=");
        self.flags(&names::INET_DIAG_EXT, b.u8_at(2).into());
        self.text(", idiag_states=");
        self.flags(&names::TCP_STATES, b.u32_at(4).into());
        self.socket_id(b.u8_at(0), &b[8..56]);
        self.text("}");
        if b.len() > 56 {
            self.text(", ");
            self.attributes(&REQUEST_ATTRIBUTES, &b[56..], b.u8_at(0), 0);
        }
    }

    /// `struct inet_diag_msg`.
    fn inet_answer(&mut self, b: &[u8]) {
        self.text(", idiag_state=");
        self.name(&names::TCP_STATE, b.u8_at(1).into());
        put!(
            self,
            ", idiag_timer={}, idiag_retrans={}",
            b.u8_at(2),
            b.u8_at(3)
        );
        self.socket_id(b.u8_at(0), &b[4..52]);
        self.more_fields(
            b,
            &[
                ("idiag_expires", 52, As::U32),
                ("idiag_rqueue", 56, As::U32),
                ("idiag_wqueue", 60, As::U32),
                ("idiag_uid", 64, As::U32),
                ("idiag_inode", 68, As::U32),
            ],
        );
        self.text("}");
        if b.len() > 72 {
            self.text(", ");
            self.attributes(&INET_ATTRIBUTES, &b[72..], b.u8_at(0), 0);
        }
    }

    /// `struct inet_diag_sockid`.
    fn socket_id(&mut self, family: u8, b: &[u8]) {
        put!(
            self,
            ", id={{idiag_sport=htons({}), idiag_dport=htons({})",
            b.be16_at(0),
            b.be16_at(2)
        );
        for (name, at) in [("idiag_src", 4), ("idiag_dst", 20)] {
            match family {
                AF_INET => {
                    let address = Ipv4Addr::from(b.be32_at(at));
                    put!(self, ", {name}=inet_addr(\"{address}\")");
                }
                _ => {
                    let address = Ipv6Addr::from(b.array::<16>(at));
                    put!(self, ", inet_pton(AF_INET6, \"{address}\", &{name})");
                }
            }
        }
        self.text(", idiag_if=");
        self.interface(b.u32_at(36));
        self.more_fields(b, &[("idiag_cookie", 40, COOKIE)]);
        self.text("}");
    }

    /// `struct unix_diag_req`.
    fn unix_request(&mut self, b: &[u8]) {
        put!(self, ", sdiag_protocol={}", b.u8_at(1));
        self.more_fields(
            b,
            &[
                ("udiag_states", 4, As::Flags32(&names::TCP_STATES)),
                ("udiag_ino", 8, As::U32),
                ("udiag_show", 12, As::Flags32(&names::UDIAG_SHOW)),
                ("udiag_cookie", 16, COOKIE),
            ],
        );
        self.text("}");
    }

    /// `struct unix_diag_msg`.
    fn unix_answer(&mut self, b: &[u8]) {
        self.text(", udiag_type=");
        self.name(&net::SOCK_TYPE, b.u8_at(1).into());
        self.text(", udiag_state=");
        self.name(&names::TCP_STATE, b.u8_at(2).into());
        self.more_fields(b, &[("udiag_ino", 4, As::U32), ("udiag_cookie", 8, COOKIE)]);
        self.text("}");
        if b.len() > 16 {
            self.text(", ");
            self.attributes(&UNIX_ATTRIBUTES, &b[16..], AF_UNIX, 0);
        }
    }

    /// `struct netlink_diag_req`.
    fn netlink_request(&mut self, b: &[u8]) {
        const ALL: u8 = 255;
        self.text(", sdiag_protocol=");
        match b.u8_at(1) {
            ALL => self.text("NDIAG_PROTO_ALL"),
            protocol => self.name(&net::NETLINK, protocol.into()),
        }
        self.more_fields(
            b,
            &[
                ("ndiag_ino", 4, As::U32),
                ("ndiag_show", 8, As::Hex32),
                ("ndiag_cookie", 12, COOKIE),
            ],
        );
        self.text("}");
    }
}

static REQUEST_ATTRIBUTES: Attributes = Attributes {
    unknown: "INET_DIAG_REQ_???",
    all: &[
        (0, "INET_DIAG_REQ_NONE", Raw),
        (1, "INET_DIAG_REQ_BYTECODE", Raw),
        (2, "INET_DIAG_REQ_SK_BPF_STORAGES", Raw),
        (3, "INET_DIAG_REQ_PROTOCOL", Raw),
    ],
};
