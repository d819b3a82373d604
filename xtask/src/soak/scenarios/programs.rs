//! One Go program after the other is run by a shell that is followed: what is known of a program
//! goes when it does, in the tracer and in the kernel.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracer_tests::{Loaded, Running};

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::{good_end, resident};

/// Entries of the kernel's map of Go processes: more programs than that must find room in it.
const MAP: &str = "GO_TARGETS";

/// What the last half of the programs may add to the tracer's memory, bytes.
const GROWTH: u64 = 8 << 20;

/// What each program calls, in so many calls that have their goroutine's number.
const CALLS: usize = 7;

/// So many `programs`, one after the other.
pub(in crate::soak) fn programs(ground: &mut Ground, programs: u64) -> Result<Figures> {
    let program = ground.place().fixture("go/1.24.11/syscalls");
    let script = format!(
        "i=0; while [ $i -lt {programs} ]; do sleep 0.1 | {} -n {CALLS} -g 1 >&2; i=$((i+1)); done",
        program.display()
    );
    let file = ground.place().path("programs");
    let args = ["strace", "-f", "--goroutines", "-e", "trace=getppid", "-o"];
    let mut tracer = ground
        .tracer(&args)
        .args(&[&file])
        .launching("/bin/sh", &["-c", &script]);
    let started = Instant::now();
    let mut tracer = Running::start(tracer.command());
    let (mut samples, mut most) = (Vec::new(), 0);
    while tracer.is_running() {
        interrupt::check()?;
        samples.extend(resident(&tracer));
        let known = Loaded::by(tracer.pid()).entries(MAP).unwrap_or(0);
        most = most.max(known);
        std::thread::sleep(Duration::from_millis(100));
    }
    let run = tracer.finish();
    good_end(&args, &run, &[0])?;
    let rate = programs as f64 / started.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(&file)?;
    let (all, named) = count(&text);
    if most > 16 {
        bail!("{most} entries in {MAP}, and one program at a time");
    }
    // Some programs may have called before they were read.
    let wanted = usize::try_from(programs)? * CALLS;
    if named < wanted / 10 * 9 || all < wanted {
        bail!("{named} of {all} calls have a goroutine: {}", run.stderr);
    }
    let middle = *samples.get(samples.len() / 2).context("no sample")?;
    let last = samples.iter().rev().find(|&&bytes| bytes != 0);
    let last = *last.context("no sample")?;
    let memory = format!(
        "{} MiB half-way, {} MiB at the end",
        middle >> 20,
        last >> 20
    );
    if last > middle + GROWTH {
        bail!("memory grows: {memory}");
    }
    let mut figures = Figures::default();
    figures.note("programs", format!("{programs}, {rate:.1} a second"));
    figures.note("calls with a goroutine", format!("{named} of {all}"));
    figures.note("Go processes known at most", most);
    figures.note("memory", memory);
    Ok(figures)
}

/// Calls in all, and those that have the number of their goroutine.
fn count(text: &str) -> (usize, usize) {
    let calls = || text.lines().filter(|line| line.contains("getppid("));
    (
        calls().count(),
        calls().filter(|line| line.contains("[g ")).count(),
    )
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn calls_are_counted_by_line() {
        let text = "7 [g 1] getppid() = 1\n8    getppid() = 1\n8 +++ exited with 0 +++\n";
        assert_eq!(count(text), (2, 1));
    }
}
