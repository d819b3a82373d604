//! `tracer report diff`: what grew from one recording to another.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{Args, ValueEnum};

use super::execute::Exit;
use super::record::Kind;
use super::report::{open, replay};
use crate::analysis::{OffCpu, OnCpu, StackAnalysis, StackDetail, Wall};
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::event::{Body, Event};
use crate::render::{DIFF_FORMATS, DiffOutput};
use crate::report::StackProfile;
use crate::sink::{Sink, SinkError};

/// Two recordings.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// What to compare
    #[arg(short, long, value_name = "WHAT", default_value = "profile")]
    pub kind: DiffKind,
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub top: usize,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Recording of before
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// Recording of after
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffKind {
    Profile,
    #[value(name = "offcpu")]
    OffCpu,
    Wall,
}

impl DiffArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let names: Vec<&str> = DIFF_FORMATS.iter().map(|f| f.0).collect();
        let format = self.output.format("report diff", &names)?;
        let write = DIFF_FORMATS.iter().find(|f| f.0 == format);
        let write = write.map_or(DIFF_FORMATS[0].1, |f| f.1);
        let (before, exit_before) = self.profile(&self.before)?;
        let (after, exit_after) = self.profile(&self.after)?;
        let mut opened = self.output.open(false)?;
        let name = |file: &Path| file.display().to_string();
        let diff = DiffOutput {
            before: &before,
            after: &after,
            names: [name(&self.before), name(&self.after)],
            top: self.top,
            width: opened.width,
        };
        let written = write(&diff, &mut opened.out).and_then(|()| opened.out.flush());
        match written.map_err(|e| SinkError::from_io(&opened.name, e)) {
            Ok(()) | Err(SinkError::Closed) => {}
            Err(SinkError::Write { object, source }) => {
                let file = object.into();
                return Err(ExpectedError::OutputUnwritable { file, source }.into());
            }
        }
        Ok(if exit_before == Exit::DONE {
            exit_after
        } else {
            exit_before
        })
    }

    /// The profile of a recording, and how well it could be read.
    fn profile(&self, file: &Path) -> anyhow::Result<(StackProfile, Exit)> {
        let recording = open(file)?;
        let detail = StackDetail::default();
        let (kind, analysis) = match self.kind {
            DiffKind::Profile => (Kind::Profile, StackAnalysis::OnCpu(OnCpu::new(detail))),
            DiffKind::OffCpu => (Kind::OffCpu, StackAnalysis::OffCpu(OffCpu::new(detail))),
            DiffKind::Wall => (Kind::Wall, StackAnalysis::Wall(Wall::new(detail))),
        };
        recording.demand(kind, file)?;
        let profile = Rc::default();
        let whole = Whole {
            analysis,
            profile: Rc::clone(&profile),
        };
        let exit = replay(recording, &mut [self.output.redacted(Box::new(whole))])?;
        let profile = profile.borrow_mut().take();
        let none = || ExpectedError::NoResult {
            result: format!("a profile in {}", file.display()),
            why: "it ends before it begins".to_owned(),
        };
        Ok((profile.ok_or_else(none)?, exit))
    }
}

/// Keeps the profile of a whole recording.
struct Whole {
    analysis: StackAnalysis,
    profile: Rc<RefCell<Option<StackProfile>>>,
}

impl Sink for Whole {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.analysis.observe(event);
        if matches!(event.body, Body::RunEnd(_)) {
            let profile = self.analysis.finish(event);
            self.profile.replace(Some(profile));
        }
        Ok(())
    }
}
