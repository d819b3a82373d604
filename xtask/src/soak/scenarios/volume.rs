//! So many events that memory which is not given back would be seen.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracer_tests::Running;

use crate::interrupt;
use crate::soak::figures::{Figures, slope};
use crate::soak::ground::Ground;
use crate::soak::target::{C, GO_SERVER, Kind, Target};
use crate::soak::tracer::{good_end, resident};

/// What sees few events a second, or sums them in the kernel, runs for a time instead.
const BESIDE: &[(&[&str], Kind)] = &[
    (&["strace", "-c"], C),
    (&["sched"], GO_SERVER),
    (&["offcpu"], GO_SERVER),
    (&["profile", "-F", "499"], GO_SERVER),
    (&["gc"], GO_SERVER),
    (&["strace", "--goroutines", "-o", "/dev/null"], GO_SERVER),
];

/// The memory may grow by so much in all: what a first look at new stacks and threads takes.
const GROWTH: f64 = 8.0 * 1024.0 * 1024.0;

const MIB: f64 = 1024.0 * 1024.0;

/// `millions` of events for strace, a fifth of so many seconds for each of the others.
pub(in crate::soak) fn volume(ground: &mut Ground, millions: u64) -> Result<Figures> {
    let lines: &[&str] = &["strace", "-o", "/dev/null"];
    let mut figures = Figures::default();
    let trial = one(ground, lines, C, Duration::from_secs(5))?;
    let seconds = millions as f64 * 1e6 / trial.rate;
    let whole = one(ground, lines, C, Duration::from_secs_f64(seconds * 1.05))?;
    let wanted = millions as f64 * 1e6;
    // The machine may have been slower than during the trial; that is no fault of the tracer.
    figures.note(lines.join(" "), &whole.text);
    figures.note(
        "of the events wanted",
        format!("{:.0} %", whole.events / wanted * 100.0),
    );
    for (args, kind) in BESIDE {
        let time = Duration::from_secs((millions / 5).max(5));
        figures.note(args.join(" "), one(ground, args, *kind, time)?.text);
    }
    Ok(figures)
}

struct Seen {
    events: f64,
    /// A second.
    rate: f64,
    text: String,
}

fn one(ground: &Ground, args: &[&str], kind: Kind, time: Duration) -> Result<Seen> {
    let mut target = Target::start(ground, kind)?;
    let tracer = ground
        .tracer(args)
        .args(&["-p", &target.pid_text()])
        .attach();
    let samples = sample(&tracer, time)?;
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    good_end(args, &run, &[0])?;
    target.heals()?;
    target.finish()?;
    let end = run.stderr.lines().last().unwrap_or_default();
    let end = end.strip_prefix("tracer: ").unwrap_or(end);
    let events = events(end).with_context(|| format!("no number of events: {end}"))?;
    let growth = slope(&samples) * time.as_secs_f64();
    let (first, last) = (samples[0].1, samples[samples.len() - 1].1);
    let text = format!(
        "{:.1} MiB after {:.0} s, {:.1} MiB at the end, slope {:+.3} MiB a minute, {:+.4} bytes an \
         event; {end}",
        first / MIB,
        samples[0].0,
        last / MIB,
        slope(&samples) * 60.0 / MIB,
        growth / events.max(1.0),
    );
    if growth.max(last - first) > GROWTH {
        bail!("memory of {args:?} grows: {text}");
    }
    Ok(Seen {
        events,
        rate: events / time.as_secs_f64(),
        text,
    })
}

/// `12345` of "10.0 s, 12345 events, 0 lost".
fn events(end: &str) -> Option<f64> {
    let before = end.split(" events").next()?;
    before.split_whitespace().last()?.parse().ok()
}

/// Seconds and resident bytes, several times a second. The first fifth, in which buffers and
/// caches are filled, is left out.
fn sample(tracer: &Running, time: Duration) -> Result<Vec<(f64, f64)>> {
    let started = Instant::now();
    let mut samples = Vec::new();
    while started.elapsed() < time {
        interrupt::check()?;
        let Some(bytes) = resident(tracer) else {
            bail!("the tracer ended by itself: {}", tracer.stderr());
        };
        if started.elapsed() > time / 5 {
            samples.push((started.elapsed().as_secs_f64(), bytes as f64));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    if samples.is_empty() {
        bail!("no sample in {time:?}");
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn the_closing_line_has_the_number_of_events() {
        assert_eq!(events("10.0 s, 12345 events, 0 lost"), Some(12345.0));
        assert_eq!(events("nothing"), None);
    }
}
