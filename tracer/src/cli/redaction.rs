//! What is left out of files: common to all commands that write one.

use clap::Args;
use regex_lite::Regex;

use crate::redact::{RedactingSink, Redaction};
use crate::sink::Sink;

/// What is left out of files.
#[derive(Clone, Debug, Default, Args)]
pub struct RedactionArgs {
    /// Keep values of tokens, secrets, passwords and keys in files
    #[arg(long, conflicts_with = "redact")]
    pub no_redact: bool,
    /// Leave out of files what matches, too, or its first group
    #[arg(long, value_name = "REGEX", value_parser = Regex::new)]
    pub redact: Vec<Regex>,
}

impl RedactionArgs {
    /// What to leave out; `None` if nothing is to be.
    #[must_use]
    pub fn rule(&self) -> Option<Redaction> {
        (!self.no_redact).then(|| Redaction::new(self.redact.clone()))
    }

    /// What stands between events and a sink that writes to a file.
    #[must_use]
    pub fn before(&self, sink: Box<dyn Sink>) -> Box<dyn Sink> {
        match self.rule() {
            Some(redaction) => Box::new(RedactingSink::new(redaction, sink)),
            None => sink,
        }
    }
}
