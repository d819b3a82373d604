//! Who waits for which lock, channel or connection, and who has it.

use std::collections::HashMap;

use serde_json::json;

use super::args::GoroutinesArgs;
use super::image::Image;
use crate::commands::execute::Exit;
use crate::go::Memory;
use crate::go::waits::{Cycle, ObjectKind, Waits, cycles};
use crate::process::DescriptorNames;
use crate::render::goroutine_waiters::{Waiters, waiters_json, write_waiters};
use crate::session::now_ns;
use crate::term::{notice, plural};

pub(super) fn execute<M: Memory>(
    args: &GoroutinesArgs,
    image: &Image<'_, M>,
) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let began = now_ns();
    let snapshot = image.read(false)?;
    let waits = image.waits(&snapshot)?;
    let took_ns = now_ns() - began;
    let cycles = cycles(&waits);
    let shown = Waiters {
        code: image.code,
        goroutines: &snapshot.goroutines,
        waits: &waits,
        cycles: &cycles,
        descriptors: &descriptors(image, &waits),
    };
    let mut text = String::new();
    match format {
        "json" => {
            let mut document = waiters_json(&shown);
            document["pid"] = json!(image.pid);
            document["go_version"] = json!(image.version);
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
fn descriptors<M: Memory>(image: &Image<'_, M>, waits: &Waits) -> HashMap<u64, String> {
    let Some(pid) = image.pid.filter(|_| image.is_live) else {
        return HashMap::new();
    };
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
