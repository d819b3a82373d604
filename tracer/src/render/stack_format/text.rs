//! Profiles as text: tables for a terminal, with what limits their truth.

mod goroutine_waits;
mod heap;
mod hot;
mod peek;
mod tables;
mod wall;

use std::io::{self, Write};

use super::Shown;
use crate::analysis::function_totals;
use crate::render::{StackBy, StackOutput};
use crate::report::{
    Frame, FrameKind, OffCpuProfile, OnCpuProfile, ProfileRun, StackProfile, StackRoots,
    StackTimes, Unit, WOKEN_BY,
};
use crate::term::{bytes, is_control};

/// Frames shown of each off-CPU stack.
const STACK_FRAMES: usize = 24;

/// Threads listed below a profile.
const THREADS: usize = 5;

/// What shares in a table are of.
#[derive(Clone, Copy)]
struct Whole {
    value: u64,
    unit: Unit,
}

impl Whole {
    /// A value in its unit.
    fn amount(self, value: u64) -> String {
        match self.unit {
            Unit::Samples => value.to_string(),
            Unit::Nanoseconds => duration(value),
            Unit::Bytes => bytes(value),
        }
    }

    fn share(self, value: u64) -> String {
        percent(value, self.value)
    }
}

/// Layout of a text profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackText {
    /// Functions or stacks listed.
    pub top: usize,
    /// Columns of the terminal; longer lines are cut.
    pub width: usize,
}

impl Default for StackText {
    fn default() -> Self {
        Self {
            top: 30,
            width: 100,
        }
    }
}

/// Writes the profile with what its options ask for.
pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    match shown.profile {
        StackProfile::OnCpu(profile) => write_on_cpu(profile, shown.output, out),
        StackProfile::OffCpu(profile) => write_off_cpu(profile, shown.output, out),
        StackProfile::Wall(profile) => wall::write(profile, shown.output, out),
        StackProfile::Goroutines(profile) => goroutine_waits::write(profile, shown.output, out),
        StackProfile::Heap(profile) => heap::write(profile, shown.output, out),
    }
}

/// Writes functions by own samples.
fn write_on_cpu(
    profile: &OnCpuProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = output.text;
    let run = &profile.run;
    let rate = match profile.sample_hz {
        0 => String::new(),
        hz => format!(" at {hz} Hz"),
    };
    let event = profile.event.as_deref().map(clean);
    let of = event.map_or_else(String::new, |event| format!(" of {event}"));
    writeln!(
        out,
        "{}{of} in {}{rate}, {} of frames unresolved, {} truncated",
        count(profile.samples, "sample", "samples"),
        seconds(run.duration_ns),
        percent(run.unresolved_frames, run.frames),
        count(profile.truncated, "stack", "stacks"),
    )?;
    if profile.samples > 0 {
        writeln!(out)?;
        let of = Whole {
            value: profile.samples,
            unit: Unit::Samples,
        };
        match (&output.peek, output.by) {
            (Some(regex), _) => peek::write(&profile.tree, regex, text, out)?,
            (None, Some(StackBy::Thread)) => {
                tables::write_threads(&profile.threads, of, text, out)?;
            }
            (None, Some(StackBy::Cpu)) => tables::write_cpus(&profile.cpus, of, out)?,
            (None, Some(StackBy::Creator)) => {
                tables::write_creators(&profile.creators, of, text, out)?;
            }
            (None, Some(StackBy::Function) | None) => {
                tables::write_functions(&profile.functions, of, text, out)?;
            }
        }
    }
    if output.by != Some(StackBy::Thread) {
        write_threads(profile, text, out)?;
    }
    hot::write(&profile.tree, output, out)?;
    write_footers(run, out)?;
    if profile.user_missing > 0 {
        let missing = count(profile.user_missing, "sample", "samples");
        let share = percent(profile.user_missing, profile.samples);
        writeln!(out, "user stack missing in {missing} ({share})")?;
    }
    Ok(())
}

fn write_threads(profile: &OnCpuProfile, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    if profile.threads.len() < 2 {
        return Ok(());
    }
    let busiest: Vec<String> = profile
        .threads
        .iter()
        .take(THREADS)
        .map(|t| {
            let share = percent(t.value, profile.samples);
            format!("{}/{} {share}", clean(&t.comm), t.tid)
        })
        .collect();
    let all = count(profile.threads.len() as u64, "thread", "threads");
    let mut line = format!("{all}: {}", busiest[0]);
    let mut shown = 1;
    for (at, thread) in busiest.iter().enumerate().skip(1) {
        // Room for the sign that there are more.
        let more = usize::from(at + 1 < profile.threads.len()) * ", …".chars().count();
        if line.chars().count() + thread.chars().count() + ", ".len() + more > text.width {
            break;
        }
        line += &format!(", {thread}");
        shown = at + 1;
    }
    if shown < profile.threads.len() {
        line += ", …";
    }
    writeln!(out, "\n{}", cut(&line, text.width))
}

