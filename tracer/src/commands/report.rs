//! `tracer report`: shows a recording through the same sinks as live capture.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::diff::DiffArgs;
use super::execute::Exit;
use super::gc::GcView;
use super::offcpu::OffCpuView;
use super::profile::ProfileView;
use super::record::Kind;
use super::sched::SchedView;
use super::strace::{CountView, LineStyle, LineView};
use super::wall::WallView;
use super::{gc, offcpu, profile, sched, strace, wall};
use crate::cli::OutputArgs;
use crate::error::{ExpectedError, exit_code};
use crate::event::{Body, Event, RunEnd, RunStart, StopReason};
use crate::recording::{ReadError, Reader};
use crate::render::strace_line::Prefix;
use crate::sink::{Sink, SinkError};
use crate::term::notice;

const EXAMPLES: &str = "\
Examples:
  tracer report a.trc                     everything that was recorded, as text
  tracer report profile a.trc -o cpu.svg  one part, in any format of that command
  tracer report strace -T -tt a.trc       with the options of that command
  tracer report diff a.trc b.trc          functions that use more CPU time in b.trc than in a.trc
  tracer report diff a.trc b.trc -o d.svg as a flame graph, red where it grew
  tracer report strace -c --by path a.trc
                                          the table of recorded calls, by file
";

const OVERHEAD: &str = "\
Overhead: none; a recording holds names and times, so this runs anywhere, without root.

A damaged recording is shown as far as it can be read, and the exit code is 6.";

/// Show a recording, or one part of it
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReportArgs {
    #[command(subcommand)]
    pub kind: Option<ReportKind>,
    /// Recording to show
    #[arg(required = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// What to show.
#[derive(Clone, Debug, Subcommand)]
pub enum ReportKind {
    #[command(flatten)]
    Part(KindArgs),
    /// What grew from one recording to another
    Diff(DiffArgs),
}

/// One part of a recording, with the options of the command that shows it.
#[derive(Clone, Debug, Subcommand)]
pub enum KindArgs {
    /// Every system call, as strace prints them; with -c the table of them
    Strace(PartArgs<CallView>),
    /// The table of strace -c
    Count(PartArgs<CountView>),
    /// Where CPU time went
    Profile(PartArgs<ProfileView>),
    /// Where threads waited
    #[command(name = "offcpu")]
    OffCpu(PartArgs<OffCpuView>),
    /// Where all time went
    Wall(PartArgs<WallView>),
    /// How long threads waited for a CPU
    Sched(PartArgs<SchedView>),
    /// Garbage collections of a Go program
    Gc(PartArgs<GcView>),
}

/// A view of a file.
#[derive(Clone, Debug, Args)]
pub struct PartArgs<V: Args> {
    #[command(flatten)]
    pub view: V,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Recording to show
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Calls, one by one or counted.
#[derive(Clone, Debug, Args)]
pub struct CallView {
    #[command(flatten)]
    pub lines: LineView,
    /// Count time, calls and errors for each syscall instead of showing the calls
    #[arg(short = 'c', long)]
    pub summary_only: bool,
    #[command(flatten)]
    pub counts: CountView,
}

/// A view with no options given.
#[derive(clap::Parser)]
struct Plain<V: Args> {
    #[command(flatten)]
    view: V,
}

fn plain<V: Args>() -> V {
    <Plain<V> as clap::Parser>::parse_from(["report"]).view
}

impl ReportArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        match (self.kind, self.file) {
            (Some(ReportKind::Part(kind)), _) => kind.execute(),
            (Some(ReportKind::Diff(diff)), _) => diff.execute(),
            (None, Some(file)) => everything(&file),
            (None, None) => Err(ExpectedError::Usage("no recording: give its FILE".into()).into()),
        }
    }
}

impl KindArgs {
    fn execute(self) -> anyhow::Result<Exit> {
        let (kind, file) = match &self {
            Self::Strace(part) => (Kind::Strace, &part.file),
            Self::Count(part) => (Kind::Count, &part.file),
            Self::Profile(part) => (Kind::Profile, &part.file),
            Self::OffCpu(part) => (Kind::OffCpu, &part.file),
            Self::Wall(part) => (Kind::Wall, &part.file),
            Self::Sched(part) => (Kind::Sched, &part.file),
            Self::Gc(part) => (Kind::Gc, &part.file),
        };
        let recording = open(file)?;
        let kind = self.kind_in(&recording.start).unwrap_or(kind);
        recording.demand(kind, file)?;
        let sink = match &self {
            Self::Strace(part) if part.view.summary_only => {
                strace::call_count_sink(&part.view.counts, &part.output)?
            }
            Self::Strace(part) => {
                part.view.check()?;
                lines(&part.view.lines, &part.output)?
            }
            Self::Count(part) if kind == Kind::Strace => {
                strace::call_count_sink(&part.view, &part.output)?
            }
            Self::Count(part) => strace::count_sink(&part.view, &part.output)?,
            Self::Profile(part) => profile::sink(&part.view, &part.output)?,
            Self::OffCpu(part) => offcpu::sink(&part.view, &part.output)?,
            Self::Wall(part) => wall::sink(&part.view, &part.output)?,
            Self::Sched(part) => sched::sink(&part.view, &part.output)?,
            Self::Gc(part) => gc::sink(&part.view, &part.output)?,
        };
        replay(recording, &mut [sink])
    }

