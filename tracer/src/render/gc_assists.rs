//! Assists of the garbage collector, as text.

use std::fmt::Write;

use crate::analysis::{GcAssistReport, GcAssistRow};
use crate::term::{Align, Columns, ns, percent, plural, printable};

/// Rows of each table.
const ROWS: usize = 20;

/// How many there were and how long, what the runtime says, and a table each by place of allocation,
/// by `go` statement and by goroutine.
#[must_use]
pub fn gc_assists_text(report: &GcAssistReport) -> String {
    let mut text = head(report);
    let tables = [
        ("ALLOCATES", &report.functions),
        ("CREATED BY", &report.creators),
        ("GOROUTINE", &report.goroutines),
    ];
    for (title, rows) in tables {
        if !rows.is_empty() {
            text.push('\n');
            text += &table(title, rows);
        }
    }
    text
}

fn head(report: &GcAssistReport) -> String {
    let mut text = format!("GC assists: {}", report.count);
    if report.count > 0 {
        let goroutines = plural(report.goroutine_count, "goroutine", "goroutines");
        let _ = write!(
            text,
            " by {goroutines}, {}, longest {}",
            ns(report.time_ns),
            ns(report.max_ns)
        );
    }
    if let Some(share) = report.mutator_share {
        let share = percent(share, 1.0);
        let _ = write!(text, "; {share} of the time that Ps ran goroutines");
    }
    if let Some(watched) = report.watched_ns {
        let _ = write!(text, "; in the first {}, then detached", ns(watched));
    }
    if report.waits > 0 {
        let _ = write!(
            text,
            "\nwaits for others to mark: {}, {}, longest {}",
            report.waits,
            ns(report.wait_ns),
            ns(report.max_wait_ns)
        );
    }
    if let Some(watched) = report.waits_watched_ns {
        let _ = write!(text, "; waits in the first {}, then detached", ns(watched));
    }
    if report.cycles > 0 {
        let _ = write!(
            text,
            "\nin {} the probes saw {}, the runtime counted {}",
            plural(report.cycles, "whole cycle", "whole cycles"),
            ns(report.seen_ns),
            ns(report.runtime_ns)
        );
    }
    text.push('\n');
    text
}

fn table(title: &str, rows: &[GcAssistRow]) -> String {
    let mut align = vec![Align::Right; 6];
    align.push(Align::Left);
    let mut columns = Columns::new(&align);
    columns.row(["COUNT", "TIME", "SHARE", "MAX", "WAITS", "WAITED", title]);
    for row in rows.iter().take(ROWS) {
        columns.row([
            row.count.to_string(),
            ns(row.time_ns),
            percent(row.share, 1.0),
            ns(row.max_ns),
            row.waits.to_string(),
            ns(row.wait_ns),
            what(title, row),
        ]);
    }
    let mut text = columns.to_string();
    let hidden = rows.len().saturating_sub(ROWS) as u64;
    if hidden > 0 {
        text += &plural(hidden, "more row\n", "more rows\n");
    }
    text
}

/// `main.serve server.go:12`, with what is special about it.
fn what(title: &str, row: &GcAssistRow) -> String {
    let place = place(row);
    match (title, row.goid, &row.within) {
        ("GOROUTINE", Some(goid), _) => format!("{goid} of {place}"),
        ("GOROUTINE", None, _) => format!("others of {place}"),
        (_, _, Some(within)) => format!("{place} in {}", printable(within)),
        _ => place,
    }
}

fn place(row: &GcAssistRow) -> String {
    let Some(function) = &row.function else {
        return format!("? in process {}", row.pid);
    };
    let file = row.file.as_deref().unwrap_or("?");
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let line = row.line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{} {}{line}", printable(function), printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{GcAssistFold, gc_assists_fixture};

    #[test]
    fn a_table_each() {
        let mut fold = GcAssistFold::default();
        let events = gc_assists_fixture::events();
        events.iter().for_each(|e| fold.event(e));
        let report = GcAssistReport {
            cycles: 3,
            seen_ns: 9_000_000,
            runtime_ns: 9_100_000,
            mutator_share: Some(0.1),
            ..fold.report()
        };
        let text = gc_assists_text(&report);
        let lines: Vec<String> = text
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "GC assists: 8 by 3 goroutines, 10.0 ms, longest 6.00 ms; 10.0 % of the time \
                 that Ps ran goroutines",
                "waits for others to mark: 4, 2.00 µs, longest 500 ns",
                "in 3 whole cycles the probes saw 9.00 ms, the runtime counted 9.10 ms",
                "",
                "COUNT TIME SHARE MAX WAITS WAITED ALLOCATES",
                "4 8.00 ms 80.0 % 6.00 ms 2 1.00 µs main.heavy main.go:7",
                "2 1.00 ms 10.0 % 1.00 ms 1 500 ns main.light main.go:7",
                "2 1.00 ms 10.0 % 1.00 ms 1 500 ns main.light main.go:7 in fmt.Sprintf",
                "",
                "COUNT TIME SHARE MAX WAITS WAITED CREATED BY",
                "4 8.00 ms 80.0 % 6.00 ms 2 1.00 µs main.main main.go:3",
                "4 2.00 ms 20.0 % 1.00 ms 2 1.00 µs main.serve main.go:3",
                "",
                "COUNT TIME SHARE MAX WAITS WAITED GOROUTINE",
                "2 6.00 ms 60.0 % 6.00 ms 1 500 ns 5 of main.main main.go:3",
                "2 2.00 ms 20.0 % 2.00 ms 1 500 ns 6 of main.main main.go:3",
                "2 1.00 ms 10.0 % 1.00 ms 1 500 ns others of main.serve main.go:3",
                "2 1.00 ms 10.0 % 1.00 ms 1 500 ns 7 of main.serve main.go:3",
            ]
        );
        let none = gc_assists_text(&GcAssistReport::default());
        assert_eq!(none, "GC assists: 0\n");
    }
}
