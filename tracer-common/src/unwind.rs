//! Unwind tables in the form in which the BPF programs read them.
//!
//! All of it lies in an array of words ("nodes" of [`NODE_WORDS`] words in "chunks" of
//! [`NODES_IN_CHUNK`] nodes), which the user side fills. A table is a run of rows, sorted; a process
//! is a run of [`UnwindMapping`]s, sorted, each of which names a table.

/// Words of 8 bytes in a node.
pub const NODE_WORDS: usize = 512;
/// Nodes that come and go together: 256 KiB.
pub const NODES_IN_CHUNK: u32 = 64;
/// Chunks at most: 64 MiB.
pub const MAX_CHUNKS: u32 = 256;
/// Frames of a stack.
pub const MAX_FRAMES: usize = 256;
/// Rows of one table, at most: what the search of the programs covers.
pub const MAX_ROWS: u32 = 1 << 22;
/// Mappings of one process, at most.
pub const MAX_MAPPINGS: u32 = 1 << 12;

/// The words of a node.
pub type Node = [u64; NODE_WORDS];

/// Where the frame of the caller begins: the canonical frame address (CFA), which is the stack
/// pointer after the return. The return address lies 8 bytes below it.
pub mod cfa {
    /// Nothing is known of the code; frame pointers are followed, as a guess.
    pub const NONE: u32 = 0;
    /// The outermost function.
    pub const ROOT: u32 = 1;
    /// The stack pointer and an offset.
    pub const STACK: u32 = 2;
    /// The frame pointer's register and an offset.
    pub const FRAME: u32 = 3;
    /// The word at the stack pointer and an offset.
    pub const AT_STACK: u32 = 4;
    /// As `AT_STACK`, and 8.
    pub const AT_STACK_8: u32 = 5;
    /// The word at the frame pointer's register and an offset.
    pub const AT_FRAME: u32 = 6;
    /// An entry of a procedure linkage table: 8 from the stack pointer, and 8 more from that byte
    /// of each 16 on which the offset says.
    pub const LINKAGE: u32 = 7;
    /// The return from a signal handler: the stack pointer and an offset is where a `ucontext` is
    /// (arch/x86/include/uapi/asm/ucontext.h, sigcontext.h), with all registers.
    pub const SIGNAL: u32 = 8;
    /// Code that keeps frame pointers, as Go does.
    pub const POINTERS: u32 = 9;
}

/// Where the caller's frame pointer register is.
pub mod saved {
    /// It was not changed.
    pub const SAME: u32 = 0;
    /// Below the CFA, by the second offset.
    pub const BELOW_CFA: u32 = 1;
    /// Where the register points.
    pub const AT_FRAME: u32 = 2;
    /// Nobody knows.
    pub const LOST: u32 = 3;
}

/// How to get from a frame to its caller's, in 32 bits: 4 of [`cfa`], 2 of [`saved`], 10 of where
/// the register was saved and 16, signed, of the CFA's offset, both in units of 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule(pub u32);

impl Rule {
    /// Of the code nothing is known.
    pub const NONE: Self = Self(cfa::NONE);
    /// The outermost function.
    pub const ROOT: Self = Self(cfa::ROOT);
    /// Frame pointers are kept.
    pub const POINTERS: Self = Self(cfa::POINTERS);

    /// Packs a rule. `offset` and `saved_offset` (the distance below the CFA) are in bytes.
    /// `None` when an offset does not fit or is no multiple of 8.
    #[must_use]
    pub const fn new(cfa: u32, offset: i64, saved: u32, saved_offset: i64) -> Option<Self> {
        let fits = offset % 8 == 0 && offset / 8 >= -(1 << 15) && offset / 8 < 1 << 15;
        let saved_fits = saved_offset % 8 == 0 && saved_offset >= 0 && saved_offset / 8 < 1 << 10;
        if !fits || !saved_fits || cfa > 15 || saved > 3 {
            return None;
        }
        let (offset, saved_offset) = ((offset / 8) as u32, (saved_offset / 8) as u32);
        Some(Self(cfa | saved << 4 | saved_offset << 6 | offset << 16))
    }

    /// One of [`cfa`].
    #[inline(always)]
    #[must_use]
    pub const fn cfa(self) -> u32 {
        self.0 & 15
    }

    /// Of the CFA, in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn offset(self) -> i64 {
        ((self.0 as i32) >> 16) as i64 * 8
    }

    /// One of [`saved`].
    #[inline(always)]
    #[must_use]
    pub const fn saved(self) -> u32 {
        self.0 >> 4 & 3
    }

    /// How far below the CFA the register was saved, in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn saved_offset(self) -> u64 {
        (self.0 >> 6 & 0x3ff) as u64 * 8
    }
}

