//! Run-queue latency as text and JSON, live or at the end.

use std::fmt::Write as _;
use std::io::Write;

use super::costed::{Costed, cost_of};
use super::go_creators::go_creators_text;
use super::go_scheduling::go_scheduling_text;
use super::log2_histogram;
use crate::analysis::{RunQueue, RunQueueReport, RunQueueRow};
use crate::event::{Body, Event};
use crate::sink::{Sink, SinkError};
use crate::term::{Align, Columns, clip, ns, plural, printable, rate};

/// How reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunQueueFormat {
    /// Tables, each with at most this many threads.
    Text { threads: usize },
    /// One array with a report an interval; without intervals it holds one.
    Json,
    /// A report a line.
    Ndjson,
}

/// Prints a report every tick, and one of the rest (or of the whole run) at the end.
#[derive(Debug)]
pub struct RunQueueSink<W: Write> {
    out: W,
    /// For messages.
    name: String,
    format: RunQueueFormat,
    fold: RunQueue,
    printed: u64,
    cost: Option<serde_json::Value>,
}

impl<W: Write> RunQueueSink<W> {
    /// Writes to `out`, which messages call `name`.
    pub fn new(out: W, name: &str, format: RunQueueFormat) -> Self {
        Self {
            out,
            name: name.to_owned(),
            format,
            fold: RunQueue::default(),
            printed: 0,
            cost: None,
        }
    }

    fn print(&mut self, now_ns: u64, duration_ns: Option<u64>) -> Result<(), SinkError> {
        let mut report = self.fold.take(now_ns);
        if let Some(duration_ns) = duration_ns {
            report.set_interval(duration_ns);
        }
        let text = match self.format {
            RunQueueFormat::Text { threads } => {
                let gap = if self.printed > 0 { "\n" } else { "" };
                format!("{gap}{}", run_queue_text(&report, threads))
            }
            RunQueueFormat::Json => {
                let before = if self.printed == 0 { "[" } else { ",\n" };
                format!("{before}{}", json(&report, self.cost.as_ref()))
            }
            RunQueueFormat::Ndjson => format!("{}\n", json(&report, self.cost.as_ref())),
        };
        self.printed += 1;
        self.write(&text)
    }

    fn end(&mut self, event: &Event, duration_ns: u64) -> Result<(), SinkError> {
        if self.printed == 0 {
            self.print(event.time_ns, Some(duration_ns))?;
        } else if !self.fold.is_empty() {
            self.print(event.time_ns, None)?;
        }
        if self.format == RunQueueFormat::Json {
            self.write("]\n")?;
        }
        self.flush()
    }

