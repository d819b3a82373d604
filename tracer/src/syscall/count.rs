//! The summary table of `-c`: calls, errors and durations by syscall.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tracer_common::histogram::lower_bound;

use super::count_group::{GroupId, Groups, MAX_GROUPS, NO_GROUP, OTHERS, OTHERS_NAME};
use super::machine::Machine;
use super::table;
use crate::event::{Latency, SyscallLatency};
use crate::report::histogram::Histogram;
use crate::report::table::{Align, Cell, Column, Table};

/// A column of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryColumn {
    TimePercent,
    TotalTime,
    MinTime,
    MaxTime,
    AverageTime,
    Calls,
    Errors,
    /// Duration not exceeded by this share of the calls, in per mille.
    Quantile(u16),
    Name,
}

use SummaryColumn::{
    AverageTime, Calls, Errors, MaxTime, MinTime, Name, Quantile, TimePercent, TotalTime,
};

/// The share that is the longest call itself, in the unit of the percentiles beside it.
const LARGEST: u16 = 1000;

/// Names that `-U` and `-S` accept; the first of each column is its key.
static NAMES: &[(&str, SummaryColumn)] = &[
    ("time-percent", TimePercent),
    ("time", TimePercent),
    ("total-time", TotalTime),
    ("time-total", TotalTime),
    ("wall-total", TotalTime),
    ("min-time", MinTime),
    ("shortest", MinTime),
    ("time-min", MinTime),
    ("wall-min", MinTime),
    ("max-time", MaxTime),
    ("longest", MaxTime),
    ("time-max", MaxTime),
    ("wall-max", MaxTime),
    ("avg-time", AverageTime),
    ("time-avg", AverageTime),
    ("wall-avg", AverageTime),
    ("calls", Calls),
    ("count", Calls),
    ("errors", Errors),
    ("error", Errors),
    ("p50", Quantile(500)),
    ("p90", Quantile(900)),
    ("p95", Quantile(950)),
    ("p99", Quantile(990)),
    ("p99.9", Quantile(999)),
    ("max", Quantile(LARGEST)),
    ("name", Name),
    ("syscall", Name),
    ("syscall-name", Name),
];

/// The columns that strace shows without `-U`.
pub static DEFAULT_COLUMNS: [SummaryColumn; 6] =
    [TimePercent, TotalTime, AverageTime, Calls, Errors, Name];

/// Order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummarySort {
    /// Largest first; the name ascending.
    By(SummaryColumn),
    /// By number.
    Nothing,
}

impl Default for SummarySort {
    fn default() -> Self {
        Self::By(TotalTime)
    }
}

/// Why `-U` or `-S` is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SummaryError {
    #[error("unknown column name: '{name}'; the names are {}", all_keys())]
    Column { name: String },
    #[error("column name '{name}' is given twice; leave one out")]
    Duplicate { name: String },
    #[error("invalid sortby: '{name}'; sort by {}, or nothing", all_keys())]
    Sort { name: String },
}

fn all_keys() -> String {
    let mut keys = Vec::new();
    let mut last = None;
    for (key, column) in NAMES {
        if last != Some(column) {
            keys.push(*key);
        }
        last = Some(column);
    }
    keys.join(", ")
}

/// Reads the list of `-U`. The name is added at the end when it is missing.
///
/// # Errors
/// An unknown or repeated name.
pub fn parse_columns(list: &str) -> Result<Vec<SummaryColumn>, SummaryError> {
    let mut columns = Vec::new();
    for name in list.split(',') {
        let column = column_named(name).ok_or_else(|| SummaryError::Column {
            name: name.to_owned(),
        })?;
        if columns.contains(&column) {
            return Err(SummaryError::Duplicate {
                name: name.to_owned(),
            });
        }
        columns.push(column);
    }
    if !columns.contains(&Name) {
        columns.push(Name);
    }
    Ok(columns)
}

