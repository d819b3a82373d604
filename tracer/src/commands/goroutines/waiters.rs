//! Who waits for which lock, channel or connection, and who has it.

use std::collections::HashMap;

use serde_json::json;

use super::args::GoroutinesArgs;
use super::dump::{read, unreadable};
use crate::commands::execute::Exit;
use crate::commands::go_process::GoProcess;
use crate::go::waits::{Cycle, ObjectKind, WaitReader, Waits, cycles};
use crate::process::DescriptorNames;
use crate::render::goroutine_waiters::{Waiters, waiters_json, write_waiters};
use crate::session::now_ns;
use crate::term::{notice, plural};

pub(super) fn execute(args: &GoroutinesArgs, pid: u32) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let process = GoProcess::open(pid)?;
    let began = now_ns();
    let snapshot = read(&process)?;
    let layout = process.runtime.layout;
    let reader = WaitReader::new(
        &process.live.memory,
        &process.code,
        layout,
        process.semaphores,
    );
    let waits = reader
        .read(&snapshot.goroutines)
        .map_err(|error| unreadable(&process, &error.into()))?;
    let took_ns = now_ns() - began;
    let cycles = cycles(&waits);
    let shown = Waiters {
        code: &process.code,
        goroutines: &snapshot.goroutines,
        waits: &waits,
        cycles: &cycles,
        descriptors: &descriptors(pid, &waits),
    };
    let mut text = String::new();
    match format {
        "json" => {
            let mut document = waiters_json(&shown);
            document["pid"] = json!(pid);
            document["go_version"] = json!(process.version);
            text = format!("{document}\n");
        }
        _ => write_waiters(&mut text, &shown)?,
    }
    args.write(&text)?;
    if !args.quiet {
        let count = snapshot.goroutines.len() as u64;
        notice(&closing_line(count, took_ns, &waits, &cycles));
    }
    Ok(Exit::DONE)
}

/// What the descriptors that are waited for refer to.
fn descriptors(pid: u32, waits: &Waits) -> HashMap<u64, String> {
    let kinds = waits.objects.iter().map(|object| object.kind);
    let numbers = kinds.filter_map(|kind| match kind {
        ObjectKind::Descriptor { fd } | ObjectKind::DescriptorLock { fd } => Some(fd),
        _ => None,
    });
    let names = DescriptorNames::of(pid);
    numbers
        .filter_map(|fd| Some((fd, names.name(fd)?)))
        .collect()
}

fn closing_line(goroutines: u64, took_ns: u64, waits: &Waits, cycles: &[Cycle]) -> String {
    let mut text = format!(
        "{} in {:.1} ms",
        plural(goroutines, "goroutine", "goroutines"),
        took_ns as f64 / 1e6
    );
    if !cycles.is_empty() {
        let circles = plural(cycles.len() as u64, "circle", "circles");
        text = format!("{text}, {circles} of waits");
    }
    if !waits.unknown.is_empty() {
        text = format!(
            "{text}, {} for what could not be found",
            waits.unknown.len()
        );
    }
    if !waits.has_semaphores {
        text = format!("{text}; locks are not known of this executable");
    }
    text
}
