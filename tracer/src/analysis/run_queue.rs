//! Run-queue latency: how long threads that could run waited for a CPU.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracer_common::histogram;

use super::go_creators::{GoCreatorRow, GoCreators};
use super::go_handoffs::GoHandoffSums;
use super::go_scheduling::GoSchedulingReport;
use crate::event::{Body, Event, GoScheduling, Latency, RunQueueThread};

/// What one interval, or the run, showed. Times in ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunQueueReport {
    pub interval_ns: u64,
    /// End of the interval, ns since 1970 UTC.
    pub until_unix_ns: i64,
    /// Offset of local time from UTC, in seconds.
    pub utc_offset_s: i32,
    /// Longest total wait first.
    pub threads: Vec<RunQueueThreadRow>,
    /// Longest total wait first.
    pub processes: Vec<RunQueueProcess>,
    /// All threads.
    pub total: RunQueueRow,
    /// Waits of all threads by powers of two, from the shortest to the longest seen.
    pub histogram: Vec<Octave>,
    /// Times that a thread began to run, or ceased to, of which the kernel did not tell: seen at its
    /// next switch, and when it began is estimated. Only known of a run that is one interval.
    #[serde(default)]
    pub untold_switches: u64,
    /// `None` when the target's Go scheduler was not watched.
    pub go_schedules: Option<GoSchedules>,
    /// Go's scheduler, by process.
    #[serde(default)]
    pub go: Vec<GoSchedulingReport>,
    /// Goroutines by who made them; empty when nobody asked.
    #[serde(default)]
    pub go_creators: Vec<GoCreatorRow>,
}

impl RunQueueReport {
    /// Corrects the length of the interval to what is known from elsewhere.
    pub fn set_interval(&mut self, interval_ns: u64) {
        self.interval_ns = interval_ns;
        if let Some(go) = &mut self.go_schedules {
            go.per_second = per_second(go.hits, go.watched_ns.unwrap_or(interval_ns));
        }
    }
}

/// Counts and waits of a thread or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueueRow {
    /// Times it left the CPU.
    pub switches: u64,
    /// Of these, while it could have gone on running.
    pub involuntary: u64,
    /// Times it began to run on another CPU than before.
    pub migrations: u64,
    /// Waits measured.
    pub waits: u64,
    /// To within an eighth, as histogram buckets are that wide; `None` without waits.
    pub p50_ns: Option<u64>,
    /// As `p50_ns`.
    pub p99_ns: Option<u64>,
    pub max_ns: u64,
    pub total_ns: u64,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueueThreadRow {
    pub comm: String,
    pub pid: u32,
    pub tid: u32,
    #[serde(flatten)]
    pub row: RunQueueRow,
}

/// All threads of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueueProcess {
    /// Of its leader when that was seen, else of the thread that waited most.
    pub comm: String,
    pub pid: u32,
    pub threads: u64,
    #[serde(flatten)]
    pub row: RunQueueRow,
}

/// Waits from `low_ns` to `high_ns`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Octave {
    pub low_ns: u64,
    pub high_ns: u64,
    pub count: u64,
}

/// Runs of Go's scheduler, `runtime.schedule`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoSchedules {
    pub hits: u64,
    pub per_second: f64,
    /// How long they were watched, where that was less than the interval: they cost too much.
    pub watched_ns: Option<u64>,
}

/// Folds events into a [`RunQueueReport`] an interval.
#[derive(Debug, Default)]
pub struct RunQueue {
    /// By pid and tid.
    threads: BTreeMap<(u32, u32), RunQueueThread>,
    go_schedules: Option<u64>,
    /// By pid.
    go: BTreeMap<u32, GoScheduling>,
    go_creators: GoCreators,
    /// By pid.
    go_handoffs: BTreeMap<u32, GoHandoffSums>,
    /// When the probe on Go's scheduler was detached, in the events' clock.
    go_until_ns: Option<u64>,
    /// When those of handoffs were.
    handoffs_until_ns: Option<u64>,
    untold_switches: u64,
    /// There was a report.
    taken: bool,
    /// Begin of the interval, in the events' clock.
    since_ns: Option<u64>,
    wall_offset_ns: i64,
    utc_offset_s: i32,
}

