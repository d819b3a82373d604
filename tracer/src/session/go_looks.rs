//! Looks at the schedulers of Go processes, without a probe.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::clock::now_ns;
use super::cpu_quota::CpuGroup;
use crate::event::{CpuQuota, GoMaxProcs, GoProcessorUse, GoScheduling};
use crate::go::{Memory, ProcessMemory, Runtime, Scheduler, TimeHistogram};

/// Time between two looks, at least.
const PERIOD: Duration = Duration::from_millis(10);
/// Of the time, at most one in so many parts is spent on looking.
const SHARE: u32 = 100;
/// `_Prunning`, `_Psyscall`, `_Pgcstop` (runtime/runtime2.go).
const RUNNING: u32 = 1;
const SYSCALL: u32 = 2;
const STOPPED: u32 = 3;

/// Looks at all processes in turn.
#[derive(Debug, Default)]
pub(super) struct GoLooks {
    by_pid: HashMap<u32, Looked>,
    next: Option<Instant>,
}

/// One process.
#[derive(Debug)]
struct Looked {
    memory: ProcessMemory,
    group: Option<CpuGroup>,
    cpus_allowed: Option<u32>,
    /// What is not told yet.
    sums: GoScheduling,
    before: Option<Counts>,
    quota_before: Option<CpuQuota>,
}

/// What the runtime counts, at the look before.
#[derive(Clone, Debug)]
struct Counts {
    ticks: Vec<u32>,
    latency: Option<TimeHistogram>,
    created: Option<u64>,
}

impl GoLooks {
    /// Looks, if it is time, at processes whose runtime is understood.
    pub(super) fn look<'a>(&mut self, processes: impl Iterator<Item = (u32, &'a Runtime)>) {
        let began = Instant::now();
        if self.next.is_some_and(|next| began < next) {
            return;
        }
        for (pid, runtime) in processes {
            let looked = self.by_pid.entry(pid).or_insert_with(|| Looked::new(pid));
            looked.look(runtime);
        }
        self.next = Some(began + PERIOD.max(began.elapsed() * SHARE));
    }

    /// What was seen since this was last called, by process.
    pub(super) fn take(&mut self) -> Vec<(u32, GoScheduling)> {
        let mut all: Vec<_> = self
            .by_pid
            .iter_mut()
            .map(|(&pid, looked)| (pid, looked.take(pid)))
            .filter(|(_, sums)| sums.looks > 0)
            .collect();
        all.sort_by_key(|a| a.0);
        all
    }
}

impl Looked {
    fn new(pid: u32) -> Self {
        let group = CpuGroup::of(pid);
        Self {
            memory: ProcessMemory::new(pid),
            quota_before: group.as_ref().map(CpuGroup::read),
            group,
            cpus_allowed: cpus_allowed(pid),
            sums: GoScheduling::default(),
            before: None,
        }
    }

    /// A process that ends, or has only just begun, shows nothing.
    fn look(&mut self, runtime: &Runtime) {
        let (layout, globals) = (runtime.layout, &runtime.globals);
        let Ok(state) = Scheduler::read(&self.memory, layout, globals, now_ns()) else {
            return;
        };
        let Some(gomaxprocs) = u32::try_from(state.gomaxprocs).ok().filter(|&n| n > 0) else {
            return;
        };
        let counts = self.counts(runtime, &state);
        self.add_state(&state, gomaxprocs);
        if let Some(before) = self.before.replace(counts.clone()) {
            self.add_counts(&counts, &before);
        }
    }

    fn counts(&self, runtime: &Runtime, state: &Scheduler) -> Counts {
        let (layout, globals) = (runtime.layout, &runtime.globals);
        let at = globals.sched.wrapping_add(layout.sched.time_to_run.into());
        let latency = TimeHistogram::read(&self.memory, layout, at);
        Counts {
            ticks: state.processors.iter().map(|p| p.ticks).collect(),
            latency: latency.ok().flatten(),
            created: self.created(runtime),
        }
    }

