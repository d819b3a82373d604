//! So many events that memory which is not given back would be seen.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracer_tests::{Finished, Running, number_after};

use crate::interrupt;
use crate::soak::figures::{Figures, slope};
use crate::soak::ground::Ground;
use crate::soak::target::{C, GO_SERVER, Kind, Target};
use crate::soak::tracer::{good_end, resident, written};

/// What sees few events a second, or sums them in the kernel, runs for a time instead.
const BESIDE: &[(&[&str], Kind)] = &[
    (&["strace", "-c"], C),
    (&["sched"], GO_SERVER),
    (&["offcpu", "-d", "1h"], GO_SERVER),
    (&["profile", "-F", "499", "-d", "1h"], GO_SERVER),
    (&["gc"], GO_SERVER),
    (&["strace", "--goroutines", "-o", "/dev/null"], GO_SERVER),
];

/// The memory may grow by so much in all: what a first look at new stacks and threads takes.
const GROWTH: f64 = 8.0 * 1024.0 * 1024.0;

/// Lines grow longer with their numbers: what a trial takes for an event is too little.
const MARGIN: f64 = 1.15;

const MIB: f64 = 1024.0 * 1024.0;

/// No machine is so slow that it takes longer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// `millions` of events for strace, a fifth of so many seconds for each of the others.
pub(in crate::soak) fn volume(ground: &mut Ground, millions: u64) -> Result<Figures> {
    let lines: &[&str] = &["strace", "-o", "/dev/null"];
    let mut figures = Figures::default();
    let trial = one(ground, lines, C, Until::Time(Duration::from_secs(5)))?;
    let bytes = trial.last().written as f64 / trial.events * millions as f64 * 1e6 * MARGIN;
    let whole = one(ground, lines, C, Until::Written(bytes as u64))?;
    figures.note(lines.join(" "), whole.text());
    for (args, kind) in BESIDE {
        let time = Duration::from_secs((millions / 5).max(5));
        let seen = one(ground, args, *kind, Until::Time(time))?;
        figures.note(args.join(" "), seen.text());
    }
    Ok(figures)
}

/// When it is enough.
#[derive(Clone, Copy)]
enum Until {
    Time(Duration),
    /// Bytes of output, from which the number of events follows.
    Written(u64),
}

/// A look at the tracer.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    resident: f64,
    /// Bytes of output so far.
    written: u64,
}

struct Seen {
    /// Those that arrived.
    events: f64,
    lost: f64,
    samples: Vec<Sample>,
    end: String,
}

impl Seen {
    fn last(&self) -> Sample {
        self.samples[self.samples.len() - 1]
    }

    /// Samples without the first fifth, in which buffers and caches are filled.
    fn settled(&self) -> &[Sample] {
        let from = self.last().seconds / 5.0;
        let first = self.samples.iter().position(|s| s.seconds > from);
        &self.samples[first.unwrap_or(0)..]
    }

    /// MiB a minute.
    fn slope(&self) -> f64 {
        let points = self.settled().iter().map(|s| (s.seconds, s.resident));
        slope(&points.collect::<Vec<_>>()) * 60.0 / MIB
    }

    /// Bytes that the memory grew by in the settled time: by its line, or from end to end.
    fn growth(&self) -> f64 {
        let settled = self.settled();
        let (first, last) = (settled[0], self.last());
        let by_line = self.slope() * MIB / 60.0 * (last.seconds - first.seconds);
        by_line.max(last.resident - first.resident)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{:.1} million events, {:.1} million lost, {:.0} s;",
            self.events / 1e6,
            self.lost / 1e6,
            self.last().seconds
        );
        for part in 0..=4 {
            let sample = self.samples[(self.samples.len() - 1) * part / 4];
            let _ = write!(text, " {:.1}", sample.resident / MIB);
        }
        let _ = write!(
            text,
            " MiB at the start and after each quarter, slope {:+.3} MiB a minute; {}",
            self.slope(),
            self.end
        );
        text
    }
}

fn one(ground: &Ground, args: &[&str], kind: Kind, until: Until) -> Result<Seen> {
    let mut target = Target::start(ground, kind)?;
    let tracer = ground
        .tracer(args)
        .args(&["-p", &target.pid_text()])
        .attach();
    let samples = sample(&tracer, until)?;
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    good_end(args, &run, &[0])?;
    target.heals()?;
    target.finish()?;
    let seen = seen(&run, samples)?;
    if seen.growth() > GROWTH {
        bail!("memory of {args:?} grows: {}", seen.text());
    }
    Ok(seen)
}

fn seen(run: &Finished, samples: Vec<Sample>) -> Result<Seen> {
    let end = run.stderr.lines().last().unwrap_or_default();
    let end = end.strip_prefix("tracer: ").unwrap_or(end);
    let (all, lost) = events(end).with_context(|| format!("no number of events: {end}"))?;
    // An end that finds no beginning is no event that arrived; both are in the count of hits.
    Ok(Seen {
        events: (all - lost).max(1.0),
        lost,
        samples,
        end: end.to_owned(),
    })
}

/// `12345` and `6` of "10.0 s, 12345 events, 6 lost".
fn events(end: &str) -> Option<(f64, f64)> {
    let all = number_after(end, " s, ")?;
    let lost = number_after(end, " events, ")?;
    Some((all as f64, lost as f64))
}

/// Looks several times a second.
fn sample(tracer: &Running, until: Until) -> Result<Vec<Sample>> {
    let started = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        interrupt::check()?;
        let (Some(bytes), Some(written)) = (resident(tracer), written(tracer)) else {
            bail!("the tracer ended by itself: {}", tracer.stderr());
        };
        let elapsed = started.elapsed();
        samples.push(Sample {
            seconds: elapsed.as_secs_f64(),
            resident: bytes as f64,
            written,
        });
        let enough = match until {
            Until::Time(time) => elapsed >= time,
            Until::Written(bytes) => written >= bytes,
        };
        if enough && samples.len() > 5 {
            return Ok(samples);
        }
        if elapsed > PATIENCE {
            bail!("only {written} bytes of output in {elapsed:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_has_the_number_of_events() {
        let end = "10.0 s, 12345 events, 6 lost (sched map full: 6)";
        assert_eq!(events(end), Some((12345.0, 6.0)));
        assert_eq!(events("nothing"), None);
    }

    #[test]
    fn growth_is_that_after_the_first_fifth() {
        let sample = |second: u32, resident: f64| Sample {
            seconds: f64::from(second),
            resident,
            written: 0,
        };
        let seen = |resident: &dyn Fn(u32) -> f64| Seen {
            events: 1.0,
            lost: 0.0,
            samples: (0..=100).map(|s| sample(s, resident(s))).collect(),
            end: String::new(),
        };
        let settles = seen(&|s| if s < 20 { 0.0 } else { 1e9 });
        assert_eq!((settles.growth(), settles.slope()), (0.0, 0.0));
        let grows = seen(&|s| f64::from(s) * MIB);
        assert!((grows.slope() - 60.0).abs() < 1e-6);
        assert!((grows.growth() - 79.0 * MIB).abs() < 1.0);
    }
}
