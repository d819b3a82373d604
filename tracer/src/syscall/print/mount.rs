//! The mount API, file handles and quotas.

use tracer_common::capture::{CaptureRule, kind, len};

use crate::syscall::arg::{Comma, Custom, Form, Layout, Registers};
use crate::syscall::flags::mount;

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::rule::{BOTH, ENTER, EXIT, counted, data, fixed, string};
use super::struct_bytes::StructBytes;
use super::text::push_hex_quoted;

/// Commands of `fsconfig` (`linux/mount.h`).
const FSCONFIG_SET_STRING: u64 = 1;
const FSCONFIG_SET_BINARY: u64 = 2;
const FSCONFIG_SET_PATH: u64 = 3;
const FSCONFIG_SET_PATH_EMPTY: u64 = 4;
const FSCONFIG_SET_FD: u64 = 5;

/// Key of `fsconfig`.
pub static FSCONFIG_KEY: Custom = Custom {
    form: Some(Form::Text),
    rules: &[string(ENTER)],
    print: |p, index| match p.arg(1) & 0xffff_ffff {
        0..=FSCONFIG_SET_FD => p.text_arg(index),
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Value of `fsconfig`: text, a path, or data of the length in the next argument.
pub static FSCONFIG_VALUE: Custom = Custom {
    rules: &[string(ENTER), data(ENTER, 4)],
    print: |p, index| match p.arg(1) & 0xffff_ffff {
        FSCONFIG_SET_STRING => p.text_arg(index),
        FSCONFIG_SET_PATH | FSCONFIG_SET_PATH_EMPTY => {
            match p.capture_of(Phase::Enter, index, kind::STRING) {
                Some(b) => p.quoted(b),
                None => p.address_of(index),
            }
        }
        FSCONFIG_SET_BINARY => match p.capture_of(Phase::Enter, index, kind::BUFFER) {
            Some(b) => {
                let shown = b.len().min(p.limit);
                push_hex_quoted(&mut p.out, &b[..shown]);
                p.text(if p.arg(4) > shown as u64 { "..." } else { "" });
            }
            None => p.address_of(index),
        },
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Last argument of `fsconfig`: a directory where the value is a path.
pub static FSCONFIG_AUX: Custom = Custom {
    form: Some(Form::Int32),
    print: |p, index| match p.arg(1) & 0xffff_ffff {
        FSCONFIG_SET_PATH | FSCONFIG_SET_PATH_EMPTY => p.dir_fd(p.arg(index) as i32),
        _ => put!(p, "{}", p.arg(index) as i32),
    },
    ..Custom::PLAIN
};

/// `struct mount_attr` of the size in the next argument.
pub static MOUNT_ATTR: Custom = Custom {
    rules: &[counted(ENTER, 4, 1)],
    print: |p, index| {
        const SIZE: usize = 32;
        let Some(b) = p.bytes(Phase::Enter, index, SIZE) else {
            return p.address_of(index);
        };
        p.text("{");
        p.fields(
            b,
            &[
                ("attr_set", 0, As::Flags64(&mount::MOUNT_ATTR)),
                ("attr_clr", 8, As::Flags64(&mount::MOUNT_ATTR)),
                ("propagation", 16, As::Flags64(&mount::PROPAGATION)),
                ("userns_fd", 24, As::I32),
            ],
        );
        p.unknown_tail(b, SIZE, p.arg(index + 1));
        p.text("}");
    },
    ..Custom::PLAIN
};

/// `struct mnt_id_req` (`linux/mount.h`).
pub static MOUNT_REQUEST: Layout = Layout {
    size: 24,
    print: |p, b| {
        p.record(
            b,
            &[
                ("size", 0, As::U32),
                ("mnt_id", 8, As::Hex64),
                ("param", 16, As::Hex64),
            ],
        );
    },
};

/// The id of a mount in a list.
pub static MOUNT_ID: Layout = Layout {
    size: 8,
    print: |p, b| p.hex(b.u64_at(0)),
};

/// Flags of `mount`: old programs put a magic number in the upper half.
pub static MOUNT_FLAGS: Custom = Custom {
    form: Some(Form::Flags64),
    print: |p, index| {
        const MS_MGC_VAL: u64 = 0xc0ed_0000;
        let flags = p.arg(index);
        if flags & 0xffff_0000 != MS_MGC_VAL {
            return p.flags(&mount::MOUNT, flags);
        }
        p.text("MS_MGC_VAL");
        if flags & !MS_MGC_VAL != 0 {
            p.text("|");
            p.flags(&mount::MOUNT, flags & !MS_MGC_VAL);
        }
    },
    ..Custom::PLAIN
};

/// Flags of `swapon`, with a priority.
pub static SWAP_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const PRIORITY: u64 = 0x7fff;
        let flags = p.arg(index) & 0xffff_ffff;
        let (bits, priority) = (flags & !PRIORITY, flags & PRIORITY);
        if bits != 0 {
            p.flags(&mount::SWAP, bits);
            p.text("|");
        }
        put!(p, "{priority}");
    },
    ..Custom::PLAIN
};

/// The bytes of `struct file_handle` (`linux/exportfs.h`) after its header, as many as that says.
const fn handle_bytes(phase: u8) -> CaptureRule {
    CaptureRule {
        kind: kind::STRUCT,
        phase,
        len_from: len::FIELD,
        size: 1,
        arg: 0,
        len_arg: 0,
        word: 1,
    }
}

/// Handle that `name_to_handle_at` stores.
pub static FILE_HANDLE_OUT: Custom = Custom {
    // Of a handle that is too large the kernel says so, and fails.
    rules: &[fixed(BOTH, 8), handle_bytes(EXIT)],
    at_exit: |_| true,
    print: |p, index| match p.failed() {
        true => match p.bytes(Phase::Enter, index, 8) {
            Some(b) => p.record(b, &[("handle_bytes", 0, As::U32)]),
            None => p.address_of(index),
        },
        false => p.file_handle(Phase::Exit, index),
    },
    ..Custom::PLAIN
};

/// Handle of `open_by_handle_at`.
pub static FILE_HANDLE_IN: Custom = Custom {
    rules: &[fixed(ENTER, 8), handle_bytes(ENTER)],
    print: |p, index| p.file_handle(Phase::Enter, index),
    ..Custom::PLAIN
};

impl Printer<'_> {
    /// The size of a handle, after the room there was for it.
    fn handle_size(&mut self, size: u32) {
        const HANDLE: usize = 2;
        let is_stored = self
            .captures(Phase::Exit)
            .iter()
            .any(|c| usize::from(c.arg) == HANDLE);
        let room = match is_stored {
            true => self
                .capture(Phase::Enter, HANDLE, 0)
                .map(|c| c.data.u32_at(0)),
            false => None,
        };
        match room {
            Some(room) if room != size => put!(self, "{room} => {size}"),
            _ => put!(self, "{size}"),
        }
    }

    fn file_handle(&mut self, phase: Phase, index: usize) {
        /// `MAX_HANDLE_SZ` of include/linux/exportfs.h.
        const LARGEST: usize = 128;
        let Some(b) = self.bytes(phase, index, 8) else {
            return self.address_of(index);
        };
        self.text("{");
        self.fields(
            b,
            &[
                (
                    "handle_bytes",
                    0,
                    As::With(|p, b| p.handle_size(b.u32_at(0))),
                ),
                ("handle_type", 4, As::I32),
            ],
        );
        self.text(", f_handle=");
        match self.capture(phase, index, 1) {
            Some(handle) => {
                let shown = handle.data.len().min(LARGEST);
                push_hex_quoted(&mut self.out, &handle.data[..shown]);
            }
            None => self.pointer(self.arg(index).wrapping_add(8)),
        }
        self.text("}");
    }
}

/// Commands of `quotactl` (`linux/quota.h`).
const Q_SYNC: u64 = 0x80_0001;
const Q_QUOTAON: u64 = 0x80_0002;
const Q_QUOTAOFF: u64 = 0x80_0003;
const Q_GETFMT: u64 = 0x80_0004;
const Q_GETINFO: u64 = 0x80_0005;
const Q_SETINFO: u64 = 0x80_0006;
const Q_GETQUOTA: u64 = 0x80_0007;
const Q_SETQUOTA: u64 = 0x80_0008;
const Q_GETNEXTQUOTA: u64 = 0x80_0009;

/// Command of `quotactl`, the first argument.
pub static QUOTA_COMMAND: Custom = Custom {
    form: Some(Form::UInt32),
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        p.text("QCMD(");
        p.name(&mount::QUOTA_COMMAND, value >> 8);
        p.text(", ");
        p.name(&mount::QUOTA_TYPE, value & 0xff);
        p.text(")");
    },
    ..Custom::PLAIN
};

