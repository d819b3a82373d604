//! What all parts of a run share.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::options::Options;
use super::placement::Placement;
use super::tools::Toolbox;
use crate::machine::Machine;
use crate::{fixtures, pins, workspace};

/// The tools, the programs to trace, and where things run and are written.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) placement: Placement,
    pub(super) tools: Toolbox,
    pub(super) large_go: Option<PathBuf>,
    fixtures: PathBuf,
    scratch: PathBuf,
}

impl Setting {
    /// # Errors
    /// `tracer` does not run, or the scratch directory cannot be made.
    pub(super) fn find(tracer: &Path, options: &Options) -> Result<Self> {
        let scratch = workspace::target().join("bench");
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot make {}", scratch.display()))?;
        Ok(Self {
            placement: Placement::find()?,
            tools: Toolbox::find(tracer)?,
            large_go: options.large_go.clone(),
            fixtures: fixtures::directory(Machine::HOST),
            scratch,
        })
    }

    /// A C fixture.
    pub(super) fn c(&self, name: &str) -> PathBuf {
        self.fixtures.join("c").join(name)
    }

    /// A Go fixture.
    pub(super) fn go(&self, name: &str) -> PathBuf {
        let programs = self.fixtures.join("go").join(pins::GO_DEMO);
        programs.join(name)
    }

    /// Where a tool may write; removed by [`Self::clean`].
    pub(super) fn scratch_file(&self) -> PathBuf {
        self.scratch.join("output")
    }

    /// Removes what tools have written.
    pub(super) fn clean(&self) {
        // It is there only when a tool has written something.
        let _ = fs::remove_file(self.scratch_file());
    }
}
