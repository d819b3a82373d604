//! What a probe must copy at the end of a GC cycle.

use serde::{Deserialize, Serialize};

use crate::go::globals::Globals;
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};

/// The function to probe: `gcMarkTermination` calls it once per cycle, on the system stack, when
/// the cycle's numbers are final and before the gctrace line is printed (Go 1.19 to 1.27).
pub const GC_CYCLE_PROBE: &str = "runtime.freeStackSpans";

/// One piece of target memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRange {
    /// Live address.
    pub addr: u64,
    /// Bytes, at most 512.
    pub len: u32,
}

/// The ranges, in the order [`super::GcCycle::decode`] takes their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReadPlan {
    /// Four ranges, some 400 bytes together.
    pub ranges: [ReadRange; 4],
}

impl GcReadPlan {
    /// The ranges for a target; `globals` are live addresses.
    pub fn new(layout: &Layout, globals: &Globals) -> Self {
        let bases = [
            globals.work,
            globals.gc_controller,
            globals.memstats,
            globals.runtime_init_time,
        ];
        let mut ranges = [ReadRange { addr: 0, len: 0 }; 4];
        for ((range, base), span) in ranges.iter_mut().zip(bases).zip(Spans::of(layout).all()) {
            *range = ReadRange {
                addr: base.wrapping_add(u64::from(span.start)),
                len: span.len,
            };
        }
        Self { ranges }
    }

    /// Reads the ranges from a live target, for polling without a probe.
    pub fn read(&self, memory: &impl Memory) -> Result<[Vec<u8>; 4], MemoryError> {
        let mut copies: [Vec<u8>; 4] = Default::default();
        for (copy, range) in copies.iter_mut().zip(self.ranges) {
            copy.resize(range.len as usize, 0);
            memory.read(range.addr, copy)?;
        }
        Ok(copies)
    }
}

/// Part of a structure: first byte and length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// The part of each structure that holds what gctrace shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) work: Span,
    pub(super) controller: Span,
    pub(super) stats: Span,
    pub(super) init_time: Span,
}

impl Spans {
    pub(super) fn of(layout: &Layout) -> Self {
        let (work, controller, stats) = (&layout.work, &layout.controller, &layout.stats);
        Self {
            work: span(&[work.user_forced, work.cycles, work.t_sweep_term, work.heap2]),
            controller: span(&[controller.last_heap_goal, controller.idle_mark_time]),
            stats: span(&[stats.numgc, stats.gc_cpu_fraction]),
            init_time: span(&[0]),
        }
    }

    pub(super) fn all(&self) -> [Span; 4] {
        [self.work, self.controller, self.stats, self.init_time]
    }
}

/// From the first of `fields` to the end of the last, each at most eight bytes long.
fn span(fields: &[u32]) -> Span {
    let start = fields.iter().copied().min().unwrap_or(0);
    let last = fields.iter().copied().max().unwrap_or(0);
    Span {
        start,
        len: last - start + 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::binary::Arch;
    use crate::go::version::Release;

    #[test]
    fn few_and_small_for_every_release() {
        for (minor, patch) in [
            (19, 8),
            (21, 13),
            (22, 10),
            (23, 9),
            (24, 3),
            (24, 11),
            (25, 5),
            (26, 6),
            (27, 3),
        ] {
            for arch in [Arch::Amd64, Arch::Arm64] {
                let layout = Layout::for_release(Release::new(minor, patch), arch)
                    .expect("known")
                    .layout;
                let spans = Spans::of(layout).all();
                assert!(
                    spans.iter().all(|span| span.len <= 512),
                    "{minor} {arch:?} {spans:?}"
                );
                assert!(
                    spans.iter().map(|span| span.len).sum::<u32>() <= 512,
                    "{minor} {arch:?} {spans:?}"
                );
            }
        }
    }
}
