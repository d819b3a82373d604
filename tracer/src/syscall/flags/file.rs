//! Files: `fcntl.h`, `stat.h`, `fs.h`, `inotify.h`, `fanotify.h`, `xattr.h`.

use super::Names;

pub static O_ACCMODE: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0, "O_RDONLY"),
        (1, "O_WRONLY"),
        (2, "O_RDWR"),
        (3, "O_ACCMODE"),
    ],
};

pub static OPEN: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0x40, "O_CREAT"),
        (0x80, "O_EXCL"),
        (0x100, "O_NOCTTY"),
        (0x200, "O_TRUNC"),
        (0x400, "O_APPEND"),
        (0x800, "O_NONBLOCK"),
        (0x101000, "O_SYNC"),
        (0x100000, "__O_SYNC"),
        (0x1000, "O_DSYNC"),
        (0x4000, "O_DIRECT"),
        (0x8000, "O_LARGEFILE"),
        (0x20000, "O_NOFOLLOW"),
        (0x40000, "O_NOATIME"),
        (0x80000, "O_CLOEXEC"),
        (0x200000, "O_PATH"),
        (0x410000, "O_TMPFILE"),
        (0x400000, "__O_TMPFILE"),
        (0x10000, "O_DIRECTORY"),
        (0x2000, "FASYNC"),
    ],
};

pub static O_FLAGS: Names = Names {
    zero: None,
    unknown: "O_???",
    names: &[
        (0x40, "O_CREAT"),
        (0x80, "O_EXCL"),
        (0x100, "O_NOCTTY"),
        (0x200, "O_TRUNC"),
        (0x400, "O_APPEND"),
        (0x800, "O_NONBLOCK"),
        (0x101000, "O_SYNC"),
        (0x100000, "__O_SYNC"),
        (0x1000, "O_DSYNC"),
        (0x4000, "O_DIRECT"),
        (0x8000, "O_LARGEFILE"),
        (0x20000, "O_NOFOLLOW"),
        (0x40000, "O_NOATIME"),
        (0x80000, "O_CLOEXEC"),
        (0x200000, "O_PATH"),
        (0x410000, "O_TMPFILE"),
        (0x400000, "__O_TMPFILE"),
        (0x10000, "O_DIRECTORY"),
        (0x2000, "FASYNC"),
    ],
};

/// [`OPEN`] of arm64 (`asm/fcntl.h`).
pub static OPEN_A64: Names = Names {
    zero: None,
    unknown: "",
    names: OPEN_NAMES_A64,
};

/// [`O_FLAGS`] of arm64.
pub static O_FLAGS_A64: Names = Names {
    zero: None,
    unknown: "O_???",
    names: OPEN_NAMES_A64,
};

const OPEN_NAMES_A64: &[(u64, &str)] = &[
    (0x40, "O_CREAT"),
    (0x80, "O_EXCL"),
    (0x100, "O_NOCTTY"),
    (0x200, "O_TRUNC"),
    (0x400, "O_APPEND"),
    (0x800, "O_NONBLOCK"),
    (0x101000, "O_SYNC"),
    (0x100000, "__O_SYNC"),
    (0x1000, "O_DSYNC"),
    (0x10000, "O_DIRECT"),
    (0x20000, "O_LARGEFILE"),
    (0x8000, "O_NOFOLLOW"),
    (0x40000, "O_NOATIME"),
    (0x80000, "O_CLOEXEC"),
    (0x200000, "O_PATH"),
    (0x404000, "O_TMPFILE"),
    (0x400000, "__O_TMPFILE"),
    (0x4000, "O_DIRECTORY"),
    (0x2000, "FASYNC"),
];

pub static RESOLVE: Names = Names {
    zero: None,
    unknown: "RESOLVE_???",
    names: &[
        (1, "RESOLVE_NO_XDEV"),
        (2, "RESOLVE_NO_MAGICLINKS"),
        (4, "RESOLVE_NO_SYMLINKS"),
        (8, "RESOLVE_BENEATH"),
        (0x10, "RESOLVE_IN_ROOT"),
        (0x20, "RESOLVE_CACHED"),
    ],
};

