//! A program that replaces itself again and again: every image is followed, none is lost.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tracer_tests::Running;

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::{COMMANDS, good_end};

/// The fixture's limit.
const CHAIN: u64 = 1000;

/// So many `execs` in all.
pub(in crate::soak) fn execs(ground: &mut Ground, execs: u64) -> Result<Figures> {
    let started = Instant::now();
    for chain in 0..execs.div_ceil(CHAIN) {
        launched(ground)?;
        attached(ground, usize::try_from(chain)?)?;
        interrupt::check()?;
    }
    let rate = (2 * execs) as f64 / started.elapsed().as_secs_f64();
    let mut figures = Figures::default();
    figures.note(
        "execs",
        format!("{} followed, {rate:.0} a second", 2 * execs),
    );
    Ok(figures)
}

/// Launched by the tracer: every exec has its line, and the status is passed on.
fn launched(ground: &Ground) -> Result<()> {
    let file = ground.place().path("execs");
    let args = ["strace", "-e", "trace=execve", "--force", "-o", &file];
    let program = ground.place().fixture("c/exec_chain");
    let count = CHAIN.to_string();
    let run = ground
        .tracer(&args)
        .launching(program, &[&count, "again"])
        .run();
    good_end(&args, &run, &[7])?;
    let text = std::fs::read_to_string(&file)?;
    let lines = text.lines().filter(|l| l.contains("execve(")).count() as u64;
    // And the one that started it.
    if lines != CHAIN + 1 || !run.stderr.contains(", 0 lost") {
        bail!("{lines} lines of {} execs: {}", CHAIN + 1, run.stderr);
    }
    Ok(())
}

/// Attached to by any command; it ends as it does untraced.
fn attached(ground: &mut Ground, chain: usize) -> Result<()> {
    let command = &COMMANDS[chain % COMMANDS.len()];
    // A C program is no Go program, and is refused.
    if command.go {
        return Ok(());
    }
    let mut fixture = ground.place().command("c/exec_chain", &["1000"]);
    let mut target = Running::ready(&mut fixture);
    let tracer = ground
        .tracer(command.args)
        .args(&["-p", &target.pid_text()])
        .attach();
    target.proceed();
    std::thread::sleep(ground.moment(Duration::from_millis(100)));
    let end = target.finish();
    if end.status.code() != Some(7) {
        bail!("the target ended with {}", end.status);
    }
    good_end(command.args, &tracer.finish(), &[command.code])
}
