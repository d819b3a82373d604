//! Tables: aligned columns for people, objects for programs.

use std::fmt;

use serde_json::{Map, Value, json};

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
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// `{"title": …, "rows": [{column: value, …}, …]}`.
    pub(super) fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| -> Value {
            let pairs = self.columns.iter().cloned().zip(row.iter().map(Cell::json));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        json!({"title": self.title, "rows": self.rows.iter().map(object).collect::<Vec<_>>()})
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = std::iter::once(self.columns.clone())
            .chain(
                self.rows
                    .iter()
                    .map(|row| row.iter().map(Cell::to_string).collect()),
            )
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.columns.len()).filter_map(width).collect();
        writeln!(f, "{}", self.title)?;
        for row in &rows {
            write!(f, "  {:<1$}", row[0], widths[0])?;
            for (text, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {text:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
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
}
