//! `tracer offcpu --goroutines`: where goroutines wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::execute::{Exit, block_on};
use super::go_process::GoProcess;
use super::goroutines::{reader, unreadable};
use super::offcpu::OffCpuArgs;
use super::profile::DEFAULT_DURATION;
use crate::analysis::GoroutineWaits;
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::go::goroutine::{Goroutine, Stack};
use crate::render::goroutine_dump::shown_calls;
use crate::render::write_goroutine_waits;
use crate::report::{Frame, FrameKind};
use crate::session::{comm, look_every, now_ns};
use crate::term::{notice, plural};

/// Time between two looks, where none is given.
pub(super) const DEFAULT_PERIOD: Duration = Duration::from_millis(10);

/// Looks at the goroutines of one process and writes what they wait for.
pub(super) fn execute(args: &OffCpuArgs) -> anyhow::Result<Exit> {
    let view = &args.view.stacks;
    view.resolve("offcpu", &args.output, 0)?;
    let pid = args.target.only_pid("offcpu --goroutines")?;
    let process = GoProcess::open(pid)?;
    let duration = args.target.duration.unwrap_or(DEFAULT_DURATION);
    let period = args.every.unwrap_or(DEFAULT_PERIOD);
    let notices = args.target.quiet == 0;
    if notices {
        notice(&format!(
            "attached to {pid} ({}): no probes, its memory is read",
            comm(pid)
        ));
    }
    let (waits, took_ns) = watch(&process, period, duration)?;
    let opened = args.output.open(false)?;
    let shown = view.resolve("offcpu", &args.output, opened.width)?;
    let mut profile = waits.finish(pid, |goroutine| frames(&process, goroutine, &args.output));
    profile.run.began_unix_ns = unix_ns().saturating_sub(profile.duration_ns);
    let (duration_ns, looks) = (profile.duration_ns, profile.looks);
    let mut out = opened.out;
    let written = write_goroutine_waits(profile, &shown, &mut out);
    written.map_err(|source| ExpectedError::OutputUnwritable {
        file: opened.name.clone().into(),
        source,
    })?;
    if notices {
        notice(&format!(
            "{:.1} s, {}, {:.1} % of a CPU to look, nothing in the target",
            duration_ns as f64 / 1e9,
            plural(looks, "look", "looks"),
            took_ns as f64 * 100.0 / duration_ns.max(1) as f64,
        ));
    }
    Ok(Exit::DONE)
}

/// What was seen, and how long looking took, in ns.
fn watch(
    process: &GoProcess,
    period: Duration,
    duration: Duration,
) -> anyhow::Result<(GoroutineWaits, u64)> {
    let mut waits = GoroutineWaits::default();
    let mut took_ns = 0;
    let reader = reader(process);
    let look = || {
        let began = now_ns();
        match reader.read() {
            Ok(snapshot) => {
                let now = now_ns();
                took_ns += now - began;
                // The middle of the look.
                waits.observe(began + (now - began) / 2, &snapshot);
                Ok(true)
            }
            // It ended, or runs another program: what was seen until then is shown.
            Err(_) if took_ns != 0 => Ok(false),
            Err(error) => Err(unreadable(process, &error)),
        }
    };
    block_on(look_every(process.pid, period, duration, look))??;
    Ok((waits, took_ns))
}

fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Calls of a stack as tracebacks show them, innermost first, without secrets where the output
/// leaves these out.
fn frames(process: &GoProcess, goroutine: &Goroutine, output: &OutputArgs) -> Vec<Frame> {
    let Stack::Frames { frames, .. } = &goroutine.stack else {
        return Vec::new();
    };
    let calls = shown_calls(&process.code, frames);
    let frame = |name: &str, inlined| Frame {
        name: output.redacted_text(name).into_owned(),
        module: None,
        kind: if name.starts_with("runtime.") || name.starts_with("internal/runtime/") {
            FrameKind::GoRuntime
        } else {
            FrameKind::Go
        },
        inlined,
        file: None,
        line: None,
        code: None,
    };
    calls
        .iter()
        .map(|shown| frame(&shown.call.frame.function, shown.frame.is_none()))
        .collect()
}
