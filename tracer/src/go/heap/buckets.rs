//! The buckets of the heap profiler: `runtime.mbuckets`.
//!
//! runtime/mprof.go, alike in Go 1.19 to 1.27 but for the counts of bytes, which the last one leaves to
//! be multiplied: a list of buckets, newest first, to which buckets are
//! added at the front and which none ever leaves. A bucket is a header, the stack, and counts: those
//! that are published, and those of three cycles of which one is due. What `runtime.MemProfile`
//! reports is the sum of the published ones and of the one that is due.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::globals::HeapGlobals;
use crate::go::binary::elf::u64_at;
use crate::go::layout::{Bucket, Layout, Record};
use crate::go::memory::{Memory, MemoryError};

/// `memProfile`, the first of the types of buckets.
const MEM_PROFILE: u64 = 1;
/// Longest stack (`maxProfStackDepth` and a few more; 32 before Go 1.23).
const MAX_STACK: u64 = 1024 + 16;
/// Largest object: no more can be addressed.
const MAX_SIZE: u64 = 1 << 47;
/// Buckets followed.
const MAX_BUCKETS: usize = 1 << 20;
/// Cycles that are not published yet (`memRecord.future`).
const FUTURES: usize = 3;
/// Largest header or record that a layout can have, in bytes.
const MAX_PART: usize = 256;
/// Looks at a bucket, or at all of them, that does not stand still.
const TRIES: u32 = 8;

/// What was allocated and freed with one stack, in one size: samples, not all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapBucket {
    /// Live addresses, innermost first: each one after a call, one for each call also where
    /// calls are inlined.
    pub stack: Vec<u64>,
    /// Bytes of one object.
    pub size: u64,
    pub allocs: u64,
    pub frees: u64,
    pub alloc_bytes: u64,
    pub free_bytes: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapBuckets {
    pub list: Vec<HeapBucket>,
    /// `runtime.MemProfileRate`.
    pub rate: u64,
    /// Buckets that did not stand still: what was read last counts.
    pub torn: u64,
    /// A bucket led to memory that cannot be read, or there were too many: so the list ends early.
    pub cut: bool,
    /// Times that all were read again, since a garbage collection published new counts meanwhile.
    pub again: u32,
    /// The last of these times, too.
    pub changed: bool,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum HeapReadError {
    /// The target's memory could not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What is there is no bucket.
    #[error(
        "the bucket of the heap profile at {addr:#x} has a {field} of {value:#x}: \
         the runtime differs from the known layout"
    )]
    Implausible {
        /// Live address of the bucket.
        addr: u64,
        /// Which field.
        field: &'static str,
        /// What was read.
        value: u64,
    },
}

/// Reads buckets.
#[derive(Debug)]
pub struct HeapReader<'a, M> {
    memory: &'a M,
    layout: &'a Bucket,
    record: &'a Record,
    /// Live addresses.
    globals: HeapGlobals,
}

/// The header of a bucket and what follows it.
struct Header {
    next: u64,
    size: u64,
    hash: u64,
    stack_len: u64,
}

impl<'a, M: Memory> HeapReader<'a, M> {
    /// Of a process whose variables are at these live addresses.
    pub fn new(memory: &'a M, layout: &'a Layout, globals: HeapGlobals) -> Self {
        Self {
            memory,
            layout: &layout.bucket,
            record: &layout.record,
            globals,
        }
    }

    /// Bytes between two samples; 0 when none are taken.
    ///
    /// # Errors
    /// When the target's memory cannot be read.
    pub fn rate(&self) -> Result<u64, MemoryError> {
        let rate = self.memory.read_u64(self.globals.mem_profile_rate)?;
        // A negative one is none.
        Ok(if rate > i64::MAX as u64 { 0 } else { rate })
    }

    /// Reads all buckets, again where a garbage collection published counts meanwhile.
    ///
    /// # Errors
    /// When the target's memory cannot be read, or what is there are no buckets.
    pub fn read(&self) -> Result<HeapBuckets, HeapReadError> {
        let rate = self.rate()?;
        let mut again = 0;
        loop {
            let before = self.memory.read_u32(self.globals.mprof_cycle)?;
            let mut found = self.read_all(before)?;
            found.rate = rate;
            found.again = again;
            found.changed = self.memory.read_u32(self.globals.mprof_cycle)? != before;
            if !found.changed || again == TRIES {
                return Ok(found);
            }
            again += 1;
        }
    }

