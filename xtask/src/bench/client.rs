//! The client of the services under load: `http_load` in C.

use std::io::Write;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context, Result};

use super::service::Service;
use super::setting::Setting;
use super::spawned::Spawned;

/// Connections it keeps open.
const CONNECTIONS: &str = "16";

/// How long it may take beyond what it was told to: answers of a service that a tool stops at
/// each call come late.
const LATE: Duration = Duration::from_secs(25);

/// What it saw in one measurement. Counts and times are floats for what is computed from them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) sent: f64,
    pub(super) done: f64,
    /// How long it took.
    pub(super) ns: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) p999_ns: f64,
    pub(super) max_ns: f64,
    /// Requests there should have been.
    pub(super) due: f64,
}

impl Answers {
    pub(super) fn per_second(&self) -> f64 {
        self.done / self.ns * 1e9
    }

    /// Of the requests that were due.
    pub(super) fn share_answered(&self) -> f64 {
        (self.done / self.due.max(1.0)).min(1.0)
    }

    /// Reads `NAME sent N done N ns NS p50 NS p99 NS p999 NS max NS`.
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [
            _,
            "sent",
            sent,
            "done",
            done,
            "ns",
            ns,
            "p50",
            p50,
            "p99",
            p99,
            "p999",
            p999,
            "max",
            max,
        ] = words[..]
        else {
            return None;
        };
        let sent = sent.parse().ok()?;
        Some(Self {
            sent,
            done: done.parse().ok()?,
            ns: ns.parse().ok()?,
            p50_ns: p50.parse().ok()?,
            p99_ns: p99.parse().ok()?,
            p999_ns: p999.parse().ok()?,
            max_ns: max.parse().ok()?,
            due: sent,
        })
    }
}

/// A connected client.
#[derive(Debug)]
pub(super) struct Client {
    process: Spawned,
    stdin: ChildStdin,
}

impl Client {
    /// Connects to `service` and takes its place.
    ///
    /// # Errors
    /// The service does not accept connections.
    pub(super) fn start(setting: &Setting, service: &Service) -> Result<Self> {
        let port = service.port().to_string();
        let mut command = Command::new(setting.c("http_load"));
        command.args([&port, CONNECTIONS, service.path()]);
        command.args(service.body());
        let mut process = Spawned::start(&mut command, "http_load")?;
        let stdin = process.take_stdin().context("http_load has no stdin")?;
        process.line_with("ready ", LATE)?;
        setting.placement.place_client(process.pid())?;
        Ok(Self { process, stdin })
    }

    /// As many requests as the service answers.
    ///
    /// # Errors
    /// The service ends or answers with an error.
    pub(super) fn flat(&mut self, window: Duration) -> Result<Answers> {
        self.command(&format!("flat {}", window.as_millis()), "flat ", window)
    }

    /// `rate` requests a second; their times count from when they were due.
    ///
    /// # Errors
    /// As [`Self::flat`].
    pub(super) fn fixed(&mut self, rate: f64, window: Duration) -> Result<Answers> {
        let command = format!("rate {rate} {}", window.as_millis());
        let answers = self.command(&command, "rate ", window)?;
        Ok(Answers {
            due: rate * window.as_secs_f64(),
            ..answers
        })
    }

    fn command(&mut self, command: &str, answer: &str, window: Duration) -> Result<Answers> {
        writeln!(self.stdin, "{command}").context("http_load does not listen")?;
        let line = self.process.line_with(answer, window + LATE)?;
        Answers::parse(&line.text).with_context(|| format!("http_load says {:?}", line.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let line = "rate sent 100 done 90 ns 500000000 p50 1 p99 2 p999 3 max 4";
        let mut answers = Answers::parse(line).expect("an answer");
        assert!((answers.per_second() - 180.0).abs() < 1e-9);
        answers.due = 120.0;
        assert!((answers.share_answered() - 0.75).abs() < 1e-9);
        assert_eq!(Answers::parse("ready 12"), None);
    }
}
