//! Confinement: `landlock.h`, `seccomp.h`.

use super::Names;

pub static LANDLOCK_FS: Names = Names {
    zero: None,
    unknown: "LANDLOCK_ACCESS_FS_???",
    names: &[
        (1, "LANDLOCK_ACCESS_FS_EXECUTE"),
        (2, "LANDLOCK_ACCESS_FS_WRITE_FILE"),
        (4, "LANDLOCK_ACCESS_FS_READ_FILE"),
        (8, "LANDLOCK_ACCESS_FS_READ_DIR"),
        (0x10, "LANDLOCK_ACCESS_FS_REMOVE_DIR"),
        (0x20, "LANDLOCK_ACCESS_FS_REMOVE_FILE"),
        (0x40, "LANDLOCK_ACCESS_FS_MAKE_CHAR"),
        (0x80, "LANDLOCK_ACCESS_FS_MAKE_DIR"),
        (0x100, "LANDLOCK_ACCESS_FS_MAKE_REG"),
        (0x200, "LANDLOCK_ACCESS_FS_MAKE_SOCK"),
        (0x400, "LANDLOCK_ACCESS_FS_MAKE_FIFO"),
        (0x800, "LANDLOCK_ACCESS_FS_MAKE_BLOCK"),
        (0x1000, "LANDLOCK_ACCESS_FS_MAKE_SYM"),
        (0x2000, "LANDLOCK_ACCESS_FS_REFER"),
        (0x4000, "LANDLOCK_ACCESS_FS_TRUNCATE"),
    ],
};

pub static SECCOMP_RET: Names = Names {
    zero: None,
    unknown: "SECCOMP_RET_???",
    names: &[
        (0x80000000, "SECCOMP_RET_KILL_PROCESS"),
        (0, "SECCOMP_RET_KILL_THREAD"),
        (0x30000, "SECCOMP_RET_TRAP"),
        (0x50000, "SECCOMP_RET_ERRNO"),
        (0x7fc00000, "SECCOMP_RET_USER_NOTIF"),
        (0x7ff00000, "SECCOMP_RET_TRACE"),
        (0x7ffc0000, "SECCOMP_RET_LOG"),
        (0x7fff0000, "SECCOMP_RET_ALLOW"),
    ],
};
