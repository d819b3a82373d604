//! `bpf` and `perf_event_open`: `bpf.h`, `perf_event.h`.

use super::Names;

pub static MAP_TYPE: Names = Names {
    zero: None,
    unknown: "BPF_MAP_TYPE_???",
    names: &[
        (0, "BPF_MAP_TYPE_UNSPEC"),
        (1, "BPF_MAP_TYPE_HASH"),
        (2, "BPF_MAP_TYPE_ARRAY"),
        (3, "BPF_MAP_TYPE_PROG_ARRAY"),
        (4, "BPF_MAP_TYPE_PERF_EVENT_ARRAY"),
        (5, "BPF_MAP_TYPE_PERCPU_HASH"),
        (6, "BPF_MAP_TYPE_PERCPU_ARRAY"),
        (7, "BPF_MAP_TYPE_STACK_TRACE"),
        (8, "BPF_MAP_TYPE_CGROUP_ARRAY"),
        (9, "BPF_MAP_TYPE_LRU_HASH"),
        (0xa, "BPF_MAP_TYPE_LRU_PERCPU_HASH"),
        (0xb, "BPF_MAP_TYPE_LPM_TRIE"),
        (0xc, "BPF_MAP_TYPE_ARRAY_OF_MAPS"),
        (0xd, "BPF_MAP_TYPE_HASH_OF_MAPS"),
        (0xe, "BPF_MAP_TYPE_DEVMAP"),
        (0xf, "BPF_MAP_TYPE_SOCKMAP"),
        (0x10, "BPF_MAP_TYPE_CPUMAP"),
        (0x11, "BPF_MAP_TYPE_XSKMAP"),
        (0x12, "BPF_MAP_TYPE_SOCKHASH"),
        (0x13, "BPF_MAP_TYPE_CGROUP_STORAGE"),
        (0x14, "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY"),
        (0x15, "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE"),
        (0x16, "BPF_MAP_TYPE_QUEUE"),
        (0x17, "BPF_MAP_TYPE_STACK"),
        (0x18, "BPF_MAP_TYPE_SK_STORAGE"),
        (0x19, "BPF_MAP_TYPE_DEVMAP_HASH"),
        (0x1a, "BPF_MAP_TYPE_STRUCT_OPS"),
        (0x1b, "BPF_MAP_TYPE_RINGBUF"),
        (0x1c, "BPF_MAP_TYPE_INODE_STORAGE"),
        (0x1d, "BPF_MAP_TYPE_TASK_STORAGE"),
        (0x1e, "BPF_MAP_TYPE_BLOOM_FILTER"),
        (0x1f, "BPF_MAP_TYPE_USER_RINGBUF"),
    ],
};

pub static PROG_TYPE: Names = Names {
    zero: None,
    unknown: "BPF_PROG_TYPE_???",
    names: &[
        (0, "BPF_PROG_TYPE_UNSPEC"),
        (1, "BPF_PROG_TYPE_SOCKET_FILTER"),
        (2, "BPF_PROG_TYPE_KPROBE"),
        (3, "BPF_PROG_TYPE_SCHED_CLS"),
        (4, "BPF_PROG_TYPE_SCHED_ACT"),
        (5, "BPF_PROG_TYPE_TRACEPOINT"),
        (6, "BPF_PROG_TYPE_XDP"),
        (7, "BPF_PROG_TYPE_PERF_EVENT"),
        (8, "BPF_PROG_TYPE_CGROUP_SKB"),
        (9, "BPF_PROG_TYPE_CGROUP_SOCK"),
        (0xa, "BPF_PROG_TYPE_LWT_IN"),
        (0xb, "BPF_PROG_TYPE_LWT_OUT"),
        (0xc, "BPF_PROG_TYPE_LWT_XMIT"),
        (0xd, "BPF_PROG_TYPE_SOCK_OPS"),
        (0xe, "BPF_PROG_TYPE_SK_SKB"),
        (0xf, "BPF_PROG_TYPE_CGROUP_DEVICE"),
        (0x10, "BPF_PROG_TYPE_SK_MSG"),
        (0x11, "BPF_PROG_TYPE_RAW_TRACEPOINT"),
        (0x12, "BPF_PROG_TYPE_CGROUP_SOCK_ADDR"),
        (0x13, "BPF_PROG_TYPE_LWT_SEG6LOCAL"),
        (0x14, "BPF_PROG_TYPE_LIRC_MODE2"),
        (0x15, "BPF_PROG_TYPE_SK_REUSEPORT"),
        (0x16, "BPF_PROG_TYPE_FLOW_DISSECTOR"),
        (0x17, "BPF_PROG_TYPE_CGROUP_SYSCTL"),
        (0x18, "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE"),
        (0x19, "BPF_PROG_TYPE_CGROUP_SOCKOPT"),
        (0x1a, "BPF_PROG_TYPE_TRACING"),
        (0x1b, "BPF_PROG_TYPE_STRUCT_OPS"),
        (0x1c, "BPF_PROG_TYPE_EXT"),
        (0x1d, "BPF_PROG_TYPE_LSM"),
        (0x1e, "BPF_PROG_TYPE_SK_LOOKUP"),
        (0x1f, "BPF_PROG_TYPE_SYSCALL"),
    ],
};