    /// Goroutines ever made: each P counts those that it has made since it was last idle.
    fn created(&self, runtime: &Runtime) -> Option<u64> {
        let (layout, globals) = (runtime.layout, &runtime.globals);
        let of_all = layout.sched.goroutines_created?;
        let of_p = layout.p.goroutines_created?;
        let word = |at: u64| self.memory.read_u64(at).ok();
        let mut sum = word(globals.sched.wrapping_add(of_all.into()))?;
        let (list, count) = (word(globals.allp)?, word(globals.allp.wrapping_add(8))?);
        for index in 0..count.min(1 << 16) {
            let p = word(list.wrapping_add(index * 8))?;
            sum = sum.wrapping_add(word(p.wrapping_add(of_p.into()))?);
        }
        Some(sum)
    }

    fn add_state(&mut self, state: &Scheduler, gomaxprocs: u32) {
        let sums = &mut self.sums;
        let (is_first, last) = (sums.looks == 0, sums.gomaxprocs.last);
        let changed = last != 0 && last != gomaxprocs;
        let (min, max) = match is_first {
            true => (gomaxprocs, gomaxprocs),
            false => (sums.gomaxprocs.min, sums.gomaxprocs.max),
        };
        sums.gomaxprocs = GoMaxProcs {
            last: gomaxprocs,
            min: min.min(gomaxprocs),
            max: max.max(gomaxprocs),
            changes: sums.gomaxprocs.changes + u64::from(changed),
        };
        sums.looks += 1;
        let count = |n: i32| u64::try_from(n).unwrap_or(0);
        sums.global_queue.add(count(state.run_queue));
        sums.idle_processors.add(count(state.idle_processors));
        sums.threads.add(u64::try_from(state.threads).unwrap_or(0));
        sums.idle_threads.add(count(state.idle_threads));
        sums.spinning_threads.add(count(state.spinning));
        if sums.processors.len() < state.processors.len() {
            let more = state.processors.len();
            sums.processors.resize(more, GoProcessorUse::default());
        }
        for (sum, p) in sums.processors.iter_mut().zip(&state.processors) {
            match p.status {
                RUNNING => sum.running += 1,
                SYSCALL => sum.in_syscall += 1,
                STOPPED => sum.stopped += 1,
                _ => {}
            }
            // Head and tail are read one after the other.
            let queue = p.run_queue.cast_signed().max(0).cast_unsigned();
            sum.queue.add(u64::from(queue));
        }
    }

    fn add_counts(&mut self, now: &Counts, before: &Counts) {
        let sums = &mut self.sums;
        let ticks = now.ticks.iter().zip(&before.ticks);
        for (sum, (now, before)) in sums.processors.iter_mut().zip(ticks) {
            sum.ticks += u64::from(now.wrapping_sub(*before));
        }
        if let (Some(now), Some(before)) = (&now.latency, &before.latency) {
            let new = now.since(before);
            sums.latency.get_or_insert_default().merge(&new);
        }
        if let (Some(now), Some(before)) = (now.created, before.created) {
            *sums.created.get_or_insert(0) += now.saturating_sub(before);
        }
    }

    fn take(&mut self, pid: u32) -> GoScheduling {
        let last = self.sums.gomaxprocs.last;
        let next = GoScheduling {
            gomaxprocs: GoMaxProcs {
                last,
                ..GoMaxProcs::default()
            },
            ..GoScheduling::default()
        };
        let mut sums = std::mem::replace(&mut self.sums, next);
        self.cpus_allowed = cpus_allowed(pid).or(self.cpus_allowed);
        sums.cpus_allowed = self.cpus_allowed;
        sums.quota = self.group.as_ref().map(|group| {
            let now = group.read();
            let before = self.quota_before.replace(now).unwrap_or(now);
            CpuQuota {
                milli_cpus: now.milli_cpus,
                periods: now.periods.saturating_sub(before.periods),
                throttled: now.throttled.saturating_sub(before.throttled),
                throttled_ns: now.throttled_ns.saturating_sub(before.throttled_ns),
            }
        });
        sums
    }
}

/// CPUs that the process may run on; `None` when it is gone.
fn cpus_allowed(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let ones = mask.chars().filter_map(|c| c.to_digit(16));
    Some(ones.map(u32::count_ones).sum())
}
