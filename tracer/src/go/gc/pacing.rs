//! What the runtime plans after a cycle, and its own sums over all cycles.
//!
//! Goal and trigger are computed from the fields of `gcController` as `heapGoalInternal`,
//! `memoryLimitHeapGoal` and `trigger` of runtime/mgcpacer.go compute them (read in the sources of
//! Go 1.21, 1.24 and 1.27, which agree), but without the adjustments that are undone when sweeping
//! is over.

use serde::{Deserialize, Serialize};

use crate::go::layout::Layout;

use super::cycle::GcError;
use super::plan::{Copied, Fields};

/// `defaultHeapMinimum` (runtime/mgcpacer.go).
const DEFAULT_HEAP_MINIMUM: u64 = 4 << 20;
/// `memoryLimitMinHeapGoalHeadroom`.
const MIN_HEADROOM: u64 = 1 << 20;
/// `memoryLimitHeapGoalHeadroomPercent`; Go 1.19 knows the minimum alone.
const HEADROOM_PERCENT: u64 = 3;
/// `triggerRatioDen`, `minTriggerRatioNum`, `maxTriggerRatioNum`.
const TRIGGER_RATIO: (u64, u64, u64) = (64, 45, 61);
/// Releases before this one compute the trigger in another way.
const KNOWN_TRIGGER: u16 = 21;

/// The state of the garbage collector when a cycle has just ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcState {
    pub pacing: GcPacing,
    pub counters: GcCounters,
}

/// When the next cycle is to come. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcPacing {
    /// GOGC in percent; `None` when it is off.
    pub gogc: Option<u32>,
    /// GOMEMLIMIT; `None` when it is off.
    pub memory_limit: Option<u64>,
    /// What GOMEMLIMIT limits: memory that the runtime has mapped and not released
    /// (`gcController.mappedReady`).
    pub mapped: u64,
    /// Live heap.
    pub heap_live: u64,
    /// Heap goal of the next cycle; `None` when neither GOGC nor GOMEMLIMIT sets one.
    pub goal: Option<u64>,
    /// What sets the goal.
    pub goal_by: GoalBy,
    /// Live heap at which the next cycle begins; `None` before Go 1.21, and without a goal.
    pub trigger: Option<u64>,
}

/// What sets a heap goal. A recording knows these by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GoalBy {
    /// Growth by GOGC percent.
    Gogc,
    /// The smallest heap that is worth a cycle: 4 MiB at GOGC=100.
    HeapMinimum,
    /// GOMEMLIMIT.
    MemoryLimit,
    /// Nothing: both are off.
    Nothing,
}

/// The runtime's own sums (`runtime.memstats`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcCounters {
    /// Cycles that were forced (`numforcedgc`).
    pub forced: u32,
    /// Stop-the-world time of all cycles, ns (`pause_total_ns`).
    pub pause_total_ns: u64,
    /// End of the last cycle, ns of `CLOCK_MONOTONIC` (`last_gc_nanotime`).
    pub last_end_ns: u64,
}

impl GcState {
    /// Decodes the bytes of a [`super::GcReadPlan`] made for the same layout.
    ///
    /// # Errors
    /// When the ranges are not those of the plan.
    pub fn decode(layout: &Layout, ranges: &[&[u8]]) -> Result<Self, GcError> {
        let copied = Copied::of(layout, ranges)?;
        let stats = &layout.stats;
        Ok(Self {
            pacing: Pacer::read(layout, &copied.controller).pacing(),
            counters: GcCounters {
                forced: copied.stats.u32(stats.numforcedgc),
                pause_total_ns: copied.pause_total_ns,
                last_end_ns: copied.stats.u64(stats.last_gc_nanotime),
            },
        })
    }
}

/// The inputs of the computation, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Pacer {
    release_minor: u16,
    gc_percent: i32,
    memory_limit: u64,
    heap_minimum: u64,
    runway: u64,
    percent_goal: u64,
    heap_live: u64,
    heap_marked: u64,
    heap_free: u64,
    /// In objects.
    heap_alloc: u64,
    mapped_ready: u64,
}

impl Pacer {
    fn read(layout: &Layout, fields: &Fields<'_>) -> Self {
        let c = &layout.controller;
        let allocated = fields.u64(c.total_alloc);
        Self {
            release_minor: layout.release.minor,
            gc_percent: fields.u32(c.gc_percent).cast_signed(),
            memory_limit: fields.u64(c.memory_limit),
            heap_minimum: fields.u64(c.heap_minimum),
            runway: fields.u64(c.runway),
            percent_goal: fields.u64(c.gc_percent_heap_goal),
            heap_live: fields.u64(c.heap_live),
            heap_marked: fields.u64(c.heap_marked),
            heap_free: fields.u64(c.heap_free),
            heap_alloc: allocated.wrapping_sub(fields.u64(c.total_free)),
            mapped_ready: fields.u64(c.mapped_ready),
        }
    }

    fn pacing(&self) -> GcPacing {
        let (goal, goal_by) = self.goal();
        let has_goal = goal_by != GoalBy::Nothing;
        let trigger = has_goal && self.release_minor >= KNOWN_TRIGGER;
        GcPacing {
            gogc: u32::try_from(self.gc_percent).ok(),
            memory_limit: self.limit(),
            mapped: self.mapped_ready,
            heap_live: self.heap_live,
            goal: has_goal.then_some(goal),
            goal_by,
            trigger: trigger.then(|| self.trigger(goal)),
        }
    }

