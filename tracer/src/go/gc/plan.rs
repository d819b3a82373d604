//! What a probe must copy at the end of a GC cycle.

use serde::{Deserialize, Serialize};

use super::cycle::GcError;
use crate::go::binary::elf::{u32_at, u64_at};
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
    /// [`RANGES`] of them, less than 1 KiB together.
    pub ranges: [ReadRange; RANGES],
}

/// How many ranges there are.
pub const RANGES: usize = 5;

impl GcReadPlan {
    /// The ranges for a target; `globals` are live addresses.
    pub fn new(layout: &Layout, globals: &Globals) -> Self {
        let bases = [
            globals.work,
            globals.gc_controller,
            globals.memstats,
            globals.runtime_init_time,
            globals.memstats,
        ];
        let mut ranges = [ReadRange { addr: 0, len: 0 }; RANGES];
        for ((range, base), span) in ranges.iter_mut().zip(bases).zip(Spans::of(layout).all()) {
            *range = ReadRange {
                addr: base.wrapping_add(u64::from(span.start)),
                len: span.len,
            };
        }
        Self { ranges }
    }

    /// Reads the ranges from a live target, for polling without a probe.
    pub fn read(&self, memory: &impl Memory) -> Result<[Vec<u8>; RANGES], MemoryError> {
        let mut copies: [Vec<u8>; RANGES] = Default::default();
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

/// The part of each structure that holds what gctrace shows, how the next cycle is paced, and the
/// runtime's own sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) work: Span,
    pub(super) controller: Span,
    pub(super) stats: Span,
    pub(super) init_time: Span,
    pub(super) pause_total: Span,
}

impl Spans {
    pub(super) fn of(layout: &Layout) -> Self {
        let (work, controller, stats) = (&layout.work, &layout.controller, &layout.stats);
        let last = user_time(layout).unwrap_or(work.heap2);
        Self {
            work: span(&[work.user_forced, work.cycles, work.t_sweep_term, last]),
            controller: span(&[controller.gc_percent, controller.mapped_ready]),
            stats: span(&[stats.numgc, stats.last_gc_nanotime]),
            init_time: span(&[0]),
            pause_total: span(&[stats.pause_total_ns]),
        }
    }

    pub(super) fn all(&self) -> [Span; RANGES] {
        [
            self.work,
            self.controller,
            self.stats,
            self.init_time,
            self.pause_total,
        ]
    }
}

/// Bytes of part of a structure, addressed by offsets in the whole.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    span: Span,
}

impl Fields<'_> {
    fn at(&self, offset: u32) -> usize {
        (offset - self.span.start) as usize
    }

    pub(super) fn u8(&self, offset: u32) -> u8 {
        self.bytes[self.at(offset)]
    }

    pub(super) fn u32(&self, offset: u32) -> u32 {
        u32_at(self.bytes, self.at(offset))
    }

    pub(super) fn u64(&self, offset: u32) -> u64 {
        u64_at(self.bytes, self.at(offset))
    }
}

/// The copied parts of the structures.
pub(super) struct Copied<'a> {
    pub(super) work: Fields<'a>,
    pub(super) controller: Fields<'a>,
    pub(super) stats: Fields<'a>,
    pub(super) init_time: u64,
    pub(super) pause_total_ns: u64,
}

impl<'a> Copied<'a> {
    /// Takes the bytes of a plan made for the same layout.
    pub(super) fn of(layout: &Layout, ranges: &[&'a [u8]]) -> Result<Self, GcError> {
        let spans = Spans::of(layout);
        let &[work, controller, stats, init_time, pause_total] = ranges else {
            return Err(GcError::Count {
                count: ranges.len(),
            });
        };
        for (index, (range, span)) in ranges.iter().zip(spans.all()).enumerate() {
            let (len, expected) = (range.len(), span.len as usize);
            if len != expected {
                return Err(GcError::Length {
                    index,
                    len,
                    expected,
                });
            }
        }
        let fields = |bytes, span| Fields { bytes, span };
        Ok(Self {
            work: fields(work, spans.work),
            controller: fields(controller, spans.controller),
            stats: fields(stats, spans.stats),
            init_time: u64_at(init_time, 0),
            pause_total_ns: u64_at(pause_total, 0),
        })
    }
}

/// From the first of `fields` to the end of the last, each at most eight bytes long.
/// The offset of `work.cpuStats.UserTime`, where the release has it (Go 1.20): `cpuStats` follows
/// `heap2`, and it is the tenth of its words (runtime/mgc.go and mstats.go, Go 1.21 to 1.27).
fn user_time(layout: &Layout) -> Option<u32> {
    (layout.release.minor >= 20).then_some(layout.work.heap2 + 80)
}

/// Time that Ps have run goroutines since the process began, without GC assists, in ns, as the runtime
/// counts it at the end of a cycle; `None` where the release does not.
///
/// # Errors
/// When the ranges are not those of the plan.
pub fn user_time_ns(layout: &Layout, ranges: &[&[u8]]) -> Result<Option<u64>, GcError> {
    let copied = Copied::of(layout, ranges)?;
    Ok(user_time(layout).map(|offset| copied.work.u64(offset)))
}

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
                    spans.iter().map(|span| span.len).sum::<u32>() <= 1024,
                    "{minor} {arch:?} {spans:?}"
                );
            }
        }
    }
}
