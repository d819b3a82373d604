//! What goroutines wait for, by wait reason and by stack.

use std::io::{self, Write};

use super::{StackText, clean, count, cut, duration, peek, percent};
use crate::render::StackOutput;
use crate::report::{GoroutineStackTime, GoroutineTime, GoroutineWaitProfile};

/// Frames shown of each stack.
const FRAMES: usize = 24;

/// Writes reasons, then stacks, or callers and callees in the place of these.
pub(super) fn write(
    profile: &GoroutineWaitProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = output.text;
    write_reasons(profile, text, out)?;
    match &output.peek {
        Some(regex) => {
            writeln!(out)?;
            peek::write(&profile.tree, regex, text, out)?;
        }
        None => write_stacks(profile, text, out)?,
    }
    write_doubts(profile, out)
}

/// How many goroutines there were, and how that is known.
fn headline(profile: &GoroutineWaitProfile) -> String {
    let every = profile.duration_ns / profile.looks.saturating_sub(1).max(1);
    format!(
        "{:.1} goroutines on average in {}, from {} every {}",
        mean(profile, profile.time_ns),
        duration(profile.duration_ns),
        count(profile.looks, "look", "looks"),
        duration(every),
    )
}

fn mean(profile: &GoroutineWaitProfile, time_ns: u64) -> f64 {
    time_ns as f64 / profile.duration_ns.max(1) as f64
}

fn write_reasons(
    profile: &GoroutineWaitProfile,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", headline(profile))?;
    writeln!(
        out,
        "sampled: waits shorter than the time between looks are seen in proportion, not one by one"
    )?;
    writeln!(
        out,
        "\n{:>10} {:>7} {:>9} {:>7} {:>10}  WAIT REASON",
        "TIME", "SHARE", "AVERAGE", "AT END", "OLDEST"
    )?;
    for reason in &profile.reasons {
        let row = format!(
            "{:>10} {:>7} {:>9.1} {:>7} {:>10}  {}",
            duration(reason.time_ns),
            percent(reason.time_ns, profile.time_ns),
            mean(profile, reason.time_ns),
            reason.open,
            reason.oldest_ns.map_or_else(|| "-".to_owned(), duration),
            clean(&reason.reason),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    Ok(())
}

fn write_stacks(
    profile: &GoroutineWaitProfile,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    for stack in profile.stacks.iter().take(text.top) {
        write_stack(profile, stack, text, out)?;
    }
    let hidden = profile.stacks.get(text.top..).unwrap_or_default();
    if !hidden.is_empty() {
        let time = hidden.iter().map(|s| s.time.time_ns);
        let share = percent(time.fold(0, u64::saturating_add), profile.time_ns);
        let hidden = count(hidden.len() as u64, "more stack", "more stacks");
        writeln!(out, "\n{hidden} with {share} of the time")?;
    }
    Ok(())
}

fn write_stack(
    profile: &GoroutineWaitProfile,
    stack: &GoroutineStackTime,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    let time = &stack.time;
    writeln!(
        out,
        "\n{} ({}) [{}], {:.1} goroutines on average{}",
        duration(time.time_ns),
        percent(time.time_ns, profile.time_ns),
        clean(&time.reason),
        mean(profile, time.time_ns),
        at_end(time),
    )?;
    let frames: Vec<_> = profile.tree.leaf_to_root(stack.node).collect();
    // The outermost is the reason.
    let frames = &frames[..frames.len().saturating_sub(1)];
    let shown = frames.len().min(FRAMES);
    for frame in &frames[..shown] {
        let line = format!("    {}", clean(&frame.name));
        writeln!(out, "{}", cut(&line, text.width))?;
    }
    if shown < frames.len() {
        writeln!(out, "    … {} more", frames.len() - shown)?;
    }
    Ok(())
}

fn at_end(time: &GoroutineTime) -> String {
    match (time.open, time.oldest_ns) {
        (0, _) => String::new(),
        (n, None) => format!(", {n} at the end"),
        (n, Some(ns)) => format!(", {n} at the end, oldest {} or more", duration(ns)),
    }
}

/// What the numbers above leave out.
fn write_doubts(profile: &GoroutineWaitProfile, out: &mut dyn Write) -> io::Result<()> {
    for (looks, what) in [
        (profile.unreadable, "could not be read"),
        (profile.torn, "did not stand still: they have no stack"),
        (profile.over_limit, "left out: too many different stacks"),
    ] {
        if looks > 0 {
            let share = percent(looks, profile.seen);
            writeln!(
                out,
                "{looks} of {} looks at a goroutine ({share}) {what}",
                profile.seen
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frame, FrameKind, ProfileRun, StackTreeBuilder, Unit};

    #[test]
    fn a_table_of_reasons_and_their_stacks() {
        let frame = |name: &str, kind| Frame {
            name: name.to_owned(),
            module: None,
            kind,
            inlined: false,
            file: None,
            line: None,
            code: None,
        };
        let mut tree = StackTreeBuilder::new(Unit::Nanoseconds);
        let root = frame("[chan receive]", FrameKind::Thread);
        let (main, wait) = (
            frame("main.main", FrameKind::Go),
            frame("main.wait", FrameKind::Go),
        );
        let node = tree
            .add([&root, &main, &wait], 20_000_000_000)
            .expect("a node");
        let receive = GoroutineTime {
            reason: "chan receive".to_owned(),
            time_ns: 20_000_000_000,
            open: 2,
            oldest_ns: Some(61_000_000_000),
        };
        let running = GoroutineTime {
            reason: "running".to_owned(),
            time_ns: 5_000_000_000,
            ..GoroutineTime::default()
        };
        let profile = GoroutineWaitProfile {
            pid: 7,
            duration_ns: 10_000_000_000,
            looks: 1001,
            time_ns: 25_000_000_000,
            seen: 2500,
            unreadable: 0,
            torn: 5,
            over_limit: 0,
            reasons: vec![receive.clone(), running],
            stacks: vec![GoroutineStackTime {
                node,
                time: receive,
            }],
            run: ProfileRun::default(),
            together: Vec::new(),
            by_thread: Vec::new(),
            tree: tree.finish(),
        };
        let mut text = Vec::new();
        write(&profile, &StackOutput::default(), &mut text).expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "2.5 goroutines on average in 10.00 s, from 1001 looks every 10.0 ms\n\
             sampled: waits shorter than the time between looks are seen in proportion, not one by \
             one\n\
             \n\
             \x20     TIME   SHARE   AVERAGE  AT END     OLDEST  WAIT REASON\n\
             \x20  20.00 s   80.0%       2.0       2    61.00 s  chan receive\n\
             \x20   5.00 s   20.0%       0.5       0          -  running\n\
             \n\
             20.00 s (80.0%) [chan receive], 2.0 goroutines on average, 2 at the end, oldest \
             61.00 s or more\n\
             \x20   main.wait\n\
             \x20   main.main\n\
             5 of 2500 looks at a goroutine (0.2%) did not stand still: they have no stack\n"
        );
    }
}
