//! The pid of a target that has ended goes to a process that nobody asked to trace.

use anyhow::{Result, bail};
use tracer_tests::{Running, until};

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::good_end;

/// What each of the three programs calls.
const CALLS: [u64; 3] = [1009, 2003, 500_009];

/// So many `pids` used again.
pub(in crate::soak) fn reuse(ground: &mut Ground, pids: u64) -> Result<Figures> {
    for round in 0..pids {
        one(ground, round % 2 == 1)?;
        interrupt::check()?;
    }
    let mut figures = Figures::default();
    figures.note("calls of strangers shown", 0);
    Ok(figures)
}

/// Two targets; the first ends and a stranger gets its pid; then the second makes its calls.
fn one(ground: &Ground, follow: bool) -> Result<()> {
    let [first_calls, second_calls, strange_calls] = CALLS.map(|n| n.to_string());
    let ready = |calls: &str| {
        let mut fixture = ground
            .place()
            .command("c/getppid_loop", &[calls, "1", "wait"]);
        Running::ready(&mut fixture)
    };
    let (mut first, mut second) = (ready(&first_calls), ready(&second_calls));
    let (pid, pids) = (
        first.pid_text(),
        format!("{},{}", first.pid(), second.pid()),
    );
    let mut args = vec![
        "strace",
        "-c",
        "-U",
        "calls,name",
        "-e",
        "trace=getppid",
        "-p",
        &pids,
    ];
    args.extend(follow.then_some("-f"));
    let tracer = ground.tracer(&args).attach();
    first.proceed();
    let _ = first.finish().success();
    stranger(ground, &pid, &strange_calls)?;
    second.proceed();
    until("its calls", || {
        second.stdout().contains(&second_calls).then_some(())
    });
    let _ = second.finish().success();
    let run = tracer.finish();
    good_end(&args, &run, &[0])?;
    let row = run
        .stdout
        .lines()
        .find(|l| l.trim_end().ends_with(" getppid"));
    let cell = row.and_then(|l| l.split_whitespace().next());
    let counted: u64 = cell.and_then(|c| c.parse().ok()).unwrap_or(0);
    if counted != CALLS[0] + CALLS[1] {
        bail!(
            "{} calls of the targets, {counted} counted: {}",
            CALLS[0] + CALLS[1],
            run.stdout
        );
    }
    Ok(())
}

/// Runs the strange program as `pid`. Somebody else may have got it meanwhile; then it is waited
/// for.
fn stranger(ground: &Ground, pid: &str, calls: &str) -> Result<()> {
    let program = ground.place().fixture("c/getppid_loop");
    let program = program.to_string_lossy().into_owned();
    for _ in 0..50 {
        let mut command = ground
            .place()
            .command("c/with_pid", &[pid, &program, calls, "1"]);
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