    fn read_all(&self, cycle: u32) -> Result<HeapBuckets, HeapReadError> {
        // The lowest bit says whether it is published; what is published is zero.
        let due = (cycle >> 1) as usize % FUTURES;
        let pages = Pages::new(self.memory);
        let mut found = HeapBuckets::default();
        let mut counts = Vec::new();
        let mut seen = HashSet::new();
        let mut at = self.memory.read_u64(self.globals.mbuckets)?;
        while at != 0 {
            if found.list.len() == MAX_BUCKETS || !seen.insert(at) {
                found.cut = true;
                break;
            }
            let header = match self.header(&pages, at) {
                Ok(header) => header,
                Err(HeapReadError::Memory(MemoryError::Unmapped { .. }))
                    if !found.list.is_empty() =>
                {
                    found.cut = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            let stack = self.stack(&pages, at, &header)?;
            let place = at
                .wrapping_add(u64::from(self.layout.bytes))
                .wrapping_add(header.stack_len * 8);
            let (cycles, torn) = self.counts(&pages, place, header.size, due)?;
            found.torn += u64::from(torn);
            counts.push(cycles);
            found.list.push(HeapBucket {
                stack,
                size: header.size,
                ..HeapBucket::default()
            });
            at = header.next;
        }
        publish(&mut found.list, &counts, due);
        Ok(found)
    }

    fn header(&self, pages: &Pages<'_, M>, at: u64) -> Result<Header, HeapReadError> {
        let layout = self.layout;
        let implausible = |field, value| HeapReadError::Implausible {
            addr: at,
            field,
            value,
        };
        if !at.is_multiple_of(8) {
            return Err(implausible("address", at));
        }
        let mut bytes = [0; MAX_PART];
        let bytes = &mut bytes[..(layout.bytes as usize).min(MAX_PART)];
        pages.read(at, bytes)?;
        let word = |offset: u32| u64_at(bytes, offset as usize);
        let kind = word(layout.kind);
        if kind != MEM_PROFILE {
            return Err(implausible("type", kind));
        }
        let header = Header {
            next: word(layout.next_of_all),
            size: word(layout.size),
            hash: word(layout.hash),
            stack_len: word(layout.stack_len),
        };
        if header.stack_len > MAX_STACK {
            return Err(implausible("stack length", header.stack_len));
        }
        if header.size > MAX_SIZE {
            return Err(implausible("size", header.size));
        }
        Ok(header)
    }

    fn stack(
        &self,
        pages: &Pages<'_, M>,
        at: u64,
        header: &Header,
    ) -> Result<Vec<u64>, HeapReadError> {
        let mut bytes = vec![0; header.stack_len as usize * 8];
        pages.read(at.wrapping_add(u64::from(self.layout.bytes)), &mut bytes)?;
        let words = bytes.as_chunks().0.iter();
        let stack: Vec<u64> = words.map(|word| u64::from_le_bytes(*word)).collect();
        // Stack and size never change: a hash that does not fit is another layout.
        match hash(&stack, header.size) == header.hash {
            true => Ok(stack),
            false => Err(HeapReadError::Implausible {
                addr: at,
                field: "hash",
                value: header.hash,
            }),
        }
    }

    /// The counts of a bucket, and whether they did not stand still.
    fn counts(
        &self,
        pages: &Pages<'_, M>,
        place: u64,
        size: u64,
        due: usize,
    ) -> Result<(Counts, bool), HeapReadError> {
        let mut bytes = [0; MAX_PART];
        let bytes = &mut bytes[..(self.record.bytes as usize).min(MAX_PART)];
        pages.read(place, bytes)?;
        let mut counts = Counts::of(bytes, self.record, size);
        // They are added to the published ones and cleared, word by word.
        for _ in 0..TRIES {
            if counts.future[due] == Cycle::default() {
                return Ok((counts, false));
            }
            self.memory.read(place, bytes)?;
            let later = Counts::of(bytes, self.record, size);
            if later.active == counts.active && later.future[due] == counts.future[due] {
                return Ok((later, false));
            }
            counts = later;
        }
        Ok((counts, true))
    }
}

/// Counts of one cycle: objects allocated and freed, bytes allocated and freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cycle([u64; 4]);

impl Cycle {
    /// The one at `start` of a record of objects of `size` bytes.
    fn of(bytes: &[u8], start: u32, record: &Record, size: u64) -> Self {
        let word = |field: u32| u64_at(bytes, (start + field) as usize);
        let bytes_of = |field: Option<u32>, objects: u64| {
            field.map_or_else(|| objects.wrapping_mul(size), word)
        };
        let (allocs, frees) = (word(record.allocs), word(record.frees));
        Self([
            allocs,
            frees,
            bytes_of(record.alloc_bytes, allocs),
            bytes_of(record.free_bytes, frees),
        ])
    }

    fn add(&mut self, other: &Self) {
        for (sum, value) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(value);
        }
    }
}

/// `runtime.memRecord`.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active: Cycle,
    future: [Cycle; FUTURES],
}

