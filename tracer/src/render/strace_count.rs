//! The summary of `-c` in the layout of strace, and histograms in that of bcc.

use std::fmt::Write as _;
use std::io::Write;

use super::call_group::GroupBy;
use crate::event::{Body, Event, Losses, SyscallLatency};
use crate::report::histogram::Histogram;
use crate::report::table::{Align, Cell, Table};
use crate::sink::{Sink, SinkError};
use crate::syscall::count::{DEFAULT_COLUMNS, SummaryColumn, SummarySort, SyscallTotals};
use crate::syscall::machine::Machine;

/// Name and version of the schema, as it stands in each document. The version changes when a field
/// changes its meaning or goes away.
pub const SCHEMA: &str = "count/1";

/// The JSON Schema of the documents.
pub const SCHEMA_TEXT: &str = include_str!("strace_count/schema.json");

/// What the summary shows.
#[derive(Clone, Debug)]
pub struct CountOptions {
    pub columns: Vec<SummaryColumn>,
    pub sort: SummarySort,
    /// A histogram of each syscall after the table.
    pub histograms: bool,
    pub format: CountFormat,
    /// The text says which clock the times are of.
    pub names_clock: bool,
    /// `-O`: taken off the time of each call, in ns.
    pub overhead_ns: u64,
    /// `--by`: rows for groups of calls.
    pub by: Option<GroupBy>,
}

/// How the summary is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountFormat {
    #[default]
    Text,
    /// One document a table.
    Json,
}

impl Default for CountOptions {
    fn default() -> Self {
        Self {
            columns: DEFAULT_COLUMNS.to_vec(),
            sort: SummarySort::default(),
            histograms: false,
            format: CountFormat::Text,
            names_clock: true,
            overhead_ns: 0,
            by: None,
        }
    }
}

/// Adds up syscall latencies; prints at each tick and at the end.
#[derive(Debug)]
pub struct StraceCounts<W> {
    options: CountOptions,
    totals: SyscallTotals,
    cost: Option<serde_json::Value>,
    /// Events lost since the last table.
    lost: u64,
    ticked: bool,
    out: W,
    name: String,
}

impl<W: Write> StraceCounts<W> {
    /// Writes to `out`; errors call it `name`.
    pub fn new(options: CountOptions, out: W, name: &str) -> Self {
        let heading = options.by.map(GroupBy::name);
        Self {
            options,
            totals: SyscallTotals::grouped(Some(Machine::HOST), heading),
            cost: None,
            lost: 0,
            ticked: false,
            out,
            name: name.to_owned(),
        }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// How calls are to be grouped.
    pub(super) const fn by(&self) -> Option<GroupBy> {
        self.options.by
    }

    /// Adds measurements to those of a group.
    pub(super) fn add_to_group(&mut self, group: &str, latency: &SyscallLatency) {
        self.totals.add_to_group(group, latency);
    }

    /// Adds measurements.
    pub(super) fn add(&mut self, latency: &SyscallLatency) {
        self.totals.add(latency);
    }

    fn print(&mut self) -> Result<(), SinkError> {
        let mut totals = self.totals.take();
        totals.take_off(self.options.overhead_ns);
        let mut table = totals.table(&self.options.columns, self.options.sort);
        table
            .notes
            .extend(lost_note(std::mem::take(&mut self.lost)));
        let histograms = match self.options.histograms {
            true => totals.histograms(self.options.sort),
            false => Vec::new(),
        };
        let text = match self.options.format {
            CountFormat::Text => {
                if !self.options.names_clock {
                    table.title.clear();
                }
                text(&table, &histograms)
            }
            CountFormat::Json => json(&table, &histograms, self.cost.as_ref()),
        };
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(|e| SinkError::from_io(&self.name, e))
    }
}

impl<W: Write> Sink for StraceCounts<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => {
                let heading = self.options.by.map(GroupBy::name);
                self.totals = SyscallTotals::grouped(Machine::named(&start.arch), heading);
            }
            Body::SyscallLatency(latency) => self.totals.add(latency),
            Body::Losses(losses) => self.lost = self.lost.saturating_add(lost_events(losses)),
            Body::Cost(cost) => self.cost = Some(cost.json()),
            Body::Tick => {
                self.ticked = true;
                return self.print();
            }
            // After the last tick an empty table would say nothing.
            Body::RunEnd(_) if self.ticked && self.totals.is_empty() => {}
            Body::RunEnd(_) => return self.print(),
            _ => {}
        }
        Ok(())
    }
}

/// Records of calls that never came.
fn lost_events(losses: &Losses) -> u64 {
    let lost = losses.probes.iter().map(|p| p.ring_full);
    lost.fold(losses.undecodable, u64::saturating_add)
}

