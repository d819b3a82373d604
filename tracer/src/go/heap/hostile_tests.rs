//! Buckets, counts and arenas of a process that answers what it likes.

use std::cell::Cell;

use proptest::prelude::*;

use super::{HeapCounts, HeapGlobals, HeapReader, arenas, unsampled};
use crate::go::binary::Arch;
use crate::go::globals::Globals;
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};
use crate::go::version::Release;

/// Words are drawn from few, so that lists meet themselves.
#[derive(Debug)]
struct Drawn {
    words: Vec<u64>,
    reads: Cell<u64>,
    /// Each read finds other words.
    changes: bool,
}

impl Memory for Drawn {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        let read = self.reads.get() + 1;
        self.reads.set(read);
        assert!(read < 1 << 16, "a walk without end");
        if addr > 1 << 40 {
            return Err(MemoryError::Unmapped { addr, len });
        }
        let salt = if self.changes { read } else { 0 };
        for (index, byte) in buf.iter_mut().enumerate() {
            let at = addr + index as u64;
            let mixed = ((at / 8) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let word = self.words[mixed as usize % self.words.len()];
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        Ok(())
    }
}

/// A list of buckets without stacks that ends in `last`, at `at`.
#[derive(Debug)]
struct List {
    words: Vec<u64>,
    at: u64,
}

impl List {
    fn new(sizes: &[u64], last: u64) -> Self {
        const WORDS: u64 = 6 + 16;
        let at = 0x10_0000;
        let mut words = Vec::new();
        for (index, &size) in sizes.iter().enumerate() {
            let next = match index + 1 == sizes.len() {
                true => last,
                false => at + (index as u64 + 1) * WORDS * 8,
            };
            let mut hash = size.wrapping_add(size << 10);
            hash ^= hash >> 6;
            hash = hash.wrapping_add(hash << 3);
            hash ^= hash >> 11;
            // next, allnext, typ, hash, size, nstk; then counts.
            words.extend([0, next, 1, hash, size, 0]);
            words.extend([3, 1, 3 * size, size]);
            words.extend([0; 12]);
        }
        Self { words, at }
    }
}

impl Memory for List {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        let unmapped = MemoryError::Unmapped { addr, len };
        // Variables: the list, the cycle, the rate.
        let bytes: Vec<u8> = match addr {
            0x1000 => self.at.to_le_bytes().to_vec(),
            0x2000 => 2_u32.to_le_bytes().to_vec(),
            0x3000 => 512_u64.to_le_bytes().to_vec(),
            _ => self.words.iter().flat_map(|w| w.to_le_bytes()).collect(),
        };
        let start = if addr < 0x10_0000 { 0 } else { addr - self.at };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        buf.copy_from_slice(bytes.get(start..end).ok_or(unmapped)?);
        Ok(())
    }
}

const GLOBALS: HeapGlobals = HeapGlobals {
    mbuckets: 0x1000,
    mprof_cycle: 0x2000,
    mem_profile_rate: 0x3000,
};

fn layout(minor: u16) -> &'static Layout {
    let layout = Layout::for_release(Release::new(minor, 3), Arch::Amd64);
    layout.expect("known").layout
}

#[test]
fn a_list_is_read_to_its_end_and_a_circle_ends() {
    let reader_of = |last| {
        let list = List::new(&[16, 32, 48], last);
        HeapReader::new(&list, layout(24), GLOBALS).read()
    };
    let found = reader_of(0).expect("buckets");
    let sizes: Vec<u64> = found.list.iter().map(|b| b.size).collect();
    assert_eq!((sizes, found.cut, found.torn), (vec![16, 32, 48], false, 0));
    assert_eq!((found.list[1].allocs, found.list[1].free_bytes), (3, 32));
    assert_eq!(found.rate, 512);
    let circle = reader_of(0x10_0000).expect("buckets");
    assert_eq!((circle.list.len(), circle.cut), (3, true));
    let gone = reader_of(0x7000_0000).expect("buckets");
    assert_eq!((gone.list.len(), gone.cut), (3, true));
}

#[test]
fn what_is_no_bucket_is_an_error() {
    let mut list = List::new(&[16, 32], 0);
    list.words[3] ^= 1;
    let error = HeapReader::new(&list, layout(24), GLOBALS).read();
    let error = error.expect_err("a wrong hash").to_string();
    assert!(error.contains("has a hash of"), "{error}");
}

proptest! {
    #[test]
    fn every_walk_ends(
        words in prop::collection::vec(
            prop_oneof![
                0..64_u64,
                (0..16_u64).prop_map(|n| 0x1000 + n * 8),
                any::<u64>(),
            ],
            1..40,
        ),
        changes: bool,
        minor in prop_oneof![Just(19_u16), Just(24), Just(27)],
    ) {
        let layout = layout(minor);
        let memory = Drawn { words, reads: Cell::new(0), changes };
        if let Ok(found) = HeapReader::new(&memory, layout, GLOBALS).read() {
            for bucket in &found.list {
                let _ = unsampled(bucket.allocs, bucket.alloc_bytes, found.rate);
            }
        }
        let globals = Globals {
            work: 0x1000,
            gc_controller: 0x2000,
            memstats: 0x3000,
            runtime_init_time: 0x4000,
            sched: 0x5000,
            gomaxprocs: 0x6000,
            allgs: 0x7000,
            allp: 0x8000,
            allm: 0x9000,
            wait_reason_strings: 0xa000,
        };
        let _ = HeapCounts::read(&memory, layout, &globals);
        if let Ok(ranges) = arenas(&memory, layout, 0xb000) {
            for range in &ranges {
                prop_assert!(range.start <= range.end);
            }
        }
    }
}