impl Counts {
    fn of(bytes: &[u8], record: &Record, size: u64) -> Self {
        let at = |index: usize| record.future + record.cycle_bytes * index as u32;
        Self {
            active: Cycle::of(bytes, record.active, record, size),
            future: std::array::from_fn(|index| Cycle::of(bytes, at(index), record, size)),
        }
    }
}

/// Adds up what `runtime.MemProfile` would: the published counts and those that are due, or, before
/// the first garbage collection, all.
fn publish(list: &mut [HeapBucket], counts: &[Counts], due: usize) {
    let mut sums: Vec<Cycle> = Vec::with_capacity(counts.len());
    for counts in counts {
        let mut sum = counts.active;
        sum.add(&counts.future[due]);
        sums.push(sum);
    }
    let is_clear = sums.iter().all(|sum| sum.0[0] == 0 && sum.0[1] == 0);
    for ((bucket, counts), mut sum) in list.iter_mut().zip(counts).zip(sums) {
        if is_clear {
            let others = (0..FUTURES).filter(|&index| index != due);
            others.for_each(|index| sum.add(&counts.future[index]));
        }
        let [allocs, frees, alloc_bytes, free_bytes] = sum.0;
        bucket.allocs = allocs;
        bucket.frees = frees;
        bucket.alloc_bytes = alloc_bytes;
        bucket.free_bytes = free_bytes;
    }
}

/// `runtime.stkbucket` finds buckets by it.
fn hash(stack: &[u64], size: u64) -> u64 {
    let mix = |hash: u64| {
        let hash = hash.wrapping_add(hash << 10);
        hash ^ (hash >> 6)
    };
    let mut hash = 0_u64;
    for pc in stack {
        hash = mix(hash.wrapping_add(*pc));
    }
    hash = mix(hash.wrapping_add(size));
    hash = hash.wrapping_add(hash << 3);
    hash ^ (hash >> 11)
}

/// Memory read page by page: buckets lie beside each other, oldest first.
struct Pages<'a, M> {
    memory: &'a M,
    pages: RefCell<HashMap<u64, Option<Box<[u8]>>>>,
}

impl<'a, M: Memory> Pages<'a, M> {
    /// Bytes read at once, a power of 2.
    const SIZE: u64 = 32 << 10;
    /// Pages kept.
    const MOST: usize = 1 << 10;

    fn new(memory: &'a M) -> Self {
        Self {
            memory,
            pages: RefCell::default(),
        }
    }

    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let page = addr & !(Self::SIZE - 1);
        let start = (addr - page) as usize;
        let end = start.saturating_add(buf.len());
        if end as u64 <= Self::SIZE {
            let mut pages = self.pages.borrow_mut();
            if pages.len() >= Self::MOST {
                pages.clear();
            }
            let read = || {
                let mut bytes = vec![0; Self::SIZE as usize].into_boxed_slice();
                self.memory.read(page, &mut bytes).is_ok().then_some(bytes)
            };
            let bytes = pages.entry(page).or_insert_with(read).as_deref();
            if let Some(bytes) = bytes.and_then(|bytes| bytes.get(start..end)) {
                buf.copy_from_slice(bytes);
                return Ok(());
            }
        }
        // Across two pages, or on one that is mapped in part.
        self.memory.read(addr, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_counts_are_published_and_all_before_the_first_collection() {
        let cycle = |n: u64| Cycle([n, n / 2, n * 16, n / 2 * 16]);
        let counts = Counts {
            active: cycle(10),
            future: [cycle(2), cycle(4), cycle(6)],
        };
        let mut list = [HeapBucket::default()];
        publish(&mut list, &[counts], 1);
        let [bucket] = &list;
        assert_eq!((bucket.allocs, bucket.frees), (14, 7));
        assert_eq!((bucket.alloc_bytes, bucket.free_bytes), (14 * 16, 7 * 16));
        let fresh = Counts {
            active: Cycle::default(),
            future: [cycle(2), Cycle::default(), cycle(6)],
        };
        publish(&mut list, &[fresh], 1);
        assert_eq!(list[0].allocs, 8);
    }

    #[test]
    fn the_hash_is_the_runtimes() {
        // Of an empty stack it is that of the size alone.
        let size = 48_u64;
        let mut h = size;
        h += h << 10;
        h ^= h >> 6;
        h += h << 3;
        h ^= h >> 11;
        assert_eq!(hash(&[], size), h);
        assert_ne!(hash(&[1, 2], size), hash(&[2, 1], size));
    }
}
