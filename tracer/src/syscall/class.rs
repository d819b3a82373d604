//! Classes of syscalls that `-e trace=%CLASS` selects.

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class(u32);

impl Class {
    pub const NONE: Self = Self(0);
    pub const FILE: Self = Self(1);
    pub const DESC: Self = Self(1 << 1);
    pub const NETWORK: Self = Self(1 << 2);
    pub const PROCESS: Self = Self(1 << 3);
    pub const SIGNAL: Self = Self(1 << 4);
    pub const IPC: Self = Self(1 << 5);
    pub const MEMORY: Self = Self(1 << 6);
    pub const CLOCK: Self = Self(1 << 7);
    pub const CREDS: Self = Self(1 << 8);
    pub const STAT: Self = Self(1 << 9);
    pub const LSTAT: Self = Self(1 << 10);
    pub const FSTAT: Self = Self(1 << 11);
    pub const STAT_LIKE: Self = Self(1 << 12);
    pub const STATFS: Self = Self(1 << 13);
    pub const FSTATFS: Self = Self(1 << 14);
    pub const STATFS_LIKE: Self = Self(1 << 15);
    pub const PURE: Self = Self(1 << 16);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a class in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Names after the `%`; some classes have two.
pub static CLASS_NAMES: &[(&str, Class)] = &[
    ("%stat", Class::STAT_LIKE),
    ("%statfs", Class::STATFS_LIKE),
    ("clock", Class::CLOCK),
    ("creds", Class::CREDS),
    ("desc", Class::DESC),
    ("file", Class::FILE),
    ("fstat", Class::FSTAT),
    ("fstatfs", Class::FSTATFS),
    ("ipc", Class::IPC),
    ("lstat", Class::LSTAT),
    ("memory", Class::MEMORY),
    ("net", Class::NETWORK),
    ("network", Class::NETWORK),
    ("process", Class::PROCESS),
    ("pure", Class::PURE),
    ("signal", Class::SIGNAL),
    ("stat", Class::STAT),
    ("statfs", Class::STATFS),
];

/// Names that also work without the `%`, as in old versions of strace.
pub static LEGACY_CLASSES: &[&str] = &[
    "desc", "file", "ipc", "memory", "network", "process", "signal",
];