impl RunQueue {
    /// Takes one event; those of other kinds change nothing.
    pub fn event(&mut self, event: &Event) {
        self.since_ns.get_or_insert(event.time_ns);
        match &event.body {
            Body::RunStart(start) => {
                self.since_ns = Some(event.time_ns);
                self.wall_offset_ns = start.wall_offset_ns;
                self.utc_offset_s = start.utc_offset_s;
            }
            Body::RunQueueThread(thread) => self.add(event.pid, event.tid, thread),
            Body::GoSchedules(hits) => {
                let sum = self.go_schedules.get_or_insert(0);
                *sum = sum.saturating_add(*hits);
            }
            Body::GoScheduling(new) => self.go.entry(event.pid).or_default().merge(new),
            Body::GoCreator(creator) => self.go_creators.add(event.pid, creator),
            Body::GoHandoffs(new) => self.go_handoffs.entry(event.pid).or_default().add(new),
            Body::Curbed(curbed) if curbed.probes == "go_schedule" => {
                self.go_until_ns = Some(event.time_ns);
            }
            Body::Curbed(curbed) if curbed.probes == "go_handoff" => {
                self.handoffs_until_ns = Some(event.time_ns);
            }
            // The sum of a run is that of its only interval when there was no other.
            Body::RunEnd(end) if !self.taken => {
                let probes = end.losses.probes.iter();
                let ours = probes.filter(|loss| loss.probe == "run_queue_switch");
                self.untold_switches = ours.map(|l| l.unpaired).fold(0, u64::saturating_add);
            }
            _ => {}
        }
    }

    /// Nothing was measured since the last report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
            && self.go_schedules.is_none()
            && self.go.is_empty()
            && self.go_creators.is_empty()
    }

    /// The report of the interval that ends at `now_ns` (in the events' clock); the next one
    /// begins there.
    pub fn take(&mut self, now_ns: u64) -> RunQueueReport {
        let since_ns = self.since_ns.unwrap_or(now_ns);
        let interval_ns = now_ns.saturating_sub(since_ns);
        let threads = std::mem::take(&mut self.threads);
        let all = sum(threads.values());
        let go = self.take_scheduling(since_ns, interval_ns);
        let report = RunQueueReport {
            interval_ns,
            until_unix_ns: (now_ns as i64).saturating_add(self.wall_offset_ns),
            utc_offset_s: self.utc_offset_s,
            processes: process_rows(&threads),
            total: row(&all),
            histogram: octaves(&all.latency),
            threads: thread_rows(threads),
            untold_switches: std::mem::take(&mut self.untold_switches),
            go_schedules: self.take_go(since_ns, interval_ns),
            go,
            go_creators: self.go_creators.take(interval_ns),
        };
        self.since_ns = Some(now_ns);
        self.taken = true;
        report
    }

    fn take_scheduling(&mut self, since_ns: u64, interval_ns: u64) -> Vec<GoSchedulingReport> {
        let until_ns = self.handoffs_until_ns;
        let watched_ns = until_ns.map(|until| until.saturating_sub(since_ns));
        let handoffs = std::mem::take(&mut self.go_handoffs);
        let handoffs = |pid: &u32| {
            let sums = handoffs.get(pid).filter(|_| watched_ns != Some(0))?;
            Some(sums.report(interval_ns, watched_ns))
        };
        let sums = std::mem::take(&mut self.go);
        sums.iter()
            .map(|(pid, sums)| GoSchedulingReport {
                handoffs: handoffs(pid),
                ..GoSchedulingReport::of(*pid, sums, interval_ns)
            })
            .collect()
    }

    /// None for an interval in which the probe was detached all the time.
    fn take_go(&mut self, since_ns: u64, interval_ns: u64) -> Option<GoSchedules> {
        let hits = self.go_schedules.take()?;
        let watched_ns = self.go_until_ns.map(|until| until.saturating_sub(since_ns));
        if watched_ns == Some(0) && hits == 0 {
            return None;
        }
        Some(GoSchedules {
            hits,
            per_second: per_second(hits, watched_ns.unwrap_or(interval_ns)),
            watched_ns,
        })
    }

    fn add(&mut self, pid: u32, tid: u32, thread: &RunQueueThread) {
        let sum = self.threads.entry((pid, tid)).or_default();
        merge(sum, thread);
        sum.comm.clone_from(&thread.comm);
    }
}

