//! Go's scheduler over an interval: from sums of looks to shares and means.

use serde::{Deserialize, Serialize};

use super::go_handoffs::GoHandoffReport;
use crate::event::{CpuQuota, GoMaxProcs, GoScheduling, Latency, Seen};

/// The scheduler of one process. Times in ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoSchedulingReport {
    pub pid: u32,
    pub looks: u64,
    pub gomaxprocs: GoMaxProcs,
    pub processors: Vec<GoProcessorRow>,
    /// Goroutines in the queue of all Ps.
    pub global_queue: Mean,
    pub idle_processors: Mean,
    pub threads: Mean,
    pub idle_threads: Mean,
    pub spinning_threads: Mean,
    /// From runnable to running, as the runtime samples it; `None` where the release's histogram is
    /// not known.
    pub latency: Option<GoLatency>,
    pub created_per_second: Option<f64>,
    pub cpus_allowed: Option<u32>,
    pub quota: Option<CpuQuota>,
    /// Ps that threads lost in system calls; `None` where they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoffs: Option<GoHandoffReport>,
}

/// One P.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoProcessorRow {
    pub number: usize,
    /// Shares of the looks: running Go code (with syscalls, from Go 1.26 on), in a syscall, stopped
    /// with the world; the rest it was idle.
    pub running: f64,
    pub in_syscall: f64,
    pub stopped: f64,
    /// Goroutines in its own queue.
    pub queue: Mean,
    pub ticks_per_second: f64,
}

/// A number that was looked at several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    pub mean: f64,
    pub max: u64,
}

/// Durations from the runtime's histogram, to within a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoLatency {
    pub count: u64,
    pub p50_ns: Option<u64>,
    pub p95_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    /// None was longer.
    pub max_ns: u64,
}

impl GoSchedulingReport {
    /// The sums of an interval of so many ns.
    #[must_use]
    pub fn of(pid: u32, sums: &GoScheduling, interval_ns: u64) -> Self {
        let looks = sums.looks;
        let mean = |seen: &Seen| Mean {
            mean: share(seen.sum, looks),
            max: seen.max,
        };
        let processors = sums.processors.iter().enumerate().map(|(number, p)| {
            let of = |n: u64| share(n, looks);
            GoProcessorRow {
                number,
                running: of(p.running),
                in_syscall: of(p.in_syscall),
                stopped: of(p.stopped),
                queue: mean(&p.queue),
                ticks_per_second: per_second(p.ticks, interval_ns),
            }
        });
        Self {
            pid,
            looks,
            gomaxprocs: sums.gomaxprocs,
            processors: processors.collect(),
            global_queue: mean(&sums.global_queue),
            idle_processors: mean(&sums.idle_processors),
            threads: mean(&sums.threads),
            idle_threads: mean(&sums.idle_threads),
            spinning_threads: mean(&sums.spinning_threads),
            latency: sums.latency.as_ref().map(latency),
            created_per_second: sums.created.map(|n| per_second(n, interval_ns)),
            cpus_allowed: sums.cpus_allowed,
            quota: sums.quota,
            handoffs: None,
        }
    }

    /// What should be changed, in plain words.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let procs = u64::from(self.gomaxprocs.last);
        let quota = self.quota.unwrap_or_default();
        if let Some(milli) = quota.milli_cpus.filter(|&m| procs * 1000 > m) {
            let fitting = milli.div_ceil(1000).max(1);
            let advice = match fitting < procs {
                true => format!("; GOMAXPROCS={fitting} fits it (Go 1.25 sets that by itself)"),
                false => String::new(),
            };
            found.push(format!(
                "GOMAXPROCS={procs} is more than the {} CPUs that the control group allows{advice}",
                thousandths(milli)
            ));
        }
        if quota.throttled > 0 {
            found.push(format!(
                "the control group was throttled in {} of {} periods",
                quota.throttled, quota.periods
            ));
        }
        if let Some(cpus) = self.cpus_allowed.filter(|&cpus| procs > u64::from(cpus)) {
            found.push(format!(
                "GOMAXPROCS={procs} is more than the {cpus} CPUs that the process may run on"
            ));
        }
        if self.gomaxprocs.changes > 0 {
            let GoMaxProcs {
                min, max, changes, ..
            } = self.gomaxprocs;
            found.push(format!(
                "GOMAXPROCS changed {changes} times, from {min} to {max}"
            ));
        }
        found
    }
}

