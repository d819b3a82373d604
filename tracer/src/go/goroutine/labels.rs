//! Profiler labels (`runtime/pprof.Do`, `g.labels`).
//!
//! Up to Go 1.23 a `map[string]string` (runtime/map.go), since Go 1.24 a list of pairs
//! (runtime/pprof/label.go, internal/runtime/pprof/label since 1.26).

use std::rc::Rc;

use crate::go::memory::{Memory, MemoryError};

/// Labels that are read of one goroutine, and bytes of a key or value.
const MAX_LABELS: usize = 256;
const MAX_TEXT: u64 = 4096;
/// The first release with a list.
const LIST: u16 = 24;
/// Pairs of a bucket (`bucketCnt`), and the least mark of one that is in use (`minTopHash`).
const PAIRS: u64 = 8;
const IN_USE: u8 = 5;
/// Buckets that are looked through: labels are few.
const MAX_BUCKETS: u32 = 256;

/// Key and value.
pub type Label = (String, String);

/// The labels at `at`, which `g.labels` holds: sorted by key where Go keeps no order.
pub(super) fn read(memory: &impl Memory, minor: u16, at: u64) -> Result<Rc<[Label]>, MemoryError> {
    let mut labels = Vec::new();
    if minor >= LIST {
        let (list, count) = (memory.read_u64(at)?, memory.read_u64(at.wrapping_add(8))?);
        for index in 0..count.min(MAX_LABELS as u64) {
            let pair = list.wrapping_add(index * 32);
            labels.extend(label(memory, pair, pair.wrapping_add(16))?);
        }
    } else {
        Buckets::read(memory, memory.read_u64(at)?, &mut labels)?;
        labels.sort_unstable();
        labels.dedup();
    }
    Ok(labels.into())
}

/// The pair of strings at two addresses; `None` of one that is no text of a plausible length.
fn label(memory: &impl Memory, key: u64, value: u64) -> Result<Option<Label>, MemoryError> {
    let text = |at: u64| -> Result<Option<String>, MemoryError> {
        let (bytes, len) = (memory.read_u64(at)?, memory.read_u64(at.wrapping_add(8))?);
        if len > MAX_TEXT {
            return Ok(None);
        }
        let mut text = vec![0; len as usize];
        memory.read(bytes, &mut text)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    };
    Ok(text(key)?.zip(text(value)?))
}

/// The buckets of a map: `hmap.B`, `hmap.buckets` and `hmap.oldbuckets`.
struct Buckets;

impl Buckets {
    fn read(memory: &impl Memory, map: u64, labels: &mut Vec<Label>) -> Result<(), MemoryError> {
        if map == 0 {
            return Ok(());
        }
        let bits = u32::from(memory.read_u8(map.wrapping_add(9))?);
        let new = memory.read_u64(map.wrapping_add(16))?;
        let old = memory.read_u64(map.wrapping_add(24))?;
        let count = |bits: u32| {
            1_u32
                .checked_shl(bits)
                .unwrap_or(MAX_BUCKETS)
                .min(MAX_BUCKETS)
        };
        // A map that grows still has pairs in the old buckets, half as many as the new ones.
        for (first, count) in [(new, count(bits)), (old, count(bits.saturating_sub(1)))] {
            for index in (0..count).filter(|_| first != 0) {
                let bucket = first.wrapping_add(u64::from(index) * Self::SIZE);
                Self::chain(memory, bucket, labels)?;
            }
        }
        Ok(())
    }

    /// Marks, keys, values, and the bucket that follows.
    const SIZE: u64 = PAIRS + PAIRS * 16 * 2 + 8;

    fn chain(
        memory: &impl Memory,
        mut bucket: u64,
        labels: &mut Vec<Label>,
    ) -> Result<(), MemoryError> {
        for _ in 0..MAX_BUCKETS {
            let mut marks = [0; PAIRS as usize];
            memory.read(bucket, &mut marks)?;
            for (index, mark) in marks.into_iter().enumerate() {
                if mark < IN_USE || labels.len() >= MAX_LABELS {
                    continue;
                }
                let key = bucket.wrapping_add(PAIRS + index as u64 * 16);
                labels.extend(label(memory, key, key.wrapping_add(PAIRS * 16))?);
            }
            bucket = memory.read_u64(bucket.wrapping_add(Self::SIZE - 8))?;
            if bucket == 0 {
                break;
            }
        }
        Ok(())
    }
}
