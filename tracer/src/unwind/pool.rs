//! Which nodes of the programs' memory are in use.

use tracer_common::unwind::{MAX_CHUNKS, NODES_IN_CHUNK};

/// Nodes there are: 64 MiB.
const NODES: u32 = MAX_CHUNKS * NODES_IN_CHUNK;

/// Hands out runs of nodes, the lowest first.
#[derive(Debug)]
pub struct Pool {
    /// Runs that are free, as first node and count, in order; no two touch.
    free: Vec<(u32, u32)>,
}

impl Default for Pool {
    /// The first node is never handed out: its words have the indices that stand for nothing.
    fn default() -> Self {
        Self {
            free: vec![(1, NODES - 1)],
        }
    }
}

impl Pool {
    /// Takes `count` nodes in a row; `None` when there are not so many.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let at = self.free.iter().position(|&(_, len)| len >= count)?;
        let (first, len) = self.free[at];
        if len == count {
            self.free.remove(at);
        } else {
            self.free[at] = (first + count, len - count);
        }
        Some(first)
    }

    /// Takes back what [`Pool::take`] gave.
    pub fn give(&mut self, first: u32, count: u32) {
        let at = self.free.partition_point(|&(start, _)| start < first);
        self.free.insert(at, (first, count));
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
    }

    /// Joins a run with the next if they touch.
    fn join(&mut self, at: usize) {
        if let Some(&(next, more)) = self.free.get(at + 1)
            && self.free[at].0 + self.free[at].1 == next
        {
            self.free[at].1 += more;
            self.free.remove(at + 1);
        }
    }

    /// Nodes in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        NODES - 1 - self.free.iter().map(|&(_, len)| len).sum::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_whole_again() {
        let mut pool = Pool::default();
        let runs: Vec<_> = [3, 1, 5, 2]
            .iter()
            .map(|&n| (pool.take(n).expect("room"), n))
            .collect();
        assert_eq!(runs, [(1, 3), (4, 1), (5, 5), (10, 2)]);
        assert_eq!(pool.used(), 11);
        for &at in &[1, 3, 0, 2] {
            pool.give(runs[at].0, runs[at].1);
        }
        assert_eq!(pool.free, [(1, NODES - 1)]);
        assert_eq!(pool.take(NODES), None);
        assert_eq!(pool.take(NODES - 1), Some(1));
        assert_eq!(pool.take(1), None);
    }
}
