//! The longest calls of a run, for `--slowest`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A call: its duration, its place in the order of ends, its thread, and its lines.
type Call = (u64, Reverse<u64>, u32, String);

/// Keeps the longest calls.
#[derive(Debug)]
pub(in crate::render) struct Slowest {
    limit: usize,
    seen: u64,
    calls: BTreeSet<Call>,
}

impl Slowest {
    /// Keeps `limit` calls.
    pub(in crate::render) const fn new(limit: usize) -> Self {
        Self {
            limit,
            seen: 0,
            calls: BTreeSet::new(),
        }
    }

    /// Whether a call of this duration in ns is among the longest so far.
    pub(in crate::render) fn takes(&self, took: u64) -> bool {
        let shortest = self.calls.first().map_or(0, |c| c.0);
        self.calls.len() < self.limit || took > shortest
    }

    pub(in crate::render) fn insert(&mut self, took: u64, tid: u32, lines: String) {
        self.seen += 1;
        self.calls.insert((took, Reverse(self.seen), tid, lines));
        if self.calls.len() > self.limit {
            self.calls.pop_first();
        }
    }

    /// The threads and lines of the calls, longest first.
    pub(in crate::render) fn take(&mut self) -> Vec<(u32, String)> {
        let calls = std::mem::take(&mut self.calls);
        calls.into_iter().rev().map(|c| (c.2, c.3)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stay_and_equal_ones_in_order() {
        let mut slowest = Slowest::new(2);
        for (took, name) in [(5, "a"), (9, "b"), (5, "c"), (7, "d"), (7, "e")] {
            if slowest.takes(took) {
                slowest.insert(took, 1, name.to_owned());
            }
        }
        let names: Vec<String> = slowest.take().into_iter().map(|c| c.1).collect();
        assert_eq!(names, ["b", "d"]);
        assert!(!Slowest::new(0).takes(0));
    }
}
