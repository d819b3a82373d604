//! `NETLINK_ROUTE`: links, addresses, routes, neighbours, rules and queues (`linux/rtnetlink.h` and
//! what that includes).

use crate::syscall::flags::{net, netlink as names};

use super::fields::{As, Field};
use super::netlink::{Attributes, Payload, Value, counter};
use super::printer::Printer;
use super::struct_bytes::StructBytes;
use Value::*;

/// What follows the header of a message of some type.
pub(super) fn payload(p: &mut Printer<'_>, kind: u16, b: &[u8]) {
    let payload = match kind {
        16..=19 | 108..=110 => &LINK,
        20..=22 | 58 | 62 => &ADDRESS,
        24..=26 => &ROUTE,
        28..=30 => &NEIGHBOUR,
        32..=34 => &RULE,
        36..=38 | 40..=42 | 44..=46 => &QUEUE,
        _ => &OTHER,
    };
    p.family_payload(payload, b);
}

/// A message of which only the family is shown.
static OTHER: Payload = Payload {
    family: "family",
    fields: &[],
    size: usize::MAX,
    attributes: &Attributes {
        unknown: "",
        all: &[],
    },
};

/// `struct ifinfomsg`.
static LINK: Payload = Payload {
    family: "ifi_family",
    fields: &[
        ("ifi_type", 2, As::Name16(&net::ARPHRD)),
        ("ifi_index", 4, As::With(|p, b| p.interface(b.u32_at(0)))),
        ("ifi_flags", 8, As::Flags32(&net::IFF)),
        ("ifi_change", 12, As::Flags32(&net::IFF)),
    ],
    size: 16,
    attributes: &LINK_ATTRIBUTES,
};

/// `IFLA_*` (`linux/if_link.h`), as far as strace 6.1 names them.
static LINK_ATTRIBUTES: Attributes = Attributes {
    unknown: "IFLA_???",
    all: &[
        (0, "IFLA_UNSPEC", Raw),
        (1, "IFLA_ADDRESS", Hardware),
        (2, "IFLA_BROADCAST", Hardware),
        (3, "IFLA_IFNAME", Text),
        (4, "IFLA_MTU", U32),
        (5, "IFLA_LINK", U32),
        (6, "IFLA_QDISC", Text),
        (7, "IFLA_STATS", Record(&STATS_32, 92)),
        (8, "IFLA_COST", Raw),
        (9, "IFLA_PRIORITY", Raw),
        (10, "IFLA_MASTER", U32),
        (11, "IFLA_WIRELESS", Raw),
        (12, "IFLA_PROTINFO", Raw),
        (13, "IFLA_TXQLEN", U32),
        (14, "IFLA_MAP", Record(MAP, 28)),
        (15, "IFLA_WEIGHT", U32),
        (16, "IFLA_OPERSTATE", U8),
        (17, "IFLA_LINKMODE", U8),
        (18, "IFLA_LINKINFO", Nested(&LINK_INFO)),
        (19, "IFLA_NET_NS_PID", U32),
        (20, "IFLA_IFALIAS", Text),
        (21, "IFLA_NUM_VF", U32),
        (22, "IFLA_VFINFO_LIST", Raw),
        (23, "IFLA_STATS64", Record(&STATS_64, 184)),
        (24, "IFLA_VF_PORTS", Raw),
        (25, "IFLA_PORT_SELF", Raw),
        (26, "IFLA_AF_SPEC", Raw),
        (27, "IFLA_GROUP", U32),
        (28, "IFLA_NET_NS_FD", U32),
        (29, "IFLA_EXT_MASK", Flags32(&names::RTEXT_FILTER)),
        (30, "IFLA_PROMISCUITY", U32),
        (31, "IFLA_NUM_TX_QUEUES", U32),
        (32, "IFLA_NUM_RX_QUEUES", U32),
        (33, "IFLA_CARRIER", U8),
        (34, "IFLA_PHYS_PORT_ID", Raw),
        (35, "IFLA_CARRIER_CHANGES", U32),
        (36, "IFLA_PHYS_SWITCH_ID", Raw),
        (37, "IFLA_LINK_NETNSID", U32),
        (38, "IFLA_PHYS_PORT_NAME", Text),
        (39, "IFLA_PROTO_DOWN", U8),
        (40, "IFLA_GSO_MAX_SEGS", U32),
        (41, "IFLA_GSO_MAX_SIZE", U32),
        (42, "IFLA_PAD", Raw),
        (43, "IFLA_XDP", Nested(&XDP)),
        (44, "IFLA_EVENT", U32),
        (45, "IFLA_NEW_NETNSID", U32),
        (46, "IFLA_TARGET_NETNSID", U32),
        (47, "IFLA_CARRIER_UP_COUNT", U32),
        (48, "IFLA_CARRIER_DOWN_COUNT", U32),
        (49, "IFLA_NEW_IFINDEX", Interface),
        (50, "IFLA_MIN_MTU", U32),
        (51, "IFLA_MAX_MTU", U32),
        (52, "IFLA_PROP_LIST", Raw),
        (53, "IFLA_ALT_IFNAME", Text),
        (54, "IFLA_PERM_ADDRESS", Hardware),
        (55, "IFLA_PROTO_DOWN_REASON", Raw),
        (56, "IFLA_PARENT_DEV_NAME", Text),
        (57, "IFLA_PARENT_DEV_BUS_NAME", Text),
        (58, "IFLA_GRO_MAX_SIZE", U32),
        (59, "IFLA_TSO_MAX_SIZE", U32),
        (60, "IFLA_TSO_MAX_SEGS", U32),
        (61, "IFLA_ALLMULTI", U32),
    ],
};

