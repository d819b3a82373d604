//! Children are followed whose births, calls and deaths find no room in the buffer: the run ends
//! with its target all the same.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracer_tests::{Loaded, Running, number_after};

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::{gone, good_end, resident};

/// One storm lasts so long, in seconds.
const TURN: u64 = 3;

/// For `seconds` in all.
pub(in crate::soak) fn unseen(ground: &mut Ground, seconds: u64) -> Result<Figures> {
    let (mut made, mut births, mut deaths, mut memory) = (0, 0, 0, 0);
    let mut late = Vec::new();
    for _ in 0..seconds.div_ceil(TURN) {
        let turn = one_turn(ground)?;
        made += turn.made;
        births += turn.births;
        deaths += turn.deaths;
        memory = memory.max(turn.memory);
        late.push(turn.late);
        interrupt::check()?;
    }
    if deaths == 0 {
        bail!("of {made} children every death was seen: nothing is shown");
    }
    let mut figures = Figures::default();
    figures.note("children made", made);
    figures.note("births, deaths lost", format!("{births}, {deaths}"));
    figures.note("memory at most", format!("{} MiB", memory >> 20));
    figures.note_times("end after the target's", &mut late);
    Ok(figures)
}

struct Turn {
    made: u64,
    births: u64,
    deaths: u64,
    memory: u64,
    late: Duration,
}

fn one_turn(ground: &mut Ground) -> Result<Turn> {
    let mut storm = ground
        .place()
        .command("c/fork_storm", &["5000", &TURN.to_string()]);
    let mut target = Running::ready(&mut storm);
    let args = ["strace", "-f", "-o", "/dev/null", "--buffer-size", "64"];
    let tracer = ground
        .tracer(&args)
        .args(&["-p", &target.pid_text()])
        .attach();
    let loaded = Loaded::by(tracer.pid());
    target.proceed();
    let mut memory = 0;
    while target.is_running() {
        tracer.signal(libc::SIGSTOP);
        std::thread::sleep(ground.moment(Duration::from_millis(200)));
        tracer.signal(libc::SIGCONT);
        std::thread::sleep(ground.moment(Duration::from_millis(50)));
        memory = resident(&tracer).unwrap_or(0).max(memory);
    }
    let ended = Instant::now();
    let made = target.finish().success().count();
    let run = tracer.finish();
    let late = ended.elapsed();
    good_end(&args, &run, &[0])?;
    gone(&loaded)?;
    let end = run.stderr.lines().last().context("no closing line")?;
    let lost = |probe: &str| number_after(end, &format!("{probe} ring buffer full: ")).unwrap_or(0);
    Ok(Turn {
        made,
        births: lost("process_fork"),
        deaths: lost("process_exit"),
        memory,
        late,
    })
}
