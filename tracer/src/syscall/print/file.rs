//! Files: `open` and its modes, `statfs`, `fcntl`, paths.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Comma, Custom, Form, Layout};
use crate::syscall::flags::{Names, file, mount};
use crate::syscall::signal::push_signal;

use super::fields::As;
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

const O_CREAT: u64 = 0o100;
/// `__O_TMPFILE` of `asm-generic/fcntl.h`.
const O_TMPFILE: u64 = 0o20_000_000;
const S_IFMT: u32 = 0o170_000;

/// Flags of `open`: the access mode comes first.
pub static OPEN_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| p.open_flags(&file::OPEN, p.arg(index) & 0xffff_ffff),
    ..Custom::PLAIN
};

/// [`OPEN_FLAGS`] of arm64.
pub static OPEN_FLAGS_A64: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| p.open_flags(&file::OPEN_A64, p.arg(index) & 0xffff_ffff),
    ..Custom::PLAIN
};

/// Mode of `open`, when the flags (the argument before it) create a file.
pub static OPEN_MODE: Custom = Custom {
    form: Some(Form::Mode),
    shown: |args| args[1] & (O_CREAT | O_TMPFILE) != 0,
    print: |p, index| p.octal(p.arg(index) as u32 & 0xffff),
    ..Custom::PLAIN
};

/// Mode of `openat`.
pub static OPENAT_MODE: Custom = Custom {
    form: Some(Form::Mode),
    shown: |args| args[2] & (O_CREAT | O_TMPFILE) != 0,
    ..OPEN_MODE_TEMPLATE
};

const OPEN_MODE_TEMPLATE: Custom = Custom {
    print: |p, index| p.octal(p.arg(index) as u32 & 0xffff),
    ..Custom::PLAIN
};

/// Attributes of `mq_open`, when the flags create a queue.
pub static MQ_ATTR: Custom = Custom {
    rules: &[super::rule::fixed(super::rule::ENTER, 64)],
    shown: |args| args[1] & O_CREAT != 0,
    print: |p, index| p.structure(Phase::Enter, index, &super::MQ_ATTR_NEW),
    ..Custom::PLAIN
};

/// Device number of `mknod`, when the mode makes a device.
pub static MKNOD_DEV: Custom = Custom {
    shown: |args| is_device(args[1] as u32),
    print: |p, index| p.device(p.arg(index)),
    ..Custom::PLAIN
};

/// Device number of `mknodat`.
pub static MKNODAT_DEV: Custom = Custom {
    shown: |args| is_device(args[2] as u32),
    print: |p, index| p.device(p.arg(index)),
    ..Custom::PLAIN
};

/// Device number of `ustat`.
pub static DEVICE: Custom = Custom {
    print: |p, index| p.device(p.arg(index) & 0xffff_ffff),
    ..Custom::PLAIN
};

/// `struct open_how` of `openat2`.
pub static OPEN_HOW: Custom = Custom {
    rules: &[super::rule::counted(super::rule::ENTER, 3, 1)],
    print: |p, index| p.open_how(index, &file::OPEN),
    ..Custom::PLAIN
};

/// [`OPEN_HOW`] of arm64.
pub static OPEN_HOW_A64: Custom = Custom {
    rules: &[super::rule::counted(super::rule::ENTER, 3, 1)],
    print: |p, index| p.open_how(index, &file::OPEN_A64),
    ..Custom::PLAIN
};

/// `struct cachestat_range` (`linux/mman.h`).
pub static CACHE_RANGE: Layout = Layout {
    size: 16,
    print: |p, b| p.record(b, &[("off", 0, As::U64), ("len", 8, As::U64)]),
};

/// `struct cachestat`.
pub static CACHE_STATE: Layout = Layout {
    size: 40,
    print: |p, b| {
        p.record(
            b,
            &[
                ("nr_cache", 0, As::U64),
                ("nr_dirty", 8, As::U64),
                ("nr_writeback", 16, As::U64),
                ("nr_evicted", 24, As::U64),
                ("nr_recently_evicted", 32, As::U64),
            ],
        );
    },
};

