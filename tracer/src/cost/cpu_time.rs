//! CPU time of the targets, to the ns, without stopping or asking them.

use std::collections::{HashMap, HashSet};

/// CPU time of a set of processes since this was made.
#[derive(Debug)]
pub(crate) struct CpuTime {
    source: Source,
    start_ns: u64,
    last_ns: u64,
}

#[derive(Debug)]
enum Source {
    /// By pid, also those that have ended, as last seen.
    Processes(HashMap<u32, u64>),
    /// Processes that come and go: those that are alive, with the children they waited for.
    Families,
    /// All CPUs of the host.
    Host,
}

impl CpuTime {
    /// Of some processes; with `children`, also of those that they waited for.
    pub(crate) fn of_processes(pids: &HashSet<u32>, children: bool) -> Self {
        let source = if children {
            Source::Families
        } else {
            Source::Processes(HashMap::new())
        };
        Self::begin(source, pids)
    }

    /// Of everything on the host.
    pub(crate) fn of_host() -> Self {
        Self::begin(Source::Host, &HashSet::new())
    }

    fn begin(source: Source, pids: &HashSet<u32>) -> Self {
        let mut this = Self {
            source,
            start_ns: 0,
            last_ns: 0,
        };
        this.start_ns = this.read(pids).unwrap_or(0);
        this.last_ns = this.start_ns;
        this
    }

    /// ns used since the start; `alive` are the processes that can be asked. `None` when one of
    /// them, or the last, has ended, so that its last moments are not known.
    pub(crate) fn used_ns(&mut self, alive: &HashSet<u32>) -> Option<u64> {
        let now = self.read(alive)?;
        // A child's end moves its time to its parent, a little later.
        self.last_ns = self.last_ns.max(now);
        Some(self.last_ns.saturating_sub(self.start_ns))
    }

    fn read(&mut self, alive: &HashSet<u32>) -> Option<u64> {
        match &mut self.source {
            Source::Host => host_ns(),
            Source::Families => alive
                .iter()
                .filter_map(|&pid| Some(process_ns(pid)?.saturating_add(children_ns(pid))))
                .reduce(u64::saturating_add),
            Source::Processes(last) => {
                for &pid in alive {
                    last.insert(pid, process_ns(pid)?);
                }
                let sum = last.values().copied().reduce(u64::saturating_add);
                sum.filter(|_| !alive.is_empty())
            }
        }
    }
}

/// CPU time of all threads of a process, also of those that ended: its CPU clock, which any process
/// may read. The id is `make_process_cpuclock(pid, CPUCLOCK_SCHED)`
/// (include/linux/posix-timers.h).
pub(crate) fn process_ns(pid: u32) -> Option<u64> {
    const CPUCLOCK_SCHED: libc::clockid_t = 2;
    /// `PID_MAX_LIMIT` (include/linux/threads.h). 0 and what leaves the bits would be ourselves.
    const MAX_PID: u32 = 4 << 20;
    if pid == 0 || pid > MAX_PID {
        return None;
    }
    let clock = (!pid.cast_signed() << 3) | CPUCLOCK_SCHED;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let ns = |t: libc::timespec| {
        let seconds = t.tv_sec.cast_unsigned().saturating_mul(1_000_000_000);
        seconds.saturating_add(t.tv_nsec.cast_unsigned())
    };
    (failed == 0).then(|| ns(time))
}

/// CPU time of children that the process has waited for, in steps of a clock tick.
fn children_ns(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    waited_ticks(&stat).saturating_mul(tick_ns())
}

/// `cutime` + `cstime` of a line of /proc/PID/stat (man 5 proc): the 14th and 15th word behind the
/// name, which is in parentheses and may hold anything.
fn waited_ticks(stat: &str) -> u64 {
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return 0;
    };
    let words = rest.split_whitespace().skip(13).take(2);
    let ticks = words.filter_map(|w| w.parse::<u64>().ok());
    ticks.fold(0, u64::saturating_add)
}

fn tick_ns() -> u64 {
    // SAFETY: no preconditions.
    let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    1_000_000_000 / u64::try_from(hz).unwrap_or(100).max(1)
}

/// CPU time that was not idle, in steps of a tick, of all CPUs.
pub(crate) fn host_ns() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    Some(busy_ticks(&stat)?.saturating_mul(tick_ns()))
}

/// user + nice + system + irq + softirq of the first line of /proc/stat (man 5 proc).
fn busy_ticks(stat: &str) -> Option<u64> {
    let words = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = words
        .split_whitespace()
        .filter_map(|w| w.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6].map(|i| ticks.get(i).copied().unwrap_or(0));
    Some(busy.into_iter().fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc() {
        let stat = "812 (a) 1 2) S 1 812 812 0 -1 4194560 1 2 3 4 50 60 700 30 20 0 1 0 5";
        assert_eq!(waited_ticks(stat), 730);
        assert_eq!(waited_ticks("812 (x"), 0);
        assert_eq!(waited_ticks("812 (x) S 1"), 0);
        let host = "cpu  10 2 30 4000 5 6 7 0 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(busy_ticks(host), Some(10 + 2 + 30 + 6 + 7));
        assert_eq!(busy_ticks("intr 5\n"), None);
        let many = format!("cpu {} {}\n", u64::MAX, u64::MAX);
        assert_eq!(busy_ticks(&many), Some(u64::MAX));
    }

    #[test]
    fn our_own_work_is_seen_and_a_process_that_is_gone_is_not() {
        let own = HashSet::from([std::process::id()]);
        let mut time = CpuTime::of_processes(&own, false);
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(20) {
            std::hint::black_box(0);
        }
        let used = time.used_ns(&own).expect("alive");
        assert!(used > 100_000, "{used}");
        for nobody in [0, 4 << 20, u32::MAX >> 1, u32::MAX] {
            assert_eq!(process_ns(nobody), None, "{nobody}");
        }
        let gone = HashSet::from([4 << 20]);
        assert_eq!(CpuTime::of_processes(&gone, false).used_ns(&gone), None);
        assert_eq!(time.used_ns(&HashSet::new()), None, "nobody to ask");
    }
}
