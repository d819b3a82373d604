//! Go's scheduler as text.

use std::fmt::Write;

use crate::analysis::{
    GoHandoffReport, GoHandoffRow, GoLatency, GoSchedulingReport, Mean, thousandths,
};
use crate::event::HandoffCause;
use crate::term::{Align, Columns, ns, plural, printable, rate};

/// Ps that are shown; a machine may have hundreds.
const ROWS: usize = 64;
/// Places that are shown where Ps are lost.
const PLACES: usize = 10;

/// A paragraph on the process as a whole, its Ps, and what should be changed.
#[must_use]
pub fn go_scheduling_text(report: &GoSchedulingReport) -> String {
    let mut text = heading(report);
    let _ = writeln!(
        text,
        "Ps idle {}; threads {}, idle {}, spinning {}",
        mean(&report.idle_processors),
        mean(&report.threads),
        mean(&report.idle_threads),
        mean(&report.spinning_threads)
    );
    let _ = writeln!(
        text,
        "goroutines in the queue of all Ps {}",
        mean(&report.global_queue)
    );
    text += &table(report);
    let hidden = report.processors.len().saturating_sub(ROWS);
    if hidden > 0 {
        let _ = writeln!(text, "{}", plural(hidden as u64, "more P", "more Ps"));
    }
    text += &latency(report.latency);
    if let Some(created) = report.created_per_second {
        let _ = writeln!(text, "goroutines made: {}", rate(created));
    }
    if let Some(handoffs) = &report.handoffs {
        text += &handoffs_text(handoffs);
    }
    for finding in report.findings() {
        let _ = writeln!(text, "warning: {finding}");
    }
    text
}

fn heading(report: &GoSchedulingReport) -> String {
    let mut text = format!(
        "Go scheduler of process {}, {}: GOMAXPROCS {}",
        report.pid,
        plural(report.looks, "look", "looks"),
        report.gomaxprocs.last
    );
    if let Some(cpus) = report.cpus_allowed {
        let _ = write!(text, ", {} allowed", plural(cpus.into(), "CPU", "CPUs"));
    }
    match report.quota {
        None => text += ", quota not known",
        Some(quota) => match quota.milli_cpus {
            None => text += ", no quota",
            Some(milli) => {
                let _ = write!(
                    text,
                    ", quota {} CPUs, throttled for {}",
                    thousandths(milli),
                    ns(quota.throttled_ns)
                );
            }
        },
    }
    text.push('\n');
    text
}

fn mean(mean: &Mean) -> String {
    format!("{:.2} (most {})", mean.mean, mean.max)
}

fn table(report: &GoSchedulingReport) -> String {
    let mut align = vec![Align::Left];
    align.extend([Align::Right; 7]);
    let mut columns = Columns::new(&align);
    columns.row([
        "P", "RUNNING", "SYSCALL", "STOPPED", "IDLE", "QUEUE", "MOST", "ROUNDS",
    ]);
    for p in report.processors.iter().take(ROWS) {
        let idle = (1.0 - p.running - p.in_syscall - p.stopped).max(0.0);
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        columns.row([
            p.number.to_string(),
            percent(p.running),
            percent(p.in_syscall),
            percent(p.stopped),
            percent(idle),
            format!("{:.2}", p.queue.mean),
            p.queue.max.to_string(),
            rate(p.ticks_per_second),
        ]);
    }
    columns.to_string()
}

/// How often, then where.
fn handoffs_text(handoffs: &GoHandoffReport) -> String {
    let mut text = format!(
        "Ps taken from threads in system calls {} ({}), given up before them {} ({}), locked \
         threads {}, other {}; back from a call and no P {} ({})",
        handoffs.retaken,
        rate(handoffs.retaken_per_second),
        handoffs.blocking,
        rate(handoffs.blocking_per_second),
        handoffs.locked,
        handoffs.other,
        handoffs.no_processor,
        rate(handoffs.no_processor_per_second),
    );
    if let Some(watched) = handoffs.watched_ns {
        let _ = write!(text, "; in the first {}, then detached", ns(watched));
    }
    text.push('\n');
    if handoffs.places.is_empty() {
        return text;
    }
    let mut columns = Columns::new(&[Align::Right, Align::Right, Align::Left, Align::Left]);
    columns.row(["COUNT", "RATE", "P", "WHERE"]);
    for row in handoffs.places.iter().take(PLACES) {
        columns.row([
            row.count.to_string(),
            rate(row.per_second),
            cause(row.cause).to_owned(),
            place(row),
        ]);
    }
    text += &columns.to_string();
    let hidden = handoffs.places.len().saturating_sub(PLACES) as u64;
    if hidden > 0 {
        text += &plural(hidden, "more place\n", "more places\n");
    }
    text
}

