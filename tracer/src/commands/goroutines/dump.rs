//! All goroutines at one time: one by one, or equal ones together.

use serde_json::Value;

use super::args::GoroutinesArgs;
use super::image::{self, Image};
use crate::analysis::goroutine_groups::goroutine_groups;
use crate::commands::execute::Exit;
use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::go::goroutine::{Goroutine, GoroutineReader, ReadError, Snapshot, Stack};
use crate::go::{Memory, ProcessMemory, Runtime};
use crate::render::goroutine_dump::write_goroutine;
use crate::render::goroutine_json::{GoroutineJson, GroupJson};
use crate::render::goroutine_summary::write_groups;
use crate::session::{comm, now_ns};
use crate::term::{self, plural};

pub(super) fn execute<M: Memory>(
    args: &GoroutinesArgs,
    image: &Image<'_, M>,
) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let started = now_ns();
    let snapshot = image.read(args.labels)?;
    let took_ns = now_ns() - started;
    let text = match format {
        "json" => format!("{}\n", json(args, image, &snapshot)?),
        _ => text(args, image, &snapshot)?,
    };
    args.write(&text)?;
    if !args.quiet {
        term::notice(&closing_line(&snapshot, took_ns));
    }
    Ok(Exit::DONE)
}

fn shown<'a>(args: &GoroutinesArgs, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Goroutine> {
    let system = args.system;
    let all = snapshot.goroutines.iter();
    all.filter(move |goroutine| system || !goroutine.is_system)
}

/// As Go prints them, or the groups.
pub(super) fn text<M: Memory>(
    args: &GoroutinesArgs,
    image: &Image<'_, M>,
    snapshot: &Snapshot,
) -> anyhow::Result<String> {
    let mut text = String::new();
    let now = image.now_ns();
    if args.summary {
        let groups = goroutine_groups(shown(args, snapshot));
        write_groups(&mut text, image.code, &groups, now)?;
        return Ok(text);
    }
    for goroutine in shown(args, snapshot) {
        if !text.is_empty() {
            text.push('\n');
        }
        write_goroutine(&mut text, image.code, goroutine, now)?;
    }
    Ok(text)
}

pub(super) fn json<M: Memory>(
    args: &GoroutinesArgs,
    image: &Image<'_, M>,
    snapshot: &Snapshot,
) -> anyhow::Result<Value> {
    let code = image.code;
    let now = image.now_ns();
    let mut document = serde_json::json!({
        "pid": image.pid,
        "go_version": image.version,
        "unreadable": snapshot.unreadable,
    });
    if args.summary {
        let groups = goroutine_groups(shown(args, snapshot));
        let groups = groups.iter().filter_map(|g| GroupJson::of(code, g, now));
        document["groups"] = serde_json::to_value(groups.collect::<Vec<_>>())?;
    } else {
        let goroutines = shown(args, snapshot).map(|g| GoroutineJson::of(code, g, now));
        document["goroutines"] = serde_json::to_value(goroutines.collect::<Vec<_>>())?;
    }
    Ok(document)
}

/// Reads the goroutines of a process again and again: the stacks of those that run are left out.
pub(in crate::commands) fn reader(process: &GoProcess) -> GoroutineReader<'_, ProcessMemory> {
    let Runtime { layout, globals } = process.runtime;
    GoroutineReader::new(&process.live.memory, &process.code, layout, globals)
}

/// Why its goroutines cannot be read.
pub(in crate::commands) fn unreadable(process: &GoProcess, error: &ReadError) -> ExpectedError {
    image::unreadable(process.pid, &comm(process.pid), error)
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
            "running on another stack, or not long enough to be seen",
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
