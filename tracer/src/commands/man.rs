//! `tracer man`: the man pages, from the same definitions as `--help`.

use std::path::PathBuf;

use clap::Args;

use super::execute::Exit;
use crate::cli::man_pages;
use crate::error::ExpectedError;

const EXAMPLES: &str = "\
Examples:
  tracer man /usr/local/share/man/man1    tracer.1, tracer-strace.1, ... into a directory
  tracer man . && man ./tracer-strace.1   look at one without installing it
";

const OVERHEAD: &str = "Overhead: none; nothing is traced. The Debian package has them in place.";

/// Write the man pages into a directory
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct ManArgs {
    /// Directory, which must exist; older pages in it are replaced
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

impl ManArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        for page in man_pages() {
            let path = self.directory.join(&page.file);
            // No secret of a target: readable by all, as the directory's owner has it.
            let written = std::fs::write(&path, &page.text);
            written.map_err(|source| ExpectedError::OutputUnwritable { file: path, source })?;
        }
        Ok(Exit::DONE)
    }
}