static LINK_INFO: Attributes = Attributes {
    unknown: "IFLA_INFO_???",
    all: &[
        (0, "IFLA_INFO_UNSPEC", Raw),
        (1, "IFLA_INFO_KIND", Text),
        (2, "IFLA_INFO_DATA", Raw),
        (3, "IFLA_INFO_XSTATS", Raw),
        (4, "IFLA_INFO_SLAVE_KIND", Text),
        (5, "IFLA_INFO_SLAVE_DATA", Raw),
    ],
};

static XDP: Attributes = Attributes {
    unknown: "IFLA_XDP_???",
    all: &[
        (0, "IFLA_XDP_UNSPEC", Raw),
        (1, "IFLA_XDP_FD", U32),
        (2, "IFLA_XDP_ATTACHED", Name8(&XDP_ATTACHED)),
        (3, "IFLA_XDP_FLAGS", U32),
        (4, "IFLA_XDP_PROG_ID", U32),
    ],
};

static XDP_ATTACHED: crate::syscall::flags::Names = crate::syscall::flags::Names {
    zero: None,
    unknown: "XDP_ATTACHED_???",
    names: &[
        (0, "XDP_ATTACHED_NONE"),
        (1, "XDP_ATTACHED_DRV"),
        (2, "XDP_ATTACHED_SKB"),
        (3, "XDP_ATTACHED_HW"),
        (4, "XDP_ATTACHED_MULTI"),
    ],
};

/// Counters of `struct rtnl_link_stats` and `struct rtnl_link_stats64`; the smaller lacks the last.
const STATS: [&str; 25] = [
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "multicast",
    "collisions",
    "rx_length_errors",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_fifo_errors",
    "rx_missed_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
    "tx_window_errors",
    "rx_compressed",
    "tx_compressed",
    "rx_nohandler",
    "rx_otherhost_dropped",
];
static STATS_32: [Field; 24] = stats(4);
static STATS_64: [Field; 25] = stats(8);

const fn stats<const N: usize>(width: usize) -> [Field; N] {
    let mut fields = [("", 0, As::U64); N];
    let mut i = 0;
    while i < N {
        fields[i] = counter(STATS[i], i, width);
        i += 1;
    }
    fields
}

/// `struct rtnl_link_ifmap`.
pub(super) const MAP: &[Field] = &[
    ("mem_start", 0, As::Hex64),
    ("mem_end", 8, As::Hex64),
    ("base_addr", 16, As::Hex64),
    ("irq", 24, As::U16),
    ("dma", 26, As::U8),
    ("port", 27, As::U8),
];

