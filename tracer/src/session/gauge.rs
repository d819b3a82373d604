//! Values of processes that can be waited for, read from outside without stopping them.

use std::collections::HashMap;
use std::time::Instant;

use super::condition::Metric;
use crate::cost::{host_ns, process_ns};

/// Reads one metric of processes, time after time.
#[derive(Debug)]
pub(super) struct Gauge {
    metric: Metric,
    /// For what grows all the time: when it was read last, and what it was, by process or thread.
    last: Option<(Instant, HashMap<u32, u64>)>,
}

impl Gauge {
    pub(super) const fn new(metric: Metric) -> Self {
        Self { metric, last: None }
    }

    /// The sum of these processes now, or since the last call; `None` when it is not known yet.
    pub(super) fn read(&mut self, pids: &[u32]) -> Option<f64> {
        let sum = |of: fn(u32) -> Option<u64>| {
            let values = pids.iter().filter_map(|&pid| of(pid));
            values.reduce(u64::saturating_add).map(|n| n as f64)
        };
        match self.metric {
            Metric::Rss => sum(rss),
            Metric::Threads => sum(threads),
            Metric::Fds => sum(descriptors),
            Metric::Cpu => {
                let time = |&pid: &u32| Some((pid, process_ns(pid)?));
                self.growth(Instant::now(), pids.iter().filter_map(time).collect())
            }
            Metric::RunQueue => {
                let times = pids.iter().flat_map(|&pid| run_delays(pid)).collect();
                self.growth(Instant::now(), times)
            }
        }
    }

    /// As [`Gauge::read`], of the CPU time of the whole host; the host as such has no other metric.
    pub(super) fn read_host(&mut self) -> Option<f64> {
        let times = host_ns().into_iter().map(|ns| (0, ns)).collect();
        self.growth(Instant::now(), times)
    }

    /// ns in percent of the time since the last call. What has gone meanwhile does not count; all of
    /// what has come does, since it began after that call.
    fn growth(&mut self, now: Instant, times: HashMap<u32, u64>) -> Option<f64> {
        let (then, before) = self.last.replace((now, times))?;
        let (_, times) = self.last.as_ref()?;
        let grown = times.iter().map(|(id, ns)| {
            let before = before.get(id).copied().unwrap_or(0);
            ns.saturating_sub(before)
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
    fn growth_is_of_those_that_are_there() {
        let start = Instant::now();
        let mut gauge = Gauge::new(Metric::Cpu);
        assert_eq!(
            gauge.growth(start, HashMap::from([(1, 50), (2, 900)])),
            None
        );
        let later = start + Duration::from_nanos(1000);
        let times = HashMap::from([(1, 550), (3, 100)]);
        assert_eq!(gauge.growth(later, times), Some(60.0));
        let times = HashMap::from([(1, 550), (3, 1100)]);
        let later = later + Duration::from_nanos(500);
        assert_eq!(gauge.growth(later, times.clone()), Some(200.0));
        assert_eq!(gauge.growth(later, times), None, "no time has passed");
    }

    #[test]
    fn this_process_is_measured() {
        let me = [std::process::id()];
        let of = |metric| Gauge::new(metric);
        let rss = of(Metric::Rss).read(&me).expect("alive");
        assert!((100e3..100e9).contains(&rss), "{rss}");
        let threads = of(Metric::Threads).read(&me).expect("alive");
        assert!(threads >= 2.0, "{threads}");
        let mut fds = of(Metric::Fds);
        let before = fds.read(&me).expect("alive");
        let held: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null")).collect();
        // Other tests open and close some.
        assert!(fds.read(&me).expect("alive") > before + 50.0);
        drop(held);
        let mut cpu = of(Metric::Cpu);
        assert_eq!(cpu.read(&me), None, "of no time yet");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::black_box(0);
        }
        assert!(cpu.read(&me).expect("alive") > 0.0);
        let mut host = Gauge::new(Metric::Cpu);
        assert_eq!(host.read_host(), None, "of no time yet");
        assert!(host.read_host().expect("there").is_finite());
        assert_eq!(Gauge::new(Metric::Rss).read(&[u32::MAX]), None);
    }
}