/// Writes waiting time by state and by stack.
fn write_off_cpu(
    profile: &OffCpuProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let run = &profile.run;
    writeln!(
        out,
        "{} off the CPU in {}: {} blocked, {} runnable, {} of frames unresolved",
        count(profile.count, "time", "times"),
        seconds(run.duration_ns),
        duration(profile.blocked_ns),
        duration(profile.runnable_ns),
        percent(run.unresolved_frames, run.frames),
    )?;
    if profile.open > 0 {
        let open = count(profile.open, "wait was", "waits were");
        writeln!(out, "{open} still open at the end, and count until then")?;
    }
    if profile.before_run > 0 {
        let before = count(profile.before_run, "wait began", "waits began");
        writeln!(
            out,
            "{before} before the run, and count from then on, with their innermost frame alone"
        )?;
    }
    if profile.one_in > 1 {
        writeln!(
            out,
            "estimated: one switch in {} was measured at the end",
            profile.one_in
        )?;
    }
    if profile.count > 0 {
        write_states(profile, out)?;
        write_waits(profile, output, out)?;
    }
    write_footers(run, out)?;
    write_truncated(profile.truncated, profile.count, out)?;
    if profile.user_missing > 0 {
        let missing = count(profile.user_missing, "switch", "switches");
        let share = percent(profile.user_missing, profile.count);
        writeln!(out, "user stack missing in {missing} ({share})")?;
    }
    Ok(())
}

/// Writes what the options ask for: stacks unless they say otherwise.
fn write_waits(
    profile: &OffCpuProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = output.text;
    let of = Whole {
        value: profile.blocked_ns,
        unit: Unit::Nanoseconds,
    };
    if output.peek.is_some() || output.by.is_some() {
        writeln!(out)?;
    }
    match (&output.peek, output.by) {
        (Some(regex), _) => peek::write(&profile.tree, regex, text, out),
        (None, Some(StackBy::Function)) => {
            tables::write_functions(&function_totals(&profile.tree), of, text, out)
        }
        (None, Some(StackBy::Thread)) => tables::write_threads(&profile.threads, of, text, out),
        // Waits are not of a CPU, and threads are made by no goroutine.
        (None, Some(StackBy::Cpu | StackBy::Creator) | None) => write_stacks(profile, text, out),
    }
}

fn write_states(profile: &OffCpuProfile, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>10} {:>10} {:>10} {:>9}  STATE",
        "BLOCKED", "RUNNABLE", "MAX", "COUNT"
    )?;
    for state in &profile.states {
        writeln!(
            out,
            "{:>10} {:>10} {:>10} {:>9}  {}",
            duration(state.blocked_ns),
            duration(state.runnable_ns),
            duration(state.max_ns),
            state.count,
            state.state.name(),
        )?;
    }
    Ok(())
}

fn write_stacks(profile: &OffCpuProfile, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    for stack in profile.stacks.iter().take(text.top) {
        write_stack(profile, stack, text, out)?;
    }
    let hidden = profile.stacks.get(text.top..).unwrap_or_default();
    if !hidden.is_empty() {
        let blocked = hidden.iter().map(|s| s.blocked_ns);
        let blocked = blocked.fold(0, u64::saturating_add);
        let share = percent(blocked, profile.blocked_ns);
        let hidden = count(hidden.len() as u64, "more stack", "more stacks");
        writeln!(out, "\n{hidden} with {share} of blocked time")?;
    }
    Ok(())
}

/// One stack, innermost first, with its thread's name last.
fn write_stack(
    profile: &OffCpuProfile,
    stack: &StackTimes,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    let runnable = match stack.runnable_ns {
        0 => String::new(),
        ns => format!(", {} runnable", duration(ns)),
    };
    let open = match stack.open {
        0 => String::new(),
        n => format!(", {n} open at the end"),
    };
    writeln!(
        out,
        "\n{} blocked ({}) in {}{runnable}, max {}, {}{open}",
        duration(stack.blocked_ns),
        percent(stack.blocked_ns, profile.blocked_ns),
        count(stack.count, "wait", "waits"),
        duration(stack.max_ns),
        stack.state.name(),
    )?;
    let mut frames: Vec<&Frame> = profile.tree.leaf_to_root(stack.node).collect();
    // On top of the stack stands that of the waker, upside down.
    let is_between = |f: &&Frame| f.kind == FrameKind::Note && f.name == WOKEN_BY;
    let waker = match frames.iter().position(is_between) {
        Some(at) => frames.drain(..=at).rev().skip(1).collect(),
        None => Vec::new(),
    };
    write_frames(&frames, text, out)?;
    if !waker.is_empty() {
        writeln!(out, "  woken by")?;
        write_frames(&waker, text, out)?;
    }
    Ok(())
}