    /// What is shown of a recording when that is not what the command is named after: the table of
    /// calls that were recorded one by one. Only these can be grouped.
    fn kind_in(&self, start: &RunStart) -> Option<Kind> {
        let Self::Count(part) = self else {
            return None;
        };
        let has = |kind: Kind| start.kinds.iter().any(|k| k == kind.recorded());
        let calls = part.view.by.is_some() || !has(Kind::Count) && has(Kind::Strace);
        calls.then_some(Kind::Strace)
    }
}

impl CallView {
    fn check(&self) -> Result<(), ExpectedError> {
        match self.counts.by {
            None => Ok(()),
            Some(_) => Err(ExpectedError::Usage(
                "--by is about the table of -c: give that, too".to_owned(),
            )),
        }
    }
}

fn lines(view: &LineView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    let to_file = output.file().is_some();
    let style = LineStyle {
        prefix: if to_file {
            Prefix::Bare
        } else {
            Prefix::WhenSeveral
        },
        follow: true,
    };
    strace::line_sink(view, style, output)
}

/// Shows all parts, one after the other.
fn everything(file: &Path) -> anyhow::Result<Exit> {
    let start = open(file)?.start;
    let output = OutputArgs::default();
    let mut exit = Exit::DONE;
    for kind in &start.kinds {
        let mut sinks = match kind.as_str() {
            "strace" => [lines(&plain(), &output)?],
            "strace -c" => [strace::count_sink(&plain(), &output)?],
            "profile" => [profile::sink(&plain(), &output)?],
            "offcpu" => [offcpu::sink(&plain(), &output)?],
            "wall" => [wall::sink(&plain(), &output)?],
            "sched" => [sched::sink(&plain(), &output)?],
            "gc" => [gc::sink(&plain(), &output)?],
            other => {
                notice(&format!("{}: unknown part {other}", file.display()));
                continue;
            }
        };
        exit = replay(open(file)?, &mut sinks)?;
        println!();
    }
    Ok(exit)
}

/// An opened recording and its first event.
pub(super) struct Recording {
    first: Event,
    start: RunStart,
    rest: Reader<BufReader<File>>,
}

impl Recording {
    /// That it has a part.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn demand(&self, kind: Kind, file: &Path) -> Result<(), ExpectedError> {
        if self.start.kinds.iter().any(|k| k == kind.recorded()) {
            return Ok(());
        }
        Err(ExpectedError::NoResult {
            result: format!("{} in {}", kind.recorded(), file.display()),
            why: format!("it was recorded with {}", self.start.kinds.join(", ")),
        })
    }
}

pub(super) fn open(file: &Path) -> anyhow::Result<Recording> {
    let mut rest = Reader::open(file).map_err(ExpectedError::from)?;
    let first = match rest.next() {
        Some(Ok(event)) => event,
        Some(Err(error)) => return Err(ExpectedError::from(error).into()),
        None => return Err(empty(file).into()),
    };
    let Body::RunStart(start) = &first.body else {
        return Err(empty(file).into());
    };
    Ok(Recording {
        start: (**start).clone(),
        first,
        rest,
    })
}

fn empty(file: &Path) -> ExpectedError {
    ExpectedError::NoResult {
        result: format!("events in {}", file.display()),
        why: "the recording ended before its target was attached".to_owned(),
    }
}

pub(super) fn replay(recording: Recording, sinks: &mut [Box<dyn Sink>]) -> anyhow::Result<Exit> {
    let mut damage: Option<ReadError> = None;
    let first_ns = recording.first.time_ns;
    let mut last_ns = first_ns;
    let mut ended = false;
    let mut send = |event: &Event| sinks.iter_mut().try_for_each(|s| s.event(event));
    let mut result = send(&recording.first);
    for event in recording.rest {
        match event {
            Ok(event) if result.is_ok() => {
                last_ns = last_ns.max(event.time_ns);
                ended = matches!(event.body, Body::RunEnd(_));
                result = send(&event);
            }
            Ok(_) => break,
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
    }
    if !ended && result.is_ok() {
        result = send(&cut_off(first_ns, last_ns));
    }
    let result = result.and_then(|()| sinks.iter_mut().try_for_each(|s| s.flush()));
    conclude(result, damage)
}

/// The end of a recording that has none: what could be read is shown as far as it goes.
fn cut_off(first_ns: u64, last_ns: u64) -> Event {
    let end = RunEnd {
        reason: StopReason::Interrupted,
        duration_ns: last_ns - first_ns,
        ..RunEnd::default()
    };
    Event {
        time_ns: last_ns,
        pid: 0,
        tid: 0,
        cpu: 0,
        goid: None,
        body: Body::RunEnd(Box::new(end)),
    }
}

fn conclude(result: Result<(), SinkError>, damage: Option<ReadError>) -> anyhow::Result<Exit> {
    match result {
        Ok(()) | Err(SinkError::Closed) => {}
        Err(SinkError::Write { object, source }) => {
            return Err(ExpectedError::OutputUnwritable {
                file: object.into(),
                source,
            }
            .into());
        }
    }
    match damage {
        None => Ok(Exit::DONE),
        Some(error) => {
            notice(&error.to_string());
            Ok(Exit::Code(exit_code::BAD_INPUT))
        }
    }
}
