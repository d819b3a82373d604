//! Netlink: messages, routing, diagnosis of sockets (`linux/netlink.h`, `linux/rtnetlink.h`,
//! `linux/if_addr.h`, `linux/if_link.h`, `linux/neighbour.h`, `linux/fib_rules.h`,
//! `linux/inet_diag.h`, `linux/unix_diag.h`).

use super::Names;

const fn values(unknown: &'static str, names: &'static [(u64, &'static str)]) -> Names {
    Names {
        zero: None,
        unknown,
        names,
    }
}

/// Types below 16, which every family has.
pub static NLMSG: Names = values(
    "NLMSG_???",
    &[
        (1, "NLMSG_NOOP"),
        (2, "NLMSG_ERROR"),
        (3, "NLMSG_DONE"),
        (4, "NLMSG_OVERRUN"),
    ],
);

pub static SOCK_DIAG: Names = values(
    "SOCK_DIAG_???",
    &[
        (18, "TCPDIAG_GETSOCK"),
        (19, "DCCPDIAG_GETSOCK"),
        (20, "SOCK_DIAG_BY_FAMILY"),
        (21, "SOCK_DESTROY"),
    ],
);

pub static RTM: Names = values(
    "RTM_???",
    &[
        (16, "RTM_NEWLINK"),
        (17, "RTM_DELLINK"),
        (18, "RTM_GETLINK"),
        (19, "RTM_SETLINK"),
        (20, "RTM_NEWADDR"),
        (21, "RTM_DELADDR"),
        (22, "RTM_GETADDR"),
        (24, "RTM_NEWROUTE"),
        (25, "RTM_DELROUTE"),
        (26, "RTM_GETROUTE"),
        (28, "RTM_NEWNEIGH"),
        (29, "RTM_DELNEIGH"),
        (30, "RTM_GETNEIGH"),
        (32, "RTM_NEWRULE"),
        (33, "RTM_DELRULE"),
        (34, "RTM_GETRULE"),
        (36, "RTM_NEWQDISC"),
        (37, "RTM_DELQDISC"),
        (38, "RTM_GETQDISC"),
        (40, "RTM_NEWTCLASS"),
        (41, "RTM_DELTCLASS"),
        (42, "RTM_GETTCLASS"),
        (44, "RTM_NEWTFILTER"),
        (45, "RTM_DELTFILTER"),
        (46, "RTM_GETTFILTER"),
        (48, "RTM_NEWACTION"),
        (49, "RTM_DELACTION"),
        (50, "RTM_GETACTION"),
        (52, "RTM_NEWPREFIX"),
        (58, "RTM_GETMULTICAST"),
        (62, "RTM_GETANYCAST"),
        (64, "RTM_NEWNEIGHTBL"),
        (66, "RTM_GETNEIGHTBL"),
        (67, "RTM_SETNEIGHTBL"),
        (68, "RTM_NEWNDUSEROPT"),
        (72, "RTM_NEWADDRLABEL"),
        (73, "RTM_DELADDRLABEL"),
        (74, "RTM_GETADDRLABEL"),
        (78, "RTM_GETDCB"),
        (79, "RTM_SETDCB"),
        (80, "RTM_NEWNETCONF"),
        (81, "RTM_DELNETCONF"),
        (82, "RTM_GETNETCONF"),
        (84, "RTM_NEWMDB"),
        (85, "RTM_DELMDB"),
        (86, "RTM_GETMDB"),
        (88, "RTM_NEWNSID"),
        (89, "RTM_DELNSID"),
        (90, "RTM_GETNSID"),
        (92, "RTM_NEWSTATS"),
        (94, "RTM_GETSTATS"),
        (96, "RTM_NEWCACHEREPORT"),
        (100, "RTM_NEWCHAIN"),
        (101, "RTM_DELCHAIN"),
        (102, "RTM_GETCHAIN"),
        (104, "RTM_NEWNEXTHOP"),
        (105, "RTM_DELNEXTHOP"),
        (106, "RTM_GETNEXTHOP"),
        (108, "RTM_NEWLINKPROP"),
        (109, "RTM_DELLINKPROP"),
        (110, "RTM_GETLINKPROP"),
        (112, "RTM_NEWVLAN"),
        (113, "RTM_DELVLAN"),
        (114, "RTM_GETVLAN"),
    ],
);

/// Flags of every message.
pub static NLM_F: Names = values(
    "NLM_F_???",
    &[
        (0x1, "NLM_F_REQUEST"),
        (0x2, "NLM_F_MULTI"),
        (0x4, "NLM_F_ACK"),
        (0x8, "NLM_F_ECHO"),
        (0x10, "NLM_F_DUMP_INTR"),
        (0x20, "NLM_F_DUMP_FILTERED"),
    ],
);

pub static NLM_F_OF_GET: Names = values(
    "NLM_F_???",
    &[
        (0x300, "NLM_F_DUMP"),
        (0x100, "NLM_F_ROOT"),
        (0x200, "NLM_F_MATCH"),
        (0x400, "NLM_F_ATOMIC"),
    ],
);

pub static NLM_F_OF_NEW: Names = values(
    "NLM_F_???",
    &[
        (0x100, "NLM_F_REPLACE"),
        (0x200, "NLM_F_EXCL"),
        (0x400, "NLM_F_CREATE"),
        (0x800, "NLM_F_APPEND"),
    ],
);

pub static NLM_F_OF_DEL: Names = values("NLM_F_???", &[(0x100, "NLM_F_NONREC")]);

pub static NLM_F_OF_ACK: Names = values(
    "NLM_F_???",
    &[(0x100, "NLM_F_CAPPED"), (0x200, "NLM_F_ACK_TLVS")],
);

pub static RT_TABLE: Names = values(
    "",
    &[
        (0, "RT_TABLE_UNSPEC"),
        (252, "RT_TABLE_COMPAT"),
        (253, "RT_TABLE_DEFAULT"),
        (254, "RT_TABLE_MAIN"),
        (255, "RT_TABLE_LOCAL"),
    ],
);

pub static RTPROT: Names = values(
    "RTPROT_???",
    &[
        (0, "RTPROT_UNSPEC"),
        (1, "RTPROT_REDIRECT"),
        (2, "RTPROT_KERNEL"),
        (3, "RTPROT_BOOT"),
        (4, "RTPROT_STATIC"),
        (8, "RTPROT_GATED"),
        (9, "RTPROT_RA"),
        (10, "RTPROT_MRT"),
        (11, "RTPROT_ZEBRA"),
        (12, "RTPROT_BIRD"),
        (13, "RTPROT_DNROUTED"),
        (14, "RTPROT_XORP"),
        (15, "RTPROT_NTK"),
        (16, "RTPROT_DHCP"),
        (17, "RTPROT_MROUTED"),
        (18, "RTPROT_KEEPALIVED"),
        (42, "RTPROT_BABEL"),
        (99, "RTPROT_OPENR"),
        (186, "RTPROT_BGP"),
        (187, "RTPROT_ISIS"),
        (188, "RTPROT_OSPF"),
        (189, "RTPROT_RIP"),
        (192, "RTPROT_EIGRP"),
    ],
);

pub static RT_SCOPE: Names = values(
    "",
    &[
        (0, "RT_SCOPE_UNIVERSE"),
        (200, "RT_SCOPE_SITE"),
        (253, "RT_SCOPE_LINK"),
        (254, "RT_SCOPE_HOST"),
        (255, "RT_SCOPE_NOWHERE"),
    ],
);

pub static RTN: Names = values(
    "RTN_???",
    &[
        (0, "RTN_UNSPEC"),
        (1, "RTN_UNICAST"),
        (2, "RTN_LOCAL"),
        (3, "RTN_BROADCAST"),
        (4, "RTN_ANYCAST"),
        (5, "RTN_MULTICAST"),
        (6, "RTN_BLACKHOLE"),
        (7, "RTN_UNREACHABLE"),
        (8, "RTN_PROHIBIT"),
        (9, "RTN_THROW"),
        (10, "RTN_NAT"),
        (11, "RTN_XRESOLVE"),
    ],
);

pub static RTM_F: Names = values(
    "RTM_F_???",
    &[
        (0x1, "RTNH_F_DEAD"),
        (0x2, "RTNH_F_PERVASIVE"),
        (0x4, "RTNH_F_ONLINK"),
        (0x8, "RTNH_F_OFFLOAD"),
        (0x10, "RTNH_F_LINKDOWN"),
        (0x20, "RTNH_F_UNRESOLVED"),
        (0x40, "RTNH_F_TRAP"),
        (0x100, "RTM_F_NOTIFY"),
        (0x200, "RTM_F_CLONED"),
        (0x400, "RTM_F_EQUALIZE"),
        (0x800, "RTM_F_PREFIX"),
        (0x1000, "RTM_F_LOOKUP_TABLE"),
        (0x2000, "RTM_F_FIB_MATCH"),
        (0x4000, "RTM_F_OFFLOAD"),
        (0x8000, "RTM_F_TRAP"),
    ],
);

pub static IFA_F: Names = values(
    "IFA_F_???",
    &[
        (0x1, "IFA_F_SECONDARY"),
        (0x2, "IFA_F_NODAD"),
        (0x4, "IFA_F_OPTIMISTIC"),
        (0x8, "IFA_F_DADFAILED"),
        (0x10, "IFA_F_HOMEADDRESS"),
        (0x20, "IFA_F_DEPRECATED"),
        (0x40, "IFA_F_TENTATIVE"),
        (0x80, "IFA_F_PERMANENT"),
        (0x100, "IFA_F_MANAGETEMPADDR"),
        (0x200, "IFA_F_NOPREFIXROUTE"),
        (0x400, "IFA_F_MCAUTOJOIN"),
        (0x800, "IFA_F_STABLE_PRIVACY"),
    ],
);

pub static NUD: Names = Names {
    zero: Some("NUD_NONE"),
    unknown: "NUD_???",
    names: &[
        (0x1, "NUD_INCOMPLETE"),
        (0x2, "NUD_REACHABLE"),
        (0x4, "NUD_STALE"),
        (0x8, "NUD_DELAY"),
        (0x10, "NUD_PROBE"),
        (0x20, "NUD_FAILED"),
        (0x40, "NUD_NOARP"),
        (0x80, "NUD_PERMANENT"),
    ],
};

pub static NTF: Names = values(
    "NTF_???",
    &[
        (0x1, "NTF_USE"),
        (0x2, "NTF_SELF"),
        (0x4, "NTF_MASTER"),
        (0x8, "NTF_PROXY"),
        (0x10, "NTF_EXT_LEARNED"),
        (0x20, "NTF_OFFLOADED"),
        (0x40, "NTF_STICKY"),
        (0x80, "NTF_ROUTER"),
    ],
);

pub static FR_ACT: Names = values(
    "FR_ACT_???",
    &[
        (0, "FR_ACT_UNSPEC"),
        (1, "FR_ACT_TO_TBL"),
        (2, "FR_ACT_GOTO"),
        (3, "FR_ACT_NOP"),
        (4, "FR_ACT_RES3"),
        (5, "FR_ACT_RES4"),
        (6, "FR_ACT_BLACKHOLE"),
        (7, "FR_ACT_UNREACHABLE"),
        (8, "FR_ACT_PROHIBIT"),
    ],
);

pub static FIB_RULE: Names = values(
    "FIB_RULE_???",
    &[
        (0x1, "FIB_RULE_PERMANENT"),
        (0x2, "FIB_RULE_INVERT"),
        (0x4, "FIB_RULE_UNRESOLVED"),
        (0x8, "FIB_RULE_IIF_DETACHED"),
        (0x10, "FIB_RULE_OIF_DETACHED"),
        (0x10000, "FIB_RULE_FIND_SADDR"),
    ],
);

pub static RTEXT_FILTER: Names = values(
    "RTEXT_FILTER_???",
    &[
        (0x1, "RTEXT_FILTER_VF"),
        (0x2, "RTEXT_FILTER_BRVLAN"),
        (0x4, "RTEXT_FILTER_BRVLAN_COMPRESSED"),
        (0x8, "RTEXT_FILTER_SKIP_STATS"),
        (0x10, "RTEXT_FILTER_MRP"),
        (0x20, "RTEXT_FILTER_CFM_CONFIG"),
        (0x40, "RTEXT_FILTER_CFM_STATUS"),
        (0x80, "RTEXT_FILTER_MST"),
    ],
);

/// States of sockets (`net/tcp_states.h`).
pub static TCP_STATE: Names = values(
    "TCP_???",
    &[
        (1, "TCP_ESTABLISHED"),
        (2, "TCP_SYN_SENT"),
        (3, "TCP_SYN_RECV"),
        (4, "TCP_FIN_WAIT1"),
        (5, "TCP_FIN_WAIT2"),
        (6, "TCP_TIME_WAIT"),
        (7, "TCP_CLOSE"),
        (8, "TCP_CLOSE_WAIT"),
        (9, "TCP_LAST_ACK"),
        (10, "TCP_LISTEN"),
        (11, "TCP_CLOSING"),
    ],
);

pub static TCP_STATES: Names = values(
    "1<<TCP_???",
    &[
        (0x2, "1<<TCP_ESTABLISHED"),
        (0x4, "1<<TCP_SYN_SENT"),
        (0x8, "1<<TCP_SYN_RECV"),
        (0x10, "1<<TCP_FIN_WAIT1"),
        (0x20, "1<<TCP_FIN_WAIT2"),
        (0x40, "1<<TCP_TIME_WAIT"),
        (0x80, "1<<TCP_CLOSE"),
        (0x100, "1<<TCP_CLOSE_WAIT"),
        (0x200, "1<<TCP_LAST_ACK"),
        (0x400, "1<<TCP_LISTEN"),
        (0x800, "1<<TCP_CLOSING"),
    ],
);

pub static UDIAG_SHOW: Names = values(
    "UDIAG_SHOW_???",
    &[
        (0x1, "UDIAG_SHOW_NAME"),
        (0x2, "UDIAG_SHOW_VFS"),
        (0x4, "UDIAG_SHOW_PEER"),
        (0x8, "UDIAG_SHOW_ICONS"),
        (0x10, "UDIAG_SHOW_RQLEN"),
        (0x20, "UDIAG_SHOW_MEMINFO"),
        (0x40, "UDIAG_SHOW_UID"),
    ],
);

/// Extensions that are asked for, a bit each.
pub static INET_DIAG_EXT: Names = values(
    "1<<INET_DIAG_???-1",
    &[
        (0x1, "1<<(INET_DIAG_MEMINFO-1)"),
        (0x2, "1<<(INET_DIAG_INFO-1)"),
        (0x4, "1<<(INET_DIAG_VEGASINFO-1)"),
        (0x8, "1<<(INET_DIAG_CONG-1)"),
        (0x10, "1<<(INET_DIAG_TOS-1)"),
        (0x20, "1<<(INET_DIAG_TCLASS-1)"),
        (0x40, "1<<(INET_DIAG_SKMEMINFO-1)"),
        (0x80, "1<<(INET_DIAG_SHUTDOWN-1)"),
    ],
);