/// Reads the key of `-S`. `time` is the total time.
///
/// # Errors
/// An unknown name.
pub fn parse_sort(name: &str) -> Result<SummarySort, SummaryError> {
    match name {
        "nothing" | "none" => Ok(SummarySort::Nothing),
        "time" => Ok(SummarySort::By(TotalTime)),
        _ => column_named(name)
            .map(SummarySort::By)
            .ok_or_else(|| SummaryError::Sort {
                name: name.to_owned(),
            }),
    }
}

fn column_named(name: &str) -> Option<SummaryColumn> {
    NAMES.iter().find(|n| n.0 == name).map(|n| n.1)
}

impl SummaryColumn {
    /// Stable name, as `-U` accepts it.
    #[must_use]
    pub fn key(self) -> &'static str {
        NAMES
            .iter()
            .find(|n| n.1 == self)
            .map_or("quantile", |n| n.0)
    }

    fn column(self) -> Column {
        let quantile;
        let heading = match self {
            TimePercent => "% time",
            TotalTime => "seconds",
            MinTime => "shortest",
            MaxTime => "longest",
            AverageTime => "usecs/call",
            Calls => "calls",
            Errors => "errors",
            Name => "syscall",
            // In the unit of `usecs/call`: seconds, as strace has them, show no sub-microsecond call.
            Quantile(_) => {
                quantile = format!("{}/usecs", self.key());
                &quantile
            }
        };
        let align = match self {
            Name => Align::Left,
            _ => Align::Right,
        };
        Column {
            key: self.key().to_owned(),
            heading: heading.to_owned(),
            unit: self.unit().to_owned(),
            align,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Calls | Errors | Name => "",
            TimePercent => "percent",
            TotalTime | MinTime | MaxTime | AverageTime | Quantile(_) => "ns",
        }
    }

    /// The value of one row; `all_ns` is the time of all rows.
    fn cell(self, name: &str, latency: &Latency, all_ns: u64) -> Cell {
        let measured = latency.measured();
        match self {
            TimePercent if all_ns == 0 => Cell::Percent(0.0),
            TimePercent => Cell::Percent(latency.total_ns as f64 * 100.0 / all_ns as f64),
            TotalTime => Cell::Nanoseconds(latency.total_ns),
            Calls => Cell::Count(latency.count),
            Errors if latency.errors == 0 => Cell::Empty,
            Errors => Cell::Count(latency.errors),
            Name => Cell::Text(name.to_owned()),
            // The rest needs a duration.
            _ if measured == 0 => Cell::Empty,
            MinTime => Cell::Nanoseconds(latency.min_ns),
            MaxTime => Cell::Nanoseconds(latency.max_ns),
            AverageTime => Cell::Nanoseconds(latency.total_ns / measured),
            Quantile(LARGEST) => Cell::Nanoseconds(latency.max_ns),
            Quantile(per_mille) => latency
                .quantile(f64::from(per_mille) / 1000.0)
                .map_or(Cell::Empty, Cell::Nanoseconds),
        }
    }

    /// What rows are sorted by, largest first.
    fn weight(self, latency: &Latency) -> u64 {
        match self {
            TimePercent | TotalTime => latency.total_ns,
            MinTime => latency.min_ns,
            MaxTime => latency.max_ns,
            AverageTime => latency.total_ns / latency.measured().max(1),
            Calls => latency.count,
            Errors => latency.errors,
            Quantile(LARGEST) => latency.max_ns,
            Quantile(per_mille) => latency.quantile(f64::from(per_mille) / 1000.0).unwrap_or(0),
            Name => 0,
        }
    }
}

/// Sums of latencies by syscall, and by group when calls are grouped.
#[derive(Clone, Debug)]
pub struct SyscallTotals {
    machine: Option<Machine>,
    /// By number and group.
    rows: BTreeMap<(u32, GroupId), Latency>,
    /// What the groups are, for the heading of their column.
    grouped_by: Option<&'static str>,
    groups: Groups,
}

impl Default for SyscallTotals {
    fn default() -> Self {
        Self::of(Some(Machine::HOST))
    }
}

