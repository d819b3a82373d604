//! Values of processes that can be waited for, read from outside without stopping them.

use std::collections::HashMap;
use std::time::Instant;

use super::condition::Metric;
use crate::cost::{host_ns, process_ns};

/// Reads one metric of a set of processes.
#[derive(Debug)]
pub(super) struct Gauge {
    metric: Metric,
    /// `None` for the whole host.
    pids: Option<Vec<u32>>,
    /// For what grows all the time: when it was read last, and what it was, by process or thread.
    last: Option<(Instant, HashMap<u32, u64>)>,
}

impl Gauge {
    pub(super) const fn new(metric: Metric, pids: Option<Vec<u32>>) -> Self {
        Self {
            metric,
            pids,
            last: None,
        }
    }

    /// The value now, or that since the last call; `None` when it is not known yet.
    pub(super) fn read(&mut self) -> Option<f64> {
        let sum = |of: fn(u32) -> Option<u64>| {
            let pids = self.pids.iter().flatten();
            pids.filter_map(|&pid| of(pid)).reduce(u64::saturating_add)
        };
        match self.metric {
            Metric::Rss => sum(rss).map(|n| n as f64),
            Metric::Threads => sum(threads).map(|n| n as f64),
            Metric::Fds => sum(descriptors).map(|n| n as f64),
            Metric::Cpu => {
                let times = self.cpu_times();
                self.growth(Instant::now(), times)
            }
            Metric::RunQueue => {
                let times = self.pids.iter().flatten().flat_map(|&pid| run_delays(pid));
                let times = times.collect();
                self.growth(Instant::now(), times)
            }
        }
    }

    fn cpu_times(&self) -> HashMap<u32, u64> {
        match &self.pids {
            None => host_ns().into_iter().map(|ns| (0, ns)).collect(),
            Some(pids) => pids
                .iter()
                .filter_map(|&pid| Some((pid, process_ns(pid)?)))
                .collect(),
        }
    }

    /// ns in percent of the time since the last call. What has gone meanwhile does not count; what
    /// has come does so from the next time on.
    fn growth(&mut self, now: Instant, times: HashMap<u32, u64>) -> Option<f64> {
        let (then, before) = self.last.replace((now, times))?;
        let (_, times) = self.last.as_ref()?;
        let grown = times.iter().filter_map(|(id, ns)| {
            let before = before.get(id)?;
            Some(ns.saturating_sub(*before))
        });
        let passed = now.duration_since(then).as_nanos();
        (passed > 0).then(|| 100.0 * grown.fold(0, u64::saturating_add) as f64 / passed as f64)
    }
}

/// Bytes: the second number of /proc/PID/statm, in pages (man 5 proc).
fn rss(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages.saturating_mul(u64::try_from(page).ok()?))
}

/// `num_threads`: the 18th word behind the name in /proc/PID/stat (man 5 proc).
fn threads(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    thread_count(&String::from_utf8_lossy(&stat))
}

fn thread_count(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(17)?.parse().ok()
}

fn descriptors(pid: u32) -> Option<u64> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(fds.count() as u64)
}

/// ns on run queues, by thread.
fn run_delays(pid: u32) -> Vec<(u32, u64)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let delay = |task: std::fs::DirEntry| {
        let tid = task.file_name().to_str()?.parse().ok()?;
        let schedstat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((tid, run_delay(&schedstat)?))
    };
    tasks.flatten().filter_map(delay).collect()
}

/// `run_delay`, the second number of /proc/PID/task/TID/schedstat (the kernel's
/// Documentation/scheduler/sched-stats.rst). `None` where the kernel does not measure it: all are 0.
fn run_delay(schedstat: &str) -> Option<u64> {
    let mut words = schedstat.split_whitespace().map(str::parse::<u64>);
    let (on_cpu, delay) = (words.next()?.ok()?, words.next()?.ok()?);
    let slices = words.next()?.ok()?;
    (on_cpu != 0 || delay != 0 || slices != 0).then_some(delay)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_of_proc() {
        let stat = "812 (a) 1 2) S 1 812 812 0 -1 4194560 1 2 3 4 50 60 700 30 20 0 17 0 5";
        assert_eq!(thread_count(stat), Some(17));
        assert_eq!(thread_count("812 (x) S 1"), None);
        assert_eq!(thread_count("812"), None);
        assert_eq!(run_delay("48713 9133 45\n"), Some(9133));
        assert_eq!(run_delay("0 0 0\n"), None, "not measured");
        assert_eq!(run_delay("48713\n"), None);
        assert_eq!(run_delay("a b c"), None);
    }

    #[test]
    fn growth_is_of_those_that_were_there_before() {
        let start = Instant::now();
        let mut gauge = Gauge::new(Metric::Cpu, Some(vec![1, 2]));
        assert_eq!(
            gauge.growth(start, HashMap::from([(1, 50), (2, 900)])),
            None
        );
        let later = start + Duration::from_nanos(1000);
        let times = HashMap::from([(1, 550), (3, 7777)]);
        assert_eq!(gauge.growth(later, times), Some(50.0));
        let times = HashMap::from([(1, 550), (3, 8777)]);
        let later = later + Duration::from_nanos(500);
        assert_eq!(gauge.growth(later, times.clone()), Some(200.0));
        assert_eq!(gauge.growth(later, times), None, "no time has passed");
    }

    #[test]
    fn this_process_is_measured() {
        let of = |metric| Gauge::new(metric, Some(vec![std::process::id()]));
        let rss = of(Metric::Rss).read().expect("alive");
        assert!((100e3..100e9).contains(&rss), "{rss}");
        let threads = of(Metric::Threads).read().expect("alive");
        assert!(threads >= 2.0, "{threads}");
        let mut fds = of(Metric::Fds);
        let before = fds.read().expect("alive");
        let held: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null")).collect();
        // Other tests open and close some.
        assert!(fds.read().expect("alive") > before + 50.0);
        drop(held);
        let mut cpu = of(Metric::Cpu);
        assert_eq!(cpu.read(), None, "of no time yet");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::black_box(0);
        }
        assert!(cpu.read().expect("alive") > 0.0);
        let mut host = Gauge::new(Metric::Cpu, None);
        assert_eq!(host.read(), None, "of no time yet");
        assert!(host.read().expect("there").is_finite());
        let mut gone = Gauge::new(Metric::Rss, Some(vec![u32::MAX]));
        assert_eq!(gone.read(), None);
    }
}
