//! Processes and the rest of the kernel: `sched.h`, `wait.h`, `prctl.h`, `resource.h`, `futex.h`, `ptrace.h`, …

use super::Names;

pub static CLONE: Names = Names {
    zero: None,
    unknown: "CLONE_???",
    names: &[
        (0x80, "CLONE_NEWTIME"),
        (0x100, "CLONE_VM"),
        (0x200, "CLONE_FS"),
        (0x400, "CLONE_FILES"),
        (0x800, "CLONE_SIGHAND"),
        (0x1000, "CLONE_PIDFD"),
        (0x2000, "CLONE_PTRACE"),
        (0x4000, "CLONE_VFORK"),
        (0x8000, "CLONE_PARENT"),
        (0x10000, "CLONE_THREAD"),
        (0x20000, "CLONE_NEWNS"),
        (0x40000, "CLONE_SYSVSEM"),
        (0x80000, "CLONE_SETTLS"),
        (0x100000, "CLONE_PARENT_SETTID"),
        (0x200000, "CLONE_CHILD_CLEARTID"),
        (0x800000, "CLONE_UNTRACED"),
        (0x1000000, "CLONE_CHILD_SETTID"),
        (0x2000000, "CLONE_NEWCGROUP"),
        (0x4000000, "CLONE_NEWUTS"),
        (0x8000000, "CLONE_NEWIPC"),
        (0x10000000, "CLONE_NEWUSER"),
        (0x20000000, "CLONE_NEWPID"),
        (0x40000000, "CLONE_NEWNET"),
        (0x80000000, "CLONE_IO"),
        (0x100000000, "CLONE_CLEAR_SIGHAND"),
        (0x200000000, "CLONE_INTO_CGROUP"),
    ],
};

pub static UNSHARE: Names = Names {
    zero: None,
    unknown: "CLONE_???",
    names: &[
        (0x80, "CLONE_NEWTIME"),
        (0x100, "CLONE_VM"),
        (0x200, "CLONE_FS"),
        (0x400, "CLONE_FILES"),
        (0x800, "CLONE_SIGHAND"),
        (0x10000, "CLONE_THREAD"),
        (0x20000, "CLONE_NEWNS"),
        (0x40000, "CLONE_SYSVSEM"),
        (0x2000000, "CLONE_NEWCGROUP"),
        (0x4000000, "CLONE_NEWUTS"),
        (0x8000000, "CLONE_NEWIPC"),
        (0x10000000, "CLONE_NEWUSER"),
        (0x20000000, "CLONE_NEWPID"),
        (0x40000000, "CLONE_NEWNET"),
    ],
};

pub static SETNS: Names = Names {
    zero: None,
    unknown: "CLONE_NEW???",
    names: &[
        (0x80, "CLONE_NEWTIME"),
        (0x20000, "CLONE_NEWNS"),
        (0x2000000, "CLONE_NEWCGROUP"),
        (0x4000000, "CLONE_NEWUTS"),
        (0x8000000, "CLONE_NEWIPC"),
        (0x10000000, "CLONE_NEWUSER"),
        (0x20000000, "CLONE_NEWPID"),
        (0x40000000, "CLONE_NEWNET"),
    ],
};

pub static WAIT: Names = Names {
    zero: None,
    unknown: "W???",
    names: &[
        (1, "WNOHANG"),
        (4, "WEXITED"),
        (2, "WSTOPPED"),
        (8, "WCONTINUED"),
        (0x1000000, "WNOWAIT"),
        (0x80000000, "__WCLONE"),
        (0x40000000, "__WALL"),
        (0x20000000, "__WNOTHREAD"),
    ],
};

