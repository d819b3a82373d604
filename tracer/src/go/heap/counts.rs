//! What the allocator counts: `runtime.gcController`, `runtime.memstats` and `runtime.mheap_`.
//!
//! How the numbers of `runtime.ReadMemStats` come from these: `readmemstats_m` in
//! runtime/mstats.go, Go 1.19 to 1.27.

use std::ops::Range;

use crate::go::binary::Arch;
use crate::go::globals::Globals;
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};

/// `heapArenaBytes` of 64-bit Linux (runtime/malloc.go).
const ARENA: u64 = 64 << 20;
/// Arenas followed: 1 TiB.
const MAX_ARENAS: u64 = 1 << 14;
/// Parts of `consistentHeapStats`, of which the sum counts.
const HEAP_STATS: u64 = 3;

/// Bytes, each read at its own moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapCounts {
    /// Spans that are in use.
    pub in_use: u64,
    /// Objects allocated and not freed by the sweeper, without those that Ps have in their caches.
    pub objects: u64,
    /// Free spans that are backed by memory, and those that are not.
    pub idle: u64,
    pub released: u64,
    /// What GOMEMLIMIT counts.
    pub mapped_ready: u64,
    /// Live heap by the collector's count.
    pub live: u64,
    /// Stacks of goroutines, the collector's buffers, and bitmaps that releases before Go 1.25 have.
    pub stacks: u64,
    pub work_buffers: u64,
    pub bitmaps: u64,
    /// As in `MemStats`.
    pub stacks_sys: u64,
    pub span_sys: u64,
    pub cache_sys: u64,
    pub bucket_sys: u64,
    pub gc_sys: u64,
    pub other_sys: u64,
    /// Garbage collections that have ended.
    pub collections: u32,
}

impl HeapCounts {
    /// Reads them; `globals` are live addresses.
    ///
    /// # Errors
    /// When the target's memory cannot be read.
    pub fn read(
        memory: &impl Memory,
        layout: &Layout,
        globals: &Globals,
    ) -> Result<Self, MemoryError> {
        let (controller, stats) = (&layout.controller, &layout.stats);
        let paced = |field: u32| memory.read_u64(globals.gc_controller.wrapping_add(field.into()));
        let counted = |field: u32| memory.read_u64(globals.memstats.wrapping_add(field.into()));
        let allocated = paced(controller.total_alloc)?;
        let freed = paced(controller.total_free)?;
        let heap_stats = |field: u32| -> Result<u64, MemoryError> {
            let mut sum = 0_u64;
            for part in 0..HEAP_STATS {
                let at = u64::from(stats.heap_stats)
                    .wrapping_add(part * u64::from(stats.heap_stats_bytes))
                    .wrapping_add(field.into());
                sum = sum.wrapping_add(memory.read_u64(globals.memstats.wrapping_add(at))?);
            }
            // Parts may be negative, and so may the sum be while one is written.
            Ok(if sum > i64::MAX as u64 { 0 } else { sum })
        };
        let bitmaps = stats.in_ptr_scalar_bits.map(heap_stats).transpose()?;
        Ok(Self {
            in_use: paced(controller.heap_in_use)?,
            objects: allocated.saturating_sub(freed),
            idle: paced(controller.heap_free)?,
            released: paced(controller.heap_released)?,
            mapped_ready: paced(controller.mapped_ready)?,
            live: paced(controller.heap_live)?,
            stacks: heap_stats(stats.in_stacks)?,
            work_buffers: heap_stats(stats.in_work_bufs)?,
            bitmaps: bitmaps.unwrap_or(0),
            stacks_sys: counted(stats.stacks_sys)?,
            span_sys: counted(stats.mspan_sys)?,
            cache_sys: counted(stats.mcache_sys)?,
            bucket_sys: counted(stats.buckhash_sys)?,
            gc_sys: counted(stats.gc_misc_sys)?,
            other_sys: counted(stats.other_sys)?,
            collections: memory.read_u32(globals.memstats.wrapping_add(stats.numgc.into()))?,
        })
    }
}

/// The address ranges of the heap's arenas, in order, those that touch as one; `heap` is the live
/// address of `runtime.mheap_`.
///
/// Arenas have numbers (`arenaIdx`), and number 0 begins at `arenaBaseOffset` (runtime/malloc.go).
///
/// # Errors
/// When the target's memory cannot be read.
pub fn arenas(
    memory: &impl Memory,
    layout: &Layout,
    heap: u64,
) -> Result<Vec<Range<u64>>, MemoryError> {
    let slice = heap.wrapping_add(layout.heap.all_arenas.into());
    let list = memory.read_u64(slice)?;
    let count = memory.read_u64(slice.wrapping_add(8))?.min(MAX_ARENAS);
    let base: u64 = match layout.arch {
        Arch::Amd64 => 0xffff_8000_0000_0000,
        Arch::Arm64 => 0,
    };
    let mut numbers = vec![0; count as usize * 8];
    memory.read(list, &mut numbers)?;
    let words = numbers.as_chunks().0.iter();
    let starts = words.map(|word| {
        u64::from_le_bytes(*word)
            .wrapping_mul(ARENA)
            .wrapping_add(base)
    });
    let mut starts: Vec<u64> = starts.collect();
    starts.sort_unstable();
    starts.dedup();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for start in starts {
        let end = start.saturating_add(ARENA);
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    Ok(ranges)
}