/// `struct ifaddrmsg` (`linux/if_addr.h`).
static ADDRESS: Payload = Payload {
    family: "ifa_family",
    fields: &[
        ("ifa_prefixlen", 1, As::U8),
        (
            "ifa_flags",
            2,
            As::With(|p, b| p.flags(&names::IFA_F, b.u8_at(0).into())),
        ),
        (
            "ifa_scope",
            3,
            As::With(|p, b| p.name(&names::RT_SCOPE, b.u8_at(0).into())),
        ),
        ("ifa_index", 4, As::With(|p, b| p.interface(b.u32_at(0)))),
    ],
    size: 8,
    attributes: &Attributes {
        unknown: "IFA_???",
        all: &[
            (0, "IFA_UNSPEC", Raw),
            (1, "IFA_ADDRESS", Address),
            (2, "IFA_LOCAL", Address),
            (3, "IFA_LABEL", Text),
            (4, "IFA_BROADCAST", Address),
            (5, "IFA_ANYCAST", Address),
            (6, "IFA_CACHEINFO", Record(ADDRESS_CACHE, 16)),
            (7, "IFA_MULTICAST", Address),
            (8, "IFA_FLAGS", Flags32(&names::IFA_F)),
            (9, "IFA_RT_PRIORITY", U32),
            (10, "IFA_TARGET_NETNSID", U32),
            (11, "IFA_PROTO", Raw),
        ],
    },
};

const ADDRESS_CACHE: &[Field] = &[
    ("ifa_prefered", 0, As::U32),
    ("ifa_valid", 4, As::U32),
    ("cstamp", 8, As::U32),
    ("tstamp", 12, As::U32),
];

/// `struct rtmsg`.
static ROUTE: Payload = Payload {
    family: "rtm_family",
    fields: &[
        ("rtm_dst_len", 1, As::U8),
        ("rtm_src_len", 2, As::U8),
        ("rtm_tos", 3, As::Hex8),
        (
            "rtm_table",
            4,
            As::With(|p, b| p.name(&names::RT_TABLE, b.u8_at(0).into())),
        ),
        (
            "rtm_protocol",
            5,
            As::With(|p, b| p.name(&names::RTPROT, b.u8_at(0).into())),
        ),
        (
            "rtm_scope",
            6,
            As::With(|p, b| p.name(&names::RT_SCOPE, b.u8_at(0).into())),
        ),
        (
            "rtm_type",
            7,
            As::With(|p, b| p.name(&names::RTN, b.u8_at(0).into())),
        ),
        ("rtm_flags", 8, As::Flags32(&names::RTM_F)),
    ],
    size: 12,
    attributes: &Attributes {
        unknown: "RTA_???",
        all: &[
            (0, "RTA_UNSPEC", Raw),
            (1, "RTA_DST", Address),
            (2, "RTA_SRC", Address),
            (3, "RTA_IIF", Interface),
            (4, "RTA_OIF", Interface),
            (5, "RTA_GATEWAY", Address),
            (6, "RTA_PRIORITY", U32),
            (7, "RTA_PREFSRC", Address),
            (8, "RTA_METRICS", Nested(&METRICS)),
            (9, "RTA_MULTIPATH", Raw),
            (10, "RTA_PROTOINFO", Raw),
            (11, "RTA_FLOW", U32),
            (12, "RTA_CACHEINFO", Record(ROUTE_CACHE, 32)),
            (13, "RTA_SESSION", Raw),
            (14, "RTA_MP_ALGO", Raw),
            (15, "RTA_TABLE", Name32(&names::RT_TABLE)),
            (16, "RTA_MARK", U32),
            (17, "RTA_MFC_STATS", Raw),
            (18, "RTA_VIA", Raw),
            (19, "RTA_NEWDST", Raw),
            (20, "RTA_PREF", U8),
            (21, "RTA_ENCAP_TYPE", U16),
            (22, "RTA_ENCAP", Raw),
            (23, "RTA_EXPIRES", U32),
            (24, "RTA_PAD", Raw),
            (25, "RTA_UID", U32),
            (26, "RTA_TTL_PROPAGATE", U8),
            (27, "RTA_IP_PROTO", Name8(&net::IPPROTO)),
            (28, "RTA_SPORT", Port),
            (29, "RTA_DPORT", Port),
            (30, "RTA_NH_ID", U32),
        ],
    },
};

