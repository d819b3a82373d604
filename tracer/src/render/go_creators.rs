//! Goroutines by the `go` statement that made them, as text.

use crate::analysis::GoCreatorRow;
use crate::term::{Align, Columns, ns, plural, printable, rate};

/// Statements that are shown.
const ROWS: usize = 40;

/// A line for each statement, who made most first, and one of all when there are several.
#[must_use]
pub fn go_creators_text(rows: &[GoCreatorRow]) -> String {
    // A recording may hold any numbers.
    let sum = |of: fn(&GoCreatorRow) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
    let (created, ended) = (sum(|row| row.created), sum(|row| row.ended));
    let mut text = format!(
        "{} made, {ended} ended; from being made to the first run:\n",
        plural(created, "goroutine", "goroutines")
    );
    let mut align = vec![Align::Right; 8];
    align.push(Align::Left);
    let mut columns = Columns::new(&align);
    columns.row([
        "MADE",
        "RATE",
        "ENDED",
        "RATE",
        "P50",
        "P95",
        "P99",
        "MAX",
        "CREATED BY",
    ]);
    for row in rows.iter().take(ROWS) {
        let time = |t: Option<u64>| t.map_or_else(|| "-".to_owned(), ns);
        columns.row([
            row.created.to_string(),
            rate(row.created_per_second),
            row.ended.to_string(),
            rate(row.ended_per_second),
            time(row.p50_ns),
            time(row.p95_ns),
            time(row.p99_ns),
            time(Some(row.max_ns).filter(|_| row.first_runs > 0)),
            place(row),
        ]);
    }
    text += &columns.to_string();
    let hidden = rows.len().saturating_sub(ROWS);
    if hidden > 0 {
        text += &plural(hidden as u64, "more creator\n", "more creators\n");
    }
    text
}

/// `main.serve server.go:12`; with the pid where that is not known.
fn place(row: &GoCreatorRow) -> String {
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

    #[test]
    fn a_line_each() {
        let row = GoCreatorRow {
            pid: 7,
            function: Some("main.serve".to_owned()),
            file: Some("/src/server.go".to_owned()),
            line: Some(12),
            created: 3000,
            created_per_second: 300.0,
            ended: 2990,
            ended_per_second: 299.0,
            first_runs: 3000,
            p50_ns: Some(1500),
            p95_ns: Some(20_000),
            p99_ns: Some(1_000_000),
            max_ns: 3_000_000,
        };
        let unknown = GoCreatorRow {
            function: None,
            created: 1,
            created_per_second: 0.1,
            ended: 0,
            ended_per_second: 0.0,
            first_runs: 0,
            p50_ns: None,
            p95_ns: None,
            p99_ns: None,
            max_ns: 0,
            ..row.clone()
        };
        let text = go_creators_text(&[row, unknown]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "3001 goroutines made, 2990 ended; from being made to the first run:"
        );
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(lines[2]).join(" "),
            "3000 300/s 2990 299/s 1.50 µs 20.0 µs 1.00 ms 3.00 ms main.serve server.go:12"
        );
        assert!(lines[3].ends_with("? in process 7"));
        assert_eq!(
            words(lines[3]).iter().filter(|word| *word == "-").count(),
            4
        );
        assert_eq!(lines.len(), 4);
    }
}
