//! What BPF programs counted in maps, read at intervals and at the end.

use serde::{Deserialize, Serialize};
use tracer_common::histogram;

use super::StackEnd;

/// Counts and durations of one kind of thing. Times in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub errors: u64,
    pub total_ns: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    /// Non-empty buckets as (index, count); see [`tracer_common::histogram`].
    pub buckets: Vec<(u16, u64)>,
}

impl Latency {
    /// Adds another set of measurements to this one.
    pub fn merge(&mut self, other: &Self) {
        self.min_ns = match (self.measured(), other.measured()) {
            (0, _) => other.min_ns,
            (_, 0) => self.min_ns,
            _ => self.min_ns.min(other.min_ns),
        };
        self.max_ns = self.max_ns.max(other.max_ns);
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        for &(index, count) in &other.buckets {
            match self.buckets.binary_search_by_key(&index, |b| b.0) {
                Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
                Err(at) => self.buckets.insert(at, (index, count)),
            }
        }
    }

    /// Measurements that have a duration; the rest of `count` ended without a seen beginning.
    #[must_use]
    pub fn measured(&self) -> u64 {
        self.buckets.iter().fold(0, |n, b| n.saturating_add(b.1))
    }

    /// The duration in ns that a share `q` (0 to 1) of the measurements did not exceed, to within
    /// the width of a bucket; `None` without measurements.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let measured = self.measured();
        if measured == 0 {
            return None;
        }
        let rank = ((q * measured as f64).ceil() as u64).clamp(1, measured);
        let mut seen: u64 = 0;
        for &(index, count) in &self.buckets {
            seen = seen.saturating_add(count);
            if seen >= rank {
                // Not `clamp`: a recording may hold a minimum above its maximum.
                return Some(bucket_middle(index).max(self.min_ns).min(self.max_ns));
            }
        }
        Some(self.max_ns)
    }
}

fn bucket_middle(index: u16) -> u64 {
    let index = usize::from(index).min(histogram::BUCKETS - 1);
    let low = histogram::lower_bound(index);
    if index + 1 == histogram::BUCKETS {
        return low;
    }
    low + (histogram::lower_bound(index + 1) - low) / 2
}

/// Calls of one syscall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallLatency {
    pub nr: u32,
    pub latency: Latency,
}

/// Time one thread spent off the CPU with one stack. Addresses innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffCpuStack {
    pub comm: String,
    /// `task_struct.__state` at the switch; 0 is preempted while runnable.
    pub state: u32,
    pub kernel: Vec<u64>,
    pub user: Vec<u64>,
    pub user_end: StackEnd,
    /// A stack was as long as the kernel's limit.
    pub truncated: bool,
    pub count: u64,
    /// From leaving the CPU to being woken.
    pub blocked_ns: u64,
    /// From being woken or preempted to running.
    pub runnable_ns: u64,
    pub max_ns: u64,
}

/// Who made a thread runnable, and how it came to that. Addresses innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Waker {
    /// 0 for a CPU that was idle.
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    /// In an interrupt, also what it interrupted.
    pub kernel: Vec<u64>,
    pub user: Vec<u64>,
    /// The user stack could not be stored or read.
    pub user_missing: bool,
}

/// Time off the CPU of which more is known than its stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub stack: OffCpuStack,
    /// The thread was off the CPU when the run began: only the innermost address is known, and the
    /// time from then on.
    pub before_run: bool,
    /// It still was when the run ended: the time is that until then.
    pub open: bool,
    pub waker: Option<Waker>,
}

/// How long a thread was there, and on a CPU, exactly. Times in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadCpu {
    pub comm: String,
    /// From its beginning or that of the run to its end or that of the run.
    pub elapsed_ns: u64,
    pub cpu_ns: u64,
}

/// Scheduling of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueueThread {
    pub comm: String,
    pub voluntary: u64,
    pub involuntary: u64,
    pub migrations: u64,
    /// From runnable to running.
    pub latency: Latency,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Latency {
        let mut all = Latency::default();
        for &v in values {
            all.merge(&Latency {
                count: 1,
                errors: 0,
                total_ns: v,
                min_ns: v,
                max_ns: v,
                buckets: vec![(histogram::bucket(v) as u16, 1)],
            });
        }
        all
    }

    #[test]
    fn quantiles_lie_within_a_bucket_of_the_true_value() {
        let values: Vec<u64> = (1..=1000).map(|i| i * 1000).collect();
        let latency = of(&values);
        assert_eq!(latency.count, 1000);
        assert_eq!((latency.min_ns, latency.max_ns), (1000, 1_000_000));
        for (q, want) in [(0.5, 500_000.0), (0.9, 900_000.0), (0.99, 990_000.0)] {
            let got = latency.quantile(q).expect("measured") as f64;
            assert!(
                (got / want - 1.0).abs() < 0.125,
                "{q}: {got} against {want}"
            );
        }
        let nonsense = Latency {
            count: u64::MAX,
            min_ns: 9,
            max_ns: 1,
            buckets: vec![(u16::MAX, u64::MAX), (3, u64::MAX)],
            ..Latency::default()
        };
        let mut twice = nonsense.clone();
        twice.merge(&nonsense);
        assert_eq!(
            twice.quantile(0.99),
            Some(1),
            "a recording can hold anything"
        );
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[77]).quantile(0.99), Some(77));
    }
}