static METRICS: Attributes = Attributes {
    unknown: "RTAX_???",
    all: &[
        (1, "RTAX_LOCK", U32),
        (2, "RTAX_MTU", U32),
        (3, "RTAX_WINDOW", U32),
        (4, "RTAX_RTT", U32),
        (5, "RTAX_RTTVAR", U32),
        (6, "RTAX_SSTHRESH", U32),
        (7, "RTAX_CWND", U32),
        (8, "RTAX_ADVMSS", U32),
        (9, "RTAX_REORDERING", U32),
        (10, "RTAX_HOPLIMIT", U32),
        (11, "RTAX_INITCWND", U32),
        (12, "RTAX_FEATURES", U32),
        (13, "RTAX_RTO_MIN", U32),
        (14, "RTAX_INITRWND", U32),
        (15, "RTAX_QUICKACK", U32),
        (16, "RTAX_CC_ALGO", Text),
        (17, "RTAX_FASTOPEN_NO_COOKIE", U32),
    ],
};

/// `struct rta_cacheinfo`.
const ROUTE_CACHE: &[Field] = &[
    ("rta_clntref", 0, As::U32),
    ("rta_lastuse", 4, As::U32),
    ("rta_expires", 8, As::U32),
    ("rta_error", 12, As::U32),
    ("rta_used", 16, As::U32),
    ("rta_id", 20, As::Hex32),
    ("rta_ts", 24, As::U32),
    ("rta_tsage", 28, As::U32),
];

/// `struct ndmsg` (`linux/neighbour.h`).
static NEIGHBOUR: Payload = Payload {
    family: "ndm_family",
    fields: &[
        ("ndm_ifindex", 4, As::With(|p, b| p.interface(b.u32_at(0)))),
        ("ndm_state", 8, As::Flags16(&names::NUD)),
        (
            "ndm_flags",
            10,
            As::With(|p, b| p.flags(&names::NTF, b.u8_at(0).into())),
        ),
        (
            "ndm_type",
            11,
            As::With(|p, b| p.name(&names::RTN, b.u8_at(0).into())),
        ),
    ],
    size: 12,
    attributes: &Attributes {
        unknown: "NDA_???",
        all: &[
            (0, "NDA_UNSPEC", Raw),
            (1, "NDA_DST", Address),
            (2, "NDA_LLADDR", Hardware),
            (3, "NDA_CACHEINFO", Record(NEIGHBOUR_CACHE, 16)),
            (4, "NDA_PROBES", U32),
            (5, "NDA_VLAN", U16),
            (6, "NDA_PORT", Port),
            (7, "NDA_VNI", U32),
            (8, "NDA_IFINDEX", Interface),
            (9, "NDA_MASTER", Interface),
            (10, "NDA_LINK_NETNSID", U32),
            (11, "NDA_SRC_VNI", U32),
            (12, "NDA_PROTOCOL", Name8(&names::RTPROT)),
            (13, "NDA_NH_ID", U32),
            (14, "NDA_FDB_EXT_ATTRS", Raw),
            (15, "NDA_FLAGS_EXT", U32),
            (16, "NDA_NDM_STATE_MASK", U16),
            (17, "NDA_NDM_FLAGS_MASK", U8),
        ],
    },
};

const NEIGHBOUR_CACHE: &[Field] = &[
    ("ndm_confirmed", 0, As::U32),
    ("ndm_used", 4, As::U32),
    ("ndm_updated", 8, As::U32),
    ("ndm_refcnt", 12, As::U32),
];

