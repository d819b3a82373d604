//! What goroutines wait for, by wait reason and by stack.

use std::io::{self, Write};

use super::{StackText, clean, count, cut, duration, peek, percent};
use crate::render::{StackBy, StackOutput};
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
        None if output.by == Some(StackBy::Creator) => write_creators(profile, text, out)?,
        None => write_stacks(profile, text, out)?,
    }
    write_doubts(profile, out)
}

/// How many goroutines there were, and how that is known.
fn headline(profile: &GoroutineWaitProfile) -> String {
    if profile.is_measured() {
        return format!(
            "{:.1} goroutines waited on average in {}: {}",
            mean(profile, profile.time_ns),
            duration(profile.duration_ns),
            count(profile.seen, "wait", "waits"),
        );
    }
    let every = profile.duration_ns / profile.looks.saturating_sub(1).max(1);
    format!(
        "{:.1} goroutines on average in {}, from {} every {}",
        mean(profile, profile.time_ns),
        duration(profile.duration_ns),
        count(profile.looks, "look", "looks"),
        duration(every),
    )
}

/// What the figures are of.
const fn method(profile: &GoroutineWaitProfile) -> &'static str {
    match profile.is_measured() {
        true => "measured: each wait, from parking until the goroutine runs again",
        false => {
            "sampled: waits shorter than the time between looks are seen in proportion, not one by \
             one"
        }
    }
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
    writeln!(out, "{}", method(profile))?;
    let measured = profile.is_measured();
    let [first, last] = match measured {
        true => ["WAITS", "LONGEST"],
        false => ["AT END", "OLDEST"],
    };
    writeln!(
        out,
        "\n{:>10} {:>7} {:>9} {first:>7} {last:>10}  WAIT REASON",
        "TIME", "SHARE", "AVERAGE"
    )?;
    for reason in &profile.reasons {
        let (first, last) = match measured {
            true => (reason.waits.unwrap_or(0), reason.max_ns),
            false => (reason.open, reason.oldest_ns),
        };
        let row = format!(
            "{:>10} {:>7} {:>9.1} {first:>7} {:>10}  {}",
            duration(reason.time_ns),
            percent(reason.time_ns, profile.time_ns),
            mean(profile, reason.time_ns),
            last.map_or_else(|| "-".to_owned(), duration),
            clean(&reason.reason),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    Ok(())
}

fn write_creators(
    profile: &GoroutineWaitProfile,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>10} {:>7} {:>9} {:>7} {:>7}  MADE BY",
        "TIME", "SHARE", "AVERAGE", "WAITS", "AT END"
    )?;
    for creator in profile.creators.iter().take(text.top) {
        let waits = creator.waits.map(|waits| waits.to_string());
        let row = format!(
            "{:>10} {:>7} {:>9.1} {:>7} {:>7}  {}",
            duration(creator.time_ns),
            percent(creator.time_ns, profile.time_ns),
            mean(profile, creator.time_ns),
            waits.unwrap_or_else(|| "-".to_owned()),
            creator.open,
            clean(&creator.creator),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    let hidden = profile.creators.get(text.top..).unwrap_or_default();
    if !hidden.is_empty() {
        let hidden = count(hidden.len() as u64, "more creator", "more creators");
        writeln!(out, "{hidden}")?;
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
        "\n{} ({}) [{}], {:.1} goroutines on average{}{}",
        duration(time.time_ns),
        percent(time.time_ns, profile.time_ns),
        clean(&time.reason),
        mean(profile, time.time_ns),
        waits(time),
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

fn waits(time: &GoroutineTime) -> String {
    let (Some(waits), Some(max_ns)) = (time.waits, time.max_ns) else {
        return String::new();
    };
    let waits = count(waits, "wait", "waits");
    format!(" in {waits}, longest {}", duration(max_ns))
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
    if profile.is_measured() {
        for (waits, what) in [
            (profile.torn, "have no stack: too many different ones"),
            (profile.truncated, "have only their innermost frames"),
        ] {
            if waits > 0 {
                let share = percent(waits, profile.seen);
                writeln!(out, "{waits} of {} waits ({share}) {what}", profile.seen)?;
            }
        }
        return Ok(());
    }
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
    use crate::report::{
        Frame, FrameKind, GoroutineCreatorTime, ProfileRun, StackTreeBuilder, Unit,
    };

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
            waits: None,
            max_ns: None,
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
            truncated: 0,
            over_limit: 0,
            reasons: vec![receive.clone(), running],
            creators: Vec::new(),
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

    #[test]
    fn measured_waits_have_their_number_and_the_longest() {
        let mut tree = StackTreeBuilder::new(Unit::Nanoseconds);
        let root = Frame {
            name: "[sleep]".to_owned(),
            module: None,
            kind: FrameKind::Thread,
            inlined: false,
            file: None,
            line: None,
            code: None,
        };
        let main = Frame {
            name: "main.nap".to_owned(),
            kind: FrameKind::Go,
            ..root.clone()
        };
        let node = tree.add([&root, &main], 4_000_000_000).expect("a node");
        let sleep = GoroutineTime {
            reason: "sleep".to_owned(),
            time_ns: 4_000_000_000,
            open: 1,
            oldest_ns: None,
            waits: Some(8),
            max_ns: Some(600_000_000),
        };
        let profile = GoroutineWaitProfile {
            pid: 7,
            duration_ns: 10_000_000_000,
            looks: 0,
            time_ns: 4_000_000_000,
            seen: 8,
            unreadable: 0,
            torn: 0,
            truncated: 2,
            over_limit: 0,
            reasons: vec![sleep.clone()],
            creators: vec![GoroutineCreatorTime {
                creator: "main.start".to_owned(),
                time_ns: 4_000_000_000,
                open: 1,
                waits: Some(8),
            }],
            stacks: vec![GoroutineStackTime { node, time: sleep }],
            run: ProfileRun::default(),
            together: Vec::new(),
            by_thread: Vec::new(),
            tree: tree.finish(),
        };
        let written = |by| {
            let output = StackOutput {
                by,
                ..StackOutput::default()
            };
            let mut text = Vec::new();
            write(&profile, &output, &mut text).expect("memory");
            String::from_utf8(text).expect("text")
        };
        let head = "0.4 goroutines waited on average in 10.00 s: 8 waits\n\
             measured: each wait, from parking until the goroutine runs again\n\
             \n\
             \x20     TIME   SHARE   AVERAGE   WAITS    LONGEST  WAIT REASON\n\
             \x20   4.00 s  100.0%       0.4       8   600.0 ms  sleep\n\
             \n";
        let foot = "2 of 8 waits (25.0%) have only their innermost frames\n";
        assert_eq!(
            written(None),
            format!(
                "{head}4.00 s (100.0%) [sleep], 0.4 goroutines on average in 8 waits, longest \
                 600.0 ms, 1 at the end\n\x20   main.nap\n{foot}"
            )
        );
        assert_eq!(
            written(Some(StackBy::Creator)),
            format!(
                "{head}      TIME   SHARE   AVERAGE   WAITS  AT END  MADE BY\n    4.00 s  \
                 100.0%       0.4       8       1  main.start\n{foot}"
            )
        );
    }
}
