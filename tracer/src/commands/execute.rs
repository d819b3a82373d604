//! From a parsed command line to an exit status.

use std::future::Future;

use crate::cli::{Cli, Command};
use crate::error::ExpectedError;
use crate::event::StopReason;
use crate::session::{Outcome, Plan, run};
use crate::sink::{Sink, SinkError};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(u8),
    /// As the launched command did: by this signal.
    Signal(i32),
}

impl Exit {
    /// All done.
    pub const DONE: Self = Self::Code(0);
}

/// Executes a command.
///
/// # Errors
/// [`ExpectedError`] for faults of the request or the environment; anything else is a defect.
pub fn execute(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Strace(args) => args.execute(),
        Command::Profile(args) => args.execute(),
        Command::OffCpu(args) => args.execute(),
        Command::Wall(args) => args.execute(),
        Command::Sched(args) => args.execute(),
        Command::Gc(args) => args.execute(),
        Command::Goroutines(args) => args.execute(),
        Command::Heap(args) => args.execute(),
        Command::Record(args) => args.execute(),
        Command::Report(args) => args.execute(),
        Command::Doctor(args) => args.execute(),
        Command::Schema(args) => args.execute(),
        Command::Completions(args) => args.execute(),
        Command::Man(args) => args.execute(),
    }
}

/// Runs a plan and turns its outcome into an exit status.
///
/// # Errors
/// When nothing could be captured, or the output could not be written.
pub(super) fn capture(plan: &Plan, sinks: Vec<Box<dyn Sink>>) -> anyhow::Result<Exit> {
    let outcome = block_on(run(plan, || Ok(sinks)))??;
    exit_of(&outcome)
}

/// As [`capture`], for a plan that may have to wait: `check` tells beforehand whether `open` will
/// make the sink, which it does only when there is something to capture.
///
/// # Errors
/// As [`capture`], and those of `check` and `open`.
pub(super) fn capture_when_due(
    plan: &Plan,
    check: impl FnOnce() -> Result<(), ExpectedError>,
    open: impl FnOnce() -> Result<Box<dyn Sink>, ExpectedError>,
) -> anyhow::Result<Exit> {
    if plan.when.is_none() {
        return capture(plan, vec![open()?]);
    }
    check()?;
    let outcome = block_on(run(plan, || Ok(vec![open()?])))??;
    exit_of(&outcome)
}

/// Runs a future to its end, on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(future))
}

fn exit_of(outcome: &Outcome) -> anyhow::Result<Exit> {
    if let Some(SinkError::Write { object, source }) = &outcome.output_error {
        let source = std::io::Error::from_raw_os_error(source.raw_os_error().unwrap_or(libc::EIO));
        return Err(ExpectedError::OutputUnwritable {
            file: object.into(),
            source,
        }
        .into());
    }
    let Some(status) = outcome.end.command_status else {
        return Ok(Exit::DONE);
    };
    if outcome.end.reason != StopReason::TargetExited {
        return Ok(Exit::DONE);
    }
    let status = status.cast_signed();
    if libc::WIFSIGNALED(status) {
        return Ok(Exit::Signal(libc::WTERMSIG(status)));
    }
    Ok(Exit::Code(
        u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(1),
    ))
}
