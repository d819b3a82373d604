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
        self.calls.len() < self.limit || took > self.shortest()
    }

    fn shortest(&self) -> u64 {
        self.calls.first().map_or(0, |c| c.0)
    }

    /// The duration in ns from which on a call can come to be among the longest. Somewhat less than
    /// what [`Self::takes`] asks for, since whoever decides by it has a clock reading of its own.
    pub(in crate::render) fn least(&self) -> u64 {
        match self.calls.len() < self.limit {
            true => 0,
            false => self.shortest() - self.shortest() / 8,
        }
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
        let mut least = Vec::new();
        for (took, name) in [(5, "a"), (9, "b"), (5, "c"), (70, "d"), (9, "e")] {
            if slowest.takes(took) {
                slowest.insert(took, 1, name.to_owned());
            }
            least.push(slowest.least());
        }
        assert_eq!(least, [0, 5, 5, 8, 8]);
        let names: Vec<String> = slowest.take().into_iter().map(|c| c.1).collect();
        assert_eq!(names, ["d", "b"]);
        assert!(!Slowest::new(0).takes(0));
    }
}