    fn write(&mut self, text: &str) -> Result<(), SinkError> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

impl<W: Write> Sink for RunQueueSink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.fold.event(event);
        if let Some(cost) = cost_of(event) {
            self.cost = Some(cost);
        }
        match &event.body {
            Body::Tick => self.print(event.time_ns, None),
            Body::RunEnd(end) => self.end(event, end.duration_ns),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

fn json(report: &RunQueueReport, cost: Option<&serde_json::Value>) -> String {
    serde_json::to_string(&Costed { report, cost })
        .expect("a report has string keys only and finite numbers")
}

/// A header, at most `threads` threads, a total for each process, the histogram of all waits and
/// the rate of Go's scheduler when that was watched.
#[must_use]
pub fn run_queue_text(report: &RunQueueReport, threads: usize) -> String {
    let mut text = header(report);
    text += &table(report, threads).to_string();
    let hidden = report.threads.len().saturating_sub(threads);
    if hidden > 0 {
        let more = plural(hidden as u64, "more thread is", "more threads are");
        let _ = writeln!(text, "{more} in the totals only");
    }
    if !report.histogram.is_empty() {
        text += "\n";
        text += &log2_histogram("nsecs", &report.histogram);
    }
    if report.untold_switches > 0 {
        let untold = plural(report.untold_switches, "switch", "switches");
        let _ = writeln!(
            text,
            "\n{untold} of which the kernel did not tell: when these threads began to run is estimated"
        );
    }
    if let Some(go) = report.go_schedules {
        let rate = rate(go.per_second);
        let _ = write!(text, "\nruntime.schedule: {} hits, {rate}", go.hits);
        if let Some(watched) = go.watched_ns {
            let _ = write!(text, " in the first {}, then detached", ns(watched));
        }
        text.push('\n');
    }
    for go in &report.go {
        text += "\n";
        text += &go_scheduling_text(go);
    }
    if !report.go_creators.is_empty() {
        text += "\n";
        text += &go_creators_text(&report.go_creators);
    }
    text
}

fn header(report: &RunQueueReport) -> String {
    let local_s = report.until_unix_ns.div_euclid(1_000_000_000) + i64::from(report.utc_offset_s);
    let of_day = local_s.rem_euclid(86_400);
    let whose = match &*report.processes {
        [one] => format!(" of process {}", one.pid),
        _ => String::new(),
    };
    format!(
        "{:02}:{:02}:{:02} run-queue latency over {}, {}{whose}\n",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        ns(report.interval_ns),
        plural(report.threads.len() as u64, "thread", "threads"),
    )
}

/// The kernel's names are shorter, even escaped; a recording may hold any.
const MAX_COMM: usize = 150;

/// With a column of pids only when there are several: lines fit in 80 columns without it.
fn table(report: &RunQueueReport, threads: usize) -> Columns {
    let several = report.processes.len() > 1;
    let mut align = vec![Align::Left];
    align.extend([Align::Right; 9]);
    let mut columns = Columns::new(&align);
    let mut row = |comm: &str, pid: String, tid: String, cells: [String; 7]| {
        let ids = [Some(comm.to_owned()), several.then_some(pid), Some(tid)];
        columns.row(ids.into_iter().flatten().chain(cells));
    };
    row(
        "COMM",
        "PID".to_owned(),
        "TID".to_owned(),
        HEAD.map(String::from),
    );
    for thread in report.threads.iter().take(threads) {
        let comm = clip(&printable(&thread.comm), MAX_COMM);
        let (pid, tid) = (thread.pid.to_string(), thread.tid.to_string());
        row(&comm, pid, tid, cells(&thread.row));
    }
    for process in &report.processes {
        let pid = process.pid.to_string();
        row("total", pid, "-".to_owned(), cells(&process.row));
    }
    columns
}

const HEAD: [&str; 7] = ["SWITCHES", "INVOL", "MIGR", "P50", "P99", "MAX", "TOTAL"];

fn cells(row: &RunQueueRow) -> [String; 7] {
    let time = |t: Option<u64>| t.map_or_else(|| "-".to_owned(), ns);
    let measured = |t| time((row.waits > 0).then_some(t));
    [
        row.switches.to_string(),
        row.involuntary.to_string(),
        row.migrations.to_string(),
        time(row.p50_ns),
        time(row.p99_ns),
        measured(row.max_ns),
        measured(row.total_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Latency, Losses, ProbeLoss, RunEnd, RunQueueThread, RunStart};
    use tracer_common::histogram;

    const SECOND: u64 = 1_000_000_000;

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

    fn thread(comm: &str, switches: u64, waits: &[(u64, u64)]) -> Body {
        let mut latency = Latency::default();
        for &(wait, count) in waits {
            latency.merge(&Latency {
                count,
                errors: 0,
                total_ns: wait * count,
                min_ns: wait,
                max_ns: wait,
                buckets: vec![(histogram::bucket(wait) as u16, count)],
            });
        }
        Body::RunQueueThread(Box::new(RunQueueThread {
            comm: comm.to_owned(),
            voluntary: switches - 1,
            involuntary: 1,
            migrations: 3,
            latency,
        }))
    }

    fn run_start() -> Event {
        let start = RunStart {
            // 2026-11-21 09:05:00 UTC at time 0.
            wall_offset_ns: 1_795_251_900 * SECOND as i64,
            utc_offset_s: 3600,
            ..RunStart::default()
        };
        event(0, 0, 0, Body::RunStart(Box::new(start)))
    }

    fn run_end(seconds: u64) -> Event {
        let end = RunEnd {
            duration_ns: seconds * SECOND,
            ..RunEnd::default()
        };
        event(seconds * SECOND, 0, 0, Body::RunEnd(Box::new(end)))
    }

    fn output(format: RunQueueFormat, events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = RunQueueSink::new(&mut out, "stdout", format);
        for event in events {
            sink.event(event).expect("memory");
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_run_without_intervals_prints_one_table() {
        let text = output(
            RunQueueFormat::Text { threads: 2 },
            &[
                run_start(),
                event(
                    SECOND,
                    70,
                    70,
                    thread("server", 20, &[(1000, 9), (5000, 1)]),
                ),
                event(
                    SECOND,
                    70,
                    71,
                    thread("evil\n\x1b[2J", 3000, &[(2_000_000, 2)]),
                ),
                event(SECOND, 70, 72, thread("idle", 1, &[])),
                event(SECOND, 70, 0, Body::GoSchedules(20_000)),
                run_end(10),
            ],
        );
        assert_eq!(
            text,
            r"10:05:10 run-queue latency over 10.0 s, 3 threads of process 70
COMM             TID  SWITCHES  INVOL  MIGR      P50      P99      MAX    TOTAL
evil\n\u{1b}[2J   71      3000      1     3  2.00 ms  2.00 ms  2.00 ms  4.00 ms
server            70        20      1     3  1.00 µs  4.61 µs  5.00 µs  14.0 µs
total              -      3021      3     9  1.00 µs  1.97 ms  2.00 ms  4.01 ms
1 more thread is in the totals only

     nsecs               : count     distribution
       512 -> 1023       : 9        |****************************************|
      1024 -> 2047       : 0        |                                        |
      2048 -> 4095       : 0        |                                        |
      4096 -> 8191       : 1        |****                                    |
      8192 -> 16383      : 0        |                                        |
     16384 -> 32767      : 0        |                                        |
     32768 -> 65535      : 0        |                                        |
     65536 -> 131071     : 0        |                                        |
    131072 -> 262143     : 0        |                                        |
    262144 -> 524287     : 0        |                                        |
    524288 -> 1048575    : 0        |                                        |
   1048576 -> 2097151    : 2        |********                                |

runtime.schedule: 20000 hits, 2.00 k/s
"
        );
    }

    #[test]
    fn intervals_start_over_and_the_rest_is_printed_at_the_end() {
        let events = [
            run_start(),
            event(SECOND, 70, 70, thread("a", 5, &[(1000, 4)])),
            event(SECOND, 0, 0, Body::Tick),
            event(2 * SECOND, 0, 0, Body::Tick),
            event(2 * SECOND + 5, 70, 70, thread("a", 7, &[(8, 1)])),
            run_end(3),
        ];
        let text = output(RunQueueFormat::Ndjson, &events);
        let reports: Vec<RunQueueReport> = text
            .lines()
            .map(|l| serde_json::from_str(l).expect("a report"))
            .collect();
        let seen: Vec<_> = reports
            .iter()
            .map(|r| (r.interval_ns, r.total.switches, r.threads.len()))
            .collect();
        assert_eq!(seen, [(SECOND, 5, 1), (SECOND, 0, 0), (SECOND, 7, 1)]);

        let document = output(RunQueueFormat::Json, &events);
        let again: Vec<RunQueueReport> = serde_json::from_str(&document).expect("an array");
        assert_eq!(again, reports);

        let text = output(RunQueueFormat::Text { threads: 10 }, &events);
        assert_eq!(text.matches("run-queue latency over 1.00 s").count(), 3);
    }

    #[test]
    fn switches_that_were_found_later_are_told() {
        let end = |unpaired| {
            let loss = |probe: &str, unpaired| ProbeLoss {
                probe: probe.to_owned(),
                unpaired,
                ..ProbeLoss::default()
            };
            let probes = vec![
                loss("run_queue_switch", unpaired),
                loss("off_cpu_switch", 9),
            ];
            let end = RunEnd {
                losses: Losses {
                    probes,
                    undecodable: 0,
                },
                ..RunEnd::default()
            };
            event(SECOND, 0, 0, Body::RunEnd(Box::new(end)))
        };
        let text = RunQueueFormat::Text { threads: 10 };
        let of = |events: &[Event]| output(text, events);
        let threads = event(SECOND, 70, 70, thread("a", 5, &[(1000, 4)]));
        let told = of(&[run_start(), threads.clone(), end(3)]);
        let line = "3 switches of which the kernel did not tell: when these threads began to run \
                    is estimated\n";
        assert!(told.ends_with(line), "{told}");
        let told = of(&[run_start(), threads.clone(), end(0)]);
        assert!(!told.contains("did not tell"), "{told}");
        let tick = event(SECOND, 0, 0, Body::Tick);
        let told = of(&[run_start(), threads.clone(), tick, threads, end(3)]);
        assert!(
            !told.contains("did not tell"),
            "not of which interval: {told}"
        );
    }

    #[test]
    fn several_processes_have_a_column_of_pids_and_a_total_each() {
        let text = output(
            RunQueueFormat::Text { threads: 10 },
            &[
                run_start(),
                event(1, 70, 71, thread("a", 2, &[(8, 2)])),
                event(1, 80, 80, thread("b", 3, &[(9, 1)])),
                run_end(1),
            ],
        );
        assert_eq!(
            text.lines().take(6).collect::<Vec<_>>(),
            [
                "10:05:01 run-queue latency over 1.00 s, 2 threads",
                "COMM   PID  TID  SWITCHES  INVOL  MIGR   P50   P99   MAX  TOTAL",
                "a       70   71         2      1     3  8 ns  8 ns  8 ns  16 ns",
                "b       80   80         3      1     3  9 ns  9 ns  9 ns   9 ns",
                "total   70    -         2      1     3  8 ns  8 ns  8 ns  16 ns",
                "total   80    -         3      1     3  9 ns  9 ns  9 ns   9 ns",
            ]
        );
    }

    #[test]
    fn a_run_that_saw_nothing_says_so() {
        let text = output(
            RunQueueFormat::Text { threads: 10 },
            &[run_start(), run_end(1)],
        );
        assert_eq!(
            text,
            "10:05:01 run-queue latency over 1.00 s, 0 threads\n\
             COMM  TID  SWITCHES  INVOL  MIGR  P50  P99  MAX  TOTAL\n"
        );
    }
}