pub static WAITID_TYPE: Names = Names {
    zero: None,
    unknown: "P_???",
    names: &[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")],
};

pub static PRCTL: Names = Names {
    zero: None,
    unknown: "PR_???",
    names: &[
        (1, "PR_SET_PDEATHSIG"),
        (2, "PR_GET_PDEATHSIG"),
        (3, "PR_GET_DUMPABLE"),
        (4, "PR_SET_DUMPABLE"),
        (5, "PR_GET_UNALIGN"),
        (6, "PR_SET_UNALIGN"),
        (7, "PR_GET_KEEPCAPS"),
        (8, "PR_SET_KEEPCAPS"),
        (9, "PR_GET_FPEMU"),
        (0xa, "PR_SET_FPEMU"),
        (0xb, "PR_GET_FPEXC"),
        (0xc, "PR_SET_FPEXC"),
        (0xd, "PR_GET_TIMING"),
        (0xe, "PR_SET_TIMING"),
        (0xf, "PR_SET_NAME"),
        (0x10, "PR_GET_NAME"),
        (0x13, "PR_GET_ENDIAN"),
        (0x14, "PR_SET_ENDIAN"),
        (0x15, "PR_GET_SECCOMP"),
        (0x16, "PR_SET_SECCOMP"),
        (0x17, "PR_CAPBSET_READ"),
        (0x18, "PR_CAPBSET_DROP"),
        (0x19, "PR_GET_TSC"),
        (0x1a, "PR_SET_TSC"),
        (0x1b, "PR_GET_SECUREBITS"),
        (0x1c, "PR_SET_SECUREBITS"),
        (0x1d, "PR_SET_TIMERSLACK"),
        (0x1e, "PR_GET_TIMERSLACK"),
        (0x1f, "PR_TASK_PERF_EVENTS_DISABLE"),
        (0x20, "PR_TASK_PERF_EVENTS_ENABLE"),
        (0x21, "PR_MCE_KILL"),
        (0x22, "PR_MCE_KILL_GET"),
        (0x23, "PR_SET_MM"),
        (0x24, "PR_SET_CHILD_SUBREAPER"),
        (0x25, "PR_GET_CHILD_SUBREAPER"),
        (0x26, "PR_SET_NO_NEW_PRIVS"),
        (0x27, "PR_GET_NO_NEW_PRIVS"),
        (0x28, "PR_GET_TID_ADDRESS"),
        (0x29, "PR_SET_THP_DISABLE"),
        (0x2a, "PR_GET_THP_DISABLE"),
        (0x2b, "PR_MPX_ENABLE_MANAGEMENT"),
        (0x2c, "PR_MPX_DISABLE_MANAGEMENT"),
        (0x2d, "PR_SET_FP_MODE"),
        (0x2e, "PR_GET_FP_MODE"),
        (0x2f, "PR_CAP_AMBIENT"),
        (0x32, "PR_SVE_SET_VL"),
        (0x33, "PR_SVE_GET_VL"),
        (0x34, "PR_GET_SPECULATION_CTRL"),
        (0x35, "PR_SET_SPECULATION_CTRL"),
        (0x36, "PR_PAC_RESET_KEYS"),
        (0x37, "PR_SET_TAGGED_ADDR_CTRL"),
        (0x38, "PR_GET_TAGGED_ADDR_CTRL"),
        (0x39, "PR_SET_IO_FLUSHER"),
        (0x3a, "PR_GET_IO_FLUSHER"),
        (0x3b, "PR_SET_SYSCALL_USER_DISPATCH"),
        (0x3c, "PR_PAC_SET_ENABLED_KEYS"),
        (0x3d, "PR_PAC_GET_ENABLED_KEYS"),
        (0x3e, "PR_SCHED_CORE"),
        (0x3f, "PR_SME_SET_VL"),
        (0x40, "PR_SME_GET_VL"),
        (0x59616d61, "PR_SET_PTRACER"),
        (0x53564d41, "PR_SET_VMA"),
    ],
};

pub static ARCH_PRCTL: Names = Names {
    zero: None,
    unknown: "ARCH_???",
    names: &[
        (0x1001, "ARCH_SET_GS"),
        (0x1002, "ARCH_SET_FS"),
        (0x1003, "ARCH_GET_FS"),
        (0x1004, "ARCH_GET_GS"),
        (0x1011, "ARCH_GET_CPUID"),
        (0x1012, "ARCH_SET_CPUID"),
        (0x1021, "ARCH_GET_XCOMP_SUPP"),
        (0x1022, "ARCH_GET_XCOMP_PERM"),
        (0x1023, "ARCH_REQ_XCOMP_PERM"),
        (0x1024, "ARCH_GET_XCOMP_GUEST_PERM"),
        (0x1025, "ARCH_REQ_XCOMP_GUEST_PERM"),
        (0x2001, "ARCH_MAP_VDSO_X32"),
        (0x2002, "ARCH_MAP_VDSO_32"),
        (0x2003, "ARCH_MAP_VDSO_64"),
    ],
};

pub static PR_DUMPABLE: Names = Names {
    zero: None,
    unknown: "SUID_DUMP_???",
    names: &[
        (0, "SUID_DUMP_DISABLE"),
        (1, "SUID_DUMP_USER"),
        (2, "SUID_DUMP_ROOT"),
    ],
};

pub static PTRACE: Names = Names {
    zero: None,
    unknown: "PTRACE_???",
    names: &[
        (0, "PTRACE_TRACEME"),
        (1, "PTRACE_PEEKTEXT"),
        (2, "PTRACE_PEEKDATA"),
        (3, "PTRACE_PEEKUSER"),
        (4, "PTRACE_POKETEXT"),
        (5, "PTRACE_POKEDATA"),
        (6, "PTRACE_POKEUSER"),
        (7, "PTRACE_CONT"),
        (8, "PTRACE_KILL"),
        (9, "PTRACE_SINGLESTEP"),
        (0xc, "PTRACE_GETREGS"),
        (0xd, "PTRACE_SETREGS"),
        (0xe, "PTRACE_GETFPREGS"),
        (0xf, "PTRACE_SETFPREGS"),
        (0x10, "PTRACE_ATTACH"),
        (0x11, "PTRACE_DETACH"),
        (0x12, "PTRACE_GETFPXREGS"),
        (0x13, "PTRACE_SETFPXREGS"),
        (0x15, "PTRACE_OLDSETOPTIONS"),
        (0x18, "PTRACE_SYSCALL"),
        (0x19, "PTRACE_GET_THREAD_AREA"),
        (0x1a, "PTRACE_SET_THREAD_AREA"),
        (0x1e, "PTRACE_ARCH_PRCTL"),
        (0x1f, "PTRACE_SYSEMU"),
        (0x20, "PTRACE_SYSEMU_SINGLESTEP"),
        (0x21, "PTRACE_SINGLEBLOCK"),
        (0x4200, "PTRACE_SETOPTIONS"),
        (0x4201, "PTRACE_GETEVENTMSG"),
        (0x4202, "PTRACE_GETSIGINFO"),
        (0x4203, "PTRACE_SETSIGINFO"),
        (0x4204, "PTRACE_GETREGSET"),
        (0x4205, "PTRACE_SETREGSET"),
        (0x4206, "PTRACE_SEIZE"),
        (0x4207, "PTRACE_INTERRUPT"),
        (0x4208, "PTRACE_LISTEN"),
        (0x4209, "PTRACE_PEEKSIGINFO"),
        (0x420a, "PTRACE_GETSIGMASK"),
        (0x420b, "PTRACE_SETSIGMASK"),
        (0x420c, "PTRACE_SECCOMP_GET_FILTER"),
        (0x420d, "PTRACE_SECCOMP_GET_METADATA"),
        (0x420e, "PTRACE_GET_SYSCALL_INFO"),
        (0x420f, "PTRACE_GET_RSEQ_CONFIGURATION"),
    ],
};

pub static RLIMIT: Names = Names {
    zero: None,
    unknown: "RLIMIT_???",
    names: &[
        (0, "RLIMIT_CPU"),
        (1, "RLIMIT_FSIZE"),
        (2, "RLIMIT_DATA"),
        (3, "RLIMIT_STACK"),
        (4, "RLIMIT_CORE"),
        (5, "RLIMIT_RSS"),
        (6, "RLIMIT_NPROC"),
        (7, "RLIMIT_NOFILE"),
        (8, "RLIMIT_MEMLOCK"),
        (9, "RLIMIT_AS"),
        (0xa, "RLIMIT_LOCKS"),
        (0xb, "RLIMIT_SIGPENDING"),
        (0xc, "RLIMIT_MSGQUEUE"),
        (0xd, "RLIMIT_NICE"),
        (0xe, "RLIMIT_RTPRIO"),
        (0xf, "RLIMIT_RTTIME"),
    ],
};

pub static RUSAGE: Names = Names {
    zero: None,
    unknown: "RUSAGE_???",
    names: &[
        (0, "RUSAGE_SELF"),
        (1, "RUSAGE_THREAD"),
        (0xffffffff, "RUSAGE_CHILDREN"),
    ],
};

pub static PRIO: Names = Names {
    zero: None,
    unknown: "PRIO_???",
    names: &[(0, "PRIO_PROCESS"), (1, "PRIO_PGRP"), (2, "PRIO_USER")],
};

pub static SCHED: Names = Names {
    zero: None,
    unknown: "SCHED_???",
    names: &[
        (0, "SCHED_OTHER"),
        (1, "SCHED_FIFO"),
        (2, "SCHED_RR"),
        (3, "SCHED_BATCH"),
        (4, "SCHED_ISO"),
        (5, "SCHED_IDLE"),
        (6, "SCHED_DEADLINE"),
    ],
};

pub static FUTEX: Names = Names {
    zero: None,
    unknown: "FUTEX_???",
    names: &[
        (0, "FUTEX_WAIT"),
        (1, "FUTEX_WAKE"),
        (2, "FUTEX_FD"),
        (3, "FUTEX_REQUEUE"),
        (4, "FUTEX_CMP_REQUEUE"),
        (5, "FUTEX_WAKE_OP"),
        (6, "FUTEX_LOCK_PI"),
        (7, "FUTEX_UNLOCK_PI"),
        (8, "FUTEX_TRYLOCK_PI"),
        (9, "FUTEX_WAIT_BITSET"),
        (0xa, "FUTEX_WAKE_BITSET"),
        (0xb, "FUTEX_WAIT_REQUEUE_PI"),
        (0xc, "FUTEX_CMP_REQUEUE_PI"),
        (0xd, "FUTEX_LOCK_PI2"),
    ],
};

pub static PERSONALITY: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0x20000, "UNAME26"),
        (0x40000, "ADDR_NO_RANDOMIZE"),
        (0x80000, "FDPIC_FUNCPTRS"),
        (0x100000, "MMAP_PAGE_ZERO"),
        (0x200000, "ADDR_COMPAT_LAYOUT"),
        (0x400000, "READ_IMPLIES_EXEC"),
        (0x800000, "ADDR_LIMIT_32BIT"),
        (0x1000000, "SHORT_INODE"),
        (0x2000000, "WHOLE_SECONDS"),
        (0x4000000, "STICKY_TIMEOUTS"),
        (0x8000000, "ADDR_LIMIT_3GB"),
    ],
};