pub static ATTACH_TYPE: Names = Names {
    zero: None,
    unknown: "BPF_???",
    names: &[
        (0, "BPF_CGROUP_INET_INGRESS"),
        (1, "BPF_CGROUP_INET_EGRESS"),
        (2, "BPF_CGROUP_INET_SOCK_CREATE"),
        (3, "BPF_CGROUP_SOCK_OPS"),
        (4, "BPF_SK_SKB_STREAM_PARSER"),
        (5, "BPF_SK_SKB_STREAM_VERDICT"),
        (6, "BPF_CGROUP_DEVICE"),
        (7, "BPF_SK_MSG_VERDICT"),
        (8, "BPF_CGROUP_INET4_BIND"),
        (9, "BPF_CGROUP_INET6_BIND"),
        (0xa, "BPF_CGROUP_INET4_CONNECT"),
        (0xb, "BPF_CGROUP_INET6_CONNECT"),
        (0xc, "BPF_CGROUP_INET4_POST_BIND"),
        (0xd, "BPF_CGROUP_INET6_POST_BIND"),
        (0xe, "BPF_CGROUP_UDP4_SENDMSG"),
        (0xf, "BPF_CGROUP_UDP6_SENDMSG"),
        (0x10, "BPF_LIRC_MODE2"),
        (0x11, "BPF_FLOW_DISSECTOR"),
        (0x12, "BPF_CGROUP_SYSCTL"),
        (0x13, "BPF_CGROUP_UDP4_RECVMSG"),
        (0x14, "BPF_CGROUP_UDP6_RECVMSG"),
        (0x15, "BPF_CGROUP_GETSOCKOPT"),
        (0x16, "BPF_CGROUP_SETSOCKOPT"),
        (0x17, "BPF_TRACE_RAW_TP"),
        (0x18, "BPF_TRACE_FENTRY"),
        (0x19, "BPF_TRACE_FEXIT"),
        (0x1a, "BPF_MODIFY_RETURN"),
        (0x1b, "BPF_LSM_MAC"),
        (0x1c, "BPF_TRACE_ITER"),
        (0x1d, "BPF_CGROUP_INET4_GETPEERNAME"),
        (0x1e, "BPF_CGROUP_INET6_GETPEERNAME"),
        (0x1f, "BPF_CGROUP_INET4_GETSOCKNAME"),
        (0x20, "BPF_CGROUP_INET6_GETSOCKNAME"),
        (0x21, "BPF_XDP_DEVMAP"),
        (0x22, "BPF_CGROUP_INET_SOCK_RELEASE"),
        (0x23, "BPF_XDP_CPUMAP"),
        (0x24, "BPF_SK_LOOKUP"),
        (0x25, "BPF_XDP"),
        (0x26, "BPF_SK_SKB_VERDICT"),
        (0x27, "BPF_SK_REUSEPORT_SELECT"),
        (0x28, "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE"),
        (0x29, "BPF_PERF_EVENT"),
        (0x2a, "BPF_TRACE_KPROBE_MULTI"),
        (0x2b, "BPF_LSM_CGROUP"),
    ],
};

pub static MAP_FLAGS: Names = Names {
    zero: None,
    unknown: "BPF_F_???",
    names: &[
        (1, "BPF_F_NO_PREALLOC"),
        (2, "BPF_F_NO_COMMON_LRU"),
        (4, "BPF_F_NUMA_NODE"),
        (8, "BPF_F_RDONLY"),
        (0x10, "BPF_F_WRONLY"),
        (0x20, "BPF_F_STACK_BUILD_ID"),
        (0x40, "BPF_F_ZERO_SEED"),
        (0x80, "BPF_F_RDONLY_PROG"),
        (0x100, "BPF_F_WRONLY_PROG"),
        (0x200, "BPF_F_CLONE"),
        (0x400, "BPF_F_MMAPABLE"),
        (0x800, "BPF_F_PRESERVE_ELEMS"),
        (0x1000, "BPF_F_INNER_MAP"),
        (0x2000, "BPF_F_LINK"),
        (0x4000, "BPF_F_PATH_FD"),
        (0x8000, "BPF_F_VTYPE_BTF_OBJ_FD"),
        (0x10000, "BPF_F_TOKEN_FD"),
    ],
};

