//! Long steps: a line before, a line now and then, and their output kept in a log.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a long step says that it is still at work.
const TICK: Duration = Duration::from_secs(20);

/// Prints one line about what xtask does, on stderr: stdout belongs to what it runs.
pub(crate) fn note(text: &str) {
    eprintln!("xtask: {text}");
}

/// Runs `command` with its output in `log`, saying what it is for and how long it takes.
///
/// # Errors
/// The command cannot be started or fails; the message is the one line of its output that tells
/// most, and where the rest is.
pub(crate) fn run_logged(what: &str, command: &mut Command, log: &Path) -> Result<()> {
    note(&format!("{what} …"));
    let started = Instant::now();
    let status = wait_ticking(what, command, log, started)?;
    if !status.success() {
        let text = fs::read(log).unwrap_or_default();
        let line = telling_line(&String::from_utf8_lossy(&text));
        bail!("{line} ({status}; log: {})", log.display());
    }
    if started.elapsed() > Duration::from_secs(2) {
        note(&format!(
            "{what}: done in {:.0} s",
            started.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

fn wait_ticking(
    what: &str,
    command: &mut Command,
    log: &Path,
    started: Instant,
) -> Result<std::process::ExitStatus> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let mut next = TICK;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() >= next {
            note(&format!("{what}: {} s so far", next.as_secs()));
            next += TICK;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `command` for its standard output.
///
/// # Errors
/// It cannot be started or fails; the message carries one line of its stderr.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !out.status.success() {
        bail!(
            "{name}: {}",
            telling_line(&String::from_utf8_lossy(&out.stderr))
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs `command` with this process's own stdin, stdout and stderr.
///
/// # Errors
/// It cannot be started or does not end with status 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// The one line of a failed tool's output that says why: a panic's message, else the last line
/// marked as an error, else the last line of all.
pub(crate) fn telling_line(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let panic = lines.iter().position(|l| l.contains(" panicked at "));
    let marked =
        |l: &&&str| l.starts_with("error") || l.starts_with("E: ") || l.starts_with("ERROR");
    let line = match panic {
        // The message follows the line that names the place.
        Some(at) => lines.get(at + 1).or(lines.get(at)),
        None => lines.iter().rfind(marked).or(lines.last()),
    };
    line.map_or_else(|| "no output".to_owned(), |l| (*l).to_owned())
}

#[cfg(test)]
mod tests {
    use super::telling_line;

    #[test]
    fn a_panic_trace_becomes_its_message() {
        let trace = "info: syncing channel updates\n\n\
            thread 'main' (812) panicked at src/download.rs:41:9:\n\
            could not resolve host\n\
            stack backtrace:\n   0: __rustc::rust_begin_unwind\n   1: core::panicking::panic_fmt\n";
        assert_eq!(telling_line(trace), "could not resolve host");
    }

    #[test]
    fn the_last_error_line_wins_over_what_follows() {
        assert_eq!(
            telling_line("error: first\nerror: second\nhint: x\n"),
            "error: second"
        );
        assert_eq!(
            telling_line("E: Unable to locate package\nW: y"),
            "E: Unable to locate package"
        );
        assert_eq!(telling_line("a\nb\n\n"), "b");
        assert_eq!(telling_line(""), "no output");
    }
}
