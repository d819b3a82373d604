//! Mounting: `mount.h`, `swap.h`.

use super::Names;

pub static FILE_SYSTEM: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0x187, "AUTOFS_SUPER_MAGIC"),
        (0x1373, "DEVFS_SUPER_MAGIC"),
        (0x137d, "EXT_SUPER_MAGIC"),
        (0x1cd1, "DEVPTS_SUPER_MAGIC"),
        (0x3434, "NILFS_SUPER_MAGIC"),
        (0x4d44, "MSDOS_SUPER_MAGIC"),
        (0x517b, "SMB_SUPER_MAGIC"),
        (0x5df5, "EXOFS_SUPER_MAGIC"),
        (0x6969, "NFS_SUPER_MAGIC"),
        (0x72b6, "JFFS2_SUPER_MAGIC"),
        (0x9660, "ISOFS_SUPER_MAGIC"),
        (0x9fa0, "PROC_SUPER_MAGIC"),
        (0x9fa2, "USBDEVICE_SUPER_MAGIC"),
        (0xadf5, "ADFS_SUPER_MAGIC"),
        (0xadff, "AFFS_SUPER_MAGIC"),
        (0xef53, "EXT2_SUPER_MAGIC"),
        (0xf15f, "ECRYPTFS_SUPER_MAGIC"),
        (0x27e0eb, "CGROUP_SUPER_MAGIC"),
        (0xc36400, "CEPH_SUPER_MAGIC"),
        (0x1021994, "TMPFS_MAGIC"),
        (0x1021997, "V9FS_MAGIC"),
        (0x9041934, "ANON_INODE_FS_MAGIC"),
        (0x15013346, "UDF_SUPER_MAGIC"),
        (0x1badface, "BFS_MAGIC"),
        (0x2011bab0, "EXFAT_SUPER_MAGIC"),
        (0x2fc12fc1, "ZFS_SUPER_MAGIC"),
        (0x3153464a, "JFS_SUPER_MAGIC"),
        (0x42494e4d, "BINFMTFS_MAGIC"),
        (0x43415d53, "SMACK_MAGIC"),
        (0x453dcd28, "CRAMFS_MAGIC_WEND"),
        (0x47504653, "GPFS_SUPER_MAGIC"),
        (0x50495045, "PIPEFS_MAGIC"),
        (0x52654973, "REISERFS_SUPER_MAGIC"),
        (0x5346544e, "NTFS_SB_MAGIC"),
        (0x534f434b, "SOCKFS_MAGIC"),
        (0x58465342, "XFS_SUPER_MAGIC"),
        (0x5a3c69f0, "AAFS_MAGIC"),
        (0x6165676c, "PSTOREFS_MAGIC"),
        (0x61756673, "AUFS_SUPER_MAGIC"),
        (0x62646576, "BDEVFS_MAGIC"),
        (0x62656572, "SYSFS_MAGIC"),
        (0x63677270, "CGROUP2_SUPER_MAGIC"),
        (0x64626720, "DEBUGFS_MAGIC"),
        (0x65735543, "FUSE_CTL_SUPER_MAGIC"),
        (0x65735546, "FUSE_SUPER_MAGIC"),
        (0x6b414653, "AFS_FS_MAGIC"),
        (0x6e736673, "NSFS_MAGIC"),
        (0x73717368, "SQUASHFS_MAGIC"),
        (0x7461636f, "OCFS2_SUPER_MAGIC"),
        (0x74726163, "TRACEFS_MAGIC"),
        (0x794c7630, "OVERLAYFS_SUPER_MAGIC"),
        (0x858458f6, "RAMFS_MAGIC"),
        (0x9123683e, "BTRFS_SUPER_MAGIC"),
        (0x958458f6, "HUGETLBFS_MAGIC"),
        (0xabba1974, "XENFS_SUPER_MAGIC"),
        (0xcafe4a11, "BPF_FS_MAGIC"),
        (0xde5e81e4, "EFIVARFS_MAGIC"),
        (0xe0f5e1e2, "EROFS_SUPER_MAGIC_V1"),
        (0xf2f52010, "F2FS_SUPER_MAGIC"),
        (0xf97cff8c, "SELINUX_MAGIC"),
        (0xfe534d42, "SMB2_SUPER_MAGIC"),
        (0xff534d42, "CIFS_SUPER_MAGIC"),
    ],
};

