//! Tables: aligned columns for people, objects for programs.

use std::fmt;

use serde_json::{Map, Value, json};

use super::peers::slug;

/// One field of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Number {
        value: f64,
        decimals: usize,
        unit: &'static str,
    },
    Absent,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn number(value: f64, decimals: usize, unit: &'static str) -> Self {
        Self::Number {
            value,
            decimals,
            unit,
        }
    }

    pub(super) fn maybe(value: Option<f64>, decimals: usize, unit: &'static str) -> Self {
        value.map_or(Self::Absent, |value| Self::number(value, decimals, unit))
    }

    /// A whole number; exact below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    pub(super) fn count(value: usize) -> Self {
        Self::number(value as f64, 0, "")
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number { value, .. } => json!(value),
            Self::Absent => Value::Null,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number {
                value,
                decimals,
                unit,
            } => write!(f, "{value:.decimals$}{unit}"),
            Self::Absent => f.write_str("-"),
        }
    }
}

/// Bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A titled table; every row has a cell for each column.
#[derive(Clone, Debug)]
pub(super) struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Column {
    head: String,
    /// People do not see it.
    for_programs: bool,
}

#[derive(Clone, Debug)]
struct Row {
    id: Option<String>,
    cells: Vec<Cell>,
}

impl Table {
    pub(super) fn new(title: &str, heads: &[&str]) -> Self {
        let column = |head: &&str| Column {
            head: (*head).to_owned(),
            for_programs: false,
        };
        Self {
            title: title.to_owned(),
            columns: heads.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// The same with the columns `heads` in JSON only.
    pub(super) fn for_programs(mut self, heads: &[impl AsRef<str>]) -> Self {
        for column in &mut self.columns {
            column.for_programs |= heads.iter().any(|head| head.as_ref() == column.head);
        }
        self
    }

    pub(super) fn push(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(Row { id: None, cells });
    }

    /// As [`Self::push`], with an `id` in JSON by which programs find the row.
    pub(super) fn push_as(&mut self, id: &str, cells: Vec<Cell>) {
        self.push(cells);
        if let Some(row) = self.rows.last_mut() {
            row.id = Some(id.to_owned());
        }
    }

    /// `{"title": …, "rows": [{"id": …, column: value, …}, …]}`. Columns are called as their
    /// heads, in lower case and with `_` between words.
    pub(super) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| self.row_json(row));
        json!({"title": self.title, "rows": rows.collect::<Vec<_>>()})
    }

    fn row_json(&self, row: &Row) -> Value {
        let names = self.columns.iter().map(|column| slug(&column.head));
        let cells = names.zip(row.cells.iter().map(Cell::json));
        let id = row.id.iter().map(|id| ("id".to_owned(), json!(id)));
        Value::Object(id.chain(cells).collect::<Map<_, _>>())
    }

    /// What people see, with the heads first. A last column with nothing in it is left out.
    fn shown(&self) -> Vec<Vec<String>> {
        let has_text = |index: usize| {
            let mut cells = self.rows.iter().map(|row| &row.cells[index]);
            index + 1 < self.columns.len() || cells.any(|cell| *cell != Cell::Absent)
        };
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|&index| !self.columns[index].for_programs && has_text(index))
            .collect();
        let heads = shown.iter().map(|&i| self.columns[i].head.clone());
        let rows = self.rows.iter().map(|row| {
            let cells = shown.iter().map(|&i| shortened(&row.cells[i].to_string()));
            cells.collect()
        });
        std::iter::once(heads.collect()).chain(rows).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.shown();
        let columns = rows[0].len();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        writeln!(f, "{}", self.title)?;
        for row in &rows {
            write!(f, "  {:<1$}", row[0], widths[0])?;
            for (text, &width) in row.iter().zip(&widths).skip(1) {
                // Texts are as long as they are and stand in the last column.
                let width = if width > LONG { 0 } else { width };
                write!(f, "  {text:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Wider columns hold texts and are not aligned.
const LONG: usize = 45;

/// The beginning of a longer text, which programs get whole.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(2 * LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_are_objects() {
        let mut table = Table::new("t", &["name", "x"]);
        table.push(vec![Cell::text("long name"), Cell::number(1.25, 1, "x")]);
        table.push(vec![Cell::text("b"), Cell::Absent]);
        assert_eq!(
            table.to_string(),
            "t\n  name          x\n  long name  1.2x\n  b             -\n"
        );
        assert_eq!(
            table.json(),
            json!({"title": "t", "rows": [{"name": "long name", "x": 1.25}, {"name": "b", "x": null}]})
        );
    }

    #[test]
    fn programs_get_more_columns_and_find_rows_by_id() {
        let heads = ["configuration", "C read ns", "C read slowdown", "remark"];
        let mut table = Table::new("t", &heads).for_programs(&["C read ns"]);
        let cells = |remark| vec![Cell::text("a"), Cell::count(7), Cell::count(2), remark];
        table.push_as("tracer-count", cells(Cell::Absent));
        let expected = "t\n  configuration  C read slowdown\n  a                            2\n";
        assert_eq!(table.to_string(), expected);
        let row = json!({"id": "tracer-count", "configuration": "a", "c_read_ns": 7.0,
            "c_read_slowdown": 2.0, "remark": null});
        assert_eq!(table.json()["rows"][0], row);
        table.push(cells(Cell::text("does not work")));
        assert!(table.to_string().contains("does not work"));
    }
}
