//! Everything that was measured: for people on stdout, for programs as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::figures::Figure;
use super::table::Table;

/// One part of the report.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) tables: Vec<Table>,
    pub(super) figures: Vec<Figure>,
    /// What one must know to read the numbers: noise, what was left out and why.
    pub(super) notes: Vec<String>,
}

impl Part {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            ..Self::default()
        }
    }

    /// Prints it.
    pub(super) fn print(&self) {
        println!("\n== {}\n", self.title);
        for table in &self.tables {
            println!("{table}");
        }
        for figure in &self.figures {
            println!("  {}", figure.line());
        }
        for note in &self.notes {
            println!("  note: {note}");
        }
    }

    fn json(&self) -> Value {
        json!({
            "title": self.title,
            "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>(),
            "figures": self.figures.iter().map(figure_json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

fn figure_json(figure: &Figure) -> Value {
    json!({
        "name": figure.name,
        "value": figure.value,
        "by_medians": figure.by_medians,
        "unit": figure.unit,
        "target": figure.target.map(|target| target.verdict(figure.value)),
        "target_met": figure.target.map(|target| target.is_met(figure.value)),
        "below_noise": figure.below_noise,
    })
}

/// The whole report.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Vec<(&'static str, String)>,
    pub(super) parts: Vec<Part>,
}

impl Report {
    /// Prints what it was measured on.
    pub(super) fn print_head(&self) {
        for (name, value) in &self.machine {
            println!("{:<24}{value}", format!("{name}:"));
        }
    }

    /// Writes all of it to `file`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write_json(&self, file: &Path) -> Result<()> {
        let machine = self.machine.iter();
        let machine: Map<_, _> = machine
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let parts: Vec<_> = self.parts.iter().map(Part::json).collect();
        let text = serde_json::to_string_pretty(&json!({"machine": machine, "parts": parts}))?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}