impl SyscallTotals {
    /// No calls yet of a machine; without one all have numbers for names.
    #[must_use]
    pub fn of(machine: Option<Machine>) -> Self {
        Self {
            machine,
            rows: BTreeMap::new(),
            grouped_by: None,
            groups: Groups::default(),
        }
    }

    /// No calls yet of a machine; there will be a column `heading` for groups of calls.
    #[must_use]
    pub fn grouped(machine: Option<Machine>, heading: Option<&'static str>) -> Self {
        Self {
            grouped_by: heading,
            ..Self::of(machine)
        }
    }

    /// Takes the sums and begins anew.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let anew = Self::grouped(self.machine, self.grouped_by);
        std::mem::replace(self, anew)
    }

    /// Adds measurements to the syscall's, in no group.
    pub fn add(&mut self, more: &SyscallLatency) {
        self.add_to(NO_GROUP, more);
    }

    /// Adds measurements to those that the syscall has in a group.
    pub fn add_to_group(&mut self, group: &str, more: &SyscallLatency) {
        let group = self.groups.id(group);
        self.add_to(group, more);
    }

    fn add_to(&mut self, group: GroupId, more: &SyscallLatency) {
        let row = self.rows.entry((more.nr, group)).or_default();
        row.merge(&more.latency);
    }

    /// Takes `overhead_ns` off the time of each call, as far as there is any.
    pub fn take_off(&mut self, overhead_ns: u64) {
        for latency in self.rows.values_mut() {
            let overhead = overhead_ns.saturating_mul(latency.measured());
            latency.total_ns = latency.total_ns.saturating_sub(overhead);
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The summary. The time is wall time between entry and exit. The column of groups, if there
    /// is one, follows that of names.
    #[must_use]
    pub fn table(&self, columns: &[SummaryColumn], sort: SummarySort) -> Table {
        let mut sum = Latency::default();
        for latency in self.rows.values() {
            sum.merge(latency);
        }
        let rows = self.sorted(sort).into_iter().map(|((nr, group), latency)| {
            let cells = cells(columns, &self.name(nr), latency, sum.total_ns);
            self.with_group(
                columns,
                cells,
                Cell::Text(self.groups.name(group).to_owned()),
            )
        });
        let total = total_row(columns, cells(columns, "total", &sum, sum.total_ns));
        let headings = columns.iter().map(|c| c.column()).collect();
        Table {
            title: "wall-clock time from entry to exit (strace -c shows system CPU time, \
                    strace -cw this)"
                .to_owned(),
            columns: self.with_group(columns, headings, self.group_column()),
            rows: rows.collect(),
            total: Some(self.with_group(columns, total, Cell::Empty)),
            notes: unmeasured_note(&sum)
                .into_iter()
                .chain(self.others_note())
                .collect(),
        }
    }

    /// Puts the cell of the group behind that of the name.
    fn with_group<T>(&self, columns: &[SummaryColumn], mut cells: Vec<T>, group: T) -> Vec<T> {
        let name = columns.iter().position(|c| *c == Name);
        if let (Some(_), Some(name)) = (self.grouped_by, name) {
            cells.insert(name + 1, group);
        }
        cells
    }

    fn group_column(&self) -> Column {
        let heading = self.grouped_by.unwrap_or_default();
        Column {
            key: heading.to_owned(),
            heading: heading.to_owned(),
            unit: String::new(),
            align: Align::Left,
        }
    }

    fn others_note(&self) -> Option<String> {
        let others = self.rows.iter().filter(|((_, group), _)| *group == OTHERS);
        let calls = others.fold(0_u64, |n, (_, latency)| n.saturating_add(latency.count));
        (calls > 0).then(|| {
            let heading = self.grouped_by.unwrap_or_default();
            format!(
                "{OTHERS_NAME}: {calls} calls that have another {heading} than the first \
                 {MAX_GROUPS}"
            )
        })
    }

    /// One histogram of durations in ns per row of the table.
    #[must_use]
    pub fn histograms(&self, sort: SummarySort) -> Vec<Histogram> {
        self.sorted(sort)
            .into_iter()
            .filter(|(_, latency)| latency.measured() > 0)
            .map(|((nr, group), latency)| {
                let values = latency
                    .buckets
                    .iter()
                    .map(|&(index, count)| (bucket_start(index), count));
                let title = match self.grouped_by {
                    Some(heading) => {
                        format!("{}, {heading} = {}", self.name(nr), self.groups.name(group))
                    }
                    None => self.name(nr),
                };
                Histogram::powers_of_two(title, "nsecs", values)
            })
            .collect()
    }

    fn name(&self, nr: u32) -> String {
        table::name_on(self.machine, nr)
    }

    fn sorted(&self, sort: SummarySort) -> Vec<((u32, GroupId), &Latency)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(&row, l)| (row, l)).collect();
        // Groups have ids in the order of their first calls, which is nothing to sort by.
        rows.sort_by_key(|((nr, group), _)| (*nr, self.groups.name(*group)));
        match sort {
            SummarySort::Nothing => {}
            SummarySort::By(Name) => rows.sort_by_key(|((nr, _), _)| self.name(*nr)),
            // Stable: equal rows stay in order of their number.
            SummarySort::By(column) => rows.sort_by_key(|(_, l)| Reverse(column.weight(l))),
        }
        rows
    }
}

