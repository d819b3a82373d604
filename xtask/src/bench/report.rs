//! Everything that was measured: for people on stdout, for programs as JSON.
//!
//! The JSON document, whose names do not change while [`SCHEMA`] does not:
//!
//! ```text
//! {"schema": 2,
//!  "machine": {"date": …, "kernel": …, "cpu": …, "placement": …, "pace": "full"|"quick", …},
//!  "tools": {"tracer": VERSION, "strace": VERSION or "not installed", …},
//!  "peers": [{"id": …, "label": …, "works": true|false, "why": null or the tool's own words}],
//!  "sections": [{"name": …, "title": …, "seconds": …,
//!    "tables": [{"title": …, "rows": [{"id": …, COLUMN: number|text|null, …}]}],
//!    "figures": [{"name", "value", "by_medians", "unit", "target", "target_met", "below_noise"}],
//!    "notes": [TEXT]}]}
//! ```
//!
//! A row is found by its `id`: `baseline`, `empty_bpf_pair` or a peer's. Columns are named after
//! their heads; times say their unit, and where a plain column is a minimum over rounds there is
//! one with `median` in its name, or the other way round.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::figures::Figure;
use super::peers::Peer;
use super::table::Table;

/// Changes with the names of fields.
pub(super) const SCHEMA: u64 = 2;

/// What one section has shown.
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
    pub(super) tools: Vec<(&'static str, String)>,
    /// With why it does not work, if so.
    pub(super) peers: Vec<(&'static Peer, Option<String>)>,
    sections: Vec<(&'static str, Duration, Part)>,
}

impl Report {
    /// Without any section yet.
    pub(super) fn new(
        machine: Vec<(&'static str, String)>,
        tools: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            machine,
            tools,
            peers: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Adds what section `name` has shown in `took`.
    pub(super) fn push(&mut self, name: &'static str, took: Duration, part: Part) {
        self.sections.push((name, took, part));
    }

    /// Prints what it was measured on.
    pub(super) fn print_head(&self) {
        for (name, value) in self.machine.iter().chain(&self.tools) {
            println!("{:<24}{value}", format!("{name}:"));
        }
    }

    /// Prints which tools do not work here, and how long everything took.
    pub(super) fn print_end(&self) {
        let failed: Vec<_> = self.peers.iter().filter(|(_, why)| why.is_some()).collect();
        println!(
            "\n== {} of {} tools work here\n",
            self.peers.len() - failed.len(),
            self.peers.len()
        );
        for (peer, why) in failed {
            println!("  {peer}: {}", why.as_deref().unwrap_or_default());
        }
        let took = self.sections.iter();
        let took: Vec<_> = took
            .map(|(name, took, _)| format!("{name} {:.0}", took.as_secs_f64()))
            .collect();
        println!("  seconds: {}", took.join(", "));
    }

    /// The document.
    pub(super) fn json(&self) -> Value {
        let texts = |pairs: &[(&str, String)]| -> Map<String, Value> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).replace(' ', "_"), json!(value)))
                .collect()
        };
        let peers = self.peers.iter().map(|(peer, why)| {
            json!({"id": peer.id, "label": peer.label, "works": why.is_none(), "why": why})
        });
        let sections = self.sections.iter().map(|(name, took, part)| {
            json!({
                "name": name,
                "title": part.title,
                "seconds": took.as_secs(),
                "tables": part.tables.iter().map(Table::json).collect::<Vec<_>>(),
                "figures": part.figures.iter().map(figure_json).collect::<Vec<_>>(),
                "notes": part.notes,
            })
        });
        json!({
            "schema": SCHEMA,
            "machine": texts(&self.machine),
            "tools": texts(&self.tools),
            "peers": peers.collect::<Vec<_>>(),
            "sections": sections.collect::<Vec<_>>(),
        })
    }

    /// Writes all of it to `file`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write_json(&self, file: &Path) -> Result<()> {
        let text = spread(&self.json());
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// `document` with a line for each row and note, so that two runs can be compared line by line.
pub(super) fn spread(document: &Value) -> String {
    let mut text = String::new();
    push_spread(&mut text, document, 0);
    text.push('\n');
    text
}

/// What holds no other list or object stands on one line.
fn push_spread(text: &mut String, value: &Value, depth: usize) {
    let is_flat = |value: &Value| !value.is_object() && !value.is_array();
    let (open, close, entries): (_, _, Vec<(Option<&String>, &Value)>) = match value {
        Value::Object(map) if !map.values().all(is_flat) || depth == 0 => {
            let entries = map.iter().map(|(key, value)| (Some(key), value));
            ('{', '}', entries.collect())
        }
        Value::Array(list) if !list.is_empty() => {
            ('[', ']', list.iter().map(|value| (None, value)).collect())
        }
        flat => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{flat}");
            return;
        }
    };
    text.push(open);
    for (index, (key, value)) in entries.iter().enumerate() {
        text.push_str(if index > 0 { ",\n" } else { "\n" });
        text.push_str(&" ".repeat(depth + 1));
        if let Some(key) = key {
            let _ = write!(text, "{}: ", json!(key));
        }
        push_spread(text, value, depth + 1);
    }
    text.push('\n');
    text.push_str(&" ".repeat(depth));
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::super::peers::PEERS;
    use super::super::table::Cell;
    use super::*;

    #[test]
    fn the_document_says_what_works_and_what_does_not() {
        let mut report = Report::new(
            vec![("load average", "0.1".to_owned())],
            vec![("strace", "6.1".to_owned())],
        );
        report.peers = vec![
            (&PEERS[0], None),
            (&PEERS[1], Some("no such file".to_owned())),
        ];
        let mut part = Part::new("a title");
        let mut table = Table::new("t", &["configuration", "C read ns"]);
        table.push_as("tracer-count", vec![Cell::text("x"), Cell::count(3)]);
        part.tables.push(table);
        report.push("syscalls", Duration::from_secs(7), part);
        let document = report.json();
        assert_eq!(document["schema"], json!(SCHEMA));
        assert_eq!(document["machine"]["load_average"], json!("0.1"));
        assert_eq!(document["peers"][0]["works"], json!(true));
        assert_eq!(document["peers"][1]["why"], json!("no such file"));
        let section = &document["sections"][0];
        assert_eq!(section["name"], json!("syscalls"));
        assert_eq!(section["tables"][0]["rows"][0]["c_read_ns"], json!(3.0));
    }

    #[test]
    fn the_spread_text_is_the_same_document_with_a_line_for_each_row() {
        let document = json!({"schema": 2, "list": [{"a": 1, "b": "x"}, {"a": null}], "none": []});
        let text = spread(&document);
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, document);
        assert!(text.contains("\n  {\"a\":1,\"b\":\"x\"},\n"), "{text}");
    }
}