/// Whose quota `quotactl` is about: the third argument.
pub static QUOTA_ID: Custom = Custom {
    shown: |args| has_quota_id(args[0]),
    print: |p, index| p.quota_id(0, index),
    ..Custom::PLAIN
};

/// What `quotactl` passes or stores: the fourth argument.
pub static QUOTA_VALUE: Custom = Custom {
    rules: &[string(ENTER), fixed(BOTH, 72)],
    at_exit: |args| quota_is_stored(args[0]),
    shown: |args| has_quota_value(args[0]),
    comma: Comma::Early,
    print: |p, index| p.quota_value(0, index),
    ..Custom::PLAIN
};

/// [`QUOTA_COMMAND`]'s relatives of `quotactl_fd`, where the command is the second argument.
pub static QUOTA_FD_ID: Custom = Custom {
    shown: |args| has_quota_id(args[1]),
    print: |p, index| p.quota_id(1, index),
    ..Custom::PLAIN
};

/// [`QUOTA_VALUE`] of `quotactl_fd`.
pub static QUOTA_FD_VALUE: Custom = Custom {
    rules: &[string(ENTER), fixed(BOTH, 72)],
    at_exit: |args: &Registers| quota_is_stored(args[1]),
    shown: |args| has_quota_value(args[1]),
    comma: Comma::Early,
    print: |p, index| p.quota_value(1, index),
    ..Custom::PLAIN
};

