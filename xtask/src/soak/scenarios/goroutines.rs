//! A Go program with 100,000 goroutines, all at work now and then.

use std::time::{Duration, Instant};

use anyhow::Result;
use tracer_tests::Loaded;

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::target::{GO_SWARM, Target};
use crate::soak::tracer::{COMMANDS, gone, good_end, resident};

/// For `seconds` in all, shared by the commands.
pub(in crate::soak) fn goroutines(ground: &mut Ground, seconds: u64) -> Result<Figures> {
    let mut target = Target::start(ground, GO_SWARM)?;
    let share = Duration::from_secs(seconds) / u32::try_from(COMMANDS.len())?;
    let mut figures = Figures::default();
    for command in COMMANDS {
        let started = Instant::now();
        let tracer = ground
            .tracer(command.args)
            .args(&["-p", &target.pid_text()])
            .attach();
        let attach = started.elapsed().as_millis();
        let loaded = Loaded::by(tracer.pid());
        std::thread::sleep(share);
        let memory = resident(&tracer).unwrap_or(0) >> 20;
        tracer.signal(libc::SIGINT);
        let run = tracer.finish();
        good_end(command.args, &run, &[command.code])?;
        gone(&loaded)?;
        target.heals()?;
        let end = run.stderr.lines().last().unwrap_or_default();
        let end = end.strip_prefix("tracer: ").unwrap_or(end);
        let text = format!("attached in {attach} ms, {memory} MiB; {end}");
        figures.note(command.args.join(" "), text);
        interrupt::check()?;
    }
    let end = target.finish()?;
    figures.note("rounds of the goroutines", end.stderr.trim_end());
    Ok(figures)
}
