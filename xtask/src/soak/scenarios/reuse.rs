//! The pid of a target that has ended goes to a process that nobody asked to trace.

use anyhow::{Result, bail};
use tracer_tests::{Finished, Running, until};

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::good_end;

/// What each of the three programs calls.
const CALLS: [u64; 3] = [1009, 2003, 500_009];

/// So many `pids` used again.
pub(in crate::soak) fn reuse(ground: &mut Ground, pids: u64) -> Result<Figures> {
    for round in 0..pids {
        let follow = round % 2 == 1;
        match round / 2 % 2 {
            0 => one_of_two(ground, follow)?,
            _ => the_only_one(ground, follow)?,
        }
        interrupt::check()?;
    }
    let mut figures = Figures::default();
    figures.note("pids used again", pids);
    figures.note("calls of strangers shown", 0);
    Ok(figures)
}

/// Two targets; the first ends and a stranger gets its pid; then the second makes its calls.
fn one_of_two(ground: &Ground, follow: bool) -> Result<()> {
    let (mut first, mut second) = (ready(ground, CALLS[0]), ready(ground, CALLS[1]));
    let pid = first.pid_text();
    let tracer = counting(ground, &format!("{pid},{}", second.pid()), follow);
    first.proceed();
    let _ = first.finish().success();
    stranger(ground, &pid)?;
    second.proceed();
    let called = CALLS[1].to_string();
    until("its calls", || {
        second.stdout().contains(&called).then_some(())
    });
    let _ = second.finish().success();
    are_counted(&tracer.finish(), CALLS[0] + CALLS[1])
}

/// The tracer is stopped when its target ends, and learns of it when a stranger has had the pid.
fn the_only_one(ground: &Ground, follow: bool) -> Result<()> {
    let mut target = ready(ground, CALLS[0]);
    let pid = target.pid_text();
    let tracer = counting(ground, &pid, follow);
    tracer.signal(libc::SIGSTOP);
    target.proceed();
    let _ = target.finish().success();
    let strange = stranger(ground, &pid);
    tracer.signal(libc::SIGCONT);
    strange?;
    are_counted(&tracer.finish(), CALLS[0])
}

fn ready(ground: &Ground, calls: u64) -> Running {
    let args = [&*calls.to_string(), "1", "wait"];
    Running::ready(&mut ground.place().command("c/getppid_loop", &args))
}

const COUNT: &[&str] = &[
    "strace",
    "-c",
    "-U",
    "calls,name",
    "-e",
    "trace=getppid",
    "-p",
];

fn counting(ground: &Ground, pids: &str, follow: bool) -> Running {
    let more: &[&str] = if follow { &["-f"] } else { &[] };
    ground.tracer(COUNT).args(&[pids]).args(more).attach()
}

fn are_counted(run: &Finished, calls: u64) -> Result<()> {
    good_end(COUNT, run, &[0])?;
    let row = run
        .stdout
        .lines()
        .find(|l| l.trim_end().ends_with(" getppid"));
    let cell = row.and_then(|l| l.split_whitespace().next());
    let counted: u64 = cell.and_then(|c| c.parse().ok()).unwrap_or(0);
    if counted != calls {
        bail!(
            "{calls} calls of the targets, {counted} counted: {}",
            run.stdout
        );
    }
    Ok(())
}

/// Runs the strange program as `pid`. Somebody else may have got it meanwhile; then it is waited
/// for.
fn stranger(ground: &Ground, pid: &str) -> Result<()> {
    let calls = CALLS[2].to_string();
    let program = ground.place().fixture("c/getppid_loop");
    let program = program.to_string_lossy().into_owned();
    for _ in 0..50 {
        let mut command = ground
            .place()
            .command("c/with_pid", &[pid, &program, &calls, "1"]);
        let run = Running::start(&mut command).finish();
        match run.status.code() {
            Some(0) => return Ok(()),
            Some(125) if run.stderr.contains("File exists") => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            _ => bail!(
                "the kernel gives no pid of one's choice: {} {}",
                run.status,
                run.stderr
            ),
        }
    }
    bail!("pid {pid} did not become free")
}
