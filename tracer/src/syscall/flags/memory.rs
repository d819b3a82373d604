//! Memory: `mman.h`, `mempolicy.h`, `memfd.h`, `shm.h`, `userfaultfd.h`.

use super::Names;

pub static PROT: Names = Names {
    zero: Some("PROT_NONE"),
    unknown: "PROT_???",
    names: &[
        (1, "PROT_READ"),
        (2, "PROT_WRITE"),
        (4, "PROT_EXEC"),
        (8, "PROT_SEM"),
        (0x1000000, "PROT_GROWSDOWN"),
        (0x2000000, "PROT_GROWSUP"),
    ],
};

/// [`PROT`] of arm64 (`asm/mman.h`).
pub static PROT_A64: Names = Names {
    zero: Some("PROT_NONE"),
    unknown: "PROT_???",
    names: &[
        (1, "PROT_READ"),
        (2, "PROT_WRITE"),
        (4, "PROT_EXEC"),
        (8, "PROT_SEM"),
        (0x10, "PROT_BTI"),
        (0x20, "PROT_MTE"),
        (0x1000000, "PROT_GROWSDOWN"),
        (0x2000000, "PROT_GROWSUP"),
    ],
};

pub static MMAP: Names = Names {
    zero: None,
    unknown: "MAP_???",
    names: &[
        (0x10, "MAP_FIXED"),
        (0x20, "MAP_ANONYMOUS"),
        (0x40, "MAP_32BIT"),
        (0x4000, "MAP_NORESERVE"),
        (0x8000, "MAP_POPULATE"),
        (0x10000, "MAP_NONBLOCK"),
        (0x100, "MAP_GROWSDOWN"),
        (0x800, "MAP_DENYWRITE"),
        (0x1000, "MAP_EXECUTABLE"),
        (0x2000, "MAP_LOCKED"),
        (0x20000, "MAP_STACK"),
        (0x40000, "MAP_HUGETLB"),
        (0x80000, "MAP_SYNC"),
        (0x100000, "MAP_FIXED_NOREPLACE"),
    ],
};

/// [`MMAP`] of arm64, which lacks `MAP_32BIT`.
pub static MMAP_A64: Names = Names {
    zero: None,
    unknown: "MAP_???",
    names: &[
        (0x10, "MAP_FIXED"),
        (0x20, "MAP_ANONYMOUS"),
        (0x4000, "MAP_NORESERVE"),
        (0x8000, "MAP_POPULATE"),
        (0x10000, "MAP_NONBLOCK"),
        (0x100, "MAP_GROWSDOWN"),
        (0x800, "MAP_DENYWRITE"),
        (0x1000, "MAP_EXECUTABLE"),
        (0x2000, "MAP_LOCKED"),
        (0x20000, "MAP_STACK"),
        (0x40000, "MAP_HUGETLB"),
        (0x80000, "MAP_SYNC"),
        (0x100000, "MAP_FIXED_NOREPLACE"),
    ],
};

pub static MMAP_TYPE: Names = Names {
    zero: None,
    unknown: "MAP_???",
    names: &[
        (0, "MAP_FILE"),
        (1, "MAP_SHARED"),
        (2, "MAP_PRIVATE"),
        (3, "MAP_SHARED_VALIDATE"),
    ],
};

pub static MREMAP: Names = Names {
    zero: None,
    unknown: "MREMAP_???",
    names: &[
        (1, "MREMAP_MAYMOVE"),
        (2, "MREMAP_FIXED"),
        (4, "MREMAP_DONTUNMAP"),
    ],
};

pub static MSYNC: Names = Names {
    zero: None,
    unknown: "MS_???",
    names: &[(4, "MS_SYNC"), (1, "MS_ASYNC"), (2, "MS_INVALIDATE")],
};

