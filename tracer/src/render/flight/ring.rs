//! The last bytes of a stream, within a time and a size.

use std::collections::VecDeque;

/// Parts into which a window is divided to tell when something was dropped.
const PARTS: u64 = 64;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Age in ns.
    pub window_ns: u64,
    /// Size in bytes.
    pub bytes: usize,
}

/// Items as bytes, each with its time, oldest first. One that is too old by the time of the
/// newest goes, and the oldest go when all are too large.
#[derive(Debug)]
pub(super) struct Ring {
    limits: Limits,
    bytes: VecDeque<u8>,
    items: VecDeque<Item>,
    newest_ns: u64,
    /// Items dropped for their size, by the part of the window in which they happened.
    dropped: VecDeque<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    time_ns: u64,
    len: usize,
}

impl Ring {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: VecDeque::new(),
            items: VecDeque::new(),
            newest_ns: 0,
            dropped: VecDeque::new(),
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Adds an item; times may go back a little.
    pub(super) fn push(&mut self, time_ns: u64, bytes: &[u8]) {
        self.newest_ns = self.newest_ns.max(time_ns);
        let len = bytes.len();
        make_room(&mut self.bytes, len);
        make_room(&mut self.items, 1);
        self.bytes.extend(bytes);
        self.items.push_back(Item { time_ns, len });
    }

    /// It is this late now, even if nothing happens.
    pub(super) fn advance(&mut self, now_ns: u64) {
        self.newest_ns = self.newest_ns.max(now_ns);
    }

    /// Takes out the oldest item if it is beyond the limits, as [`Ring::pop`] does.
    pub(super) fn pop_excess(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(oldest) = self.items.front().copied() else {
            return false;
        };
        if oldest.time_ns < self.begin_ns() {
            return self.pop(into);
        }
        if self.size() <= self.limits.bytes {
            return false;
        }
        self.note_dropped(oldest.time_ns);
        self.pop(into)
    }

    /// Takes out the oldest item: its bytes come in the place of what `into` held. False when there
    /// is none.
    pub(super) fn pop(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(item) = self.items.pop_front() else {
            return false;
        };
        let (front, back) = self.bytes.as_slices();
        let in_front = item.len.min(front.len());
        into.clear();
        into.extend_from_slice(&front[..in_front]);
        into.extend_from_slice(&back[..item.len - in_front]);
        self.bytes.drain(..item.len);
        true
    }

    /// When the oldest item happened.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.items.front().map(|item| item.time_ns)
    }

    /// Items of the window that were dropped because there were too many.
    pub(super) fn dropped(&mut self) -> u64 {
        let begin = self.begin_ns() / self.part_ns();
        while self.dropped.front().is_some_and(|(part, _)| *part < begin) {
            self.dropped.pop_front();
        }
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    /// Starts over.
    pub(super) fn clear_dropped(&mut self) {
        self.dropped.clear();
    }

    /// Bytes of items and of the list of them.
    fn size(&self) -> usize {
        self.bytes.len() + self.items.len() * size_of::<Item>()
    }

    fn begin_ns(&self) -> u64 {
        self.newest_ns.saturating_sub(self.limits.window_ns)
    }

    fn part_ns(&self) -> u64 {
        (self.limits.window_ns / PARTS).max(1)
    }

    fn note_dropped(&mut self, time_ns: u64) {
        let part = time_ns / self.part_ns();
        match self.dropped.back_mut() {
            // Times go back a little at most.
            Some((last, count)) if *last >= part => *count += 1,
            _ => self.dropped.push_back((part, 1)),
        }
        // No more than the window has.
        if self.dropped.len() as u64 > PARTS + 2 {
            self.dropped.pop_front();
        }
    }
}

/// Grows by a few parts in a hundred: doubling would take up to twice the limit.
fn make_room<T>(deque: &mut VecDeque<T>, more: usize) {
    if deque.capacity() - deque.len() < more {
        deque.reserve_exact(more.max(deque.len() / 16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(window_ns: u64, bytes: usize) -> Ring {
        Ring::new(Limits { window_ns, bytes })
    }

    fn rest(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut item = Vec::new();
        let mut items = Vec::new();
        while ring.pop(&mut item) {
            items.push(item.clone());
        }
        items
    }

    #[test]
    fn what_is_older_than_the_window_goes() {
        let mut ring = ring(100, 1 << 20);
        for time in [0, 40, 99, 101] {
            ring.push(time, &[time as u8; 3]);
        }
        let mut gone = Vec::new();
        assert!(ring.pop_excess(&mut gone));
        assert_eq!(gone, [0; 3]);
        assert!(!ring.pop_excess(&mut gone));
        ring.advance(199);
        assert!(ring.pop_excess(&mut gone) && !ring.pop_excess(&mut gone));
        assert_eq!(ring.oldest_ns(), Some(99));
        assert_eq!(rest(&mut ring), [[99; 3], [101; 3]]);
        assert_eq!(ring.dropped(), 0);
    }

    #[test]
    fn what_is_too_much_goes_and_is_counted_as_long_as_it_would_be_there() {
        let item = size_of::<Item>();
        let mut ring = ring(640, 2 * (item + 8));
        let mut gone = Vec::new();
        for time in 0..5 {
            ring.push(time * 100, &[time as u8; 8]);
            while ring.pop_excess(&mut gone) {}
        }
        assert_eq!(ring.dropped(), 3);
        // The first of them would be too old now.
        ring.advance(700);
        assert_eq!(ring.dropped(), 2);
        assert_eq!(rest(&mut ring), [[3; 8], [4; 8]]);
        ring.clear_dropped();
        assert_eq!(ring.dropped(), 0);
    }

    #[test]
    fn an_item_larger_than_the_ring_does_not_stay() {
        let mut ring = ring(1000, 64);
        ring.push(1, &[7; 100]);
        let mut gone = Vec::new();
        assert!(ring.pop_excess(&mut gone) && !ring.pop_excess(&mut gone));
        assert_eq!((gone.len(), ring.dropped()), (100, 1));
    }

    proptest! {
        #[test]
        fn items_come_out_as_they_went_in(lens in prop::collection::vec(0usize..40, 0..200)) {
            let mut ring = ring(u64::MAX, 2000);
            let mut item = Vec::new();
            let mut out = Vec::new();
            for (at, len) in lens.iter().enumerate() {
                ring.push(at as u64, &vec![at as u8; *len]);
                while ring.pop_excess(&mut item) {
                    out.push(item.clone());
                }
                prop_assert!(ring.size() <= 2000);
            }
            prop_assert_eq!(ring.dropped(), out.len() as u64);
            out.extend(rest(&mut ring));
            let whole: Vec<_> = lens.iter().enumerate().map(|(i, l)| vec![i as u8; *l]).collect();
            prop_assert_eq!(out, whole);
        }
    }
}
