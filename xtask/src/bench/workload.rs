//! Programs that are traced and time themselves: `bench_loop` in C, `benchloop` in Go.

use std::io::Write;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::spawned::{Spawned, send};

/// How long a program may take to start; under a tracer that launches it, too.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long one measurement may take beyond its window: a chunk of 2000 operations under a
/// tracer that stops the program for each of them.
const CHUNK_LIMIT: Duration = Duration::from_secs(20);

/// What a program says about one kind of operation; all in ns per operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measurement {
    pub(super) kind: String,
    /// A tenth of the chunks took less: what it costs when nothing gets in the way.
    pub(super) p10: f64,
    /// Over the whole window.
    pub(super) mean: f64,
    pub(super) operations: u64,
}

/// A started program that waits to be let go. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Workload {
    process: Spawned,
    pid: u32,
    stdin: Option<ChildStdin>,
}

impl Workload {
    /// Starts `command`, which is the program or a tracer that launches it, and waits until the
    /// program is ready.
    ///
    /// # Errors
    /// It cannot be started or never says "ready PID".
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process = Spawned::start(command, &name)?;
        let stdin = process.take_stdin();
        let line = process.line_with("ready ", START_LIMIT)?;
        let pid = line
            .text
            .rsplit(' ')
            .next()
            .and_then(|pid| pid.parse().ok());
        Ok(Self {
            pid: pid.with_context(|| format!("{name} says {:?}", line.text))?,
            process,
            stdin,
        })
    }

    /// The program's own process, also when a tracer launched it.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// What was started: the program, or the tracer that launched it.
    pub(super) fn process(&self) -> &Spawned {
        &self.process
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn go(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the program has no stdin")?;
        stdin
            .write_all(b"\n")
            .context("the program does not listen")
    }

    /// Waits until everything is measured.
    ///
    /// # Errors
    /// It ends early, takes too long, or says something else than a measurement.
    pub(super) fn measurements(&mut self, window: Duration) -> Result<Vec<Measurement>> {
        let before = self.process.heard().len();
        self.process.line_with("done", window + CHUNK_LIMIT)?;
        let lines = &self.process.heard()[before..];
        let measured: Vec<_> = lines.iter().filter_map(|line| parse(&line.text)).collect();
        if measured.is_empty() {
            return Err(anyhow!("the program measured nothing"));
        }
        Ok(measured)
    }

    /// Lets it end and waits for that; returns what was started, for its cost.
    ///
    /// # Errors
    /// Ctrl-C while waiting.
    pub(super) fn finish(&mut self) -> Result<Option<super::spawned::Ended>> {
        self.stdin = None;
        self.process.wait(Duration::from_secs(5))
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // When a tracer launched it, killing the tracer may leave the program running.
        if self.pid != self.process.pid() && self.stdin.is_some() {
            send(self.pid, libc::SIGKILL);
        }
    }
}

/// Reads `KIND p10 NS min NS mean NS n OPERATIONS`.
fn parse(line: &str) -> Option<Measurement> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kind, "p10", p10, "min", _, "mean", mean, "n", operations] = words[..] else {
        return None;
    };
    Some(Measurement {
        kind: kind.to_owned(),
        p10: p10.parse().ok()?,
        mean: mean.parse().ok()?,
        operations: operations.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_read_and_other_lines_are_not() {
        let line = "getppid p10 184.25 min 183.90 mean 201.50 n 120000";
        let expected = Measurement {
            kind: "getppid".to_owned(),
            p10: 184.25,
            mean: 201.5,
            operations: 120_000,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("strace: Process 12 attached"), None);
        assert_eq!(parse("getppid p10 x min 1 mean 1 n 1"), None);
    }
}
