//! What looks at Go's scheduler have shown, since they were last told.

use serde::{Deserialize, Serialize};

use super::Latency;

/// Looks at the scheduler of one process, and what the runtime counted meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoScheduling {
    pub looks: u64,
    /// `GOMAXPROCS`: the last, the least and the most.
    pub gomaxprocs: GoMaxProcs,
    /// In the order of their numbers.
    pub processors: Vec<GoProcessorUse>,
    /// Goroutines in the queue of all Ps.
    pub global_queue: Seen,
    pub idle_processors: Seen,
    /// Ms: threads that the runtime has.
    pub threads: Seen,
    pub idle_threads: Seen,
    /// Ms that look for work.
    pub spinning_threads: Seen,
    /// From runnable to running, as the runtime itself measures it: one in eight times of each
    /// goroutine. `None` where the release's histogram is not known.
    pub latency: Option<Latency>,
    /// Goroutines that were made; Go 1.26.
    pub created: Option<u64>,
    /// CPUs that the process may run on.
    pub cpus_allowed: Option<u32>,
    pub quota: Option<CpuQuota>,
}

/// `GOMAXPROCS` over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoMaxProcs {
    pub last: u32,
    pub min: u32,
    pub max: u32,
    /// Times it was another than at the look before.
    pub changes: u64,
}

/// A number that was looked at several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub sum: u64,
    pub max: u64,
}

impl Seen {
    /// Takes one more.
    pub fn add(&mut self, value: u64) {
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Takes those of another.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// What a P was seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoProcessorUse {
    /// Looks at which it ran Go code, or was kept for a thread in a syscall.
    pub running: u64,
    /// Looks at which it was in a syscall, which Go before 1.26 tells.
    pub in_syscall: u64,
    /// Looks at which the world was stopped.
    pub stopped: u64,
    /// Goroutines in its own queue.
    pub queue: Seen,
    /// Rounds of the scheduler.
    pub ticks: u64,
}

/// What the control group of a process allows, and has withheld.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// Thousandths of a CPU; `None` when there is no limit.
    pub milli_cpus: Option<u64>,
    /// Periods in which it ran, of these throttled, and for how long, summed over CPUs in ns.
    pub periods: u64,
    pub throttled: u64,
    pub throttled_ns: u64,
}

impl GoScheduling {
    /// Adds what came later.
    pub fn merge(&mut self, later: &Self) {
        let before = self.gomaxprocs;
        self.gomaxprocs = match (self.looks, later.looks) {
            (_, 0) => before,
            (0, _) => later.gomaxprocs,
            _ => GoMaxProcs {
                last: later.gomaxprocs.last,
                min: before.min.min(later.gomaxprocs.min),
                max: before.max.max(later.gomaxprocs.max),
                changes: before.changes.saturating_add(later.gomaxprocs.changes),
            },
        };
        self.looks = self.looks.saturating_add(later.looks);
        if self.processors.len() < later.processors.len() {
            let more = later.processors.len();
            self.processors.resize(more, GoProcessorUse::default());
        }
        for (sum, p) in self.processors.iter_mut().zip(&later.processors) {
            sum.running = sum.running.saturating_add(p.running);
            sum.in_syscall = sum.in_syscall.saturating_add(p.in_syscall);
            sum.stopped = sum.stopped.saturating_add(p.stopped);
            sum.queue.merge(&p.queue);
            sum.ticks = sum.ticks.saturating_add(p.ticks);
        }
        self.global_queue.merge(&later.global_queue);
        self.idle_processors.merge(&later.idle_processors);
        self.threads.merge(&later.threads);
        self.idle_threads.merge(&later.idle_threads);
        self.spinning_threads.merge(&later.spinning_threads);
        if let Some(latency) = &later.latency {
            self.latency.get_or_insert_default().merge(latency);
        }
        if let Some(created) = later.created {
            let sum = self.created.get_or_insert(0);
            *sum = sum.saturating_add(created);
        }
        self.cpus_allowed = later.cpus_allowed.or(self.cpus_allowed);
        if let Some(quota) = later.quota {
            let sum = self.quota.get_or_insert_default();
            sum.milli_cpus = quota.milli_cpus;
            sum.periods = sum.periods.saturating_add(quota.periods);
            sum.throttled = sum.throttled.saturating_add(quota.throttled);
            sum.throttled_ns = sum.throttled_ns.saturating_add(quota.throttled_ns);
        }
    }
}
