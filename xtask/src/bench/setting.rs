//! What all sections of a run share.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::load::Load;
use super::options::Options;
use super::peers::{How, PEERS, Peer};
use super::placement::Placement;
use super::tools::{Tool, Toolbox};
use crate::machine::Machine;
use crate::{fixtures, pins, step, workspace};

/// The tools, the programs to trace, and where things run and are written.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) placement: Placement,
    pub(super) tools: Toolbox,
    pub(super) large_go: Option<PathBuf>,
    fixtures: PathBuf,
    scratch: PathBuf,
    candidates: Vec<Candidate>,
}

/// A peer and, once it is known, whether it works on this machine.
#[derive(Debug)]
struct Candidate {
    peer: &'static Peer,
    /// The reason is the tool's own words.
    verdict: OnceCell<Result<Tool, String>>,
}

impl Setting {
    /// # Errors
    /// `tracer` does not run, or the scratch directory cannot be made.
    pub(super) fn find(tracer: &Path, options: &Options) -> Result<Self> {
        let scratch = scratch_dir();
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot make {}", scratch.display()))?;
        let candidate = |peer| Candidate {
            peer,
            verdict: OnceCell::new(),
        };
        Ok(Self {
            placement: Placement::find()?,
            tools: Toolbox::find(tracer)?,
            large_go: options.large_go.clone(),
            fixtures: fixtures::directory(Machine::HOST),
            scratch,
            candidates: PEERS.iter().map(candidate).collect(),
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

    /// The peers that `wanted` accepts, each with its tool or with why there is none. What was
    /// not yet tried on this machine is tried now, once.
    pub(super) fn peers(
        &self,
        wanted: impl Fn(&Peer) -> bool,
    ) -> Vec<(&'static Peer, Result<Tool, String>)> {
        let all = self.candidates.iter();
        all.filter(|candidate| wanted(candidate.peer))
            .map(|candidate| (candidate.peer, self.verdict(candidate).clone()))
            .collect()
    }

    /// As [`Self::peers`], as loads on the workload.
    pub(super) fn loads(&self, wanted: impl Fn(&Peer) -> bool) -> Vec<Load> {
        let peers = self.peers(wanted).into_iter();
        peers
            .map(|(peer, tool)| match (tool, peer.how) {
                (Err(why), _) => Load::Unavailable { peer, why },
                (Ok(tool), How::Launching) => Load::Launched(tool),
                (Ok(tool), How::Attached | How::SameCpu) => Load::Attached(tool),
            })
            .collect()
    }

    /// Every peer that was tried so far, with why it does not work if so.
    pub(super) fn tried(&self) -> Vec<(&'static Peer, Option<&str>)> {
        let all = self.candidates.iter();
        all.filter_map(|candidate| {
            let verdict = candidate.verdict.get()?;
            Some((candidate.peer, verdict.as_ref().err().map(String::as_str)))
        })
        .collect()
    }

    fn verdict<'a>(&self, candidate: &'a Candidate) -> &'a Result<Tool, String> {
        candidate.verdict.get_or_init(|| {
            let (program, file) = (self.go("benchloop"), self.scratch_file());
            let tool = self.tools.working(candidate.peer, &program, &file);
            self.clean();
            tool.map_err(|error| {
                step::note(&format!("{}: not measured: {error:#}", candidate.peer));
                format!("{error:#}")
            })
        })
    }
}

/// Where the benchmark keeps its files.
pub(super) fn scratch_dir() -> PathBuf {
    workspace::target().join("bench")
}
