//! `tracer schema`: what the objects of machine-readable output look like.

use std::io::Write;

use clap::Args;

use super::execute::Exit;
use crate::error::ExpectedError;
use crate::render::{strace_count, strace_json};

const EXAMPLES: &str = "\
Examples:
  tracer schema                           the kinds of output that have a schema
  tracer schema strace > strace.json      that of tracer strace --format json and ndjson
  tracer schema strace | jq '.\"$defs\".call.properties | keys'
                                          the fields of a call
  tracer schema count                     that of tracer strace -c --format json
";

const OVERHEAD: &str = "Overhead: none; nothing is traced.";

/// One kind of output that has a schema.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub kind: &'static str,
    /// Where the output comes from.
    pub about: &'static str,
    /// JSON Schema, draft 2020-12.
    pub text: &'static str,
}

/// All kinds.
pub const SCHEMAS: &[Schema] = &[
    Schema {
        kind: "strace",
        about: "tracer strace --format json and ndjson",
        text: strace_json::SCHEMA_TEXT,
    },
    Schema {
        kind: "count",
        about: "tracer strace -c --format json",
        text: strace_count::SCHEMA_TEXT,
    },
];

/// Print the JSON Schema of an output
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct SchemaArgs {
    /// Kind of output; without one, all kinds are listed
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
}

impl SchemaArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let text = match &self.kind {
            None => list(),
            Some(kind) => named(kind)?.text.to_owned(),
        };
        let mut out = std::io::stdout();
        // A reader that has seen enough is no error.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        Ok(Exit::DONE)
    }
}

fn named(kind: &str) -> Result<&'static Schema, ExpectedError> {
    let found = SCHEMAS.iter().find(|s| s.kind == kind);
    found.ok_or_else(|| {
        let kinds: Vec<&str> = SCHEMAS.iter().map(|s| s.kind).collect();
        let kinds = kinds.join(", ");
        ExpectedError::Usage(format!("no output has a schema {kind}; there is: {kinds}"))
    })
}

fn list() -> String {
    let line = |s: &Schema| format!("{:<10} {}\n", s.kind, s.about);
    SCHEMAS.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one_and_says_of_what() {
        for schema in SCHEMAS {
            let json: serde_json::Value = serde_json::from_str(schema.text).expect(schema.kind);
            let draft = "https://json-schema.org/draft/2020-12/schema";
            assert_eq!(json["$schema"], draft);
            let title = json["title"].as_str().expect("a title");
            assert!(schema.about.starts_with(&format!("{title} --format ")));
            assert!(named(schema.kind).is_ok());
        }
        let error = named("gc").expect_err("it has none").to_string();
        assert_eq!(error, "no output has a schema gc; there is: strace, count");
    }
}