fn per_second(hits: u64, interval_ns: u64) -> f64 {
    if interval_ns == 0 {
        return 0.0;
    }
    hits as f64 * 1e9 / interval_ns as f64
}

fn merge(into: &mut RunQueueThread, thread: &RunQueueThread) {
    into.voluntary = into.voluntary.saturating_add(thread.voluntary);
    into.involuntary = into.involuntary.saturating_add(thread.involuntary);
    into.migrations = into.migrations.saturating_add(thread.migrations);
    into.latency.merge(&thread.latency);
}

fn sum<'a>(threads: impl Iterator<Item = &'a RunQueueThread>) -> RunQueueThread {
    threads.fold(RunQueueThread::default(), |mut all, thread| {
        merge(&mut all, thread);
        all
    })
}

fn row(thread: &RunQueueThread) -> RunQueueRow {
    let latency = &thread.latency;
    RunQueueRow {
        switches: thread.voluntary.saturating_add(thread.involuntary),
        involuntary: thread.involuntary,
        migrations: thread.migrations,
        waits: latency.measured(),
        p50_ns: latency.quantile(0.5),
        p99_ns: latency.quantile(0.99),
        max_ns: latency.max_ns,
        total_ns: latency.total_ns,
    }
}

fn thread_rows(threads: BTreeMap<(u32, u32), RunQueueThread>) -> Vec<RunQueueThreadRow> {
    let mut rows: Vec<_> = threads
        .into_iter()
        .map(|((pid, tid), thread)| RunQueueThreadRow {
            row: row(&thread),
            comm: thread.comm,
            pid,
            tid,
        })
        .collect();
    // Stable: equal ones stay ordered by pid and tid.
    rows.sort_by_key(|r| std::cmp::Reverse(r.row.total_ns));
    rows
}

fn process_rows(threads: &BTreeMap<(u32, u32), RunQueueThread>) -> Vec<RunQueueProcess> {
    let mut rows = Vec::new();
    let mut next = threads.keys().next().map(|k| k.0);
    while let Some(pid) = next {
        let of_process = || threads.range((pid, 0)..=(pid, u32::MAX));
        let waiter = of_process().max_by_key(|t| t.1.latency.total_ns);
        let named = threads.get(&(pid, pid)).or(waiter.map(|t| t.1));
        rows.push(RunQueueProcess {
            comm: named.map(|t| t.comm.clone()).unwrap_or_default(),
            pid,
            threads: of_process().count() as u64,
            row: row(&sum(of_process().map(|t| t.1))),
        });
        next = pid
            .checked_add(1)
            .and_then(|above| threads.range((above, 0)..).next())
            .map(|(k, _)| k.0);
    }
    rows.sort_by_key(|r| std::cmp::Reverse(r.row.total_ns));
    rows
}