pub static ELEMENT_FLAGS: Names = Names {
    zero: Some("BPF_ANY"),
    unknown: "BPF_???",
    names: &[(1, "BPF_NOEXIST"), (2, "BPF_EXIST"), (4, "BPF_F_LOCK")],
};

pub static LOOKUP_FLAGS: Names = Names {
    zero: Some("BPF_ANY"),
    unknown: "BPF_???",
    names: &[(4, "BPF_F_LOCK")],
};

pub static FILE_FLAGS: Names = Names {
    zero: None,
    unknown: "BPF_F_???",
    names: &[(8, "BPF_F_RDONLY"), (0x10, "BPF_F_WRONLY")],
};

pub static PROG_FLAGS: Names = Names {
    zero: None,
    unknown: "BPF_F_???",
    names: &[
        (1, "BPF_F_STRICT_ALIGNMENT"),
        (2, "BPF_F_ANY_ALIGNMENT"),
        (4, "BPF_F_TEST_RND_HI32"),
        (8, "BPF_F_TEST_STATE_FREQ"),
        (0x10, "BPF_F_SLEEPABLE"),
        (0x20, "BPF_F_XDP_HAS_FRAGS"),
        (0x40, "BPF_F_XDP_DEV_BOUND_ONLY"),
    ],
};

pub static ATTACH_FLAGS: Names = Names {
    zero: None,
    unknown: "BPF_F_???",
    names: &[
        (1, "BPF_F_ALLOW_OVERRIDE"),
        (2, "BPF_F_ALLOW_MULTI"),
        (4, "BPF_F_REPLACE"),
    ],
};

pub static FD_TYPE: Names = Names {
    zero: None,
    unknown: "BPF_FD_TYPE_???",
    names: &[
        (0, "BPF_FD_TYPE_RAW_TRACEPOINT"),
        (1, "BPF_FD_TYPE_TRACEPOINT"),
        (2, "BPF_FD_TYPE_KPROBE"),
        (3, "BPF_FD_TYPE_KRETPROBE"),
        (4, "BPF_FD_TYPE_UPROBE"),
        (5, "BPF_FD_TYPE_URETPROBE"),
    ],
};

pub static PERF_TYPE: Names = Names {
    zero: None,
    unknown: "PERF_TYPE_???",
    names: &[
        (0, "PERF_TYPE_HARDWARE"),
        (1, "PERF_TYPE_SOFTWARE"),
        (2, "PERF_TYPE_TRACEPOINT"),
        (3, "PERF_TYPE_HW_CACHE"),
        (4, "PERF_TYPE_RAW"),
        (5, "PERF_TYPE_BREAKPOINT"),
    ],
};

pub static PERF_HARDWARE: Names = Names {
    zero: None,
    unknown: "PERF_COUNT_HW_???",
    names: &[
        (0, "PERF_COUNT_HW_CPU_CYCLES"),
        (1, "PERF_COUNT_HW_INSTRUCTIONS"),
        (2, "PERF_COUNT_HW_CACHE_REFERENCES"),
        (3, "PERF_COUNT_HW_CACHE_MISSES"),
        (4, "PERF_COUNT_HW_BRANCH_INSTRUCTIONS"),
        (5, "PERF_COUNT_HW_BRANCH_MISSES"),
        (6, "PERF_COUNT_HW_BUS_CYCLES"),
        (7, "PERF_COUNT_HW_STALLED_CYCLES_FRONTEND"),
        (8, "PERF_COUNT_HW_STALLED_CYCLES_BACKEND"),
        (9, "PERF_COUNT_HW_REF_CPU_CYCLES"),
    ],
};

pub static PERF_SOFTWARE: Names = Names {
    zero: None,
    unknown: "PERF_COUNT_SW_???",
    names: &[
        (0, "PERF_COUNT_SW_CPU_CLOCK"),
        (1, "PERF_COUNT_SW_TASK_CLOCK"),
        (2, "PERF_COUNT_SW_PAGE_FAULTS"),
        (3, "PERF_COUNT_SW_CONTEXT_SWITCHES"),
        (4, "PERF_COUNT_SW_CPU_MIGRATIONS"),
        (5, "PERF_COUNT_SW_PAGE_FAULTS_MIN"),
        (6, "PERF_COUNT_SW_PAGE_FAULTS_MAJ"),
        (7, "PERF_COUNT_SW_ALIGNMENT_FAULTS"),
        (8, "PERF_COUNT_SW_EMULATION_FAULTS"),
        (9, "PERF_COUNT_SW_DUMMY"),
        (0xa, "PERF_COUNT_SW_BPF_OUTPUT"),
        (0xb, "PERF_COUNT_SW_CGROUP_SWITCHES"),
    ],
};

