//! Text in aligned columns.

use std::fmt;

/// Side to which a column's cells are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows of cells, each column as wide as its widest cell. Displays one line a row, cells separated
/// by two spaces, without spaces at the end of a line.
#[derive(Clone, Debug)]
pub struct Columns {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// No rows yet.
    #[must_use]
    pub fn new(align: &[Align]) -> Self {
        Self {
            align: align.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells beyond the columns are not shown; missing ones are blank.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.align.len()).map(|c| self.width(c)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().take(widths.len()).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                // Not by a format width, which panics above 65535.
                let padding = " ".repeat(widths[column] - cell.chars().count());
                let (before, after) = match self.align[column] {
                    Align::Left => ("", &*padding),
                    Align::Right => (&*padding, ""),
                };
                line.extend([gap, before, cell, after]);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut columns = Columns::new(&[Align::Left, Align::Right, Align::Left]);
        columns.row(["name", "time", "note"]);
        columns.row(["a", "1.50 µs", ""]);
        columns.row(["longer", "3 s"]);
        assert_eq!(
            columns.to_string(),
            "name       time  note\n\
             a       1.50 µs\n\
             longer      3 s\n"
        );
        let mut wide = Columns::new(&[Align::Right]);
        wide.row(["x".repeat(100_000)]);
        wide.row(["x"]);
        assert_eq!(wide.to_string().len(), 200_002);
    }
}