pub static MOUNT: Names = Names {
    zero: None,
    unknown: "MS_???",
    names: &[
        (1, "MS_RDONLY"),
        (2, "MS_NOSUID"),
        (4, "MS_NODEV"),
        (8, "MS_NOEXEC"),
        (0x10, "MS_SYNCHRONOUS"),
        (0x20, "MS_REMOUNT"),
        (0x40, "MS_MANDLOCK"),
        (0x80, "MS_DIRSYNC"),
        (0x100, "MS_NOSYMFOLLOW"),
        (0x400, "MS_NOATIME"),
        (0x800, "MS_NODIRATIME"),
        (0x1000, "MS_BIND"),
        (0x2000, "MS_MOVE"),
        (0x4000, "MS_REC"),
        (0x8000, "MS_SILENT"),
        (0x10000, "MS_POSIXACL"),
        (0x20000, "MS_UNBINDABLE"),
        (0x40000, "MS_PRIVATE"),
        (0x80000, "MS_SLAVE"),
        (0x100000, "MS_SHARED"),
        (0x200000, "MS_RELATIME"),
        (0x400000, "MS_KERNMOUNT"),
        (0x800000, "MS_I_VERSION"),
        (0x1000000, "MS_STRICTATIME"),
        (0x2000000, "MS_LAZYTIME"),
        (0x4000000, "MS_SUBMOUNT"),
        (0x8000000, "MS_NOREMOTELOCK"),
        (0x10000000, "MS_NOSEC"),
        (0x20000000, "MS_BORN"),
        (0x40000000, "MS_ACTIVE"),
        (0x80000000, "MS_NOUSER"),
    ],
};

pub static UMOUNT: Names = Names {
    zero: None,
    unknown: "MNT_???",
    names: &[
        (1, "MNT_FORCE"),
        (2, "MNT_DETACH"),
        (4, "MNT_EXPIRE"),
        (8, "UMOUNT_NOFOLLOW"),
    ],
};

pub static SWAP: Names = Names {
    zero: None,
    unknown: "SWAP_FLAG_???",
    names: &[
        (0x8000, "SWAP_FLAG_PREFER"),
        (0x10000, "SWAP_FLAG_DISCARD"),
        (0x20000, "SWAP_FLAG_DISCARD_ONCE"),
        (0x40000, "SWAP_FLAG_DISCARD_PAGES"),
    ],
};

pub static OPEN_TREE: Names = Names {
    zero: None,
    unknown: "OPEN_TREE_???",
    names: &[
        (1, "OPEN_TREE_CLONE"),
        (0x80000, "OPEN_TREE_CLOEXEC"),
        (0x100, "AT_SYMLINK_NOFOLLOW"),
        (0x200, "AT_REMOVEDIR"),
        (0x400, "AT_SYMLINK_FOLLOW"),
        (0x800, "AT_NO_AUTOMOUNT"),
        (0x1000, "AT_EMPTY_PATH"),
        (0x8000, "AT_RECURSIVE"),
    ],
};

pub static MOVE_MOUNT: Names = Names {
    zero: None,
    unknown: "MOVE_MOUNT_???",
    names: &[
        (1, "MOVE_MOUNT_F_SYMLINKS"),
        (2, "MOVE_MOUNT_F_AUTOMOUNTS"),
        (4, "MOVE_MOUNT_F_EMPTY_PATH"),
        (0x10, "MOVE_MOUNT_T_SYMLINKS"),
        (0x20, "MOVE_MOUNT_T_AUTOMOUNTS"),
        (0x40, "MOVE_MOUNT_T_EMPTY_PATH"),
        (0x100, "MOVE_MOUNT_SET_GROUP"),
    ],
};

pub static FSOPEN: Names = Names {
    zero: None,
    unknown: "FSOPEN_???",
    names: &[(1, "FSOPEN_CLOEXEC")],
};

