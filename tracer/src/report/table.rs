//! A table: typed cells under named columns.

use serde::Serialize;

/// Rows of typed cells. Every row has one cell per column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// What is shown, in one line; also says what was measured and how.
    pub title: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// Sums and extremes over all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Vec<Cell>>,
    /// What a reader must know to trust the numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Stable name, for machines.
    pub key: String,
    /// Heading, for people.
    pub heading: String,
    /// Unit of the values, for instance `ns`; empty for counts and text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unit: String,
    pub align: Align,
}

/// Where text stands in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    Left,
    #[default]
    Right,
}

/// One value. In JSON it is the bare number or text, or null.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// No value.
    Empty,
    Text(String),
    Count(u64),
    /// A duration in ns.
    Nanoseconds(u64),
    /// Share in percent.
    Percent(f64),
}

impl Table {
    /// Whether every row fits the columns.
    #[must_use]
    pub fn is_rectangular(&self) -> bool {
        let width = self.columns.len();
        self.rows
            .iter()
            .chain(&self.total)
            .all(|row| row.len() == width)
    }
}