pub static FD: Names = Names {
    zero: None,
    unknown: "",
    names: &[(1, "FD_CLOEXEC")],
};

pub static SEALS: Names = Names {
    zero: None,
    unknown: "F_SEAL_???",
    names: &[
        (1, "F_SEAL_SEAL"),
        (2, "F_SEAL_SHRINK"),
        (4, "F_SEAL_GROW"),
        (8, "F_SEAL_WRITE"),
        (0x10, "F_SEAL_FUTURE_WRITE"),
        (0x20, "F_SEAL_EXEC"),
    ],
};

pub static LOCK_TYPE: Names = Names {
    zero: None,
    unknown: "F_???",
    names: &[(0, "F_RDLCK"), (1, "F_WRLCK"), (2, "F_UNLCK")],
};

pub static F_OWNER: Names = Names {
    zero: None,
    unknown: "F_OWNER_???",
    names: &[(0, "F_OWNER_TID"), (1, "F_OWNER_PID"), (2, "F_OWNER_PGRP")],
};

pub static ACCESS: Names = Names {
    zero: Some("F_OK"),
    unknown: "?_OK",
    names: &[(4, "R_OK"), (2, "W_OK"), (1, "X_OK")],
};

pub static SEEK: Names = Names {
    zero: None,
    unknown: "SEEK_???",
    names: &[
        (0, "SEEK_SET"),
        (1, "SEEK_CUR"),
        (2, "SEEK_END"),
        (3, "SEEK_DATA"),
        (4, "SEEK_HOLE"),
    ],
};

pub static FLOCK: Names = Names {
    zero: None,
    unknown: "LOCK_???",
    names: &[
        (1, "LOCK_SH"),
        (2, "LOCK_EX"),
        (4, "LOCK_NB"),
        (8, "LOCK_UN"),
        (0x20, "LOCK_MAND"),
        (0xc0, "LOCK_RW"),
        (0x40, "LOCK_READ"),
        (0x80, "LOCK_WRITE"),
    ],
};

pub static FCNTL: Names = Names {
    zero: None,
    unknown: "F_???",
    names: &[
        (0, "F_DUPFD"),
        (1, "F_GETFD"),
        (2, "F_SETFD"),
        (3, "F_GETFL"),
        (4, "F_SETFL"),
        (5, "F_GETLK"),
        (6, "F_SETLK"),
        (7, "F_SETLKW"),
        (8, "F_SETOWN"),
        (9, "F_GETOWN"),
        (0xa, "F_SETSIG"),
        (0xb, "F_GETSIG"),
        (0xc, "F_GETLK64"),
        (0xd, "F_SETLK64"),
        (0xe, "F_SETLKW64"),
        (0xf, "F_SETOWN_EX"),
        (0x10, "F_GETOWN_EX"),
        (0x11, "F_GETOWNER_UIDS"),
        (0x24, "F_OFD_GETLK"),
        (0x25, "F_OFD_SETLK"),
        (0x26, "F_OFD_SETLKW"),
        (0x400, "F_SETLEASE"),
        (0x401, "F_GETLEASE"),
        (0x402, "F_NOTIFY"),
        (0x405, "F_CANCELLK"),
        (0x406, "F_DUPFD_CLOEXEC"),
        (0x407, "F_SETPIPE_SZ"),
        (0x408, "F_GETPIPE_SZ"),
        (0x409, "F_ADD_SEALS"),
        (0x40a, "F_GET_SEALS"),
    ],
};