pub static PER: Names = Names {
    zero: None,
    unknown: "PER_???",
    names: &[
        (0, "PER_LINUX"),
        (6, "PER_BSD"),
        (8, "PER_LINUX32"),
        (0xc, "PER_RISCOS"),
        (0xf, "PER_OSF4"),
        (0x10, "PER_HPUX"),
    ],
};

pub static SECCOMP: Names = Names {
    zero: None,
    unknown: "SECCOMP_SET_MODE_???",
    names: &[
        (0, "SECCOMP_SET_MODE_STRICT"),
        (1, "SECCOMP_SET_MODE_FILTER"),
        (2, "SECCOMP_GET_ACTION_AVAIL"),
        (3, "SECCOMP_GET_NOTIF_SIZES"),
    ],
};

pub static SECCOMP_FILTER: Names = Names {
    zero: None,
    unknown: "SECCOMP_FILTER_FLAG_???",
    names: &[
        (1, "SECCOMP_FILTER_FLAG_TSYNC"),
        (2, "SECCOMP_FILTER_FLAG_LOG"),
        (4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
        (8, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
        (0x10, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
        (0x20, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
    ],
};

pub static RSEQ: Names = Names {
    zero: None,
    unknown: "RSEQ_FLAG_???",
    names: &[(1, "RSEQ_FLAG_UNREGISTER")],
};

pub static MEMBARRIER: Names = Names {
    zero: None,
    unknown: "MEMBARRIER_CMD_???",
    names: &[
        (0, "MEMBARRIER_CMD_QUERY"),
        (1, "MEMBARRIER_CMD_GLOBAL"),
        (2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"),
        (4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"),
        (8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"),
        (0x10, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"),
        (0x20, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"),
        (0x40, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"),
        (0x80, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"),
        (0x100, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"),
    ],
};

pub static PIDFD_OPEN: Names = Names {
    zero: None,
    unknown: "PIDFD_???",
    names: &[(0x800, "PIDFD_NONBLOCK")],
};

pub static CLOSE_RANGE: Names = Names {
    zero: None,
    unknown: "CLOSE_RANGE_???",
    names: &[(2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC")],
};

pub static KCMP: Names = Names {
    zero: None,
    unknown: "KCMP_???",
    names: &[
        (0, "KCMP_FILE"),
        (1, "KCMP_VM"),
        (2, "KCMP_FILES"),
        (3, "KCMP_FS"),
        (4, "KCMP_SIGHAND"),
        (5, "KCMP_IO"),
        (6, "KCMP_SYSVSEM"),
        (7, "KCMP_EPOLL_TFD"),
    ],
};

pub static PERF_FLAG: Names = Names {
    zero: None,
    unknown: "PERF_FLAG_???",
    names: &[
        (1, "PERF_FLAG_FD_NO_GROUP"),
        (2, "PERF_FLAG_FD_OUTPUT"),
        (4, "PERF_FLAG_PID_CGROUP"),
        (8, "PERF_FLAG_FD_CLOEXEC"),
    ],
};

pub static BPF: Names = Names {
    zero: None,
    unknown: "BPF_???",
    names: &[
        (0, "BPF_MAP_CREATE"),
        (1, "BPF_MAP_LOOKUP_ELEM"),
        (2, "BPF_MAP_UPDATE_ELEM"),
        (3, "BPF_MAP_DELETE_ELEM"),
        (4, "BPF_MAP_GET_NEXT_KEY"),
        (5, "BPF_PROG_LOAD"),
        (6, "BPF_OBJ_PIN"),
        (7, "BPF_OBJ_GET"),
        (8, "BPF_PROG_ATTACH"),
        (9, "BPF_PROG_DETACH"),
        (0xa, "BPF_PROG_TEST_RUN"),
        (0xb, "BPF_PROG_GET_NEXT_ID"),
        (0xc, "BPF_MAP_GET_NEXT_ID"),
        (0xd, "BPF_PROG_GET_FD_BY_ID"),
        (0xe, "BPF_MAP_GET_FD_BY_ID"),
        (0xf, "BPF_OBJ_GET_INFO_BY_FD"),
        (0x10, "BPF_PROG_QUERY"),
        (0x11, "BPF_RAW_TRACEPOINT_OPEN"),
        (0x12, "BPF_BTF_LOAD"),
        (0x13, "BPF_BTF_GET_FD_BY_ID"),
        (0x14, "BPF_TASK_FD_QUERY"),
        (0x15, "BPF_MAP_LOOKUP_AND_DELETE_ELEM"),
        (0x16, "BPF_MAP_FREEZE"),
        (0x17, "BPF_BTF_GET_NEXT_ID"),
        (0x18, "BPF_MAP_LOOKUP_BATCH"),
        (0x19, "BPF_MAP_LOOKUP_AND_DELETE_BATCH"),
        (0x1a, "BPF_MAP_UPDATE_BATCH"),
        (0x1b, "BPF_MAP_DELETE_BATCH"),
        (0x1c, "BPF_LINK_CREATE"),
        (0x1d, "BPF_LINK_UPDATE"),
        (0x1e, "BPF_LINK_GET_FD_BY_ID"),
        (0x1f, "BPF_LINK_GET_NEXT_ID"),
        (0x20, "BPF_ENABLE_STATS"),
        (0x21, "BPF_ITER_CREATE"),
        (0x22, "BPF_LINK_DETACH"),
        (0x23, "BPF_PROG_BIND_MAP"),
    ],
};

pub static KEYCTL: Names = Names {
    zero: None,
    unknown: "KEYCTL_???",
    names: &[
        (0, "KEYCTL_GET_KEYRING_ID"),
        (1, "KEYCTL_JOIN_SESSION_KEYRING"),
        (2, "KEYCTL_UPDATE"),
        (3, "KEYCTL_REVOKE"),
        (4, "KEYCTL_CHOWN"),
        (5, "KEYCTL_SETPERM"),
        (6, "KEYCTL_DESCRIBE"),
        (7, "KEYCTL_CLEAR"),
        (8, "KEYCTL_LINK"),
        (9, "KEYCTL_UNLINK"),
        (0xa, "KEYCTL_SEARCH"),
        (0xb, "KEYCTL_READ"),
        (0xc, "KEYCTL_INSTANTIATE"),
        (0xd, "KEYCTL_NEGATE"),
        (0xe, "KEYCTL_SET_REQKEY_KEYRING"),
        (0xf, "KEYCTL_SET_TIMEOUT"),
        (0x10, "KEYCTL_ASSUME_AUTHORITY"),
        (0x11, "KEYCTL_GET_SECURITY"),
        (0x12, "KEYCTL_SESSION_TO_PARENT"),
        (0x13, "KEYCTL_REJECT"),
        (0x14, "KEYCTL_INSTANTIATE_IOV"),
        (0x15, "KEYCTL_INVALIDATE"),
        (0x16, "KEYCTL_GET_PERSISTENT"),
        (0x17, "KEYCTL_DH_COMPUTE"),
        (0x18, "KEYCTL_PKEY_QUERY"),
        (0x19, "KEYCTL_PKEY_ENCRYPT"),
        (0x1a, "KEYCTL_PKEY_DECRYPT"),
        (0x1b, "KEYCTL_PKEY_SIGN"),
        (0x1c, "KEYCTL_PKEY_VERIFY"),
        (0x1d, "KEYCTL_RESTRICT_KEYRING"),
        (0x1e, "KEYCTL_MOVE"),
        (0x1f, "KEYCTL_CAPABILITIES"),
        (0x20, "KEYCTL_WATCH_KEY"),
    ],
};

pub static IOPRIO_WHO: Names = Names {
    zero: None,
    unknown: "IOPRIO_WHO_???",
    names: &[
        (1, "IOPRIO_WHO_PROCESS"),
        (2, "IOPRIO_WHO_PGRP"),
        (3, "IOPRIO_WHO_USER"),
    ],
};

pub static GETRANDOM: Names = Names {
    zero: None,
    unknown: "GRND_???",
    names: &[
        (1, "GRND_NONBLOCK"),
        (2, "GRND_RANDOM"),
        (4, "GRND_INSECURE"),
    ],
};

pub static LANDLOCK_CREATE: Names = Names {
    zero: None,
    unknown: "LANDLOCK_CREATE_RULESET_???",
    names: &[(1, "LANDLOCK_CREATE_RULESET_VERSION")],
};

pub static LANDLOCK_RULE: Names = Names {
    zero: None,
    unknown: "LANDLOCK_RULE_???",
    names: &[(1, "LANDLOCK_RULE_PATH_BENEATH")],
};

pub static DELETE_MODULE: Names = Names {
    zero: None,
    unknown: "O_???",
    names: &[(0x800, "O_NONBLOCK"), (0x200, "O_TRUNC")],
};

pub static FINIT_MODULE: Names = Names {
    zero: None,
    unknown: "MODULE_INIT_???",
    names: &[
        (1, "MODULE_INIT_IGNORE_MODVERSIONS"),
        (2, "MODULE_INIT_IGNORE_VERMAGIC"),
        (4, "MODULE_INIT_COMPRESSED_FILE"),
    ],
};

pub static REBOOT: Names = Names {
    zero: None,
    unknown: "LINUX_REBOOT_CMD_???",
    names: &[
        (0, "LINUX_REBOOT_CMD_CAD_OFF"),
        (0x89abcdef, "LINUX_REBOOT_CMD_CAD_ON"),
        (0xcdef0123, "LINUX_REBOOT_CMD_HALT"),
        (0x1234567, "LINUX_REBOOT_CMD_RESTART"),
        (0x4321fedc, "LINUX_REBOOT_CMD_POWER_OFF"),
        (0xa1b2c3d4, "LINUX_REBOOT_CMD_RESTART2"),
        (0xd000fce2, "LINUX_REBOOT_CMD_SW_SUSPEND"),
        (0x45584543, "LINUX_REBOOT_CMD_KEXEC"),
    ],
};

pub static SECCOMP_MODE: Names = Names {
    zero: None,
    unknown: "SECCOMP_MODE_???",
    names: &[
        (0, "SECCOMP_MODE_DISABLED"),
        (1, "SECCOMP_MODE_STRICT"),
        (2, "SECCOMP_MODE_FILTER"),
    ],
};

pub static CAP: Names = Names {
    zero: None,
    unknown: "CAP_???",
    names: &[
        (0, "CAP_CHOWN"),
        (1, "CAP_DAC_OVERRIDE"),
        (2, "CAP_DAC_READ_SEARCH"),
        (3, "CAP_FOWNER"),
        (4, "CAP_FSETID"),
        (5, "CAP_KILL"),
        (6, "CAP_SETGID"),
        (7, "CAP_SETUID"),
        (8, "CAP_SETPCAP"),
        (9, "CAP_LINUX_IMMUTABLE"),
        (0xa, "CAP_NET_BIND_SERVICE"),
        (0xb, "CAP_NET_BROADCAST"),
        (0xc, "CAP_NET_ADMIN"),
        (0xd, "CAP_NET_RAW"),
        (0xe, "CAP_IPC_LOCK"),
        (0xf, "CAP_IPC_OWNER"),
        (0x10, "CAP_SYS_MODULE"),
        (0x11, "CAP_SYS_RAWIO"),
        (0x12, "CAP_SYS_CHROOT"),
        (0x13, "CAP_SYS_PTRACE"),
        (0x14, "CAP_SYS_PACCT"),
        (0x15, "CAP_SYS_ADMIN"),
        (0x16, "CAP_SYS_BOOT"),
        (0x17, "CAP_SYS_NICE"),
        (0x18, "CAP_SYS_RESOURCE"),
        (0x19, "CAP_SYS_TIME"),
        (0x1a, "CAP_SYS_TTY_CONFIG"),
        (0x1b, "CAP_MKNOD"),
        (0x1c, "CAP_LEASE"),
        (0x1d, "CAP_AUDIT_WRITE"),
        (0x1e, "CAP_AUDIT_CONTROL"),
        (0x1f, "CAP_SETFCAP"),
        (0x20, "CAP_MAC_OVERRIDE"),
        (0x21, "CAP_MAC_ADMIN"),
        (0x22, "CAP_SYSLOG"),
        (0x23, "CAP_WAKE_ALARM"),
        (0x24, "CAP_BLOCK_SUSPEND"),
        (0x25, "CAP_AUDIT_READ"),
        (0x26, "CAP_PERFMON"),
        (0x27, "CAP_BPF"),
        (0x28, "CAP_CHECKPOINT_RESTORE"),
    ],
};

pub static SYSLOG: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0, "CLOSE"),
        (1, "OPEN"),
        (2, "READ"),
        (3, "READ_ALL"),
        (4, "READ_CLEAR"),
        (5, "CLEAR"),
        (6, "CONSOLE_OFF"),
        (7, "CONSOLE_ON"),
        (8, "CONSOLE_LEVEL"),
        (9, "SIZE_UNREAD"),
        (0xa, "SIZE_BUFFER"),
    ],
};

pub static SCHED_FLAG: Names = Names {
    zero: None,
    unknown: "SCHED_FLAG_???",
    names: &[
        (1, "SCHED_FLAG_RESET_ON_FORK"),
        (2, "SCHED_FLAG_RECLAIM"),
        (4, "SCHED_FLAG_DL_OVERRUN"),
        (8, "SCHED_FLAG_KEEP_POLICY"),
        (0x10, "SCHED_FLAG_KEEP_PARAMS"),
        (0x20, "SCHED_FLAG_UTIL_CLAMP_MIN"),
        (0x40, "SCHED_FLAG_UTIL_CLAMP_MAX"),
    ],
};

pub static IOPRIO_CLASS: Names = Names {
    zero: None,
    unknown: "IOPRIO_CLASS_???",
    names: &[
        (0, "IOPRIO_CLASS_NONE"),
        (1, "IOPRIO_CLASS_RT"),
        (2, "IOPRIO_CLASS_BE"),
        (3, "IOPRIO_CLASS_IDLE"),
    ],
};

pub static WAIT_EVENT: Names = Names {
    zero: None,
    unknown: "PTRACE_EVENT_???",
    names: &[
        (1, "PTRACE_EVENT_FORK"),
        (2, "PTRACE_EVENT_VFORK"),
        (3, "PTRACE_EVENT_CLONE"),
        (4, "PTRACE_EVENT_EXEC"),
        (5, "PTRACE_EVENT_VFORK_DONE"),
        (6, "PTRACE_EVENT_EXIT"),
        (7, "PTRACE_EVENT_SECCOMP"),
        (0x80, "PTRACE_EVENT_STOP"),
    ],
};

pub static CAP_VERSION: Names = Names {
    zero: None,
    unknown: "_LINUX_CAPABILITY_VERSION_???",
    names: &[
        (0x19980330, "_LINUX_CAPABILITY_VERSION_1"),
        (0x20071026, "_LINUX_CAPABILITY_VERSION_2"),
        (0x20080522, "_LINUX_CAPABILITY_VERSION_3"),
    ],
};

pub static PR_UNALIGN: Names = Names {
    zero: None,
    unknown: "PR_UNALIGN_???",
    names: &[(1, "PR_UNALIGN_NOPRINT"), (2, "PR_UNALIGN_SIGBUS")],
};

pub static PR_TSC: Names = Names {
    zero: None,
    unknown: "PR_TSC_???",
    names: &[(1, "PR_TSC_ENABLE"), (2, "PR_TSC_SIGSEGV")],
};

pub static SECBIT: Names = Names {
    zero: None,
    unknown: "SECBIT_???",
    names: &[
        (1, "SECBIT_NOROOT"),
        (2, "SECBIT_NOROOT_LOCKED"),
        (4, "SECBIT_NO_SETUID_FIXUP"),
        (8, "SECBIT_NO_SETUID_FIXUP_LOCKED"),
        (0x10, "SECBIT_KEEP_CAPS"),
        (0x20, "SECBIT_KEEP_CAPS_LOCKED"),
        (0x40, "SECBIT_NO_CAP_AMBIENT_RAISE"),
        (0x80, "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED"),
    ],
};

pub static PR_MCE_KILL: Names = Names {
    zero: None,
    unknown: "PR_MCE_KILL_???",
    names: &[(0, "PR_MCE_KILL_CLEAR"), (1, "PR_MCE_KILL_SET")],
};

pub static PR_MCE_KILL_POLICY: Names = Names {
    zero: None,
    unknown: "PR_MCE_KILL_???",
    names: &[
        (0, "PR_MCE_KILL_LATE"),
        (1, "PR_MCE_KILL_EARLY"),
        (2, "PR_MCE_KILL_DEFAULT"),
    ],
};

pub static PR_FP_MODE: Names = Names {
    zero: None,
    unknown: "PR_FP_MODE_???",
    names: &[(1, "PR_FP_MODE_FR"), (2, "PR_FP_MODE_FRE")],
};

pub static PR_SET_MM: Names = Names {
    zero: None,
    unknown: "PR_SET_MM_???",
    names: &[
        (1, "PR_SET_MM_START_CODE"),
        (2, "PR_SET_MM_END_CODE"),
        (3, "PR_SET_MM_START_DATA"),
        (4, "PR_SET_MM_END_DATA"),
        (5, "PR_SET_MM_START_STACK"),
        (6, "PR_SET_MM_START_BRK"),
        (7, "PR_SET_MM_BRK"),
        (8, "PR_SET_MM_ARG_START"),
        (9, "PR_SET_MM_ARG_END"),
        (0xa, "PR_SET_MM_ENV_START"),
        (0xb, "PR_SET_MM_ENV_END"),
        (0xc, "PR_SET_MM_AUXV"),
        (0xd, "PR_SET_MM_EXE_FILE"),
        (0xe, "PR_SET_MM_MAP"),
        (0xf, "PR_SET_MM_MAP_SIZE"),
    ],
};

pub static PR_CAP_AMBIENT: Names = Names {
    zero: None,
    unknown: "PR_CAP_AMBIENT_???",
    names: &[
        (1, "PR_CAP_AMBIENT_IS_SET"),
        (2, "PR_CAP_AMBIENT_RAISE"),
        (3, "PR_CAP_AMBIENT_LOWER"),
        (4, "PR_CAP_AMBIENT_CLEAR_ALL"),
    ],
};

pub static PR_SPEC: Names = Names {
    zero: None,
    unknown: "PR_SPEC_???",
    names: &[
        (0, "PR_SPEC_STORE_BYPASS"),
        (1, "PR_SPEC_INDIRECT_BRANCH"),
        (2, "PR_SPEC_L1D_FLUSH"),
    ],
};

pub static PR_SPEC_STATE: Names = Names {
    zero: Some("PR_SPEC_NOT_AFFECTED"),
    unknown: "PR_SPEC_???",
    names: &[
        (1, "PR_SPEC_PRCTL"),
        (2, "PR_SPEC_ENABLE"),
        (4, "PR_SPEC_DISABLE"),
        (8, "PR_SPEC_FORCE_DISABLE"),
        (0x10, "PR_SPEC_DISABLE_NOEXEC"),
    ],
};

pub static PR_SPEC_SET: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "PR_SPEC_PRCTL"),
        (2, "PR_SPEC_ENABLE"),
        (4, "PR_SPEC_DISABLE"),
        (8, "PR_SPEC_FORCE_DISABLE"),
        (0x10, "PR_SPEC_DISABLE_NOEXEC"),
    ],
};

pub static PR_SYS_DISPATCH: Names = Names {
    zero: None,
    unknown: "PR_SYS_DISPATCH_???",
    names: &[(0, "PR_SYS_DISPATCH_OFF"), (1, "PR_SYS_DISPATCH_ON")],
};

pub static PR_SCHED_CORE: Names = Names {
    zero: None,
    unknown: "PR_SCHED_CORE_???",
    names: &[
        (0, "PR_SCHED_CORE_GET"),
        (1, "PR_SCHED_CORE_CREATE"),
        (2, "PR_SCHED_CORE_SHARE_TO"),
        (3, "PR_SCHED_CORE_SHARE_FROM"),
    ],
};

pub static PIDTYPE: Names = Names {
    zero: None,
    unknown: "PIDTYPE_???",
    names: &[
        (0, "PIDTYPE_PID"),
        (1, "PIDTYPE_TGID"),
        (2, "PIDTYPE_PGID"),
        (3, "PIDTYPE_SID"),
    ],
};

pub static PR_SET_VMA: Names = Names {
    zero: None,
    unknown: "PR_SET_VMA_???",
    names: &[(0, "PR_SET_VMA_ANON_NAME")],
};

pub static REBOOT_MAGIC1: Names = Names {
    zero: None,
    unknown: "LINUX_REBOOT_MAGIC_???",
    names: &[(0xfee1dead, "LINUX_REBOOT_MAGIC1")],
};

pub static REBOOT_MAGIC2: Names = Names {
    zero: None,
    unknown: "LINUX_REBOOT_MAGIC_???",
    names: &[
        (0x28121969, "LINUX_REBOOT_MAGIC2"),
        (0x5121996, "LINUX_REBOOT_MAGIC2A"),
        (0x16041998, "LINUX_REBOOT_MAGIC2B"),
        (0x20112000, "LINUX_REBOOT_MAGIC2C"),
    ],
};

pub static MEMBARRIER_FLAG: Names = Names {
    zero: None,
    unknown: "MEMBARRIER_CMD_FLAG_???",
    names: &[(1, "MEMBARRIER_CMD_FLAG_CPU")],
};

pub static XFEATURE: Names = Names {
    zero: None,
    unknown: "XFEATURE_MASK_???",
    names: &[
        (1, "XFEATURE_MASK_FP"),
        (2, "XFEATURE_MASK_SSE"),
        (4, "XFEATURE_MASK_YMM"),
        (8, "XFEATURE_MASK_BNDREGS"),
        (0x10, "XFEATURE_MASK_BNDCSR"),
        (0x20, "XFEATURE_MASK_OPMASK"),
        (0x40, "XFEATURE_MASK_ZMM_Hi256"),
        (0x80, "XFEATURE_MASK_Hi16_ZMM"),
        (0x100, "XFEATURE_MASK_PT"),
        (0x200, "XFEATURE_MASK_PKRU"),
        (0x400, "XFEATURE_MASK_PASID"),
        (0x8000, "XFEATURE_MASK_LBR"),
        (0x20000, "XFEATURE_MASK_XTILE_CFG"),
        (0x40000, "XFEATURE_MASK_XTILE_DATA"),
    ],
};

pub static PTRACE_O: Names = Names {
    zero: None,
    unknown: "PTRACE_O_???",
    names: &[
        (1, "PTRACE_O_TRACESYSGOOD"),
        (2, "PTRACE_O_TRACEFORK"),
        (4, "PTRACE_O_TRACEVFORK"),
        (8, "PTRACE_O_TRACECLONE"),
        (0x10, "PTRACE_O_TRACEEXEC"),
        (0x20, "PTRACE_O_TRACEVFORKDONE"),
        (0x40, "PTRACE_O_TRACEEXIT"),
        (0x80, "PTRACE_O_TRACESECCOMP"),
        (0x100000, "PTRACE_O_EXITKILL"),
        (0x200000, "PTRACE_O_SUSPEND_SECCOMP"),
    ],
};

pub static KEY_SERIAL: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0xffffffff, "KEY_SPEC_THREAD_KEYRING"),
        (0xfffffffe, "KEY_SPEC_PROCESS_KEYRING"),
        (0xfffffffd, "KEY_SPEC_SESSION_KEYRING"),
        (0xfffffffc, "KEY_SPEC_USER_KEYRING"),
        (0xfffffffb, "KEY_SPEC_USER_SESSION_KEYRING"),
        (0xfffffffa, "KEY_SPEC_GROUP_KEYRING"),
        (0xfffffff9, "KEY_SPEC_REQKEY_AUTH_KEY"),
        (0xfffffff8, "KEY_SPEC_REQUESTOR_KEYRING"),
    ],
};

pub static KEY_PERM: Names = Names {
    zero: None,
    unknown: "KEY_???",
    names: &[
        (0x1000000, "KEY_POS_VIEW"),
        (0x2000000, "KEY_POS_READ"),
        (0x4000000, "KEY_POS_WRITE"),
        (0x8000000, "KEY_POS_SEARCH"),
        (0x10000000, "KEY_POS_LINK"),
        (0x20000000, "KEY_POS_SETATTR"),
        (0x10000, "KEY_USR_VIEW"),
        (0x20000, "KEY_USR_READ"),
        (0x40000, "KEY_USR_WRITE"),
        (0x80000, "KEY_USR_SEARCH"),
        (0x100000, "KEY_USR_LINK"),
        (0x200000, "KEY_USR_SETATTR"),
        (0x100, "KEY_GRP_VIEW"),
        (0x200, "KEY_GRP_READ"),
        (0x400, "KEY_GRP_WRITE"),
        (0x800, "KEY_GRP_SEARCH"),
        (0x1000, "KEY_GRP_LINK"),
        (0x2000, "KEY_GRP_SETATTR"),
        (1, "KEY_OTH_VIEW"),
        (2, "KEY_OTH_READ"),
        (4, "KEY_OTH_WRITE"),
        (8, "KEY_OTH_SEARCH"),
        (0x10, "KEY_OTH_LINK"),
        (0x20, "KEY_OTH_SETATTR"),
    ],
};

pub static KEY_REQKEY: Names = Names {
    zero: None,
    unknown: "KEY_REQKEY_DEFL_???",
    names: &[
        (0xffffffff, "KEY_REQKEY_DEFL_NO_CHANGE"),
        (0, "KEY_REQKEY_DEFL_DEFAULT"),
        (1, "KEY_REQKEY_DEFL_THREAD_KEYRING"),
        (2, "KEY_REQKEY_DEFL_PROCESS_KEYRING"),
        (3, "KEY_REQKEY_DEFL_SESSION_KEYRING"),
        (4, "KEY_REQKEY_DEFL_USER_KEYRING"),
        (5, "KEY_REQKEY_DEFL_USER_SESSION_KEYRING"),
        (6, "KEY_REQKEY_DEFL_GROUP_KEYRING"),
        (7, "KEY_REQKEY_DEFL_REQUESTOR_KEYRING"),
    ],
};

pub static KEYCTL_MOVE: Names = Names {
    zero: None,
    unknown: "KEYCTL_MOVE_???",
    names: &[(1, "KEYCTL_MOVE_EXCL")],
};

pub static KEXEC_FILE: Names = Names {
    zero: None,
    unknown: "KEXEC_FILE_???",
    names: &[
        (1, "KEXEC_FILE_UNLOAD"),
        (2, "KEXEC_FILE_ON_CRASH"),
        (4, "KEXEC_FILE_NO_INITRAMFS"),
    ],
};

pub static KEXEC: Names = Names {
    zero: None,
    unknown: "KEXEC_???",
    names: &[(1, "KEXEC_ON_CRASH"), (2, "KEXEC_PRESERVE_CONTEXT")],
};

pub static KEXEC_ARCH: Names = Names {
    zero: None,
    unknown: "KEXEC_ARCH_???",
    names: &[
        (0, "KEXEC_ARCH_DEFAULT"),
        (0x30000, "KEXEC_ARCH_386"),
        (0x40000, "KEXEC_ARCH_68K"),
        (0xf0000, "KEXEC_ARCH_PARISC"),
        (0x3e0000, "KEXEC_ARCH_X86_64"),
        (0x140000, "KEXEC_ARCH_PPC"),
        (0x150000, "KEXEC_ARCH_PPC64"),
        (0x320000, "KEXEC_ARCH_IA_64"),
        (0x280000, "KEXEC_ARCH_ARM"),
        (0x160000, "KEXEC_ARCH_S390"),
        (0x2a0000, "KEXEC_ARCH_SH"),
        (0x80000, "KEXEC_ARCH_MIPS"),
        (0xa0000, "KEXEC_ARCH_MIPS_LE"),
        (0xb70000, "KEXEC_ARCH_AARCH64"),
        (0xf30000, "KEXEC_ARCH_RISCV"),
    ],
};

pub static FUTEX2: Names = Names {
    zero: None,
    unknown: "FUTEX_???",
    names: &[(2, "FUTEX_32"), (0x80, "FUTEX_PRIVATE_FLAG")],
};
