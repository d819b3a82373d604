//! Memory mappings.

use tracer_common::capture;

use crate::syscall::arg::{Custom, Form, Registers};
use crate::syscall::flags::{Names, memory};

use super::printer::{Printer, put};

/// Shift of the huge page size in `mmap` and `memfd_create` flags (`asm-generic/hugetlb_encode.h`).
const HUGE_SHIFT: u32 = 26;
const HUGE_MASK: u64 = 0x3f;
const SHM_HUGETLB: u64 = 0o4000;

/// Flags of `mmap`: type, bits, huge page size.
pub static MMAP_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        let flags = p.arg(index) & 0xffff_ffff;
        p.constant(flags, |p| p.mmap_flags(&memory::MMAP, flags));
    },
    ..Custom::PLAIN
};

/// [`MMAP_FLAGS`] of arm64.
pub static MMAP_FLAGS_A64: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        let flags = p.arg(index) & 0xffff_ffff;
        p.constant(flags, |p| p.mmap_flags(&memory::MMAP_A64, flags));
    },
    ..Custom::PLAIN
};

/// Flags of `memfd_create`.
pub static MEMFD_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        let flags = p.arg(index) & 0xffff_ffff;
        p.flags(&memory::MEMFD, flags & !(HUGE_MASK << HUGE_SHIFT));
        p.huge(flags, "MFD_HUGE_SHIFT");
    },
    ..Custom::PLAIN
};

/// New address of `mremap`, when `MREMAP_FIXED` asks for it.
pub static MREMAP_ADDRESS: Custom = Custom {
    form: Some(Form::Address),
    shown: |args| args[3] & 2 != 0,
    print: |p, index| p.address_of(index),
    ..Custom::PLAIN
};

/// Offset of `mmap`.
pub static OFFSET: Custom = Custom {
    form: Some(Form::UInt64),
    print: |p, index| p.hex(p.arg(index)),
    ..Custom::PLAIN
};

/// The upper half of an offset: `preadv2` has one, which 64-bit systems ignore.
pub static OFFSET_HIGH: Custom = Custom {
    shown: |_| false,
    ..Custom::PLAIN
};

/// Type of `syslog`.
pub static SYSLOG_TYPE: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| {
        let value = p.arg(index) & 0xffff_ffff;
        let name = crate::syscall::flags::process::SYSLOG
            .get(value)
            .unwrap_or("???");
        put!(p, "{} /* SYSLOG_ACTION_{name} */", value as i32);
    },
    ..Custom::PLAIN
};

/// Types of `syslog` that have no further arguments (`linux/syslog.h`): CLOSE, OPEN, CLEAR,
/// CONSOLE_OFF, CONSOLE_ON, SIZE_UNREAD, SIZE_BUFFER.
fn syslog_has_buffer(args: &Registers) -> bool {
    !matches!(args[0] as u32, 0 | 1 | 5 | 6 | 7 | 9 | 10)
}

/// READ, READ_ALL and READ_CLEAR fill the buffer.
fn syslog_reads(args: &Registers) -> bool {
    matches!(args[0] as u32, 2..=4)
}

/// Buffer of `syslog`.
pub static SYSLOG_BUFFER: Custom = Custom {
    rules: &[super::rule::of_kind(
        super::rule::returned(1),
        capture::kind::BUFFER,
    )],
    at_exit: syslog_reads,
    shown: syslog_has_buffer,
    print: |p, index| match syslog_reads(&p.args) {
        true => p.bytes_out(index),
        false => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Length of that buffer, or a level (CONSOLE_LEVEL).
pub static SYSLOG_LENGTH: Custom = Custom {
    shown: syslog_has_buffer,
    print: |p, index| put!(p, "{}", p.arg(index) as i32),
    ..Custom::PLAIN
};

/// Key of `shmget` and relatives.
pub static IPC_KEY: Custom = Custom {
    form: Some(Form::UInt32),
    print: |p, index| match p.arg(index) as u32 {
        0 => p.text("IPC_PRIVATE"),
        key => put!(p, "{key:#x}"),
    },
    ..Custom::PLAIN
};

/// Flags and permissions of `shmget`.
pub static SHMGET_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| p.ipc_flags(index, &crate::syscall::flags::ipc::SHMGET),
    ..Custom::PLAIN
};

/// Flags and permissions of `semget` and `msgget`.
pub static IPCGET_FLAGS: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| p.ipc_flags(index, &crate::syscall::flags::ipc::IPCGET),
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn mmap_flags(&mut self, names: &Names, flags: u64) {
        const MAP_TYPE: u64 = 0xf;
        self.name(&memory::MMAP_TYPE, flags & MAP_TYPE);
        let bits = flags & !MAP_TYPE & !(HUGE_MASK << HUGE_SHIFT);
        let rest = names.named_bits_after(&mut self.out, bits);
        if rest != 0 {
            put!(self, "|{rest:#x}");
        }
        self.huge(flags, "MAP_HUGE_SHIFT");
    }

    fn huge(&mut self, flags: u64, shift: &str) {
        let size = flags >> HUGE_SHIFT & HUGE_MASK;
        if size != 0 {
            put!(self, "|{size}<<{shift}");
        }
    }

    /// Named bits, huge page size and permissions; after bits without a name there is no `|`.
    fn ipc_flags(&mut self, index: usize, names: &Names) {
        let flags = self.arg(index) & 0xffff_ffff;
        let huge = flags >> HUGE_SHIFT & HUGE_MASK;
        let with_size = names.get(SHM_HUGETLB) == Some("SHM_HUGETLB") && huge != 0;
        let size = if with_size {
            HUGE_MASK << HUGE_SHIFT
        } else {
            0
        };
        let start = self.out.len();
        let rest = names.named_bits(&mut self.out, flags & !0o777 & !size);
        let named = self.out.len() > start;
        if rest != 0 {
            put!(self, "{}{rest:#x}", if named { "|" } else { "" });
        }
        if with_size {
            put!(self, "|{huge}<<SHM_HUGE_SHIFT");
        }
        self.text(if named || with_size { "|" } else { "" });
        self.octal((flags & 0o777) as u32);
    }
}