pub static FALLOCATE: Names = Names {
    zero: None,
    unknown: "FALLOC_FL_???",
    names: &[
        (1, "FALLOC_FL_KEEP_SIZE"),
        (2, "FALLOC_FL_PUNCH_HOLE"),
        (4, "FALLOC_FL_NO_HIDE_STALE"),
        (8, "FALLOC_FL_COLLAPSE_RANGE"),
        (0x10, "FALLOC_FL_ZERO_RANGE"),
        (0x20, "FALLOC_FL_INSERT_RANGE"),
        (0x40, "FALLOC_FL_UNSHARE_RANGE"),
    ],
};

pub static FADVISE: Names = Names {
    zero: None,
    unknown: "POSIX_FADV_???",
    names: &[
        (0, "POSIX_FADV_NORMAL"),
        (1, "POSIX_FADV_RANDOM"),
        (2, "POSIX_FADV_SEQUENTIAL"),
        (3, "POSIX_FADV_WILLNEED"),
        (4, "POSIX_FADV_DONTNEED"),
        (5, "POSIX_FADV_NOREUSE"),
    ],
};

pub static SYNC_FILE_RANGE: Names = Names {
    zero: None,
    unknown: "SYNC_FILE_RANGE_???",
    names: &[
        (1, "SYNC_FILE_RANGE_WAIT_BEFORE"),
        (2, "SYNC_FILE_RANGE_WRITE"),
        (4, "SYNC_FILE_RANGE_WAIT_AFTER"),
    ],
};

pub static AT: Names = Names {
    zero: None,
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_REMOVEDIR"),
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

pub static AT_ACCESS: Names = Names {
    zero: None,
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_EACCESS"),
        (0x1000, "AT_EMPTY_PATH"),
    ],
};

pub static AT_NAME_TO_HANDLE: Names = Names {
    zero: None,
    unknown: "AT_???",
    names: &[(0x400, "AT_SYMLINK_FOLLOW"), (0x1000, "AT_EMPTY_PATH")],
};

