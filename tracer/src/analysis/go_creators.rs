//! Goroutines by the `go` statement that made them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::GoCreator;

/// What one `go` statement made in an interval, or in the run. Times in ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoCreatorRow {
    pub pid: u32,
    /// The function that the statement is in; `None` when it is not known.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub created: u64,
    pub created_per_second: f64,
    /// Goroutines of it that ended; they may have been made before.
    pub ended: u64,
    pub ended_per_second: f64,
    /// Of how many it was seen that they ran for the first time, and how long they had waited for
    /// that; to within an eighth, as histogram buckets are that wide. `None` without any.
    pub first_runs: u64,
    pub p50_ns: Option<u64>,
    pub p95_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    pub max_ns: u64,
}

/// Sums by process and address of the statement.
#[derive(Debug, Default)]
pub struct GoCreators {
    sums: BTreeMap<(u32, u64), GoCreator>,
}

impl GoCreators {
    /// Adds what a process made.
    pub fn add(&mut self, pid: u32, creator: &GoCreator) {
        let sum = self.sums.entry((pid, creator.created_at)).or_default();
        sum.merge(creator);
    }

    /// Whether there was nothing since the rows were last taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Who made most comes first; the next interval begins.
    pub fn take(&mut self, interval_ns: u64) -> Vec<GoCreatorRow> {
        let sums = std::mem::take(&mut self.sums);
        let mut rows: Vec<_> = sums
            .into_iter()
            .map(|((pid, _), sum)| row(pid, sum, interval_ns))
            .collect();
        // Stable: equal ones stay ordered by process and address.
        rows.sort_by_key(|row| std::cmp::Reverse((row.created, row.ended)));
        rows
    }
}

fn row(pid: u32, sum: GoCreator, interval_ns: u64) -> GoCreatorRow {
    let per_second = |count: u64| match interval_ns {
        0 => 0.0,
        ns => count as f64 * 1e9 / ns as f64,
    };
    let waits = &sum.first_runs;
    GoCreatorRow {
        pid,
        created: sum.created,
        created_per_second: per_second(sum.created),
        ended: sum.ended,
        ended_per_second: per_second(sum.ended),
        first_runs: waits.measured(),
        p50_ns: waits.quantile(0.5),
        p95_ns: waits.quantile(0.95),
        p99_ns: waits.quantile(0.99),
        max_ns: waits.max_ns,
        file: sum.place.as_ref().and_then(|place| place.file.clone()),
        line: sum.place.as_ref().and_then(|place| place.line),
        function: sum.place.map(|place| place.function),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{FrameSymbol, Latency};
    use tracer_common::histogram;

    fn creator(created_at: u64, created: u64, waits: &[u64]) -> GoCreator {
        let mut first_runs = Latency::default();
        for &wait in waits {
            first_runs.merge(&Latency {
                count: 1,
                total_ns: wait,
                max_ns: wait,
                buckets: vec![(histogram::bucket(wait) as u16, 1)],
                ..Latency::default()
            });
        }
        GoCreator {
            created_at,
            place: None,
            created,
            ended: created / 2,
            first_runs,
        }
    }

    #[test]
    fn parts_add_up_and_the_next_interval_is_empty() {
        let mut creators = GoCreators::default();
        creators.add(7, &creator(0x1000, 10, &[1000, 1000]));
        creators.add(7, &creator(0x2000, 50, &[]));
        let place = FrameSymbol {
            function: "main.serve".to_owned(),
            file: Some("main.go".to_owned()),
            line: Some(12),
            ..FrameSymbol::default()
        };
        let named = GoCreator {
            place: Some(place),
            ..creator(0x1000, 10, &[64_000, 4000])
        };
        creators.add(7, &named);
        let rows = creators.take(2_000_000_000);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].created, rows[0].created_per_second), (50, 25.0));
        assert_eq!((rows[0].p50_ns, rows[0].first_runs), (None, 0));
        let named = &rows[1];
        assert_eq!(named.function.as_deref(), Some("main.serve"));
        assert_eq!((named.created, named.ended, named.line), (20, 10, Some(12)));
        assert_eq!((named.first_runs, named.max_ns), (4, 64_000));
        // Within a bucket.
        assert!(named.p99_ns.is_some_and(|p99| p99.abs_diff(64_000) <= 8000));
        assert!(named.p50_ns.is_some_and(|p50| p50.abs_diff(1000) <= 125));
        assert!(creators.is_empty() && creators.take(1).is_empty());
    }
}