/// From `pc`, counted from the table's first byte, up to the next row's, a rule holds.
#[inline(always)]
#[must_use]
pub const fn row(pc: u32, rule: Rule) -> u64 {
    (pc as u64) << 32 | rule.0 as u64
}

/// Executable memory of a process, [`UnwindMapping::WORDS`] words of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UnwindMapping {
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Less this, an address is one of the table.
    pub bias: u64,
    /// Index, in words, of the table's first row.
    pub first_row: u32,
    /// 0 when there is no table. With the bit [`KEEPS_POINTERS`].
    pub rows: u32,
    /// Where the kernel calls the handler of signals, as addresses of the table: the frame of what
    /// was interrupted is behind it even in code that keeps frame pointers. A length of 0: nowhere.
    pub handler: u32,
    pub handler_len: u32,
    pub reserved: [u64; 3],
}

/// Of [`UnwindMapping::rows`]: all functions that call keep frame pointers. The table is about where
/// an innermost function has not set up its frame, and about what such a function was called by.
pub const KEEPS_POINTERS: u32 = 1 << 31;

impl UnwindMapping {
    /// Words of 8 bytes; divides [`NODE_WORDS`].
    pub const WORDS: usize = 8;

    /// As it is stored.
    #[must_use]
    pub const fn words(self) -> [u64; Self::WORDS] {
        [
            self.start,
            self.end,
            self.bias,
            (self.first_row as u64) << 32 | self.rows as u64,
            (self.handler as u64) << 32 | self.handler_len as u64,
            0,
            0,
            0,
        ]
    }
}

crate::wire_type!(UnwindMapping, size 64, {
    start @ 0, end @ 8, bias @ 16, first_row @ 24, rows @ 28, handler @ 32, handler_len @ 36,
    reserved @ 40,
});

/// What is known of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UnwindProcess {
    /// Index, in words, of its first mapping.
    pub first: u64,
    /// Mappings; 0: its stacks are walked along frame pointers.
    pub mappings: u64,
    /// Stacks with an address that is in no mapping, which the programs count.
    pub unmapped: u64,
}

crate::wire_type!(UnwindProcess, size 24, { first @ 0, mappings @ 8, unmapped @ 16 });

/// A user stack that was walked with tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct UnwoundStack {
    /// Frames.
    pub len: u32,
    /// Bits of [`unwound`].
    pub flags: u32,
    /// Innermost first. Those beyond `len` are another stack's.
    pub frames: [u64; MAX_FRAMES],
}

crate::wire_type!(UnwoundStack, size 2056, { len @ 0, flags @ 4, frames @ 8 });

/// Bits of [`UnwoundStack::flags`].
pub mod unwound {
    /// The outermost frame is that of the function with which the thread began.
    pub const ROOT: u32 = 1;
    /// There are more frames.
    pub const TRUNCATED: u32 = 2;
    /// An address is in no known mapping.
    pub const UNMAPPED: u32 = 4;
    /// Frame pointers were followed through code of which nothing is known.
    pub const GUESSED: u32 = 8;
    /// What should be a frame is none, or cannot be read.
    pub const BROKEN: u32 = 16;
    /// The innermost function's caller was found by the frame pointer: that is another one's where
    /// the function has no frame.
    pub const LEAF_BY_POINTERS: u32 = 32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_packing() {
        for offset in [-(1 << 18), -8, 0, 8, 16, (1 << 18) - 8] {
            for saved_offset in [0, 16, 8184] {
                let rule = Rule::new(cfa::AT_STACK, offset, saved::BELOW_CFA, saved_offset);
                let rule = rule.expect("fits");
                assert_eq!((rule.cfa(), rule.offset()), (cfa::AT_STACK, offset));
                assert_eq!(rule.saved(), saved::BELOW_CFA);
                assert_eq!(rule.saved_offset(), saved_offset as u64);
            }
        }
        for (offset, saved_offset) in [(4, 16), (1 << 18, 16), (8, -8), (8, 8192), (8, 12)] {
            assert_eq!(
                Rule::new(cfa::STACK, offset, saved::BELOW_CFA, saved_offset),
                None
            );
        }
    }

    #[test]
    fn rows_leave_room_for_the_flag() {
        assert_eq!(MAX_ROWS & KEEPS_POINTERS, 0);
    }

    #[test]
    fn mappings_do_not_cross_nodes() {
        assert_eq!(NODE_WORDS % UnwindMapping::WORDS, 0);
    }
}
