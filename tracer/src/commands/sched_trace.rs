//! `tracer sched --schedtrace`: the scheduler's state, time after time.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval, sleep_until};

use super::execute::{Exit, block_on};
use super::go_process::GoProcess;
use crate::cli::{Output, OutputArgs};
use crate::error::ExpectedError;
use crate::go::{SchedDetail, Scheduler, SchedulerError};
use crate::render::sched_detail::sched_detail_lines;
use crate::render::sched_trace::{SchedTraceJson, sched_trace_line};
use crate::session::{comm, now_ns};
use crate::term;

/// What to look at, and how often.
#[derive(Debug)]
pub(super) struct SchedTrace<'a> {
    pub(super) pid: u32,
    pub(super) period: Duration,
    /// Each P, M and G, too.
    pub(super) detail: bool,
    pub(super) duration: Option<Duration>,
    pub(super) quiet: bool,
    pub(super) output: &'a OutputArgs,
}

/// What there is after a period.
enum Look {
    Line(String),
    Gone,
}

impl SchedTrace<'_> {
    pub(super) fn execute(&self) -> anyhow::Result<Exit> {
        let format = self
            .output
            .format("sched --schedtrace", &["text", "ndjson"])?;
        let process = GoProcess::open(self.pid)?;
        let mut output = self.output.open(false)?;
        let lines = block_on(self.follow(&process, format, &mut output))??;
        if !self.quiet {
            term::notice(&format!(
                "{lines} looks at the scheduler of {} ({}), no probe: {} us each",
                comm(self.pid),
                process.version.as_deref().unwrap_or("Go"),
                self.price_us(&process)
            ));
        }
        Ok(Exit::DONE)
    }

    /// Writes a line each period; the answer is how many.
    async fn follow(
        &self,
        process: &GoProcess,
        format: &str,
        output: &mut Output,
    ) -> anyhow::Result<u64> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let end = self.duration.map(|duration| Instant::now() + duration);
        let mut period = interval(self.period);
        let mut lines = 0;
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Ok(lines),
                _ = terminate.recv() => return Ok(lines),
                () = until(end) => return Ok(lines),
                _ = period.tick() => match self.look(process, format)? {
                    Look::Gone => return Ok(lines),
                    Look::Line(line) => write(output, &line)?,
                }
            }
            lines += 1;
        }
    }

    /// What a look costs, in whole microseconds; 0 when the process is gone.
    fn price_us(&self, process: &GoProcess) -> u64 {
        let before = now_ns();
        match self.state(process) {
            Ok(_) => (now_ns() - before).div_ceil(1000),
            Err(_) => 0,
        }
    }
    fn state(
        &self,
        process: &GoProcess,
    ) -> Result<(Scheduler, Option<SchedDetail>), SchedulerError> {
        let (runtime, memory) = (&process.runtime, &process.live.memory);
        let (layout, globals) = (runtime.layout, &runtime.globals);
        let state = Scheduler::read(memory, layout, globals, now_ns())?;
        let detail = self
            .detail
            .then(|| SchedDetail::read(memory, layout, globals));
        Ok((state, detail.transpose()?))
    }

    fn look(&self, process: &GoProcess, format: &str) -> anyhow::Result<Look> {
        let (state, detail) = match self.state(process) {
            Ok(state) => state,
            Err(_) if !is_there(process.pid) => return Ok(Look::Gone),
            Err(error) => {
                let what = format!("the scheduler of {}", comm(process.pid));
                return Err(ExpectedError::UnreadableTarget {
                    pid: process.pid,
                    what,
                    why: error.to_string(),
                }
                .into());
            }
        };
        let json = || SchedTraceJson::of(process.pid, &state, detail.as_ref());
        Ok(Look::Line(match (format, &detail) {
            ("ndjson", _) => serde_json::to_string(&json())?,
            (_, Some(detail)) => sched_detail_lines(&state, detail, process.release),
            (_, None) => sched_trace_line(&state, process.release),
        }))
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Whether the process has memory: a zombie has none.
fn is_there(pid: u32) -> bool {
    let maps = std::fs::read(format!("/proc/{pid}/maps"));
    maps.is_ok_and(|maps| !maps.is_empty())
}

fn write(output: &mut Output, line: &str) -> anyhow::Result<()> {
    let written = writeln!(output.out, "{line}").and_then(|()| output.out.flush());
    written.with_context(|| format!("cannot write {}", output.name))
}