const fn cause(cause: HandoffCause) -> &'static str {
    match cause {
        HandoffCause::Retaken => "taken",
        HandoffCause::Blocking => "given up",
        HandoffCause::Locked => "locked",
        HandoffCause::Other => "other",
        HandoffCause::NoProcessor => "none left",
    }
}

/// `main.work main.go:12 in syscall.read`.
fn place(row: &GoHandoffRow) -> String {
    let Some(function) = &row.function else {
        return "?".to_owned();
    };
    let file = row.file.as_deref().unwrap_or("?");
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let line = row.line.map_or_else(String::new, |line| format!(":{line}"));
    let call = row.call.as_deref();
    let call = call.map_or_else(String::new, |call| format!(" in {}", printable(call)));
    format!("{} {}{line}{call}", printable(function), printable(name))
}

fn latency(latency: Option<GoLatency>) -> String {
    let Some(latency) = latency else {
        return "runnable to running: this release's histogram is not known\n".to_owned();
    };
    let time = |t: Option<u64>| t.map_or_else(|| "-".to_owned(), ns);
    format!(
        "runnable to running, as the runtime samples it: {} times, p50 {}, p95 {}, p99 {}, none \
         above {}\n",
        latency.count,
        time(latency.p50_ns),
        time(latency.p95_ns),
        time(latency.p99_ns),
        ns(latency.max_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::GoHandoffSums;
    use crate::analysis::go_handoffs_fixture::handoffs;
    use crate::analysis::go_scheduling_fixture::sums;

    #[test]
    fn lost_ps_are_shown_with_where() {
        let mut sums = GoHandoffSums::default();
        sums.add(&handoffs());
        let text = handoffs_text(&sums.report(2_000_000_000, None));
        assert_eq!(
            text,
            "Ps taken from threads in system calls 34 (17.0/s), given up before them 6 (3.00/s), \
             locked threads 0, other 0; back from a call and no P 10 (5.00/s)\n\
             COUNT    RATE  P          WHERE\n   \
                30  15.0/s  taken      main.work main.go:12 in syscall.read\n   \
                10  5.00/s  none left  main.work main.go:12\n    \
                 6  3.00/s  given up   os/signal.loop main.go:12\n    \
                 4  2.00/s  taken      os/signal.loop main.go:12\n"
        );
        let none = handoffs_text(&GoHandoffReport::default());
        assert_eq!(none.lines().count(), 1, "{none}");
    }

    #[test]
    fn a_process_is_shown_with_what_should_be_changed() {
        let report = GoSchedulingReport::of(70, &sums(), 2_000_000_000);
        assert_eq!(
            go_scheduling_text(&report),
            "Go scheduler of process 70, 4 looks: GOMAXPROCS 2, 8 CPUs allowed, quota 1.5 CPUs, \
             throttled for 45.0 ms\n\
             Ps idle 0.75 (most 1); threads 5.00 (most 5), idle 2.00 (most 2), spinning 0.25 (most \
             1)\n\
             goroutines in the queue of all Ps 0.50 (most 2)\n\
             P  RUNNING  SYSCALL  STOPPED  IDLE  QUEUE  MOST  ROUNDS\n\
             0    100 %      0 %      0 %   0 %   1.50     3   250/s\n\
             1     25 %      0 %     25 %  50 %   0.00     0     0/s\n\
             runnable to running, as the runtime samples it: 3 times, p50 416 ns, p95 1.02 µs, \
             p99 1.02 µs, none above 1.02 µs\n\
             goroutines made: 15.0/s\n\
             warning: GOMAXPROCS=2 is more than the 1.5 CPUs that the control group allows\n\
             warning: the control group was throttled in 3 of 10 periods\n"
        );
    }
}