fn lost_note(lost: u64) -> Option<String> {
    (lost > 0).then(|| format!("{lost} events were lost: these are not all calls"))
}

fn text(table: &Table, histograms: &[Histogram]) -> String {
    let mut out = render(table);
    for histogram in histograms {
        out.push('\n');
        out += &render_histogram(histogram);
    }
    out
}

fn json(table: &Table, histograms: &[Histogram], cost: Option<&serde_json::Value>) -> String {
    let mut document = serde_json::json!({ "schema": SCHEMA, "table": table });
    if !histograms.is_empty() {
        document["histograms"] = serde_json::json!(histograms);
    }
    if let Some(cost) = cost {
        document["cost"] = cost.clone();
    }
    format!("{document}\n")
}

/// The table as strace lays it out: heading, rule, rows, rule, total; then the notes. The title
/// comes first, since strace's own table shows another clock.
#[must_use]
pub fn render(table: &Table) -> String {
    let widths = widths(table);
    let mut out = match table.title.as_str() {
        "" => String::new(),
        title => format!("{title}\n"),
    };
    let headings = table.columns.iter().map(|c| c.heading.clone());
    line(&mut out, table, &widths, headings);
    let rule = || widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>();
    line(&mut out, table, &widths, rule());
    for row in &table.rows {
        line(&mut out, table, &widths, texts(table, row));
    }
    line(&mut out, table, &widths, rule());
    if let Some(total) = &table.total {
        line(&mut out, table, &widths, texts(table, total));
    }
    for note in &table.notes {
        let _ = writeln!(out, "{note}");
    }
    out
}

fn texts(table: &Table, row: &[Cell]) -> Vec<String> {
    row.iter()
        .zip(&table.columns)
        .map(|(cell, column)| cell_text(cell, &column.key))
        .collect()
}

fn cell_text(cell: &Cell, key: &str) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(0) if key == "errors" => String::new(),
        Cell::Count(count) => count.to_string(),
        Cell::Percent(share) => format!("{share:.2}"),
        Cell::Nanoseconds(ns) if key == "avg-time" => (ns / 1000).to_string(),
        Cell::Nanoseconds(ns) if is_quantile(key) => format!("{}.{:03}", ns / 1000, ns % 1000),
        Cell::Nanoseconds(ns) => format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000),
    }
}

fn is_quantile(key: &str) -> bool {
    let per_cent = key.strip_prefix('p');
    key == "max" || per_cent.is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
}

/// strace's widths, or more where a value needs it.
fn widths(table: &Table) -> Vec<usize> {
    let least = |key: &str| match key {
        "time-percent" => 6,
        "total-time" | "avg-time" => 11,
        "calls" | "errors" => 9,
        "name" => 16,
        _ => 8,
    };
    let mut widths: Vec<usize> = table
        .columns
        .iter()
        .map(|c| least(&c.key).max(c.heading.len()))
        .collect();
    for row in table.rows.iter().chain(&table.total) {
        for (width, text) in widths.iter_mut().zip(texts(table, row)) {
            *width = text.len().max(*width);
        }
    }
    widths
}

fn line(
    out: &mut String,
    table: &Table,
    widths: &[usize],
    texts: impl IntoIterator<Item = String>,
) {
    let last = widths.len().saturating_sub(1);
    for (i, (text, width)) in texts.into_iter().zip(widths).enumerate() {
        let separator = if i > 0 { " " } else { "" };
        let _ = match table.columns[i].align {
            Align::Left if i == last => match text.as_str() {
                "" => write!(out, ""),
                text => write!(out, "{separator}{text}"),
            },
            Align::Left => write!(out, "{separator}{text:<width$}"),
            Align::Right => write!(out, "{separator}{text:>width$}"),
        };
    }
    out.push('\n');
}

/// Stars of the longest bar.
const BAR: u64 = 40;