pub static MADVISE: Names = Names {
    zero: None,
    unknown: "MADV_???",
    names: &[
        (0, "MADV_NORMAL"),
        (1, "MADV_RANDOM"),
        (2, "MADV_SEQUENTIAL"),
        (3, "MADV_WILLNEED"),
        (4, "MADV_DONTNEED"),
        (8, "MADV_FREE"),
        (9, "MADV_REMOVE"),
        (0xa, "MADV_DONTFORK"),
        (0xb, "MADV_DOFORK"),
        (0xc, "MADV_MERGEABLE"),
        (0xd, "MADV_UNMERGEABLE"),
        (0xe, "MADV_HUGEPAGE"),
        (0xf, "MADV_NOHUGEPAGE"),
        (0x10, "MADV_DONTDUMP"),
        (0x11, "MADV_DODUMP"),
        (0x12, "MADV_WIPEONFORK"),
        (0x13, "MADV_KEEPONFORK"),
        (0x14, "MADV_COLD"),
        (0x15, "MADV_PAGEOUT"),
        (0x16, "MADV_POPULATE_READ"),
        (0x17, "MADV_POPULATE_WRITE"),
        (0x18, "MADV_DONTNEED_LOCKED"),
        (0x19, "MADV_COLLAPSE"),
        (0x64, "MADV_HWPOISON"),
        (0x65, "MADV_SOFT_OFFLINE"),
    ],
};

pub static MLOCKALL: Names = Names {
    zero: None,
    unknown: "MCL_???",
    names: &[(1, "MCL_CURRENT"), (2, "MCL_FUTURE"), (4, "MCL_ONFAULT")],
};

pub static MLOCK2: Names = Names {
    zero: None,
    unknown: "MLOCK_???",
    names: &[(1, "MLOCK_ONFAULT")],
};

pub static MEMFD: Names = Names {
    zero: None,
    unknown: "MFD_???",
    names: &[
        (1, "MFD_CLOEXEC"),
        (2, "MFD_ALLOW_SEALING"),
        (4, "MFD_HUGETLB"),
    ],
};

pub static MPOL: Names = Names {
    zero: None,
    unknown: "MPOL_???",
    names: &[
        (0, "MPOL_DEFAULT"),
        (1, "MPOL_PREFERRED"),
        (2, "MPOL_BIND"),
        (3, "MPOL_INTERLEAVE"),
        (4, "MPOL_LOCAL"),
        (5, "MPOL_PREFERRED_MANY"),
    ],
};

pub static MBIND: Names = Names {
    zero: None,
    unknown: "MPOL_???",
    names: &[
        (1, "MPOL_MF_STRICT"),
        (2, "MPOL_MF_MOVE"),
        (4, "MPOL_MF_MOVE_ALL"),
    ],
};

pub static GET_MEMPOLICY: Names = Names {
    zero: None,
    unknown: "MPOL_???",
    names: &[
        (1, "MPOL_F_NODE"),
        (2, "MPOL_F_ADDR"),
        (4, "MPOL_F_MEMS_ALLOWED"),
    ],
};

pub static PKEY: Names = Names {
    zero: None,
    unknown: "PKEY_???",
    names: &[
        (1, "PKEY_DISABLE_ACCESS"),
        (2, "PKEY_DISABLE_WRITE"),
        (4, "PKEY_DISABLE_EXECUTE"),
    ],
};

pub static SHMAT: Names = Names {
    zero: None,
    unknown: "SHM_???",
    names: &[
        (0x1000, "SHM_RDONLY"),
        (0x2000, "SHM_RND"),
        (0x4000, "SHM_REMAP"),
        (0x8000, "SHM_EXEC"),
    ],
};

pub static USERFAULTFD: Names = Names {
    zero: None,
    unknown: "UFFD_???",
    names: &[
        (1, "UFFD_USER_MODE_ONLY"),
        (0x800, "O_NONBLOCK"),
        (0x80000, "O_CLOEXEC"),
    ],
};

pub static MPOL_FLAGS: Names = Names {
    zero: None,
    unknown: "MPOL_???",
    names: &[
        (0x8000, "MPOL_F_STATIC_NODES"),
        (0x4000, "MPOL_F_RELATIVE_NODES"),
        (0x2000, "MPOL_F_NUMA_BALANCING"),
    ],
};
