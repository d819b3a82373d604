//! `tracer offcpu --goroutines`: where goroutines wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::execute::{Exit, block_on};
use super::go_process::GoProcess;
use super::goroutine_probes::{Measured, measure};
use super::goroutines::{reader, unreadable};
use super::offcpu::OffCpuArgs;
use super::profile::DEFAULT_DURATION;
use crate::analysis::{GoroutineWaits, NamedWait};
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::go::goroutine::{Goroutine, Stack, StackFrame, creator_name};
use crate::render::goroutine_dump::shown_calls;
use crate::render::write_goroutine_waits;
use crate::report::{Frame, FrameKind, GoroutineWaitProfile};
use crate::session::{comm, look_every, now_ns};
use crate::term::{notice, plural};

/// Time between two looks, where none is given.
pub(super) const DEFAULT_PERIOD: Duration = Duration::from_millis(10);

/// Writes what the goroutines of one process wait for: by probes, or by looking at them again and again
/// where that was asked for, or probes cannot be had.
pub(super) fn execute(args: &OffCpuArgs) -> anyhow::Result<Exit> {
    let view = &args.view.stacks;
    view.resolve("offcpu", &args.output, 0)?;
    let pid = args.target.only_pid("offcpu --goroutines")?;
    let process = GoProcess::open(pid)?;
    let mut duration = args.target.duration.unwrap_or(DEFAULT_DURATION);
    let period = args.every.unwrap_or(DEFAULT_PERIOD);
    if args.every.is_none() {
        match measure(args, &process)? {
            Measured::Profile(profile) => return write(args, *profile),
            Measured::Instead { why, left } => {
                Measured::tell(&why, period);
                duration = left;
            }
        }
    }
    look(args, &process, period, duration)
}

fn look(
    args: &OffCpuArgs,
    process: &GoProcess,
    period: Duration,
    duration: Duration,
) -> anyhow::Result<Exit> {
    let pid = process.pid;
    let notices = args.target.quiet == 0;
    if notices {
        notice(&format!(
            "attached to {pid} ({}): no probes, its memory is read",
            comm(pid)
        ));
    }
    let (waits, took_ns) = watch(process, period, duration)?;
    let profile = waits.finish(pid, |goroutine| NamedWait {
        creator: creator(goroutine, &args.output),
        frames: frames(process, goroutine, &args.output),
    });
    let (duration_ns, looks) = (profile.duration_ns, profile.looks);
    let exit = write(args, profile)?;
    if notices {
        notice(&format!(
            "{:.1} s, {}, {:.1} % of a CPU to look, nothing in the target",
            duration_ns as f64 / 1e9,
            plural(looks, "look", "looks"),
            took_ns as f64 * 100.0 / duration_ns.max(1) as f64,
        ));
    }
    Ok(exit)
}

fn write(args: &OffCpuArgs, mut profile: GoroutineWaitProfile) -> anyhow::Result<Exit> {
    let opened = args.output.open(false)?;
    let shown = args
        .view
        .stacks
        .resolve("offcpu", &args.output, opened.width)?;
    profile.run.began_unix_ns = unix_ns().saturating_sub(profile.duration_ns);
    let mut out = opened.out;
    let written = write_goroutine_waits(profile, &shown, &mut out);
    written.map_err(|source| ExpectedError::OutputUnwritable {
        file: opened.name.clone().into(),
        source,
    })?;
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

/// The function of the `go` statement that made a goroutine, without secrets as above.
fn creator(goroutine: &Goroutine, output: &OutputArgs) -> String {
    let creator = goroutine.creator.as_ref();
    let call = creator.and_then(|creator| creator.place.calls.last());
    // The first was made by assembly.
    let name = call.map_or("runtime.rt0_go", |call| &call.frame.function);
    output.redacted_text(creator_name(name)).into_owned()
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
    shown_frames(process, frames, output)
}

/// As [`frames`], of a stack.
pub(super) fn shown_frames(
    process: &GoProcess,
    frames: &[StackFrame],
    output: &OutputArgs,
) -> Vec<Frame> {
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