pub static PERF_CACHE: Names = Names {
    zero: None,
    unknown: "PERF_COUNT_HW_CACHE_???",
    names: &[
        (0, "PERF_COUNT_HW_CACHE_L1D"),
        (1, "PERF_COUNT_HW_CACHE_L1I"),
        (2, "PERF_COUNT_HW_CACHE_LL"),
        (3, "PERF_COUNT_HW_CACHE_DTLB"),
        (4, "PERF_COUNT_HW_CACHE_ITLB"),
        (5, "PERF_COUNT_HW_CACHE_BPU"),
        (6, "PERF_COUNT_HW_CACHE_NODE"),
    ],
};

pub static PERF_CACHE_OP: Names = Names {
    zero: None,
    unknown: "PERF_COUNT_HW_CACHE_OP_???",
    names: &[
        (0, "PERF_COUNT_HW_CACHE_OP_READ"),
        (1, "PERF_COUNT_HW_CACHE_OP_WRITE"),
        (2, "PERF_COUNT_HW_CACHE_OP_PREFETCH"),
    ],
};

pub static PERF_CACHE_RESULT: Names = Names {
    zero: None,
    unknown: "PERF_COUNT_HW_CACHE_RESULT_???",
    names: &[
        (0, "PERF_COUNT_HW_CACHE_RESULT_ACCESS"),
        (1, "PERF_COUNT_HW_CACHE_RESULT_MISS"),
    ],
};

pub static PERF_SAMPLE: Names = Names {
    zero: None,
    unknown: "PERF_SAMPLE_???",
    names: &[
        (1, "PERF_SAMPLE_IP"),
        (2, "PERF_SAMPLE_TID"),
        (4, "PERF_SAMPLE_TIME"),
        (8, "PERF_SAMPLE_ADDR"),
        (0x10, "PERF_SAMPLE_READ"),
        (0x20, "PERF_SAMPLE_CALLCHAIN"),
        (0x40, "PERF_SAMPLE_ID"),
        (0x80, "PERF_SAMPLE_CPU"),
        (0x100, "PERF_SAMPLE_PERIOD"),
        (0x200, "PERF_SAMPLE_STREAM_ID"),
        (0x400, "PERF_SAMPLE_RAW"),
        (0x800, "PERF_SAMPLE_BRANCH_STACK"),
        (0x1000, "PERF_SAMPLE_REGS_USER"),
        (0x2000, "PERF_SAMPLE_STACK_USER"),
        (0x4000, "PERF_SAMPLE_WEIGHT"),
        (0x8000, "PERF_SAMPLE_DATA_SRC"),
        (0x10000, "PERF_SAMPLE_IDENTIFIER"),
        (0x20000, "PERF_SAMPLE_TRANSACTION"),
        (0x40000, "PERF_SAMPLE_REGS_INTR"),
        (0x80000, "PERF_SAMPLE_PHYS_ADDR"),
        (0x100000, "PERF_SAMPLE_AUX"),
        (0x200000, "PERF_SAMPLE_CGROUP"),
        (0x400000, "PERF_SAMPLE_DATA_PAGE_SIZE"),
        (0x800000, "PERF_SAMPLE_CODE_PAGE_SIZE"),
        (0x1000000, "PERF_SAMPLE_WEIGHT_STRUCT"),
    ],
};

pub static PERF_FORMAT: Names = Names {
    zero: None,
    unknown: "PERF_FORMAT_???",
    names: &[
        (1, "PERF_FORMAT_TOTAL_TIME_ENABLED"),
        (2, "PERF_FORMAT_TOTAL_TIME_RUNNING"),
        (4, "PERF_FORMAT_ID"),
        (8, "PERF_FORMAT_GROUP"),
        (0x10, "PERF_FORMAT_LOST"),
    ],
};

pub static PERF_SIZE: Names = Names {
    zero: None,
    unknown: "PERF_ATTR_SIZE_???",
    names: &[
        (0x40, "PERF_ATTR_SIZE_VER0"),
        (0x48, "PERF_ATTR_SIZE_VER1"),
        (0x50, "PERF_ATTR_SIZE_VER2"),
        (0x60, "PERF_ATTR_SIZE_VER3"),
        (0x68, "PERF_ATTR_SIZE_VER4"),
        (0x70, "PERF_ATTR_SIZE_VER5"),
        (0x78, "PERF_ATTR_SIZE_VER6"),
        (0x80, "PERF_ATTR_SIZE_VER7"),
        (0x88, "PERF_ATTR_SIZE_VER8"),
    ],
};
