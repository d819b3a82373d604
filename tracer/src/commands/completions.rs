//! `tracer completions`: what a shell needs to complete our command lines.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::execute::Exit;
use crate::cli::Cli;
use crate::error::ExpectedError;

const EXAMPLES: &str = "\
Examples:
  tracer completions bash > /etc/bash_completion.d/tracer
  tracer completions zsh > /usr/local/share/zsh/site-functions/_tracer
  tracer completions fish > ~/.config/fish/completions/tracer.fish
";

const OVERHEAD: &str = "Overhead: none; nothing is traced. The Debian package has them in place.";

/// Print the completions of a shell
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct CompletionsArgs {
    /// Shell to print them for
    pub shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tracer", &mut script);
        let written = std::io::stdout().write_all(&script);
        written.map_err(|source| ExpectedError::OutputUnwritable {
            file: "stdout".into(),
            source,
        })?;
        Ok(Exit::DONE)
    }
}
