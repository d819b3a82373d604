//! The commands under test, and what each end of one must look like.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tracer_tests::{Finished, Loaded, Running};

use super::ground::Ground;
use super::target::Target;

/// A command of the tracer.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) args: &'static [&'static str],
    /// It works on Go programs only.
    pub(super) go: bool,
    /// Its exit status after SIGINT.
    pub(super) code: i32,
}

const fn on(go: bool, args: &'static [&'static str]) -> Command {
    Command { args, go, code: 0 }
}

/// Each way of attaching.
pub(super) const COMMANDS: &[Command] = &[
    on(false, &["strace", "-o", "/dev/null"]),
    on(false, &["strace", "-c"]),
    on(false, &["profile", "-F", "499"]),
    on(false, &["offcpu"]),
    on(false, &["wall"]),
    on(false, &["sched"]),
    on(true, &["gc"]),
    on(true, &["gc", "--stw"]),
    on(true, &["gc", "--assists"]),
    on(true, &["sched", "--go"]),
    on(true, &["sched", "--creators"]),
    on(true, &["offcpu", "--goroutines"]),
    on(true, &["strace", "--goroutines", "-o", "/dev/null"]),
    Command {
        // There was no crash.
        code: 1,
        ..on(true, &["goroutines", "--on-crash"])
    },
];

/// How long one attach and one detach took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) attach: Duration,
    pub(super) detach: Duration,
}

/// Attaches to `target`, stays for `stay`, detaches by SIGINT.
///
/// # Errors
/// It does not end well, or leaves something in the kernel.
pub(super) fn attach_and_detach(
    ground: &Ground,
    command: &Command,
    target: &Target,
    stay: Duration,
) -> Result<(Times, Finished)> {
    let started = Instant::now();
    let pid = target.pid_text();
    let tracer = ground.tracer(command.args).args(&["-p", &pid]).attach();
    let attach = started.elapsed();
    let loaded = Loaded::by(tracer.pid());
    std::thread::sleep(stay);
    let stopped = Instant::now();
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    let detach = stopped.elapsed();
    good_end(command.args, &run, &[command.code])?;
    gone(&loaded)?;
    Ok((Times { attach, detach }, run))
}

/// One of the documented codes, and no word of a defect.
///
/// # Errors
/// It is otherwise.
pub(super) fn good_end(args: &[&str], run: &Finished, codes: &[i32]) -> Result<()> {
    let bad = ["panicked", "unexpected error"];
    let known = run.status.code().is_some_and(|c| codes.contains(&c));
    if !known || bad.iter().any(|word| run.stderr.contains(word)) {
        bail!("tracer {args:?}: {}: {}", run.status, run.stderr.trim_end());
    }
    Ok(())
}

/// # Errors
/// The kernel still has some of it.
pub(super) fn gone(loaded: &Loaded) -> Result<()> {
    if let Err(left) = loaded.wait_gone() {
        bail!("left in the kernel: {left:?}");
    }
    Ok(())
}

/// Whether it has said so.
pub(super) fn is_attached(tracer: &Running) -> bool {
    tracer.stderr().contains("tracer: attached to ")
}

/// Bytes that a process has written so far (`wchar` of proc(5)'s `/proc/PID/io`); `None` when it
/// is gone.
pub(super) fn written(tracer: &Running) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{}/io", tracer.pid())).ok()?;
    let line = io.lines().find_map(|l| l.strip_prefix("wchar:"))?;
    line.trim().parse().ok()
}

/// Resident memory of a process, bytes; `None` when it is gone.
pub(super) fn resident(tracer: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tracer.pid())).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
