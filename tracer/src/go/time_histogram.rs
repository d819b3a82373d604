//! The runtime's own histograms of durations (`timeHistogram`, runtime/histogram.go).
//!
//! Read in the sources of Go 1.21, 1.24 and 1.27, which agree: 40 buckets by powers of two, from
//! 2^8 ns on, of four equal parts each; the first takes what is shorter. Go 1.19 divides otherwise.

use tracer_common::histogram;

use super::binary::elf::u64_at;
use super::layout::Layout;
use super::memory::{Memory, MemoryError};
use crate::event::Latency;

const PARTS: usize = 4;
const BUCKETS: usize = 40;
const COUNTS: usize = PARTS * BUCKETS;
/// Bits of the first duration that is not in the first bucket, less one: `timeHistMinBucketBits`.
const FIRST_BITS: u32 = 9;
/// The release from which on the division is known.
const KNOWN_SINCE: u16 = 21;

/// Counts of a histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeHistogram {
    /// By part of bucket, then those too long for any.
    counts: Vec<u64>,
}

impl TimeHistogram {
    /// Reads the one at the live address `at`; `None` where its division is not known.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn read(
        memory: &impl Memory,
        layout: &Layout,
        at: u64,
    ) -> Result<Option<Self>, MemoryError> {
        if layout.release.minor < KNOWN_SINCE {
            return Ok(None);
        }
        // Then come those below 0, and those too long.
        let mut bytes = vec![0; (COUNTS + 2) * 8];
        memory.read(at, &mut bytes)?;
        let mut counts: Vec<u64> = (0..COUNTS).map(|i| u64_at(&bytes, i * 8)).collect();
        counts.push(u64_at(&bytes, (COUNTS + 1) * 8));
        Ok(Some(Self { counts }))
    }

    /// What has come since an earlier moment. Durations are taken for the shortest of their part:
    /// they are up to a quarter longer.
    #[must_use]
    pub fn since(&self, before: &Self) -> Latency {
        let mut latency = Latency::default();
        for (index, (now, then)) in self.counts.iter().zip(&before.counts).enumerate() {
            let count = now.saturating_sub(*then);
            if count == 0 {
                continue;
            }
            let shortest = lower_bound(index);
            latency.merge(&Latency {
                count,
                errors: 0,
                total_ns: shortest.saturating_mul(count),
                min_ns: shortest,
                max_ns: lower_bound(index + 1).saturating_sub(1),
                buckets: vec![(histogram::bucket(shortest) as u16, count)],
            });
        }
        latency
    }

    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// The shortest duration of a part, in ns.
fn lower_bound(index: usize) -> u64 {
    let (bucket, part) = ((index / PARTS) as u32, (index % PARTS) as u64);
    match bucket {
        0 => part << (FIRST_BITS - 3),
        _ => {
            let bits = (bucket + FIRST_BITS - 1).min(60);
            (1 << (bits - 1)) + (part << (bits - 3))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::RangeMemory;
    use crate::go::binary::Arch;
    use crate::go::version::Release;

    /// `timeHistogram.record` of the runtime.
    fn index(duration: u64) -> usize {
        let len = u64::BITS - duration.leading_zeros();
        let (bit, bucket) = match len < FIRST_BITS {
            true => (FIRST_BITS, 0),
            false => (len, len - FIRST_BITS + 1),
        };
        if bucket as usize >= BUCKETS {
            return COUNTS;
        }
        bucket as usize * PARTS + ((duration >> (bit - 3)) % 4) as usize
    }

    #[test]
    fn a_part_begins_with_the_first_duration_that_the_runtime_puts_there() {
        for part in 0..=COUNTS {
            let first = lower_bound(part);
            assert_eq!(index(first), part, "{first}");
            if part > 0 {
                assert_eq!(index(first - 1), part - 1, "{first}");
            }
        }
    }

    #[test]
    fn what_is_new_is_a_latency() {
        let read = |counts: &[(usize, u64)], minor| {
            let mut bytes = vec![0; (COUNTS + 2) * 8];
            for &(at, count) in counts {
                bytes[at * 8..][..8].copy_from_slice(&count.to_le_bytes());
            }
            let mut memory = RangeMemory::new();
            memory.map(0x1000, bytes);
            let row = Layout::for_release(Release::new(minor, 13), Arch::Amd64).expect("a row");
            TimeHistogram::read(&memory, row.layout, 0x1000).expect("there")
        };
        assert_eq!(read(&[], 19), None);
        let before = read(&[(4, 7), (COUNTS, 99)], 21).expect("known");
        let now = read(&[(4, 10), (8, 1), (COUNTS, 99), (COUNTS + 1, 2)], 21).expect("known");
        let new = now.since(&before);
        assert_eq!((new.count, new.min_ns), (6, 256));
        assert!(new.quantile(0.25).is_some_and(|q| (256..320).contains(&q)));
        assert_eq!(now.count(), 13, "without those below 0");
    }
}