/// Frames, innermost first.
fn write_frames(frames: &[&Frame], text: StackText, out: &mut dyn Write) -> io::Result<()> {
    let shown = frames.len().min(STACK_FRAMES);
    for frame in &frames[..shown] {
        let line = format!("    {}", stack_line(frame));
        writeln!(out, "{}", cut(&line, text.width))?;
    }
    if shown < frames.len() {
        let more = frames.len() - shown;
        let root = frames.last().map_or("", |f| f.name.as_str());
        writeln!(out, "    … {more} more, in {}", clean(root))?;
    }
    Ok(())
}

/// A function with where it is from.
pub(in crate::render) fn stack_line(frame: &Frame) -> String {
    let name = clean(&frame.name);
    match (&frame.module, frame.kind) {
        (Some(module), FrameKind::Native | FrameKind::Go | FrameKind::GoRuntime) => {
            format!("{name} ({})", clean(file_name(module)))
        }
        (_, FrameKind::Kernel) => format!("{name} (kernel)"),
        (_, FrameKind::Thread) => format!("thread {name}"),
        _ => name,
    }
}

/// What the numbers above leave out.
fn write_footers(run: &ProfileRun, out: &mut dyn Write) -> io::Result<()> {
    if run.lost > 0 {
        let lost = count(run.lost, "record", "records");
        writeln!(out, "{lost} lost: buffers were full")?;
    }
    if run.stacks_over_limit > 0 {
        let left_out = count(run.stacks_over_limit, "stack", "stacks");
        writeln!(out, "{left_out} left out: too many different ones")?;
    }
    if run.untold_switches > 0 {
        let untold = count(run.untold_switches, "switch", "switches");
        writeln!(
            out,
            "{untold} to a thread that the kernel did not tell of: when these began is estimated"
        )?;
    }
    write_roots(&run.roots, out)?;
    if run.kernel_frames > 0 && run.unresolved_kernel_frames == run.kernel_frames {
        writeln!(
            out,
            "no kernel function has a name: the kernel hides them (sysctl kernel.kptr_restrict)"
        )?;
    }
    Ok(())
}

/// How many user stacks are whole, and whose are not.
fn write_roots(roots: &StackRoots, out: &mut dyn Write) -> io::Result<()> {
    /// Modules that are named.
    const WORST: usize = 3;
    if roots.stacks == 0 {
        return Ok(());
    }
    let share = percent(roots.whole, roots.stacks);
    write!(out, "{share} of user stacks reach their root")?;
    let broken = roots.modules.iter().filter(|m| m.whole < m.stacks);
    let worst: Vec<String> = broken
        .take(WORST)
        .map(|m| {
            let missing = count(m.stacks - m.whole, "does not", "do not");
            format!("{missing} in {}", clean(file_name(&m.module)))
        })
        .collect();
    match worst.is_empty() {
        true => writeln!(out)?,
        false => writeln!(out, ": {}", worst.join(", "))?,
    }
    if roots.guessed > 0 {
        let share = percent(roots.guessed, roots.stacks);
        writeln!(
            out,
            "{share} of user stacks are guessed in part: along frame pointers, through code \
             without unwind tables"
        )?;
    }
    Ok(())
}

/// Stacks that may lack their outermost frames.
fn write_truncated(truncated: u64, of: u64, out: &mut dyn Write) -> io::Result<()> {
    if truncated == 0 {
        return Ok(());
    }
    let stacks = count(truncated, "stack", "stacks");
    let share = percent(truncated, of);
    writeln!(
        out,
        "{stacks} truncated ({share}): too deep to be taken whole"
    )
}

fn function_name(frame: &Frame) -> String {
    let name = clean(&frame.name);
    match frame.kind {
        FrameKind::Kernel => format!("{name} [k]"),
        _ => name,
    }
}

/// Without characters that could drive the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_control(c) { '?' } else { c })
        .collect()
}

fn file_name(module: &str) -> &str {
    module.rsplit('/').next().unwrap_or(module)
}

/// The line, at most `width` characters long.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// The name, at most `width` characters long: its end tells more than the packages before it.
fn tail(name: &str, width: usize) -> String {
    let len = name.chars().count();
    if len <= width {
        return name.to_owned();
    }
    let kept = name.chars().skip(len + 1 - width);
    std::iter::once('…').chain(kept).collect()
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0.0%".to_owned();
    }
    format!("{:.1}%", 100.0 * part as f64 / whole as f64)
}

fn seconds(ns: u64) -> String {
    format!("{:.2} s", ns as f64 / 1e9)
}

/// Three digits or so with a unit.
fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0 => "0".to_owned(),
        1..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}
