//! `tracer goroutines`: what the goroutines of a Go process do, without stopping it.

use std::io::Write;

use anyhow::Context;
use clap::Args;

use super::execute::Exit;
use super::go_process::GoProcess;
use crate::analysis::goroutine_groups::goroutine_groups;
use crate::cli::{Output, OutputArgs};
use crate::error::ExpectedError;
use crate::go::goroutine::{Goroutine, GoroutineReader, ReadError, Snapshot, Stack};
use crate::go::{ProcessMemory, Runtime};
use crate::render::goroutine_dump::write_goroutine;
use crate::render::goroutine_json::{GoroutineJson, GroupJson};
use crate::render::goroutine_summary::write_groups;
use crate::session::{comm, now_ns};
use crate::term::{self, plural};

const EXAMPLES: &str = "\
Examples:
  tracer goroutines -p 812                every goroutine, as /debug/pprof/goroutine?debug=2 has it
  tracer goroutines -p 812 --summary      equal ones together: how many wait where, and for what
  tracer goroutines -p 812 --format json  for a script: jq '.goroutines[].wait_reason'
";

const OVERHEAD: &str = "\
Overhead: none for the target, which is neither stopped nor asked: its memory is read, in about
4 microseconds for each goroutine. It runs on meanwhile: each goroutine is as it was at one moment,
not all at the same one. What a running goroutine does shows `tracer profile`. Minutes are counted
from the garbage collection that first saw the goroutine wait, as in Go's own dumps.";

/// What do the goroutines of a Go program wait for, and where
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct GoroutinesArgs {
    /// Process to look at
    #[arg(short, long, value_name = "PID")]
    pub pid: u32,
    /// Put goroutines with equal stacks together
    #[arg(long)]
    pub summary: bool,
    /// Those of the runtime, too, such as garbage collection workers
    #[arg(long)]
    pub system: bool,
    #[command(flatten)]
    pub output: OutputArgs,
    /// No closing line on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

impl GoroutinesArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let format = self.output.format("goroutines", &["text", "json"])?;
        let process = GoProcess::open(self.pid)?;
        let started = now_ns();
        let snapshot = read(&process)?;
        let took_ns = now_ns() - started;
        let mut output = self.output.open(false)?;
        let text = match format {
            "json" => self.json(&process, &snapshot)?,
            _ => self.text(&process, &snapshot)?,
        };
        write(&mut output, &self.output.redacted_text(&text))?;
        if !self.quiet {
            term::notice(&closing_line(&snapshot, took_ns));
        }
        Ok(Exit::Code(0))
    }

    fn shown<'a>(&self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Goroutine> {
        let system = self.system;
        let all = snapshot.goroutines.iter();
        all.filter(move |goroutine| system || !goroutine.is_system)
    }

    fn text(&self, process: &GoProcess, snapshot: &Snapshot) -> anyhow::Result<String> {
        let mut text = String::new();
        let now = now_ns().cast_signed();
        if self.summary {
            let groups = goroutine_groups(self.shown(snapshot));
            write_groups(&mut text, &process.code, &groups, now)?;
            return Ok(text);
        }
        for goroutine in self.shown(snapshot) {
            if !text.is_empty() {
                text.push('\n');
            }
            write_goroutine(&mut text, &process.code, goroutine, now)?;
        }
        Ok(text)
    }

    fn json(&self, process: &GoProcess, snapshot: &Snapshot) -> anyhow::Result<String> {
        let code = &process.code;
        let now = now_ns().cast_signed();
        let mut document = serde_json::json!({
            "pid": self.pid,
            "go_version": process.version,
            "unreadable": snapshot.unreadable,
        });
        if self.summary {
            let groups = goroutine_groups(self.shown(snapshot));
            let groups = groups.iter().filter_map(|g| GroupJson::of(code, g, now));
            document["groups"] = serde_json::to_value(groups.collect::<Vec<_>>())?;
        } else {
            let goroutines = self
                .shown(snapshot)
                .map(|g| GoroutineJson::of(code, g, now));
            document["goroutines"] = serde_json::to_value(goroutines.collect::<Vec<_>>())?;
        }
        Ok(format!("{document}\n"))
    }
}

/// Reads all goroutines.
fn read(process: &GoProcess) -> Result<Snapshot, ExpectedError> {
    reader(process)
        .read()
        .map_err(|error| unreadable(process, &error))
}

/// Reads the goroutines of a process.
pub(super) fn reader(process: &GoProcess) -> GoroutineReader<'_, ProcessMemory> {
    let Runtime { layout, globals } = process.runtime;
    GoroutineReader::new(&process.live.memory, &process.code, layout, globals)
}

/// Why its goroutines cannot be read.
pub(super) fn unreadable(process: &GoProcess, error: &ReadError) -> ExpectedError {
    ExpectedError::UnreadableTarget {
        pid: process.pid,
        what: format!("the goroutines of {}", comm(process.pid)),
        why: error.to_string(),
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

/// How many there are, and of how many the stack is missing or not whole.
fn closing_line(snapshot: &Snapshot, took_ns: u64) -> String {
    let count = |wanted: &dyn Fn(&Goroutine) -> bool| {
        snapshot.goroutines.iter().filter(|g| wanted(g)).count() as u64
    };
    let mut text = format!(
        "{} in {:.1} ms",
        plural(count(&|_| true), "goroutine", "goroutines"),
        took_ns as f64 / 1e6
    );
    let parts = [
        (count(&|g| g.is_system), "of the runtime"),
        (
            count(&|g| matches!(g.stack, Stack::Running)),
            "running, without a stack",
        ),
        (
            count(&|g| matches!(g.stack, Stack::Torn)),
            "torn, without a stack",
        ),
        (
            count(&|g| matches!(g.stack, Stack::Frames { cut: Some(_), .. })),
            "with a stack that is cut",
        ),
        (snapshot.unreadable, "unreadable"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count != 0) {
        text = format!("{text}, {count} {what}");
    }
    text
}