/// `struct file_attr` (`linux/fs.h`).
pub static FILE_ATTR: Layout = Layout {
    size: 24,
    print: |p, b| {
        p.record(
            b,
            &[
                ("fa_xflags", 0, As::Hex64),
                ("fa_extsize", 8, As::U32),
                ("fa_nextents", 12, As::U32),
                ("fa_projid", 16, As::U32),
                ("fa_cowextsize", 20, As::U32),
            ],
        );
    },
};

/// `struct xattr_args` (`linux/xattr.h`).
pub static XATTR_ARGS: Layout = Layout {
    size: 16,
    print: |p, b| {
        p.record(
            b,
            &[
                ("value", 0, As::Pointer),
                ("size", 8, As::U32),
                ("flags", 12, As::Flags32(&file::XATTR)),
            ],
        );
    },
};

/// Flags of `fanotify_init`: the class comes first.
pub static FANOTIFY_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const CLASS: u64 = 0xc;
        let flags = p.arg(index) & 0xffff_ffff;
        p.name(&file::FAN_CLASS, flags & CLASS);
        if flags & !CLASS != 0 {
            p.text("|");
            p.flags(&file::FAN_INIT, flags & !CLASS);
        }
    },
    ..Custom::PLAIN
};

/// `struct statfs` (`asm-generic/statfs.h`).
pub static STATFS: Layout = Layout {
    size: 120,
    print: |p, b| {
        p.text("{f_type=");
        p.name(&mount::FILE_SYSTEM, b.u64_at(0));
        let names = [
            "f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree",
        ];
        for (i, name) in names.into_iter().enumerate() {
            put!(p, ", {name}={}", b.u64_at(8 + i * 8));
        }
        p.text(", f_fsid={val=[");
        p.hex(b.u32_at(56).into());
        p.text(", ");
        p.hex(b.u32_at(60).into());
        put!(
            p,
            "]}}, f_namelen={}, f_frsize={}, f_flags=",
            b.u64_at(64),
            b.u64_at(72)
        );
        p.flags(&file::ST, b.u64_at(80));
        p.text("}");
    },
};

/// The third argument of `fcntl`.
pub static FCNTL_ARG: Custom = Custom {
    print: |p, index| p.fcntl_arg(index, &file::OPEN),
    ..FCNTL_ARG_TEMPLATE
};

/// [`FCNTL_ARG`] of arm64.
pub static FCNTL_ARG_A64: Custom = Custom {
    print: |p, index| p.fcntl_arg(index, &file::OPEN_A64),
    ..FCNTL_ARG_TEMPLATE
};

const FCNTL_ARG_TEMPLATE: Custom = Custom {
    form: Some(Form::Any),
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::ENTER | capture::phase::EXIT,
        len_from: capture::len::FIXED,
        size: 32,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |args| matches!(args[1] as u32, F_GETLK | F_OFD_GETLK | F_GETOWN_EX),
    shown: |args| {
        !matches!(
            args[1] as u32,
            F_GETFD | F_GETFL | F_GETOWN | F_GETSIG | F_GETLEASE | F_GETPIPE_SZ | F_GET_SEALS
        )
    },
    comma: Comma::Late,
    ..Custom::PLAIN
};

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GETLK: u32 = 5;
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;
const F_SETOWN: u32 = 8;
const F_GETOWN: u32 = 9;
const F_SETSIG: u32 = 10;
const F_GETSIG: u32 = 11;
const F_SETOWN_EX: u32 = 15;
const F_GETOWN_EX: u32 = 16;
const F_OFD_GETLK: u32 = 36;
const F_OFD_SETLK: u32 = 37;
const F_OFD_SETLKW: u32 = 38;
const F_SETLEASE: u32 = 1024;
const F_GETLEASE: u32 = 1025;
const F_NOTIFY: u32 = 1026;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const F_ADD_SEALS: u32 = 1033;
const F_GET_SEALS: u32 = 1034;