/// `struct fib_rule_hdr` (`linux/fib_rules.h`).
static RULE: Payload = Payload {
    family: "family",
    fields: &[
        ("dst_len", 1, As::U8),
        ("src_len", 2, As::U8),
        ("tos", 3, As::Hex8),
        (
            "table",
            4,
            As::With(|p, b| p.name(&names::RT_TABLE, b.u8_at(0).into())),
        ),
        (
            "action",
            7,
            As::With(|p, b| p.name(&names::FR_ACT, b.u8_at(0).into())),
        ),
        ("flags", 8, As::Flags32(&names::FIB_RULE)),
    ],
    size: 12,
    attributes: &Attributes {
        unknown: "FRA_???",
        all: &[
            (0, "FRA_UNSPEC", Raw),
            (1, "FRA_DST", Address),
            (2, "FRA_SRC", Address),
            (3, "FRA_IIFNAME", Text),
            (4, "FRA_GOTO", U32),
            (6, "FRA_PRIORITY", U32),
            (10, "FRA_FWMARK", U32),
            (11, "FRA_FLOW", U32),
            (12, "FRA_TUN_ID", Raw),
            (13, "FRA_SUPPRESS_IFGROUP", U32),
            (14, "FRA_SUPPRESS_PREFIXLEN", U32),
            (15, "FRA_TABLE", Name32(&names::RT_TABLE)),
            (16, "FRA_FWMASK", U32),
            (17, "FRA_OIFNAME", Text),
            (18, "FRA_PAD", Raw),
            (19, "FRA_L3MDEV", U8),
            (20, "FRA_UID_RANGE", Raw),
            (21, "FRA_PROTOCOL", Name8(&names::RTPROT)),
            (22, "FRA_IP_PROTO", Name8(&net::IPPROTO)),
            (23, "FRA_SPORT_RANGE", Raw),
            (24, "FRA_DPORT_RANGE", Raw),
        ],
    },
};

/// `struct tcmsg`.
static QUEUE: Payload = Payload {
    family: "tcm_family",
    fields: &[
        ("tcm_ifindex", 4, As::With(|p, b| p.interface(b.u32_at(0)))),
        ("tcm_handle", 8, As::U32),
        ("tcm_parent", 12, As::U32),
        ("tcm_info", 16, As::U32),
    ],
    size: 20,
    attributes: &Attributes {
        unknown: "TCA_???",
        all: &[
            (0, "TCA_UNSPEC", Raw),
            (1, "TCA_KIND", Text),
            (2, "TCA_OPTIONS", Raw),
            (3, "TCA_STATS", Record(QUEUE_STATS, 36)),
            (4, "TCA_XSTATS", Raw),
            (5, "TCA_RATE", Raw),
            (6, "TCA_FCNT", U32),
            (7, "TCA_STATS2", Nested(&QUEUE_STATS2)),
            (8, "TCA_STAB", Raw),
            (9, "TCA_PAD", Raw),
            (10, "TCA_DUMP_INVISIBLE", Raw),
            (11, "TCA_CHAIN", U32),
            (12, "TCA_HW_OFFLOAD", U8),
            (13, "TCA_INGRESS_BLOCK", U32),
            (14, "TCA_EGRESS_BLOCK", U32),
        ],
    },
};

/// `struct tc_stats` (`linux/pkt_sched.h`).
const QUEUE_STATS: &[Field] = &[
    ("bytes", 0, As::U64),
    ("packets", 8, As::U32),
    ("drops", 12, As::U32),
    ("overlimits", 16, As::U32),
    ("bps", 20, As::U32),
    ("pps", 24, As::U32),
    ("qlen", 28, As::U32),
    ("backlog", 32, As::U32),
];

/// `linux/gen_stats.h`.
static QUEUE_STATS2: Attributes = Attributes {
    unknown: "TCA_STATS_???",
    all: &[
        (0, "TCA_STATS_UNSPEC", Raw),
        (1, "TCA_STATS_BASIC", Record(BASIC, 12)),
        (2, "TCA_STATS_RATE_EST", Record(RATE, 8)),
        (3, "TCA_STATS_QUEUE", Record(WAITING, 20)),
        (4, "TCA_STATS_APP", Raw),
        (5, "TCA_STATS_RATE_EST64", Raw),
        (6, "TCA_STATS_PAD", Raw),
        (7, "TCA_STATS_BASIC_HW", Record(BASIC, 12)),
        (8, "TCA_STATS_PKT64", U64),
    ],
};
const BASIC: &[Field] = &[("bytes", 0, As::U64), ("packets", 8, As::U32)];
const RATE: &[Field] = &[("bps", 0, As::U32), ("pps", 4, As::U32)];
const WAITING: &[Field] = &[
    ("qlen", 0, As::U32),
    ("backlog", 4, As::U32),
    ("drops", 8, As::U32),
    ("requeues", 12, As::U32),
    ("overlimits", 16, As::U32),
];