pub static AT_MOUNT_SETATTR: Names = Names {
    zero: None,
    unknown: "AT_???",
    names: &[
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

pub static AT_STATX_SYNC: Names = Names {
    zero: Some("AT_STATX_SYNC_AS_STAT"),
    unknown: "AT_STATX_???",
    names: &[
        (0x2000, "AT_STATX_FORCE_SYNC"),
        (0x4000, "AT_STATX_DONT_SYNC"),
    ],
};

pub static STATX_MASK: Names = Names {
    zero: None,
    unknown: "STATX_???",
    names: &[
        (0xfff, "STATX_ALL"),
        (0x7ff, "STATX_BASIC_STATS"),
        (1, "STATX_TYPE"),
        (2, "STATX_MODE"),
        (4, "STATX_NLINK"),
        (8, "STATX_UID"),
        (0x10, "STATX_GID"),
        (0x20, "STATX_ATIME"),
        (0x40, "STATX_MTIME"),
        (0x80, "STATX_CTIME"),
        (0x100, "STATX_INO"),
        (0x200, "STATX_SIZE"),
        (0x400, "STATX_BLOCKS"),
        (0x800, "STATX_BTIME"),
        (0x1000, "STATX_MNT_ID"),
        (0x2000, "STATX_DIOALIGN"),
    ],
};

pub static STATX_ATTR: Names = Names {
    zero: None,
    unknown: "STATX_ATTR_???",
    names: &[
        (4, "STATX_ATTR_COMPRESSED"),
        (0x10, "STATX_ATTR_IMMUTABLE"),
        (0x20, "STATX_ATTR_APPEND"),
        (0x40, "STATX_ATTR_NODUMP"),
        (0x800, "STATX_ATTR_ENCRYPTED"),
        (0x1000, "STATX_ATTR_AUTOMOUNT"),
        (0x2000, "STATX_ATTR_MOUNT_ROOT"),
        (0x100000, "STATX_ATTR_VERITY"),
        (0x200000, "STATX_ATTR_DAX"),
    ],
};

pub static RENAME: Names = Names {
    zero: None,
    unknown: "RENAME_??",
    names: &[
        (1, "RENAME_NOREPLACE"),
        (2, "RENAME_EXCHANGE"),
        (4, "RENAME_WHITEOUT"),
    ],
};

pub static SPLICE: Names = Names {
    zero: None,
    unknown: "SPLICE_F_???",
    names: &[
        (1, "SPLICE_F_MOVE"),
        (2, "SPLICE_F_NONBLOCK"),
        (4, "SPLICE_F_MORE"),
        (8, "SPLICE_F_GIFT"),
    ],
};

pub static RWF: Names = Names {
    zero: None,
    unknown: "RWF_???",
    names: &[
        (1, "RWF_HIPRI"),
        (2, "RWF_DSYNC"),
        (4, "RWF_SYNC"),
        (8, "RWF_NOWAIT"),
        (0x10, "RWF_APPEND"),
    ],
};

pub static INOTIFY: Names = Names {
    zero: None,
    unknown: "IN_???",
    names: &[
        (1, "IN_ACCESS"),
        (2, "IN_MODIFY"),
        (4, "IN_ATTRIB"),
        (8, "IN_CLOSE_WRITE"),
        (0x10, "IN_CLOSE_NOWRITE"),
        (0x20, "IN_OPEN"),
        (0x40, "IN_MOVED_FROM"),
        (0x80, "IN_MOVED_TO"),
        (0x100, "IN_CREATE"),
        (0x200, "IN_DELETE"),
        (0x400, "IN_DELETE_SELF"),
        (0x800, "IN_MOVE_SELF"),
        (0x2000, "IN_UNMOUNT"),
        (0x4000, "IN_Q_OVERFLOW"),
        (0x8000, "IN_IGNORED"),
        (0x1000000, "IN_ONLYDIR"),
        (0x2000000, "IN_DONT_FOLLOW"),
        (0x4000000, "IN_EXCL_UNLINK"),
        (0x10000000, "IN_MASK_CREATE"),
        (0x20000000, "IN_MASK_ADD"),
        (0x40000000, "IN_ISDIR"),
        (0x80000000, "IN_ONESHOT"),
    ],
};

pub static INOTIFY_INIT1: Names = Names {
    zero: None,
    unknown: "IN_???",
    names: &[(0x800, "IN_NONBLOCK"), (0x80000, "IN_CLOEXEC")],
};

pub static XATTR: Names = Names {
    zero: None,
    unknown: "XATTR_???",
    names: &[(1, "XATTR_CREATE"), (2, "XATTR_REPLACE")],
};

pub static ST: Names = Names {
    zero: None,
    unknown: "ST_???",
    names: &[
        (0x20, "ST_VALID"),
        (1, "ST_RDONLY"),
        (2, "ST_NOSUID"),
        (4, "ST_NODEV"),
        (8, "ST_NOEXEC"),
        (0x10, "ST_SYNCHRONOUS"),
        (0x40, "ST_MANDLOCK"),
        (0x80, "ST_WRITE"),
        (0x100, "ST_APPEND"),
        (0x200, "ST_IMMUTABLE"),
        (0x400, "ST_NOATIME"),
        (0x800, "ST_NODIRATIME"),
        (0x1000, "ST_RELATIME"),
        (0x2000, "ST_NOSYMFOLLOW"),
    ],
};

pub static DT: Names = Names {
    zero: None,
    unknown: "DT_???",
    names: &[
        (0, "DT_UNKNOWN"),
        (1, "DT_FIFO"),
        (2, "DT_CHR"),
        (4, "DT_DIR"),
        (6, "DT_BLK"),
        (8, "DT_REG"),
        (0xa, "DT_LNK"),
        (0xc, "DT_SOCK"),
        (0xe, "DT_WHT"),
    ],
};

pub static FAN_INIT: Names = Names {
    zero: Some("FAN_CLASS_NOTIF"),
    unknown: "FAN_???",
    names: &[
        (1, "FAN_CLOEXEC"),
        (2, "FAN_NONBLOCK"),
        (0x10, "FAN_UNLIMITED_QUEUE"),
        (0x20, "FAN_UNLIMITED_MARKS"),
        (0x40, "FAN_ENABLE_AUDIT"),
        (0x80, "FAN_REPORT_PIDFD"),
        (0x100, "FAN_REPORT_TID"),
        (0x200, "FAN_REPORT_FID"),
        (0x400, "FAN_REPORT_DIR_FID"),
        (0x800, "FAN_REPORT_NAME"),
        (0x1000, "FAN_REPORT_TARGET_FID"),
    ],
};

pub static FAN_MARK: Names = Names {
    zero: None,
    unknown: "FAN_MARK_???",
    names: &[
        (1, "FAN_MARK_ADD"),
        (2, "FAN_MARK_REMOVE"),
        (4, "FAN_MARK_DONT_FOLLOW"),
        (8, "FAN_MARK_ONLYDIR"),
        (0x10, "FAN_MARK_MOUNT"),
        (0x20, "FAN_MARK_IGNORED_MASK"),
        (0x40, "FAN_MARK_IGNORED_SURV_MODIFY"),
        (0x80, "FAN_MARK_FLUSH"),
        (0x100, "FAN_MARK_FILESYSTEM"),
        (0x200, "FAN_MARK_EVICTABLE"),
        (0x400, "FAN_MARK_IGNORE"),
    ],
};

pub static FAN_EVENT: Names = Names {
    zero: None,
    unknown: "FAN_???",
    names: &[
        (1, "FAN_ACCESS"),
        (2, "FAN_MODIFY"),
        (4, "FAN_ATTRIB"),
        (8, "FAN_CLOSE_WRITE"),
        (0x10, "FAN_CLOSE_NOWRITE"),
        (0x20, "FAN_OPEN"),
        (0x40, "FAN_MOVED_FROM"),
        (0x80, "FAN_MOVED_TO"),
        (0x100, "FAN_CREATE"),
        (0x200, "FAN_DELETE"),
        (0x400, "FAN_DELETE_SELF"),
        (0x800, "FAN_MOVE_SELF"),
        (0x1000, "FAN_OPEN_EXEC"),
        (0x4000, "FAN_Q_OVERFLOW"),
        (0x8000, "FAN_FS_ERROR"),
        (0x10000, "FAN_OPEN_PERM"),
        (0x20000, "FAN_ACCESS_PERM"),
        (0x40000, "FAN_OPEN_EXEC_PERM"),
        (0x80000, "FAN_DIR_MODIFY"),
        (0x40000000, "FAN_ONDIR"),
        (0x8000000, "FAN_EVENT_ON_CHILD"),
        (0x10000000, "FAN_RENAME"),
    ],
};

pub static FAN_CLASS: Names = Names {
    zero: None,
    unknown: "FAN_CLASS_???",
    names: &[
        (0, "FAN_CLASS_NOTIF"),
        (4, "FAN_CLASS_CONTENT"),
        (8, "FAN_CLASS_PRE_CONTENT"),
    ],
};

pub static NOTIFY: Names = Names {
    zero: None,
    unknown: "DN_???",
    names: &[
        (1, "DN_ACCESS"),
        (2, "DN_MODIFY"),
        (4, "DN_CREATE"),
        (8, "DN_DELETE"),
        (0x10, "DN_RENAME"),
        (0x20, "DN_ATTRIB"),
        (0x80000000, "DN_MULTISHOT"),
    ],
};

pub static FS_FLAGS: Names = Names {
    zero: None,
    unknown: "FS_???",
    names: &[
        (1, "FS_SECRM_FL"),
        (2, "FS_UNRM_FL"),
        (4, "FS_COMPR_FL"),
        (8, "FS_SYNC_FL"),
        (0x10, "FS_IMMUTABLE_FL"),
        (0x20, "FS_APPEND_FL"),
        (0x40, "FS_NODUMP_FL"),
        (0x80, "FS_NOATIME_FL"),
        (0x100, "FS_DIRTY_FL"),
        (0x200, "FS_COMPRBLK_FL"),
        (0x400, "FS_NOCOMP_FL"),
        (0x800, "FS_ENCRYPT_FL"),
        (0x1000, "FS_INDEX_FL"),
        (0x2000, "FS_IMAGIC_FL"),
        (0x4000, "FS_JOURNAL_DATA_FL"),
        (0x8000, "FS_NOTAIL_FL"),
        (0x10000, "FS_DIRSYNC_FL"),
        (0x20000, "FS_TOPDIR_FL"),
        (0x40000, "FS_HUGE_FILE_FL"),
        (0x80000, "FS_EXTENT_FL"),
        (0x100000, "FS_VERITY_FL"),
        (0x200000, "FS_EA_INODE_FL"),
        (0x400000, "FS_EOFBLOCKS_FL"),
        (0x800000, "FS_NOCOW_FL"),
        (0x2000000, "FS_DAX_FL"),
        (0x10000000, "FS_INLINE_DATA_FL"),
        (0x20000000, "FS_PROJINHERIT_FL"),
        (0x40000000, "FS_CASEFOLD_FL"),
    ],
};

/// `fsx_xflags` (`linux/fs.h`).
pub static FS_XFLAGS: Names = Names {
    zero: None,
    unknown: "FS_XFLAG_???",
    names: &[
        (0x1, "FS_XFLAG_REALTIME"),
        (0x2, "FS_XFLAG_PREALLOC"),
        (0x8, "FS_XFLAG_IMMUTABLE"),
        (0x10, "FS_XFLAG_APPEND"),
        (0x20, "FS_XFLAG_SYNC"),
        (0x40, "FS_XFLAG_NOATIME"),
        (0x80, "FS_XFLAG_NODUMP"),
        (0x100, "FS_XFLAG_RTINHERIT"),
        (0x200, "FS_XFLAG_PROJINHERIT"),
        (0x400, "FS_XFLAG_NOSYMLINKS"),
        (0x800, "FS_XFLAG_EXTSIZE"),
        (0x1000, "FS_XFLAG_EXTSZINHERIT"),
        (0x2000, "FS_XFLAG_NODEFRAG"),
        (0x4000, "FS_XFLAG_FILESTREAM"),
        (0x8000, "FS_XFLAG_DAX"),
        (0x1_0000, "FS_XFLAG_COWEXTSIZE"),
        (0x8000_0000, "FS_XFLAG_HASATTR"),
    ],
};

/// `fm_flags` (`linux/fiemap.h`).
pub static FIEMAP: Names = Names {
    zero: None,
    unknown: "FIEMAP_FLAG_???",
    names: &[
        (0x1, "FIEMAP_FLAG_SYNC"),
        (0x2, "FIEMAP_FLAG_XATTR"),
        (0x4, "FIEMAP_FLAG_CACHE"),
    ],
};

/// `fe_flags` (`linux/fiemap.h`).
pub static FIEMAP_EXTENT: Names = Names {
    zero: None,
    unknown: "FIEMAP_EXTENT_???",
    names: &[
        (0x1, "FIEMAP_EXTENT_LAST"),
        (0x2, "FIEMAP_EXTENT_UNKNOWN"),
        (0x4, "FIEMAP_EXTENT_DELALLOC"),
        (0x8, "FIEMAP_EXTENT_ENCODED"),
        (0x80, "FIEMAP_EXTENT_DATA_ENCRYPTED"),
        (0x100, "FIEMAP_EXTENT_NOT_ALIGNED"),
        (0x200, "FIEMAP_EXTENT_DATA_INLINE"),
        (0x400, "FIEMAP_EXTENT_DATA_TAIL"),
        (0x800, "FIEMAP_EXTENT_UNWRITTEN"),
        (0x1000, "FIEMAP_EXTENT_MERGED"),
        (0x2000, "FIEMAP_EXTENT_SHARED"),
    ],
};
