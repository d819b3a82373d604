//! What a control group allows its processes of the CPUs.
//!
//! Version 2: `cpu.max` and `cpu.stat` (Documentation/admin-guide/cgroup-v2.rst); version 1:
//! `cpu.cfs_quota_us`, `cpu.cfs_period_us` and `cpu.stat` (Documentation/scheduler/sched-bwc.rst).

use std::fs;
use std::path::{Path, PathBuf};

use crate::event::CpuQuota;

/// Where groups are mounted.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The groups of a process, from its own to the root.
#[derive(Clone, Debug)]
pub(super) struct CpuGroup {
    directories: Vec<PathBuf>,
}

impl CpuGroup {
    /// That of a process; `None` when it is not to be seen from here.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let own = directory(&text, |path| path.is_dir())?;
        let is_group = |path: &&Path| path.join("cgroup.procs").exists();
        let directories = own.ancestors().take_while(is_group);
        Some(Self {
            directories: directories.map(Path::to_owned).collect(),
        })
    }

    /// The smallest quota of all, and what the group that has it has withheld so far.
    pub(super) fn read(&self) -> CpuQuota {
        let limited = self.directories.iter().filter_map(|directory| {
            let milli_cpus = quota(directory)?;
            Some((milli_cpus, directory))
        });
        let Some((milli_cpus, directory)) = limited.min_by_key(|l| l.0) else {
            return CpuQuota::default();
        };
        let stat = fs::read_to_string(directory.join("cpu.stat")).unwrap_or_default();
        CpuQuota {
            milli_cpus: Some(milli_cpus),
            ..throttling(&stat)
        }
    }
}

/// The directory of the group in `/proc/PID/cgroup` that has a say about CPUs: that of version 1, if
/// it has the controller, else that of version 2.
fn directory(text: &str, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let fields = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((controllers.to_owned(), path.to_owned()))
    };
    let lines: Vec<(String, String)> = text.lines().filter_map(fields).collect();
    let below = |root: &str, path: &str| {
        let group = Path::new(root).join(path.trim_start_matches('/'));
        exists(&group).then_some(group)
    };
    let old = lines
        .iter()
        .find(|(controllers, _)| controllers.split(',').any(|c| c == "cpu"));
    if let Some((controllers, path)) = old {
        let roots = [
            format!("{}/{controllers}", ROOTS[0]),
            format!("{}/cpu", ROOTS[0]),
        ];
        return roots.iter().find_map(|root| below(root, path));
    }
    let (_, path) = lines
        .iter()
        .find(|(controllers, _)| controllers.is_empty())?;
    ROOTS.iter().find_map(|root| below(root, path))
}

/// Thousandths of a CPU; `None` without a limit.
fn quota(directory: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
    if let Some(text) = read("cpu.max") {
        return of_max(&text);
    }
    let number = |name: &str| read(name)?.trim().parse::<i64>().ok();
    let (quota, period) = (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?);
    milli_cpus(quota, period)
}

/// `QUOTA PERIOD` in µs, or `max PERIOD`.
fn of_max(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let (quota, period) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    milli_cpus(quota, period)
}

fn milli_cpus(quota_us: i64, period_us: i64) -> Option<u64> {
    let (quota, period) = (
        u64::try_from(quota_us).ok()?,
        u64::try_from(period_us).ok()?,
    );
    quota.checked_mul(1000)?.checked_div(period)
}

fn throttling(stat: &str) -> CpuQuota {
    let number = |name: &str| {
        let line = stat
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse::<u64>().ok())
    };
    // Version 1 counts in ns, version 2 in µs.
    let old = number("throttled_time");
    let new = number("throttled_usec").map(|us| us.saturating_mul(1000));
    CpuQuota {
        milli_cpus: None,
        periods: number("nr_periods").unwrap_or(0),
        throttled: number("nr_throttled").unwrap_or(0),
        throttled_ns: old.or(new).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_of_both_versions() {
        assert_eq!(of_max("150000 100000\n"), Some(1500));
        assert_eq!(of_max("max 100000\n"), None);
        assert_eq!(of_max("1 0"), None);
        assert_eq!(milli_cpus(-1, 100_000), None);
        assert_eq!(milli_cpus(20_000, 100_000), Some(200));
    }

    #[test]
    fn throttling_of_both_versions() {
        let old = throttling("nr_periods 10\nnr_throttled 3\nthrottled_time 45000000\n");
        assert_eq!(
            (old.periods, old.throttled, old.throttled_ns),
            (10, 3, 45_000_000)
        );
        let new = throttling("usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 45000\n");
        assert_eq!(new, old);
        assert_eq!(throttling(""), CpuQuota::default());
    }

    #[test]
    fn the_group_is_that_of_the_controller() {
        let all = |_: &Path| true;
        let group = |text: &str| directory(text, all).map(|d| d.display().to_string());
        let old = "3:memory:/m\n2:cpu,cpuacct:/app\n0::/unified\n";
        assert_eq!(
            group(old).as_deref(),
            Some("/sys/fs/cgroup/cpu,cpuacct/app")
        );
        assert_eq!(
            group("0::/a.slice/b\n").as_deref(),
            Some("/sys/fs/cgroup/a.slice/b")
        );
        assert_eq!(group("garbage"), None);
        let unified = |path: &Path| path.starts_with("/sys/fs/cgroup/unified");
        let found = directory("1:name=systemd:/\n0::/x\n", unified);
        assert_eq!(
            found.map(|d| d.display().to_string()).as_deref(),
            Some("/sys/fs/cgroup/unified/x")
        );
    }
}