fn cells(columns: &[SummaryColumn], name: &str, latency: &Latency, all_ns: u64) -> Vec<Cell> {
    columns
        .iter()
        .map(|c| c.cell(name, latency, all_ns))
        .collect()
}

/// The sum of the percentages is 100 whatever their rounding; strace says so even without time.
fn total_row(columns: &[SummaryColumn], mut row: Vec<Cell>) -> Vec<Cell> {
    for (cell, column) in row.iter_mut().zip(columns) {
        match column {
            TimePercent => *cell = Cell::Percent(100.0),
            Errors if *cell == Cell::Empty => *cell = Cell::Count(0),
            _ => {}
        }
    }
    row
}

fn unmeasured_note(sum: &Latency) -> Option<String> {
    let unmeasured = sum.count.saturating_sub(sum.measured());
    (unmeasured > 0).then(|| {
        format!("{unmeasured} calls had begun before tracing did: counted, but without a duration")
    })
}

fn bucket_start(index: u16) -> u64 {
    let last = tracer_common::histogram::BUCKETS - 1;
    lower_bound(usize::from(index).min(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::histogram::bucket;

    pub(crate) fn latency(nr: u32, values: &[u64], errors: u64) -> SyscallLatency {
        let mut all = Latency::default();
        for &v in values {
            all.merge(&Latency {
                count: 1,
                errors: 0,
                total_ns: v,
                min_ns: v,
                max_ns: v,
                buckets: vec![(bucket(v) as u16, 1)],
            });
        }
        all.errors = errors;
        SyscallLatency { nr, latency: all }
    }

    fn totals() -> SyscallTotals {
        let mut totals = SyscallTotals::of(Some(Machine::X86_64));
        totals.add(&latency(0, &[1000, 3000], 0));
        totals.add(&latency(257, &[5000], 1));
        totals.add(&latency(0, &[2000], 1));
        totals
    }

    #[test]
    fn columns_are_parsed_with_their_aliases() {
        assert_eq!(
            parse_columns("calls,syscall,p99.9,longest"),
            Ok(vec![Calls, Name, Quantile(999), MaxTime])
        );
        assert_eq!(
            parse_columns("calls"),
            Ok(vec![Calls, Name]),
            "the name is added"
        );
        let error = parse_columns("foo").expect_err("unknown").to_string();
        assert!(error.starts_with("unknown column name: 'foo'; the names are time-percent, "));
        assert!(matches!(
            parse_columns("calls,count"),
            Err(SummaryError::Duplicate { .. })
        ));
        assert_eq!(parse_sort("time"), Ok(SummarySort::By(TotalTime)));
        assert_eq!(parse_sort("nothing"), Ok(SummarySort::Nothing));
        assert!(parse_sort("foo").is_err());
    }

    #[test]
    fn measurements_of_one_syscall_are_merged() {
        let table = totals().table(
            &[Name, Calls, Errors, TotalTime, MaxTime],
            SummarySort::default(),
        );
        assert!(table.is_rectangular());
        assert_eq!(
            table.rows[0],
            [
                Cell::Text("read".into()),
                Cell::Count(3),
                Cell::Count(1),
                Cell::Nanoseconds(6000),
                Cell::Nanoseconds(3000)
            ]
        );
        let total = table.total.expect("a total");
        assert_eq!(
            total[1..4],
            [Cell::Count(4), Cell::Count(2), Cell::Nanoseconds(11000)]
        );
        assert!(table.notes.is_empty());
    }

    #[test]
    fn rows_are_sorted_as_asked() {
        let first = |sort| match totals().table(&[Name], sort).rows[0][0].clone() {
            Cell::Text(name) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(first(SummarySort::By(MaxTime)), "openat");
        assert_eq!(first(SummarySort::By(Calls)), "read");
        assert_eq!(first(SummarySort::By(Name)), "openat");
        assert_eq!(first(SummarySort::Nothing), "read");
    }

    #[test]
    fn groups_are_rows_of_their_own_and_add_up() {
        let mut totals = SyscallTotals::grouped(Some(Machine::X86_64), Some("path"));
        totals.add_to_group("/b", &latency(1, &[1000, 1000], 0));
        totals.add_to_group("/a", &latency(1, &[500], 1));
        totals.add_to_group("/b", &latency(1, &[1000], 0));
        let columns = [Calls, Name, Errors];
        let table = totals.table(&columns, SummarySort::default());
        assert!(table.is_rectangular());
        let keys: Vec<_> = table.columns.iter().map(|c| c.key.as_str()).collect();
        assert_eq!(keys, ["calls", "name", "path", "errors"]);
        let text = |text: &str| Cell::Text(text.into());
        let rows = [
            [Cell::Count(3), text("write"), text("/b"), Cell::Empty],
            [Cell::Count(1), text("write"), text("/a"), Cell::Count(1)],
        ];
        assert_eq!(table.rows, rows);
        let total = [Cell::Count(4), text("total"), Cell::Empty, Cell::Count(1)];
        assert_eq!(table.total.expect("a total"), total);
        let by_name = totals.table(&columns, SummarySort::By(Name));
        assert_eq!(by_name.rows[0][2], text("/a"));
        assert_eq!(
            totals.histograms(SummarySort::default())[0].title,
            "write, path = /b"
        );
        let _ = totals.take();
        assert!(totals.is_empty() && totals.grouped_by == Some("path"));
    }

    #[test]
    fn groups_beyond_the_limit_are_counted_together_and_said() {
        let mut totals = SyscallTotals::grouped(Some(Machine::X86_64), Some("fd"));
        for group in 0..MAX_GROUPS + 7 {
            totals.add_to_group(&group.to_string(), &latency(0, &[1], 0));
        }
        totals.add_to_group("3", &latency(0, &[1], 0));
        let table = totals.table(&[Calls, Name], SummarySort::By(Calls));
        assert_eq!(table.rows.len(), MAX_GROUPS + 1);
        assert_eq!(table.rows[0][0], Cell::Count(7));
        assert_eq!(table.rows[0][2], Cell::Text("(other)".into()));
        assert_eq!(table.rows[1][2], Cell::Text("3".into()));
        let note = "(other): 7 calls that have another fd than the first 10000";
        assert_eq!(table.notes, [note]);
        assert_eq!(
            table.total.expect("a total")[0],
            Cell::Count(MAX_GROUPS as u64 + 8)
        );
    }

    #[test]
    fn calls_without_a_duration_are_noted() {
        let mut totals = totals();
        totals.add(&SyscallLatency {
            nr: 1,
            latency: Latency {
                count: 5,
                ..Latency::default()
            },
        });
        let table = totals.table(&[Name, AverageTime], SummarySort::By(Calls));
        assert_eq!(table.rows[0], [Cell::Text("write".into()), Cell::Empty]);
        assert_eq!(
            table.notes,
            ["5 calls had begun before tracing did: counted, but without a duration"]
        );
    }
}