/// Powers of two from the log-linear buckets, which four of fit into one; the first takes 0 and 1.
fn octaves(latency: &Latency) -> Vec<Octave> {
    let mut counts = [0u64; 64];
    for &(index, count) in &latency.buckets {
        let index = usize::from(index).min(histogram::BUCKETS - 1);
        let octave = histogram::lower_bound(index).max(1).ilog2() as usize;
        counts[octave] = counts[octave].saturating_add(count);
    }
    let first = counts.iter().position(|&c| c > 0).unwrap_or(0);
    let beyond = counts.iter().rposition(|&c| c > 0).map_or(0, |l| l + 1);
    (first..beyond)
        .map(|octave| Octave {
            low_ns: if octave == 0 { 0 } else { 1 << octave },
            high_ns: (1 << octave) + ((1 << octave) - 1),
            count: counts[octave],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RunStart;

    fn waits(values: &[u64]) -> Latency {
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

    fn event(time_ns: u64, pid: u32, tid: u32, body: Body) -> Event {
        Event {
            time_ns,
            pid,
            tid,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn thread(comm: &str, values: &[u64]) -> Body {
        Body::RunQueueThread(Box::new(RunQueueThread {
            comm: comm.to_owned(),
            voluntary: 7,
            involuntary: 2,
            migrations: 1,
            latency: waits(values),
        }))
    }

    fn fold(events: &[Event]) -> RunQueue {
        let mut fold = RunQueue::default();
        for event in events {
            fold.event(event);
        }
        fold
    }

    #[test]
    fn threads_are_summed_over_reads_and_sorted_by_total_wait() {
        let start = RunStart {
            wall_offset_ns: 100,
            ..RunStart::default()
        };
        let mut fold = fold(&[
            event(1_000, 0, 0, Body::RunStart(Box::new(start))),
            event(2_000, 10, 10, thread("main", &[5, 6])),
            event(2_000, 10, 11, thread("worker", &[1000, 3000])),
            event(2_000, 20, 21, thread("other", &[50])),
            event(3_000, 10, 10, thread("renamed", &[7])),
            event(3_000, 10, 0, Body::GoSchedules(4)),
            event(4_000, 10, 0, Body::GoSchedules(2)),
        ]);
        let report = fold.take(2_000_001_000);
        assert_eq!(report.interval_ns, 2_000_000_000);
        assert_eq!(report.until_unix_ns, 2_000_001_100);
        let rows: Vec<_> = report
            .threads
            .iter()
            .map(|t| {
                (
                    t.comm.as_str(),
                    t.pid,
                    t.tid,
                    t.row.switches,
                    t.row.total_ns,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("worker", 10, 11, 9, 4000),
                ("other", 20, 21, 9, 50),
                ("renamed", 10, 10, 18, 18)
            ]
        );
        let processes: Vec<_> = report
            .processes
            .iter()
            .map(|p| (p.comm.as_str(), p.pid, p.threads, p.row.waits, p.row.max_ns))
            .collect();
        assert_eq!(
            processes,
            [("renamed", 10, 2, 5, 3000), ("other", 20, 1, 1, 50)]
        );
        assert_eq!(report.total.involuntary, 8);
        assert_eq!(report.total.total_ns, 4068);
        let go = report.go_schedules.expect("watched");
        assert_eq!((go.hits, go.per_second), (6, 3.0));

        assert!(fold.is_empty());
        let next = fold.take(2_000_002_000);
        assert_eq!(next.interval_ns, 1000);
        assert_eq!(next.total, RunQueueRow::default());
        assert_eq!(next.go_schedules, None);
    }

    #[test]
    fn octaves_hold_four_buckets_and_span_what_was_seen() {
        let got = octaves(&waits(&[0, 1, 4, 5, 6, 7, 1023, 1024]));
        let count = |low| got.iter().find(|o| o.low_ns == low).map(|o| o.count);
        assert_eq!(count(0), Some(2));
        assert_eq!(count(2), Some(0));
        assert_eq!(count(4), Some(4));
        assert_eq!(count(512), Some(1));
        assert_eq!(
            got.last().map(|o| (o.low_ns, o.high_ns, o.count)),
            Some((1024, 2047, 1))
        );
        assert_eq!(octaves(&Latency::default()), []);
        let everything: u64 = octaves(&waits(&[0, 3, u64::MAX]))
            .iter()
            .map(|o| o.count)
            .sum();
        assert_eq!(everything, 3);
    }

    #[test]
    fn nonsense_from_a_recording_does_no_harm() {
        let body = |pid| {
            Body::RunQueueThread(Box::new(RunQueueThread {
                comm: String::new(),
                voluntary: u64::MAX,
                involuntary: u64::MAX,
                migrations: u64::MAX,
                latency: Latency {
                    count: pid,
                    errors: 0,
                    total_ns: u64::MAX,
                    min_ns: u64::MAX,
                    max_ns: 0,
                    buckets: vec![(u16::MAX, u64::MAX), (0, u64::MAX)],
                },
            }))
        };
        let mut fold = fold(&[
            event(u64::MAX, u32::MAX, u32::MAX, body(1)),
            event(0, u32::MAX, u32::MAX, body(2)),
            event(0, 0, 0, body(3)),
        ]);
        let report = fold.take(0);
        assert_eq!(report.interval_ns, 0);
        assert_eq!(report.processes.len(), 2);
    }

    #[test]
    fn a_report_survives_json() {
        let mut fold = fold(&[event(0, 1, 1, thread("main", &[5]))]);
        let report = fold.take(10);
        let json = serde_json::to_string(&report).expect("serializes");
        assert!(
            json.contains(r#"{"comm":"main","pid":1,"tid":1,"switches":9,"#),
            "{json}"
        );
        let back: RunQueueReport = serde_json::from_str(&json).expect("deserializes");
        assert_eq!(back, report);
    }
}