    /// `math.MaxInt64` is off.
    fn limit(&self) -> Option<u64> {
        (self.memory_limit < i64::MAX.cast_unsigned()).then_some(self.memory_limit)
    }

    fn goal(&self) -> (u64, GoalBy) {
        let by_limit = self
            .limit()
            .map_or(u64::MAX, |limit| self.limit_goal(limit));
        if by_limit < self.percent_goal {
            return (by_limit, GoalBy::MemoryLimit);
        }
        let by = match self.percent_goal {
            u64::MAX => GoalBy::Nothing,
            goal if goal == self.heap_minimum => GoalBy::HeapMinimum,
            _ => GoalBy::Gogc,
        };
        (self.percent_goal, by)
    }

    /// What is left for the heap of the limit.
    fn limit_goal(&self, limit: u64) -> u64 {
        let in_heap = self.heap_free.saturating_add(self.heap_alloc);
        let other = self.mapped_ready.saturating_sub(in_heap);
        let overage = self.mapped_ready.saturating_sub(limit);
        let Some(goal) = limit.checked_sub(other.saturating_add(overage)) else {
            return self.heap_marked;
        };
        let percent = match self.release_minor {
            ..KNOWN_TRIGGER => 0,
            _ => HEADROOM_PERCENT,
        };
        let headroom = (goal / 100 * percent).max(MIN_HEADROOM);
        let goal = match goal.checked_sub(headroom) {
            Some(rest) if rest >= headroom => rest,
            _ => headroom,
        };
        goal.max(self.heap_marked)
    }

    fn trigger(&self, goal: u64) -> u64 {
        let Some(growth) = goal.checked_sub(self.heap_marked).filter(|g| *g > 0) else {
            return goal;
        };
        let (parts, least, most) = TRIGGER_RATIO;
        let at = |ratio: u64| (growth / parts * ratio).saturating_add(self.heap_marked);
        let lowest = at(least);
        let highest = at(most)
            .max(goal.saturating_sub(DEFAULT_HEAP_MINIMUM))
            .max(lowest);
        let trigger = goal.checked_sub(self.runway).unwrap_or(lowest);
        trigger.clamp(lowest, highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pacer() -> Pacer {
        Pacer {
            release_minor: 27,
            gc_percent: 100,
            memory_limit: i64::MAX.cast_unsigned(),
            heap_minimum: 4 * MIB,
            runway: MIB,
            percent_goal: 40 * MIB,
            heap_live: 21 * MIB,
            heap_marked: 20 * MIB,
            heap_free: 5 * MIB,
            heap_alloc: 20 * MIB,
            mapped_ready: 30 * MIB,
        }
    }

    #[test]
    fn gogc_sets_the_goal() {
        let pacing = pacer().pacing();
        assert_eq!((pacing.gogc, pacing.memory_limit), (Some(100), None));
        assert_eq!(
            (pacing.goal, pacing.goal_by),
            (Some(40 * MIB), GoalBy::Gogc)
        );
        // Between 45/64 and 61/64 of the way, or the minimum heap before the goal.
        assert_eq!(pacing.trigger, Some(39 * MIB));
        let early = Pacer {
            runway: 30 * MIB,
            ..pacer()
        };
        assert_eq!(early.pacing().trigger, Some(20 * MIB + 20 * MIB / 64 * 45));
        let late = Pacer {
            runway: 0,
            ..pacer()
        };
        assert_eq!(late.pacing().trigger, Some(20 * MIB + 20 * MIB / 64 * 61));
        let small = Pacer {
            percent_goal: 4 * MIB,
            heap_marked: MIB,
            ..pacer()
        };
        assert_eq!(small.pacing().goal_by, GoalBy::HeapMinimum);
    }

    #[test]
    fn a_memory_limit_below_sets_it_instead() {
        let limited = Pacer {
            memory_limit: 36 * MIB,
            ..pacer()
        };
        // 36 less the 5 outside of the heap, less 1 of headroom.
        let pacing = limited.pacing();
        assert_eq!(
            (pacing.goal, pacing.goal_by),
            (Some(30 * MIB), GoalBy::MemoryLimit)
        );
        let off = Pacer {
            gc_percent: -1,
            percent_goal: u64::MAX,
            ..limited
        };
        assert_eq!(off.pacing().gogc, None);
        assert_eq!(off.pacing().goal, Some(30 * MIB));
        let over = Pacer {
            memory_limit: 4 * MIB,
            ..pacer()
        };
        assert_eq!(over.pacing().goal, Some(20 * MIB), "what is live");
    }

    #[test]
    fn without_both_there_is_no_goal() {
        let off = Pacer {
            gc_percent: -1,
            percent_goal: u64::MAX,
            ..pacer()
        };
        let pacing = off.pacing();
        assert_eq!((pacing.goal, pacing.goal_by), (None, GoalBy::Nothing));
        assert_eq!(pacing.trigger, None);
    }

    #[test]
    fn nonsense_is_computed_without_a_panic() {
        for value in [0, 1, u64::MAX / 2, u64::MAX] {
            let odd = Pacer {
                memory_limit: value / 3,
                runway: value,
                percent_goal: value,
                heap_marked: value,
                heap_free: value,
                heap_alloc: value,
                mapped_ready: value,
                ..pacer()
            };
            let _ = odd.pacing();
        }
    }
}
