//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::sections::SECTIONS;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// At most five minutes: shows that it works, the figures are rough
    #[arg(long)]
    pub(super) quick: bool,
    /// Also the sections that few machines can measure
    #[arg(long)]
    pub(super) all: bool,
    /// Write everything as JSON there instead of target/bench/measured.json
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Measure nothing: put the figures of the JSON file into the README
    #[arg(long, conflicts_with_all = ["quick", "all", "names", "install_peers"])]
    pub(super) readme: bool,
    /// Install the other tools (Debian's apt-get), and measure nothing
    #[arg(long, conflicts_with_all = ["quick", "all", "names"])]
    pub(super) install_peers: bool,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) tracer: Option<PathBuf>,
    /// The large Go program of `attach` instead of the one that is built for it
    #[arg(long, value_name = "PATH")]
    pub(super) large_go: Option<PathBuf>,
    /// What to measure; everything without one
    #[arg(value_name = "SECTION", value_parser = names())]
    pub(super) names: Vec<String>,
}

fn names() -> PossibleValuesParser {
    let names = SECTIONS.iter();
    names
        .map(|section| PossibleValue::new(section.name).help(section.about))
        .collect::<Vec<_>>()
        .into()
}
