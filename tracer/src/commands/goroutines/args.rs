//! What may be asked.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::image::Image;
use super::{crash, diff, dump, leaks, waiters};
use crate::cli::{Output, OutputArgs};
use crate::commands::execute::Exit;
use crate::commands::go_core::GoCore;
use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::go::Memory;
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer goroutines -p 812                every goroutine, as /debug/pprof/goroutine?debug=2 has it
  tracer goroutines -p 812 --summary      equal ones together: how many wait where, and for what
  tracer goroutines -p 812 --leaks -d 5m  which groups grow and never shrink, and who makes them
  tracer goroutines -p 812 --waiters      who waits for which lock, channel or connection, and why
  tracer goroutines --diff a.txt b.txt    what changed between two dumps, also Go's own
  tracer goroutines -p 812 --diff a.txt   what changed since a dump
  tracer goroutines -p 812 --on-crash     wait until it crashes; then what they did, and why
  tracer goroutines --core core.812       what they did when the process died
  tracer goroutines -p 812 --format json  for a script: jq '.goroutines[].wait_reason'
";

const OVERHEAD: &str = "\
Overhead: none for the target, which is neither stopped nor asked: its memory is read, in about
4 microseconds for each goroutine, at most a tenth of the time with --leaks. It runs on meanwhile:
each goroutine is as it was at one moment, not all at the same one. A thread that runs one is
sampled, which takes it some microseconds. Minutes are counted from the garbage collection that
first saw the goroutine wait, as in Go's own dumps; of a core, up to the last thing that the
runtime noted the time of.

With --on-crash there is no probe in the target, and nothing in its memory is touched: a probe in
the kernel sees its threads end, and the tracer holds the memory so that it is still there after the
end, exactly as it was. From its end on that takes some milliseconds, 5 seconds at most, in which the
memory is not free yet; after an exit without an error, and when the tracer itself is killed, it is
free at once. Memory of a process that the kernel kills for want of memory is taken nevertheless, and
cannot be read then.";

/// What do the goroutines of a Go program wait for, and where
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct GoroutinesArgs {
    /// Process to look at
    #[arg(short, long, value_name = "PID", required_unless_present_any = ["diff", "core"])]
    pub pid: Option<u32>,
    /// Read a core file of the process instead, made by the kernel or by gcore
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid", "diff", "leaks"])]
    pub core: Option<PathBuf>,
    /// Program of the core file, where it is not where the process had it
    #[arg(long, value_name = "FILE", requires = "core")]
    pub exe: Option<PathBuf>,
    /// Put goroutines with equal stacks together
    #[arg(long, group = "view")]
    pub summary: bool,
    /// What changed from one dump to another, or with -p to now: groups of equal stacks that grew
    /// or shrank, and how many are still the same goroutines. A dump is text as Go prints it with
    /// debug=2, on SIGQUIT or at a crash, or what this command wrote as text or JSON
    #[arg(long, group = "view", value_name = "FILE", num_args = 1..=2)]
    pub diff: Vec<PathBuf>,
    /// Look again and again: groups that grow all the time and whose goroutines neither leave nor
    /// run, with rate, creator and how sure it is that they leak
    #[arg(long, group = "view")]
    pub leaks: bool,
    /// Who waits for which lock, channel, WaitGroup or connection (with its peer), and who has it,
    /// as far as that can be known: Go does not record who locked, but one whose stack refers to a
    /// lock may have it. Those that wait for each other in a circle come first
    #[arg(long, group = "view")]
    pub waiters: bool,
    /// Wait until it dies of a panic, a fatal error or a signal (SIGKILL, too), and write what all
    /// goroutines did at that moment, the one that died first, under a line that says why. Nothing
    /// is written when it exits by itself
    #[arg(long, conflicts_with_all = ["core", "diff", "leaks", "waiters"], requires = "pid")]
    pub on_crash: bool,
    /// How long to look for leaks, 60s unless given; or to wait for a crash
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Profiler labels (pprof.Do) of each goroutine, as Go 1.27 prints them; with --summary,
    /// goroutines with other labels are other groups
    #[arg(long, conflicts_with_all = ["diff", "leaks", "waiters"])]
    pub labels: bool,
    /// Those of the runtime, too, such as garbage collection workers
    #[arg(long, conflicts_with_all = ["diff", "leaks", "waiters"])]
    pub system: bool,
    #[command(flatten)]
    pub output: OutputArgs,
    /// No closing line on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

impl GoroutinesArgs {
    pub(in crate::commands) fn execute(self) -> anyhow::Result<Exit> {
        if self.duration.is_some() && !self.leaks && !self.on_crash {
            let text = "-d goes with --leaks or --on-crash: everything else is one look";
            return Err(ExpectedError::Usage(text.to_owned()).into());
        }
        if !self.diff.is_empty() {
            return diff::execute(&self);
        }
        if let Some(file) = &self.core {
            let core = GoCore::open(file, self.exe.as_deref())?;
            return self.view(&Image::of_core(&core));
        }
        let pid = self.pid.ok_or_else(|| {
            ExpectedError::Usage("whose goroutines? Name the process with -p PID".to_owned())
        })?;
        if self.leaks {
            return leaks::execute(&self, pid);
        }
        if self.on_crash {
            return crash::execute(&self, pid);
        }
        let process = GoProcess::open(pid)?;
        self.view(&Image::of(&process))
    }

    fn view<M: Memory>(&self, image: &Image<'_, M>) -> anyhow::Result<Exit> {
        match self.waiters {
            true => waiters::execute(self, image),
            false => dump::execute(self, image),
        }
    }

    /// The format of the result.
    pub(super) fn format(&self) -> Result<&'static str, ExpectedError> {
        self.output.format("goroutines", &["text", "json"])
    }

    /// Writes a result where it is to go.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let mut output = self.output.open(false)?;
        write(&mut output, &self.output.redacted_text(text))
    }
}

fn write(output: &mut Output, text: &str) -> anyhow::Result<()> {
    let written = output.out.write_all(text.as_bytes());
    match written.and_then(|()| output.out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).with_context(|| format!("cannot write {}", output.name))
        }
        _ => Ok(()),
    }
}
