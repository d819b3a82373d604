//! What `stat` and `statx` say of a file.

use crate::syscall::arg::{Custom, Form, Layout};
use crate::syscall::flags::file;

use super::fields::{As, Field};
use super::file::is_device;
use super::options::Constants;
use super::printer::{Printer, put};
use super::struct_bytes::StructBytes;

/// Flags of `statx`: how to synchronize comes first.
pub static STATX_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const SYNC: u64 = 0x6000;
        let flags = p.arg(index) & 0xffff_ffff;
        // Of numbers, strace writes nothing for no bit here.
        if flags & SYNC != 0 || p.constants() != Constants::Numbers {
            p.flags(&file::AT_STATX_SYNC, flags & SYNC);
        }
        if p.constants() != Constants::Names {
            if flags & !SYNC != 0 {
                p.text("|");
                p.flags(&file::AT, flags & !SYNC);
            }
            return;
        }
        let rest = file::AT.named_bits_after(&mut p.out, flags & !SYNC);
        if rest != 0 {
            put!(p, "|{rest:#x}");
        }
    },
    ..Custom::PLAIN
};

/// `struct stat` (`asm/stat.h`).
pub static STAT: Layout = Layout {
    size: 144,
    print: |p, b| {
        p.stat(
            b,
            &StatFields {
                mode: b.u32_at(24),
                links: b.u64_at(16),
                owner: 28,
                device: 40,
            },
        );
    },
};

/// `struct stat` of arm64 (`asm-generic/stat.h`).
pub static STAT_A64: Layout = Layout {
    size: 128,
    print: |p, b| {
        p.stat(
            b,
            &StatFields {
                mode: b.u32_at(16),
                links: b.u32_at(20).into(),
                owner: 24,
                device: 32,
            },
        );
    },
};

/// Where the two forms of `struct stat` differ.
struct StatFields {
    mode: u32,
    links: u64,
    /// Offset of the user, before that of the group.
    owner: usize,
    /// Offset of `st_rdev`.
    device: usize,
}

/// `struct statx` (`linux/stat.h`).
pub static STATX: Layout = Layout {
    size: 256,
    print: |p, b| {
        p.text("{stx_mask=");
        p.flags(&file::STATX_MASK, b.u32_at(0).into());
        if !p.is_abbreviated() {
            p.more_fields(b, &[("stx_blksize", 4, As::U32)]);
        }
        p.text(", stx_attributes=");
        p.flags(&file::STATX_ATTR, b.u64_at(8));
        if !p.is_abbreviated() {
            p.statx_owner(b);
        }
        p.text(", stx_mode=");
        p.file_mode(b.u16_at(28).into());
        if !p.is_abbreviated() && b.u32_at(0) & STATX_INO != 0 {
            p.more_fields(b, &[("stx_ino", 32, As::U64)]);
        }
        if b.u32_at(0) & STATX_SIZE != 0 {
            put!(p, ", stx_size={}", b.u64_at(40));
        }
        if p.is_abbreviated() {
            return p.text(", ...}");
        }
        p.statx_rest(b);
        p.text("}");
    },
};

/// Bits of `stx_mask` (`linux/stat.h`).
const STATX_NLINK: u32 = 4;
const STATX_UID: u32 = 8;
const STATX_GID: u32 = 0x10;
const STATX_INO: u32 = 0x100;
const STATX_SIZE: u32 = 0x200;
const STATX_BLOCKS: u32 = 0x400;
const STATX_MNT_ID: u32 = 0x1000;

impl Printer<'_> {
    fn statx_fields(&mut self, b: &[u8], fields: &[(u32, Field)]) {
        let mask = b.u32_at(0);
        for (bit, field) in fields {
            if mask & bit != 0 {
                self.more_fields(b, &[*field]);
            }
        }
    }

    fn statx_owner(&mut self, b: &[u8]) {
        self.statx_fields(
            b,
            &[
                (STATX_NLINK, ("stx_nlink", 16, As::U32)),
                (STATX_UID, ("stx_uid", 20, As::U32)),
                (STATX_GID, ("stx_gid", 24, As::U32)),
            ],
        );
    }

    fn statx_rest(&mut self, b: &[u8]) {
        self.statx_fields(b, &[(STATX_BLOCKS, ("stx_blocks", 48, As::U64))]);
        self.text(", stx_attributes_mask=");
        self.flags(&file::STATX_ATTR, b.u64_at(56));
        for (bit, name, at) in [
            (0x20, "stx_atime", 64),
            (0x800, "stx_btime", 80),
            (0x80, "stx_ctime", 96),
            (0x40, "stx_mtime", 112),
        ] {
            if b.u32_at(0) & bit != 0 {
                put!(
                    self,
                    ", {name}={{tv_sec={}, tv_nsec={}}}",
                    b.i64_at(at),
                    b.u32_at(at + 8)
                );
                self.time_comment(b.i64_at(at), b.u32_at(at + 8).into());
            }
        }
        self.more_fields(
            b,
            &[
                ("stx_rdev_major", 128, As::U32),
                ("stx_rdev_minor", 132, As::U32),
                ("stx_dev_major", 136, As::U32),
                ("stx_dev_minor", 140, As::U32),
            ],
        );
        self.statx_fields(b, &[(STATX_MNT_ID, ("stx_mnt_id", 144, As::Hex64))]);
    }
}

impl Printer<'_> {
    fn stat(&mut self, b: &[u8], fields: &StatFields) {
        self.text("{");
        let full = !self.is_abbreviated();
        if full {
            self.text("st_dev=");
            self.device(b.u64_at(0));
            put!(self, ", st_ino={}, ", b.u64_at(8));
        }
        self.text("st_mode=");
        self.file_mode(fields.mode);
        if full {
            put!(self, ", st_nlink={}", fields.links);
            self.more_fields(
                b,
                &[
                    ("st_uid", fields.owner, As::U32),
                    ("st_gid", fields.owner + 4, As::U32),
                    ("st_blksize", 56, As::U32),
                    ("st_blocks", 64, As::U64),
                ],
            );
        }
        if is_device(fields.mode) {
            self.text(", st_rdev=");
            self.device(b.u64_at(fields.device));
        } else {
            put!(self, ", st_size={}", b.i64_at(48));
        }
        if !full {
            return self.text(", ...}");
        }
        for (name, at) in [("st_atime", 72), ("st_mtime", 88), ("st_ctime", 104)] {
            let (seconds, fraction) = (b.i64_at(at), b.u64_at(at + 8));
            put!(self, ", {name}={seconds}");
            self.time_comment(seconds, fraction);
            put!(self, ", {name}_nsec={fraction}");
        }
        self.text("}");
    }
}