fn quota_command(value: u64) -> u64 {
    (value & 0xffff_ffff) >> 8
}

fn has_quota_id(value: u64) -> bool {
    !matches!(
        quota_command(value),
        Q_SYNC | Q_QUOTAOFF | Q_GETFMT | Q_GETINFO | Q_SETINFO
    )
}

fn has_quota_value(value: u64) -> bool {
    !matches!(quota_command(value), Q_SYNC | Q_QUOTAOFF)
}

fn quota_is_stored(value: u64) -> bool {
    matches!(
        quota_command(value),
        Q_GETFMT | Q_GETINFO | Q_GETQUOTA | Q_GETNEXTQUOTA
    )
}

/// `struct if_dqblk`, of which strace shows the beginning.
const QUOTA: &[Field] = &[
    ("dqb_bhardlimit", 0, As::U64),
    ("dqb_bsoftlimit", 8, As::U64),
    ("dqb_curspace", 16, As::U64),
    ("dqb_ihardlimit", 24, As::U64),
    ("dqb_isoftlimit", 32, As::U64),
    ("dqb_curinodes", 40, As::U64),
];

/// `struct if_dqinfo`.
const QUOTA_INFO: Layout = Layout {
    size: 24,
    print: |p, b| {
        p.record(
            b,
            &[
                ("dqi_bgrace", 0, As::U64),
                ("dqi_igrace", 8, As::U64),
                ("dqi_flags", 16, As::Flags32(&mount::QUOTA_FLAGS)),
                ("dqi_valid", 20, As::Flags32(&mount::QUOTA_VALID)),
            ],
        );
    },
};

impl Printer<'_> {
    fn quota_id(&mut self, command: usize, index: usize) {
        match quota_command(self.arg(command)) {
            Q_QUOTAON => self.name(&mount::QUOTA_FORMAT, self.arg(index) & 0xffff_ffff),
            _ => self.id(self.arg(index) as u32),
        }
    }

    fn quota_value(&mut self, command: usize, index: usize) {
        let command = quota_command(self.arg(command));
        let phase = match command {
            Q_SETQUOTA | Q_SETINFO => Phase::Enter,
            _ => Phase::Exit,
        };
        match command {
            Q_QUOTAON => match self.capture_of(Phase::Enter, index, kind::STRING) {
                Some(b) => self.quoted(b),
                None => self.address_of(index),
            },
            Q_GETFMT | Q_GETINFO | Q_SETINFO | Q_GETQUOTA | Q_SETQUOTA | Q_GETNEXTQUOTA => {
                match self.capture_of(phase, index, kind::STRUCT) {
                    Some(b) => self.quota_structure(command, b),
                    None => self.address_of(index),
                }
            }
            _ => self.address_of(index),
        }
    }

    fn quota_structure(&mut self, command: u64, b: &[u8]) {
        match command {
            Q_GETFMT => {
                self.text("[");
                self.name(&mount::QUOTA_FORMAT, b.u32_at(0).into());
                self.text("]");
            }
            Q_GETINFO | Q_SETINFO => (QUOTA_INFO.print)(self, b),
            _ => {
                self.text("{");
                self.fields(b, QUOTA);
                if command == Q_GETNEXTQUOTA {
                    self.more_fields(b, &[("dqb_id", 68, As::U32)]);
                }
                self.text(", ...}");
            }
        }
    }
}