/// `1.5`, `2` or `0.25`.
#[must_use]
pub fn thousandths(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn latency(latency: &Latency) -> GoLatency {
    GoLatency {
        count: latency.count,
        p50_ns: latency.quantile(0.5),
        p95_ns: latency.quantile(0.95),
        p99_ns: latency.quantile(0.99),
        max_ns: latency.max_ns,
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn per_second(count: u64, interval_ns: u64) -> f64 {
    match interval_ns {
        0 => 0.0,
        ns => count as f64 * 1e9 / ns as f64,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::GoProcessorUse;

    /// Four looks at two Ps, one of which always ran.
    pub(crate) fn sums() -> GoScheduling {
        let busy = GoProcessorUse {
            running: 4,
            queue: Seen { sum: 6, max: 3 },
            ticks: 500,
            ..GoProcessorUse::default()
        };
        GoScheduling {
            looks: 4,
            gomaxprocs: GoMaxProcs {
                last: 2,
                min: 2,
                max: 2,
                changes: 0,
            },
            processors: vec![
                busy,
                GoProcessorUse {
                    running: 1,
                    stopped: 1,
                    ..GoProcessorUse::default()
                },
            ],
            global_queue: Seen { sum: 2, max: 2 },
            idle_processors: Seen { sum: 3, max: 1 },
            threads: Seen { sum: 20, max: 5 },
            idle_threads: Seen { sum: 8, max: 2 },
            spinning_threads: Seen { sum: 1, max: 1 },
            latency: Some(Latency {
                count: 3,
                min_ns: 256,
                max_ns: 1023,
                total_ns: 1000,
                buckets: vec![(30, 2), (36, 1)],
                errors: 0,
            }),
            created: Some(30),
            cpus_allowed: Some(8),
            quota: Some(CpuQuota {
                milli_cpus: Some(1500),
                periods: 10,
                throttled: 3,
                throttled_ns: 45_000_000,
            }),
        }
    }

    #[test]
    fn sums_become_shares_and_means() {
        let report = GoSchedulingReport::of(70, &sums(), 2_000_000_000);
        assert_eq!(report.processors[0].queue, Mean { mean: 1.5, max: 3 });
        assert!((report.processors[1].running - 0.25).abs() < 1e-9);
        assert!((report.processors[0].ticks_per_second - 250.0).abs() < 1e-9);
        assert_eq!(report.created_per_second, Some(15.0));
        assert_eq!(report.idle_processors, Mean { mean: 0.75, max: 1 });
        assert_eq!(
            report.findings(),
            [
                "GOMAXPROCS=2 is more than the 1.5 CPUs that the control group allows",
                "the control group was throttled in 3 of 10 periods",
            ]
        );
        let nothing = GoSchedulingReport::of(70, &GoScheduling::default(), 0);
        assert_eq!(nothing.findings(), Vec::<String>::new());
    }

    #[test]
    fn too_many_ps_are_told_with_what_fits() {
        let mut many = sums();
        many.gomaxprocs = GoMaxProcs {
            last: 16,
            min: 2,
            max: 16,
            changes: 1,
        };
        let findings = GoSchedulingReport::of(70, &many, 1).findings();
        assert_eq!(
            findings[0],
            "GOMAXPROCS=16 is more than the 1.5 CPUs that the control group allows; GOMAXPROCS=2 \
             fits it (Go 1.25 sets that by itself)"
        );
        assert_eq!(
            findings[2..],
            [
                "GOMAXPROCS=16 is more than the 8 CPUs that the process may run on",
                "GOMAXPROCS changed 1 times, from 2 to 16",
            ]
        );
        assert_eq!(thousandths(250), "0.25");
        assert_eq!(thousandths(2000), "2");
    }

    #[test]
    fn intervals_add_up() {
        let mut both = sums();
        both.merge(&sums());
        assert_eq!((both.looks, both.processors[0].ticks), (8, 1000));
        assert_eq!(both.global_queue, Seen { sum: 4, max: 2 });
        assert_eq!(both.latency.map(|l| l.count), Some(6));
        assert_eq!(both.quota.map(|q| q.throttled), Some(6));
        let mut none = GoScheduling::default();
        none.merge(&sums());
        assert_eq!(none, sums());
    }
}
