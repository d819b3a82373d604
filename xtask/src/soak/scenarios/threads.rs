//! Threads that live for a moment: all of them are seen, and none is taken for another.

use std::time::Instant;

use anyhow::{Result, bail};
use tracer_tests::{Running, until};

use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::good_end;

const RATE: &str = "10000";

/// In each run at most so long: the fixture's limit, and the patience of who waits for it.
const TURN: u64 = 30;

/// For `seconds` in all.
pub(in crate::soak) fn threads(ground: &mut Ground, seconds: u64) -> Result<Figures> {
    let (mut made, mut counted) = (0, 0);
    let mut missed = Vec::new();
    let mut left = seconds;
    let started = Instant::now();
    while left > 0 {
        let turn = left.min(TURN);
        let (turn_made, turn_counted, others) = one_turn(ground, turn)?;
        made += turn_made;
        counted += turn_counted;
        missed.extend(others);
        left -= turn;
    }
    let rate = made as f64 / started.elapsed().as_secs_f64();
    let mut figures = Figures::default();
    figures.note("threads made", format!("{made}, {rate:.0} a second"));
    figures.note(
        "of them counted",
        format!("{counted}; the others before it had attached"),
    );
    for line in missed {
        figures.note("closing line", line);
    }
    Ok(figures)
}

/// Threads made, threads whose one call was counted, and the closing lines of the others.
fn one_turn(ground: &Ground, seconds: u64) -> Result<(u64, u64, Vec<String>)> {
    let mut storm = ground
        .place()
        .command("c/threads_storm", &[RATE, &seconds.to_string()]);
    let mut target = Running::ready(&mut storm);
    let pid = target.pid_text();
    let count = [
        "strace",
        "-c",
        "-U",
        "calls,name",
        "-e",
        "trace=getppid,clone3",
    ];
    let counter = ground.tracer(&count).args(&["-p", &pid]).attach();
    let others: Vec<Running> = [
        &["offcpu", "--format", "folded"][..],
        &["sched"],
        &["profile"],
    ]
    .iter()
    .map(|args| ground.tracer(args).args(&["-p", &pid]).attach())
    .collect();
    until("the end of the storm", || {
        (!target.is_running()).then_some(())
    });
    let made = target.finish().success().count();
    let run = counter.finish();
    good_end(&count, &run, &[0])?;
    let calls = |name: &str| -> u64 {
        let row = run.stdout.lines().find(|l| l.trim_end().ends_with(name));
        let cell = row.and_then(|l| l.split_whitespace().next());
        cell.and_then(|c| c.parse().ok()).unwrap_or(0)
    };
    let (called, cloned) = (calls(" getppid"), calls(" clone3"));
    if called == 0 || called > made || called.abs_diff(cloned) > 1 {
        bail!(
            "{made} threads made, {cloned} creations and {called} calls counted: {}",
            run.stdout
        );
    }
    let mut lines = Vec::new();
    for other in others {
        let run = other.finish();
        good_end(&["beside"], &run, &[0])?;
        lines.extend(run.stderr.lines().last().map(str::to_owned));
    }
    Ok((made, called, lines))
}