/// Result of `fcntl`.
pub fn fcntl_result(p: &mut Printer<'_>, ret: i64) {
    p.fcntl_result(&file::OPEN, ret);
}

/// [`fcntl_result`] of arm64.
pub fn fcntl_result_a64(p: &mut Printer<'_>, ret: i64) {
    p.fcntl_result(&file::OPEN_A64, ret);
}

/// The path that `getcwd` stores; the result counts its NUL.
pub static CWD: Custom = Custom {
    form: Some(Form::Path),
    rules: &[CaptureRule {
        kind: capture::kind::STRING,
        phase: capture::phase::EXIT,
        len_from: 0,
        size: 0,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |_| true,
    print: |p, index| match p.capture(Phase::Exit, index, 0) {
        Some(capture) => p.quoted(&capture.data),
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// File system type and options of `mount`, which a remount, bind or move ignores.
pub static MOUNT_TEXT: Custom = Custom {
    form: Some(Form::Path),
    rules: &[CaptureRule {
        kind: capture::kind::STRING,
        phase: capture::phase::ENTER,
        len_from: 0,
        size: 0,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    print: |p, index| {
        const MS_BIND: u64 = 0x1000;
        const MS_MOVE: u64 = 0x2000;
        const MS_REMOUNT: u64 = 0x20;
        let ignored = match index {
            2 => MS_BIND | MS_MOVE | MS_REMOUNT,
            _ => MS_BIND | MS_MOVE,
        };
        match p.arg(3) & ignored {
            0 => p.text_arg(index),
            _ => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

/// Result of `umask`.
pub fn octal_result(p: &mut Printer<'_>, ret: i64) {
    p.octal(ret as u32 & 0xffff);
}

pub(super) fn is_device(mode: u32) -> bool {
    matches!(mode & S_IFMT, 0o020_000 | 0o060_000)
}

impl Printer<'_> {
    /// ` (PREFIX…)` after a result.
    pub(super) fn note(&mut self, prefix: &str, print: impl FnOnce(&mut Self)) {
        put!(self, " ({prefix}");
        print(self);
        self.text(")");
    }

    fn fcntl_arg(&mut self, index: usize, open: &Names) {
        let value = self.arg(index);
        match self.arg(1) as u32 {
            F_DUPFD | F_DUPFD_CLOEXEC | F_SETPIPE_SZ | F_SETOWN => put!(self, "{}", value as i32),
            F_SETFD => self.flags(&file::FD, value),
            F_SETFL => self.open_flags(open, value & 0xffff_ffff),
            F_SETSIG => push_signal(&mut self.out, value as u32),
            F_SETLEASE => self.name(&file::LOCK_TYPE, value),
            F_NOTIFY => self.flags(&file::NOTIFY, value & 0xffff_ffff),
            F_ADD_SEALS => self.flags(&file::SEALS, value),
            F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
                self.flock(Phase::Enter, index, false)
            }
            F_GETLK | F_OFD_GETLK => self.flock(Phase::Exit, index, true),
            F_SETOWN_EX => self.owner(Phase::Enter, index),
            F_GETOWN_EX => self.owner(Phase::Exit, index),
            _ => self.hex(value),
        }
    }

    fn fcntl_result(&mut self, open: &Names, ret: i64) {
        let value = ret.cast_unsigned();
        match self.arg(1) as u32 {
            F_GETFD | F_GETFL | F_GET_SEALS | F_GETLEASE => {
                self.hex(value);
                match self.arg(1) as u32 {
                    F_GETFD if value != 0 => self.note("flags ", |p| p.flags(&file::FD, value)),
                    F_GETFL => self.note("flags ", |p| p.open_flags(open, value)),
                    F_GET_SEALS if value != 0 => {
                        self.note("seals ", |p| p.flags(&file::SEALS, value))
                    }
                    F_GETLEASE => self.note("", |p| p.name(&file::LOCK_TYPE, value)),
                    _ => {}
                }
            }
            F_GETSIG => {
                put!(self, "{ret}");
                if value != 0 {
                    self.note("", |p| push_signal(&mut p.out, value as u32));
                }
            }
            _ => put!(self, "{ret}"),
        }
    }

    fn open_how(&mut self, index: usize, open: &Names) {
        const SIZE: usize = 24;
        let Some(b) = self.bytes(Phase::Enter, index, SIZE) else {
            return self.address_of(index);
        };
        let (flags, mode, resolve) = (b.u64_at(0), b.u64_at(8), b.u64_at(16));
        self.text("{flags=");
        self.open_flags(open, flags);
        if flags & (O_CREAT | O_TMPFILE) != 0 || mode != 0 {
            self.text(", mode=");
            self.octal(mode as u32);
        }
        self.text(", resolve=");
        self.flags(&file::RESOLVE, resolve);
        self.unknown_tail(b, SIZE, self.arg(index + 1));
        self.text("}");
    }

    pub(super) fn open_flags(&mut self, names: &Names, flags: u64) {
        self.constant(flags, |p| p.open_flag_names(names, flags));
    }

    fn open_flag_names(&mut self, names: &Names, flags: u64) {
        self.name(&file::O_ACCMODE, flags & 3);
        let rest = flags & !3;
        if rest == 0 {
            return;
        }
        self.text("|");
        self.flags(names, rest);
    }

    /// `S_IFREG|0644`.
    pub(super) fn file_mode(&mut self, mode: u32) {
        self.formed(|p| put!(p, "0{mode:o}"), |p| p.file_mode_names(mode));
    }

    fn file_mode_names(&mut self, mode: u32) {
        let kind = match mode & S_IFMT {
            0o010_000 => "S_IFIFO|",
            0o020_000 => "S_IFCHR|",
            0o040_000 => "S_IFDIR|",
            0o060_000 => "S_IFBLK|",
            0o100_000 => "S_IFREG|",
            0o120_000 => "S_IFLNK|",
            0o140_000 => "S_IFSOCK|",
            0 if mode & 0o7000 != 0 => "",
            _ => return self.octal(mode),
        };
        self.text(kind);
        for (bit, name) in [
            (0o4000, "S_ISUID|"),
            (0o2000, "S_ISGID|"),
            (0o1000, "S_ISVTX|"),
        ] {
            if mode & bit != 0 {
                self.text(name);
            }
        }
        self.octal(mode & 0o777);
    }

    /// `makedev(0x88, 0x1)`, from the encoding of `linux/kdev_t.h`.
    pub(super) fn device(&mut self, device: u64) {
        let major = (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000;
        let minor = device & 0xff | (device >> 12) & 0xffff_ff00;
        self.formed(
            |p| p.hex(device),
            |p| {
                p.text("makedev(");
                p.hex(major);
                p.text(", ");
                p.hex(minor);
                p.text(")");
            },
        );
    }

    fn flock(&mut self, phase: Phase, index: usize, with_pid: bool) {
        let Some(b) = self.bytes(phase, index, 32) else {
            return self.address_of(index);
        };
        self.text("{l_type=");
        self.name(&file::LOCK_TYPE, b.u16_at(0).into());
        self.text(", l_whence=");
        self.name(&file::SEEK, b.u16_at(2).into());
        put!(self, ", l_start={}, l_len={}", b.i64_at(8), b.i64_at(16));
        if with_pid {
            put!(self, ", l_pid={}", b.i32_at(24));
        }
        self.text("}");
    }

    fn owner(&mut self, phase: Phase, index: usize) {
        let Some(b) = self.bytes(phase, index, 8) else {
            return self.address_of(index);
        };
        self.text("{type=");
        self.name(&file::F_OWNER, b.u32_at(0).into());
        put!(self, ", pid={}}}", b.i32_at(4));
    }
}
