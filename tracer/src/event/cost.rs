//! What a run cost, predicted from hits and prices; see the `cost` module.

use serde::{Deserialize, Serialize};

/// The bill of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Time the bill is about.
    pub wall_ns: u64,
    /// CPU time of the targets in that time, what the probes took included.
    pub target_cpu_ns: u64,
    /// CPUs of the host.
    pub cpus: u32,
    /// Dearest first.
    pub charges: Vec<Charge>,
    /// Every price was measured on the host; otherwise some are those of another machine.
    pub measured: bool,
    /// The kernel's own figures, when `kernel.bpf_stats_enabled` is set.
    pub kernel: Option<KernelTime>,
}

/// What one kind of probe cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Names of the programs.
    pub probes: String,
    /// Hits by the targets.
    pub hits: u64,
    /// Mean price of a hit.
    pub each_ns: u64,
    /// What the targets paid.
    pub target_ns: u64,
    /// Hits by other processes, which the filter turned away.
    pub other_hits: u64,
    /// What other processes paid.
    pub other_ns: u64,
}

/// `run_cnt` and `run_time_ns` of the programs (`struct bpf_prog_info`): the time in the programs,
/// without that of getting there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelTime {
    pub runs: u64,
    pub ns: u64,
}

/// From now on some probes measure less than was asked for, since they cost too much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curbed {
    /// Which: as [`Charge::probes`].
    pub probes: String,
    /// Of so many hits one is measured, and counts for all; 0 when they are detached.
    pub one_in: u32,
}

impl Cost {
    /// What the targets paid for all probes, in ns.
    #[must_use]
    pub fn target_ns(&self) -> u64 {
        let paid = self.charges.iter().map(|c| c.target_ns);
        paid.fold(0, u64::saturating_add)
    }

    /// What all other processes paid, in ns.
    #[must_use]
    pub fn other_ns(&self) -> u64 {
        let paid = self.charges.iter().map(|c| c.other_ns);
        paid.fold(0, u64::saturating_add)
    }

    /// Percent of the targets' CPU time that the probes took: at most 100.
    #[must_use]
    pub fn percent_of_cpu(&self) -> f64 {
        share(self.target_ns(), self.target_cpu_ns).min(100.0)
    }

    /// The same as percent of the time of one CPU: several threads may exceed 100.
    #[must_use]
    pub fn percent_of_wall(&self) -> f64 {
        share(self.target_ns(), self.wall_ns)
    }

    /// Percent of the host's CPUs that the probes took from other processes.
    #[must_use]
    pub fn percent_of_host(&self) -> f64 {
        share(
            self.other_ns(),
            self.wall_ns.saturating_mul(self.cpus.max(1).into()),
        )
    }

    /// As it stands in JSON documents.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "target_cpu_percent": rounded(self.percent_of_cpu()),
            "target_wall_percent": rounded(self.percent_of_wall()),
            "others_host_percent": rounded(self.percent_of_host()),
            "target_ns": self.target_ns(),
            "target_cpu_ns": self.target_cpu_ns,
            "others_ns": self.other_ns(),
            "wall_ns": self.wall_ns,
            "prices_measured": self.measured,
            "probes": self.charges,
            "kernel": self.kernel,
        })
    }
}

fn rounded(percent: f64) -> f64 {
    (percent * 1000.0).round() / 1000.0
}

/// Percent; nothing of nothing is 0, something of nothing all there is.
fn share(part: u64, whole: u64) -> f64 {
    match (part, whole) {
        (0, _) => 0.0,
        (_, 0) => 100.0,
        _ => part as f64 / whole as f64 * 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_nothing_and_of_everything() {
        let mut cost = Cost::default();
        assert_eq!((cost.percent_of_cpu(), cost.percent_of_host()), (0.0, 0.0));
        cost.charges = vec![
            Charge {
                target_ns: u64::MAX,
                other_ns: u64::MAX,
                ..Charge::default()
            };
            2
        ];
        assert_eq!((cost.target_ns(), cost.percent_of_cpu()), (u64::MAX, 100.0));
        cost.charges.truncate(1);
        cost.charges[0].target_ns = 4_000_000;
        cost.charges[0].other_ns = 1_000_000;
        cost.target_cpu_ns = 1_000_000_000;
        cost.wall_ns = 500_000_000;
        cost.cpus = 4;
        assert_eq!(cost.percent_of_cpu(), 0.4);
        assert_eq!(cost.percent_of_wall(), 0.8);
        assert_eq!(cost.percent_of_host(), 0.05);
        assert_eq!(cost.json()["target_cpu_percent"], 0.4);
    }
}
