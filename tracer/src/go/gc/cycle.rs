//! One finished GC cycle.

use serde::{Deserialize, Serialize};

use crate::go::layout::Layout;

use super::plan::{Copied, Fields, RANGES};

/// One GC cycle, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GcCycle {
    /// Number of the cycle since the process began, 1 for the first.
    pub number: u32,
    /// Start of the cycle, ns since the runtime was initialised.
    pub start_ns: u64,
    /// Start of the cycle, ns of `CLOCK_MONOTONIC`.
    pub start_monotonic_ns: u64,
    /// Share of all CPU time since the start that went into GC, 0 to 1.
    pub cpu_fraction: f64,
    /// Wall-clock durations.
    pub wall: GcWall,
    /// CPU time.
    pub cpu: GcCpu,
    /// Stop-the-world time of the cycle as the runtime sums it, ns; includes stopping.
    pub pause_ns: u64,
    /// Live heap at the start, bytes.
    pub heap_start: u64,
    /// Live heap when marking ended, bytes.
    pub heap_end: u64,
    /// Heap found live, bytes.
    pub heap_marked: u64,
    /// Heap goal of the cycle, bytes.
    pub heap_goal: u64,
    /// Scannable stack, bytes.
    pub stacks: u64,
    /// Scannable globals, bytes.
    pub globals: u64,
    /// Ps that took part.
    pub procs: i32,
    /// Asked for by the program.
    pub forced: bool,
    /// The cycle looked for leaked goroutines (Go 1.26). The runtime has cleared its mark by the
    /// end of a cycle, so [`GcCycle::decode`] never sets this: a probe on
    /// `runtime.findGoroutineLeaks` does.
    pub leak_check: bool,
}

/// Wall-clock durations of a cycle, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcWall {
    /// Sweep termination, the world stopped.
    pub sweep_term: u64,
    /// Concurrent marking.
    pub mark: u64,
    /// Mark termination, the world stopped.
    pub mark_term: u64,
}

/// CPU time of a cycle, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcCpu {
    /// Sweep termination: duration times Ps.
    pub sweep_term: u64,
    /// Marking done by allocating goroutines.
    pub assist: u64,
    /// Dedicated mark workers.
    pub dedicated: u64,
    /// Fractional mark workers.
    pub fractional: u64,
    /// Idle-time mark workers.
    pub idle: u64,
    /// Mark termination: duration times Ps.
    pub mark_term: u64,
}

/// Why bytes are not a finished cycle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GcError {
    /// A range has another length than the plan asks for.
    #[error("range {index} of a GC record has {len} bytes, expected {expected}; was it cut?")]
    Length {
        /// Position of the range in the plan.
        index: usize,
        /// Its length.
        len: usize,
        /// The plan's length.
        expected: usize,
    },
    /// Ranges are missing.
    #[error("a GC record has {count} ranges, expected {RANGES}; was it made by another version?")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// No cycle has ended yet.
    #[error("the target has not finished a GC cycle yet")]
    None,
    /// The bytes were copied while a cycle was running.
    #[error("cycle {started} has begun and {finished} has ended: copied in the middle of a cycle")]
    Unfinished {
        /// Cycles begun.
        started: u32,
        /// Cycles ended.
        finished: u32,
    },
    /// A value that cannot be.
    #[error("{field} of a GC record is implausible; the runtime differs from the known layout")]
    Implausible {
        /// The runtime field.
        field: &'static str,
    },
}

impl GcCycle {
    /// Decodes the bytes of a [`super::GcReadPlan`] made for the same layout.
    ///
    /// Bytes that contradict themselves are refused, among them those copied while a cycle runs.
    pub fn decode(layout: &Layout, ranges: &[&[u8]]) -> Result<Self, GcError> {
        let copied = Copied::of(layout, ranges)?;
        let work = &copied.work;
        let cycle = assemble(layout, &copied);
        let started = work.u32(layout.work.cycles);
        if started != cycle.number {
            return Err(GcError::Unfinished {
                started,
                finished: cycle.number,
            });
        }
        if started == 0 {
            return Err(GcError::None);
        }
        check(&cycle, &times(layout, work))?;
        Ok(cycle)
    }

    /// When it ended, ns of `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn end_monotonic_ns(&self) -> u64 {
        let GcWall {
            sweep_term,
            mark,
            mark_term,
        } = self.wall;
        [sweep_term, mark, mark_term]
            .into_iter()
            .fold(self.start_monotonic_ns, u64::saturating_add)
    }

    /// CPU time that the cycle took from the program, ns: all but idle-time marking.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        let cpu = &self.cpu;
        let parts = [
            cpu.sweep_term,
            cpu.assist,
            cpu.dedicated,
            cpu.fractional,
            cpu.mark_term,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

fn times(layout: &Layout, work: &Fields<'_>) -> [u64; 4] {
    let at = &layout.work;
    [at.t_sweep_term, at.t_mark, at.t_mark_term, at.t_end].map(|offset| work.u64(offset))
}

fn assemble(layout: &Layout, copied: &Copied<'_>) -> GcCycle {
    let Copied {
        work,
        controller,
        stats,
        init_time,
        ..
    } = copied;
    let (w, c, s) = (&layout.work, &layout.controller, &layout.stats);
    let [sweep_term, mark, mark_term, end] = times(layout, work);
    let wall = GcWall {
        sweep_term: mark.wrapping_sub(sweep_term),
        mark: mark_term.wrapping_sub(mark),
        mark_term: end.wrapping_sub(mark_term),
    };
    // As the runtime: the number of Ps, sign-extended, times the duration.
    let on_all = |duration: u64| {
        let procs = i64::from(work.u32(w.stwprocs).cast_signed());
        procs.cast_unsigned().wrapping_mul(duration)
    };
    GcCycle {
        number: stats.u32(s.numgc),
        start_ns: sweep_term.wrapping_sub(*init_time),
        start_monotonic_ns: sweep_term,
        cpu_fraction: f64::from_bits(stats.u64(s.gc_cpu_fraction)),
        wall,
        cpu: GcCpu {
            sweep_term: on_all(wall.sweep_term),
            assist: controller.u64(c.assist_time),
            dedicated: controller.u64(c.dedicated_mark_time),
            fractional: controller.u64(c.fractional_mark_time),
            idle: controller.u64(c.idle_mark_time),
            mark_term: on_all(wall.mark_term),
        },
        pause_ns: work.u64(w.pause_ns),
        heap_start: work.u64(w.heap0),
        heap_end: work.u64(w.heap1),
        heap_marked: work.u64(w.heap2),
        heap_goal: controller.u64(c.last_heap_goal),
        stacks: controller.u64(layout.traced_stack_scan()),
        globals: controller.u64(c.globals_scan),
        procs: work.u32(w.maxprocs).cast_signed(),
        forced: work.u8(w.user_forced) != 0,
        leak_check: false,
    }
}

fn check(cycle: &GcCycle, times: &[u64; 4]) -> Result<(), GcError> {
    let implausible = |field| Err(GcError::Implausible { field });
    if !times.is_sorted() || times[3] > i64::MAX.cast_unsigned() {
        return implausible("work.tSweepTerm to work.tEnd");
    }
    if cycle.start_ns > cycle.start_monotonic_ns {
        return implausible("runtimeInitTime");
    }
    if !(0.0..=1.0).contains(&cycle.cpu_fraction) {
        return implausible("memstats.gc_cpu_fraction");
    }
    if !(1..=1 << 16).contains(&cycle.procs) {
        return implausible("work.maxprocs");
    }
    Ok(())
}
