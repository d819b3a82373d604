//! Memory policies, and what else is said about pages of memory.

use tracer_common::capture::kind;

use crate::syscall::arg::{Custom, Form, Layout};
use crate::syscall::errno::errno;
use crate::syscall::flags::memory;

use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, EXIT, fixed};
use super::struct_bytes::StructBytes;

/// Bytes of a node mask that are captured at most: 1024 nodes, the most a kernel can be built for.
const LONGEST_MASK: u16 = 128;

/// Policy of `mbind` and `set_mempolicy` with its flags.
pub static POLICY: Custom = Custom {
    form: Some(Form::Flags32),
    print: |p, index| {
        const FLAGS: u64 = 0xe000;
        let value = p.arg(index);
        p.name(&memory::MPOL, value & !FLAGS);
        if value & FLAGS != 0 {
            p.text("|");
            p.flags(&memory::MPOL_FLAGS, value & FLAGS);
        }
    },
    ..Custom::PLAIN
};

/// Node mask with its bits counted by the next argument.
pub static NODES_IN: Custom = Custom {
    rules: &[fixed(ENTER, 8), fixed(ENTER, LONGEST_MASK)],
    print: |p, index| p.nodes(Phase::Enter, index, index + 1),
    ..Custom::PLAIN
};

/// Node mask of `migrate_pages`, its bits counted by the second argument.
pub static NODES_IN_1: Custom = Custom {
    print: |p, index| p.nodes(Phase::Enter, index, 1),
    ..NODES_IN
};

/// Node mask that the kernel stores.
pub static NODES_OUT: Custom = Custom {
    rules: &[fixed(EXIT, 8), fixed(EXIT, LONGEST_MASK)],
    at_exit: |_| true,
    print: |p, index| p.nodes(Phase::Exit, index, index + 1),
    ..Custom::PLAIN
};

impl Printer<'_> {
    /// C's `%#016lx`, which has no prefix for zero.
    fn node_word(&mut self, word: u64) {
        match word {
            0 => self.text("0000000000000000"),
            _ => put!(self, "{word:#016x}"),
        }
    }

    /// `[0x00000000000005]`, a word of 64 nodes each.
    fn nodes(&mut self, phase: Phase, index: usize, count: usize) {
        // The kernel counts one more than there are (mm/mempolicy.c, get_nodes).
        let words = self.arg(count).saturating_sub(1).div_ceil(64);
        let long = self.captures(phase).iter().rev();
        let mut long = long.filter(|c| usize::from(c.arg) == index && c.data.len() > 8);
        let data = match (words, long.next()) {
            (0, _) => None,
            (2.., Some(all)) => Some(all.data.as_slice()),
            _ => self.capture_of(phase, index, kind::STRUCT),
        };
        match data.filter(|b| b.len() >= 8 && !(phase == Phase::Exit && self.failed())) {
            Some(b) => self.array(b, 8, words, |p, b| p.node_word(b.u64_at(0))),
            None => self.address_of(index),
        }
    }
}

/// `int *` with a memory policy.
pub static POLICY_MODE: Layout = Layout {
    size: 4,
    print: |p, b| {
        p.text("[");
        p.name(&memory::MPOL, b.u32_at(0).into());
        p.text("]");
    },
};

/// An address in a list.
pub static ADDRESS_ELEMENT: Layout = Layout {
    size: 8,
    print: |p, b| p.pointer(b.u64_at(0)),
};

/// Where a page is, or an error, in a list.
pub static NODE_ELEMENT: Layout = Layout {
    size: 4,
    print: |p, b| match errno(b.i32_at(0).wrapping_neg().cast_unsigned()) {
        Some((name, _)) if b.i32_at(0) < 0 => put!(p, "-{name}"),
        _ => put!(p, "{}", b.i32_at(0)),
    },
};

/// Results of `move_pages`, as many as argument 1 says.
pub static PAGE_STATUS: Custom = Custom {
    rules: &[super::rule::counted(EXIT, 1, 4)],
    at_exit: |_| true,
    print: |p, index| p.structures(Phase::Exit, index, &NODE_ELEMENT, p.arg(1)),
    ..Custom::PLAIN
};

/// What `mincore` stores: a byte for each page of argument 1.
pub static RESIDENT: Custom = Custom {
    rules: &[fixed(EXIT, 32)],
    at_exit: |_| true,
    print: |p, index| {
        const PAGE: u64 = 4096;
        let pages = p.arg(1).div_ceil(PAGE);
        match p.bytes(Phase::Exit, index, 1) {
            Some(b) => p.array(b, 1, pages, |p, b| put!(p, "{}", b.u8_at(0) & 1)),
            None => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

/// `struct kexec_segment` (`linux/kexec.h`).
pub static KEXEC_SEGMENT: Layout = Layout {
    size: 32,
    print: |p, b| {
        use super::fields::As;
        p.record(
            b,
            &[
                ("buf", 0, As::Pointer),
                ("bufsz", 8, As::U64),
                ("mem", 16, As::Pointer),
                ("memsz", 24, As::U64),
            ],
        );
    },
};

/// Flags of `kexec_load`: the architecture comes first.
pub static KEXEC_FLAGS: Custom = Custom {
    form: Some(Form::Flags64),
    print: |p, index| {
        use crate::syscall::flags::process;
        const ARCH: u64 = 0xffff_0000;
        let value = p.arg(index);
        p.name(&process::KEXEC_ARCH, value & ARCH);
        if value & !ARCH != 0 {
            p.text("|");
            p.flags(&process::KEXEC, value & !ARCH);
        }
    },
    ..Custom::PLAIN
};
