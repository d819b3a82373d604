//! More events than the buffer takes: what is printed and what is counted as lost are together no
//! less than what was made.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracer_tests::{Running, number_after, until};

use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::good_end;

/// For `seconds`, at most 60.
pub(in crate::soak) fn overrun(ground: &mut Ground, seconds: u64) -> Result<Figures> {
    let milliseconds = (seconds * 1000).to_string();
    let mut flood = ground
        .place()
        .command("c/ring_flood", &[&milliseconds, "2", "wait"]);
    let mut target = Running::ready(&mut flood);
    let pid = target.pid_text();
    let args = [
        "strace",
        "-e",
        "trace=getppid",
        "--buffer-size",
        "64",
        "-p",
        &pid,
    ];
    let mut tracer = ground.tracer(&args);
    let (lines, tracer) = with_counted_lines(tracer.command())?;
    until("attaching", || {
        tracer.stderr().contains("attached to").then_some(())
    });
    target.proceed();
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut stops = 0;
    while Instant::now() < until {
        // A tracer that gets no CPU for a while.
        tracer.signal(libc::SIGSTOP);
        std::thread::sleep(ground.moment(Duration::from_millis(100)));
        tracer.signal(libc::SIGCONT);
        std::thread::sleep(ground.moment(Duration::from_millis(100)));
        stops += 1;
    }
    let made = target.finish().success().count();
    let run = tracer.finish();
    good_end(&args, &run, &[0])?;
    let shown = lines
        .join()
        .map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    // A call that lost either half is lost once; of some the other half is shown.
    let end = run.stderr.lines().last().unwrap_or_default().to_owned();
    let lost = number_after(&end, " events, ").unwrap_or(0);
    if lost > made || shown + lost < made {
        bail!("{made} made, {shown} shown, {lost} lost: {end}");
    }
    let mut figures = Figures::default();
    figures.note("calls made", made);
    figures.note("shown + lost", format!("{shown} + {lost}"));
    figures.note("times the tracer was stopped", stops);
    figures.note("closing line", end);
    Ok(figures)
}

/// Starts it with its stdout counted, not kept: lines that end a call.
fn with_counted_lines(command: &mut Command) -> Result<(JoinHandle<u64>, Running)> {
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped());
    let running = Running::spawn(command);
    // The command holds the writing end, too.
    command.stdout(Stdio::null());
    let counter = std::thread::spawn(move || count(reader));
    Ok((counter, running))
}

fn count(from: impl Read) -> u64 {
    let mut from = BufReader::with_capacity(1 << 20, from);
    let (mut line, mut shown) = (Vec::new(), 0);
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        let has = |part: &[u8]| line.windows(part.len()).any(|w| w == part);
        shown += u64::from(has(b"getppid() ") && !has(b"<unfinished ...>"));
        shown += u64::from(has(b"<... getppid resumed>"));
        line.clear();
    }
    shown
}
