//! A distribution: counts per range of values.

use serde::Serialize;

/// Counts of values in adjacent ranges, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    pub title: String,
    /// Unit of the bounds, for instance `usecs`.
    pub unit: String,
    pub buckets: Vec<Bucket>,
}

/// Values from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    pub low: u64,
    pub high: u64,
    pub count: u64,
}

impl Histogram {
    /// Groups values by powers of two: 0 to 1, 2 to 3, 4 to 7 and so on, without the empty ranges
    /// above the largest value.
    #[must_use]
    pub fn powers_of_two(
        title: impl Into<String>,
        unit: impl Into<String>,
        values: impl IntoIterator<Item = (u64, u64)>,
    ) -> Self {
        let mut counts = [0_u64; 64];
        for (value, count) in values {
            let slot = &mut counts[value.max(1).ilog2() as usize];
            *slot = slot.saturating_add(count);
        }
        let used = counts
            .iter()
            .rposition(|&c| c > 0)
            .map_or(0, |last| last + 1);
        let bucket = |(power, &count): (usize, &u64)| Bucket {
            low: if power == 0 { 0 } else { 1 << power },
            high: (1_u64 << power).wrapping_mul(2).wrapping_sub(1),
            count,
        };
        Self {
            title: title.into(),
            unit: unit.into(),
            buckets: counts[..used].iter().enumerate().map(bucket).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_their_power_of_two() {
        let histogram =
            Histogram::powers_of_two("t", "usecs", [(0, 1), (1, 1), (2, 5), (3, 1), (9, 7)]);
        let rows: Vec<_> = histogram
            .buckets
            .iter()
            .map(|b| (b.low, b.high, b.count))
            .collect();
        assert_eq!(rows, [(0, 1, 2), (2, 3, 6), (4, 7, 0), (8, 15, 7)]);
        let top = Histogram::powers_of_two("t", "ns", [(u64::MAX, 1)]);
        assert_eq!(top.buckets.last().map(|b| b.high), Some(u64::MAX));
        assert!(Histogram::powers_of_two("t", "ns", []).buckets.is_empty());
    }
}
