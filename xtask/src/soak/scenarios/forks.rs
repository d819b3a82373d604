//! Children that live for a moment, followed with -f: each one's single call is counted.

use anyhow::{Result, bail};
use tracer_tests::Running;

use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::good_end;

/// In each run at most so long: where the machine cannot make as many a second, all of them take
/// longer, and who waits for them has no patience for more.
const TURN: u64 = 10;

/// For `seconds` in all.
pub(in crate::soak) fn forks(ground: &mut Ground, seconds: u64) -> Result<Figures> {
    let (mut made, mut wall) = (0, 0.0);
    let mut left = seconds;
    while left > 0 {
        let turn = left.min(TURN);
        let (turn_made, turn_wall) = one_turn(ground, turn)?;
        made += turn_made;
        wall += turn_wall;
        left -= turn;
    }
    let rate = made as f64 / wall;
    let mut figures = Figures::default();
    figures.note(
        "children made",
        format!("{made}, {rate:.0} a second, and as many counted"),
    );
    Ok(figures)
}

/// Children made, and seconds it took.
fn one_turn(ground: &Ground, seconds: u64) -> Result<(u64, f64)> {
    let mut storm = ground
        .place()
        .command("c/fork_storm", &["10000", &seconds.to_string()]);
    let mut target = Running::ready(&mut storm);
    let pid = target.pid_text();
    let count = [
        "strace",
        "-f",
        "-c",
        "-U",
        "calls,name",
        "-e",
        "trace=getppid",
    ];
    let counter = ground.tracer(&count).args(&["-p", &pid]).attach();
    let beside = ["sched", "-f"];
    let other = ground.tracer(&beside).args(&["-p", &pid]).attach();
    let started = std::time::Instant::now();
    target.proceed();
    let made = target.finish().success().count();
    let wall = started.elapsed().as_secs_f64();
    let run = counter.finish();
    good_end(&count, &run, &[0])?;
    let row = run
        .stdout
        .lines()
        .find(|l| l.trim_end().ends_with(" getppid"));
    let cell = row.and_then(|l| l.split_whitespace().next());
    let counted: u64 = cell.and_then(|c| c.parse().ok()).unwrap_or(0);
    if counted != made {
        bail!(
            "{made} children made, {counted} counted: {}{}",
            run.stdout,
            run.stderr
        );
    }
    good_end(&beside, &other.finish(), &[0])?;
    Ok((made, wall))
}
