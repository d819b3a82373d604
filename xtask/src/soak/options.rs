//! What is asked of a soak run.

use std::path::PathBuf;

/// Options of `cargo xtask soak`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenarios to run, all without one
    pub(super) scenarios: Vec<String>,
    /// List them
    #[arg(long)]
    pub(super) list: bool,
    /// A short run of each: minutes in all
    #[arg(long)]
    pub(super) quick: bool,
    /// Repeat short runs of each for so long
    #[arg(long, value_name = "MINUTES", conflicts_with = "quick")]
    pub(super) minutes: Option<u64>,
    /// The binary to try, instead of a release build
    #[arg(long, value_name = "FILE")]
    pub(super) tracer: Option<PathBuf>,
}