/// The layout of bcc's `print_log2_hist`.
#[must_use]
pub fn render_histogram(histogram: &Histogram) -> String {
    let largest = histogram.buckets.iter().map(|b| b.count).max().unwrap_or(0);
    let mut out = format!("syscall = {}\n", histogram.title);
    let _ = writeln!(
        out,
        "{:>10}{:<14}: count     distribution",
        "", histogram.unit
    );
    for bucket in histogram.buckets.iter().skip_while(|b| b.count == 0) {
        let stars = (u128::from(bucket.count) * u128::from(BAR))
            .checked_div(largest.into())
            .unwrap_or(0) as usize;
        let _ = writeln!(
            out,
            "{:>10} -> {:<10} : {:<8} |{:<width$}|",
            bucket.low,
            bucket.high,
            bucket.count,
            "*".repeat(stars),
            width = BAR as usize
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Latency, RunEnd, SyscallLatency};
    use crate::syscall::count::parse_columns;
    use tracer_common::histogram::bucket;

    fn event(body: Body) -> Event {
        Event {
            time_ns: 0,
            pid: 0,
            tid: 0,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn calls(nr: u32, count: u64, each_ns: u64, errors: u64) -> Event {
        event(Body::SyscallLatency(Box::new(SyscallLatency {
            nr,
            latency: Latency {
                count,
                errors,
                total_ns: count * each_ns,
                min_ns: each_ns,
                max_ns: each_ns,
                buckets: vec![(bucket(each_ns) as u16, count)],
            },
        })))
    }

    fn output(options: CountOptions, events: &[Event]) -> String {
        let mut sink = StraceCounts::new(options, Vec::new(), "out");
        // The numbers here are those of x86_64.
        sink.totals = SyscallTotals::of(Some(Machine::X86_64));
        for event in events {
            sink.event(event).expect("a vector takes everything");
        }
        String::from_utf8(sink.into_inner()).expect("text")
    }

    fn end() -> Event {
        event(Body::RunEnd(Box::<RunEnd>::default()))
    }

    #[test]
    fn the_layout_is_that_of_strace() {
        let events = [
            calls(230, 1, 100_133_000, 0),
            calls(257, 30, 10_833, 13),
            end(),
        ];
        // Times and counts of a run of `strace -cw sleep 0.1`.
        let expected = "\
wall-clock time from entry to exit (strace -c shows system CPU time, strace -cw this)
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.68    0.100133      100133         1           clock_nanosleep
  0.32    0.000324          10        30        13 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.100457        3240        31        13 total
";
        assert_eq!(output(CountOptions::default(), &events), expected);
    }

    #[test]
    fn chosen_columns_stand_in_the_chosen_order() {
        let options = CountOptions {
            columns: parse_columns("name,calls,errors,longest,p99").expect("valid"),
            ..CountOptions::default()
        };
        let out = output(options, &[calls(0, 2, 4_000_000, 0), end()]);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(
            lines[1],
            "syscall              calls    errors  longest p99/usecs"
        );
        assert_eq!(
            lines[2],
            "---------------- --------- --------- -------- ---------"
        );
        assert_eq!(
            lines[3],
            "read                     2           0.004000  4000.000"
        );
    }

    #[test]
    fn a_tick_prints_and_starts_over() {
        let tick = || event(Body::Tick);
        let out = output(
            CountOptions::default(),
            &[
                calls(0, 1, 1000, 0),
                tick(),
                calls(1, 1, 1000, 0),
                tick(),
                end(),
            ],
        );
        assert_eq!(
            out.matches("total").count(),
            2,
            "no third, empty table:\n{out}"
        );
        assert_eq!(out.matches(" read\n").count(), 1);
        assert_eq!(out.matches(" write\n").count(), 1);
    }

    #[test]
    fn losses_are_said_below_the_table_they_concern() {
        let losses = Losses {
            undecodable: 2,
            probes: vec![crate::event::ProbeLoss {
                ring_full: 40,
                ..crate::event::ProbeLoss::default()
            }],
        };
        let events = [
            calls(0, 1, 1000, 0),
            event(Body::Losses(losses)),
            event(Body::Tick),
            calls(0, 1, 1000, 0),
            end(),
        ];
        let out = output(CountOptions::default(), &events);
        let note = "42 events were lost: these are not all calls\n";
        assert_eq!(out.matches(note).count(), 1, "{out}");
        assert!(out.find(note) < out.rfind("read"), "{out}");
    }

    #[test]
    fn histograms_follow_the_table() {
        let options = CountOptions {
            histograms: true,
            ..CountOptions::default()
        };
        let out = output(
            options,
            &[calls(0, 4, 5_000, 0), calls(0, 2, 1_500, 0), end()],
        );
        let expected = "
syscall = read
          nsecs         : count     distribution
      1024 -> 2047       : 2        |********************                    |
      2048 -> 4095       : 0        |                                        |
      4096 -> 8191       : 4        |****************************************|
";
        assert!(out.ends_with(expected), "{out}");
    }

    #[test]
    fn json_has_bare_values() {
        let options = CountOptions {
            format: CountFormat::Json,
            columns: parse_columns("calls,total-time").expect("valid"),
            ..CountOptions::default()
        };
        let out = output(options, &[calls(0, 4, 5_000, 0), end()]);
        let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(
            document["table"]["rows"][0],
            serde_json::json!([4, 20_000, "read"])
        );
        assert_eq!(document["table"]["columns"][1]["key"], "total-time");
        assert_eq!(document["table"]["columns"][1]["unit"], "ns");
    }
}