pub static FSCONFIG: Names = Names {
    zero: None,
    unknown: "FSCONFIG_???",
    names: &[
        (0, "FSCONFIG_SET_FLAG"),
        (1, "FSCONFIG_SET_STRING"),
        (2, "FSCONFIG_SET_BINARY"),
        (3, "FSCONFIG_SET_PATH"),
        (4, "FSCONFIG_SET_PATH_EMPTY"),
        (5, "FSCONFIG_SET_FD"),
        (6, "FSCONFIG_CMD_CREATE"),
        (7, "FSCONFIG_CMD_RECONFIGURE"),
    ],
};

pub static FSMOUNT: Names = Names {
    zero: None,
    unknown: "FSMOUNT_???",
    names: &[(1, "FSMOUNT_CLOEXEC")],
};

pub static MOUNT_ATTR: Names = Names {
    zero: None,
    unknown: "MOUNT_ATTR_???",
    names: &[
        (1, "MOUNT_ATTR_RDONLY"),
        (2, "MOUNT_ATTR_NOSUID"),
        (4, "MOUNT_ATTR_NODEV"),
        (8, "MOUNT_ATTR_NOEXEC"),
        (0x10, "MOUNT_ATTR_NOATIME"),
        (0x20, "MOUNT_ATTR_STRICTATIME"),
        (0x80, "MOUNT_ATTR_NODIRATIME"),
    ],
};

pub static FSPICK: Names = Names {
    zero: None,
    unknown: "FSPICK_???",
    names: &[
        (1, "FSPICK_CLOEXEC"),
        (2, "FSPICK_SYMLINK_NOFOLLOW"),
        (4, "FSPICK_NO_AUTOMOUNT"),
        (8, "FSPICK_EMPTY_PATH"),
    ],
};

pub static PROPAGATION: Names = Names {
    zero: None,
    unknown: "MS_???",
    names: &[
        (0x20000, "MS_UNBINDABLE"),
        (0x40000, "MS_PRIVATE"),
        (0x80000, "MS_SLAVE"),
        (0x100000, "MS_SHARED"),
    ],
};

pub static QUOTA_COMMAND: Names = Names {
    zero: None,
    unknown: "Q_???",
    names: &[
        (0x800001, "Q_SYNC"),
        (0x800002, "Q_QUOTAON"),
        (0x800003, "Q_QUOTAOFF"),
        (0x800004, "Q_GETFMT"),
        (0x800005, "Q_GETINFO"),
        (0x800006, "Q_SETINFO"),
        (0x800007, "Q_GETQUOTA"),
        (0x800008, "Q_SETQUOTA"),
        (0x800009, "Q_GETNEXTQUOTA"),
        (0x5801, "Q_XQUOTAON"),
        (0x5802, "Q_XQUOTAOFF"),
        (0x5803, "Q_XGETQUOTA"),
        (0x5804, "Q_XSETQLIM"),
        (0x5805, "Q_XGETQSTAT"),
        (0x5806, "Q_XQUOTARM"),
        (0x5807, "Q_XQUOTASYNC"),
        (0x5808, "Q_XGETQSTATV"),
        (0x5809, "Q_XGETNEXTQUOTA"),
    ],
};

pub static QUOTA_TYPE: Names = Names {
    zero: None,
    unknown: "???QUOTA",
    names: &[(0, "USRQUOTA"), (1, "GRPQUOTA"), (2, "PRJQUOTA")],
};

pub static QUOTA_FORMAT: Names = Names {
    zero: None,
    unknown: "QFMT_VFS_???",
    names: &[
        (1, "QFMT_VFS_OLD"),
        (2, "QFMT_VFS_V0"),
        (3, "QFMT_OCFS2"),
        (4, "QFMT_VFS_V1"),
    ],
};

pub static QUOTA_FLAGS: Names = Names {
    zero: None,
    unknown: "DQF_???",
    names: &[(1, "DQF_ROOT_SQUASH"), (0x10000, "DQF_SYS_FILE")],
};

pub static QUOTA_VALID: Names = Names {
    zero: None,
    unknown: "IIF_???",
    names: &[(1, "IIF_BGRACE"), (2, "IIF_IGRACE"), (4, "IIF_FLAGS")],
};
