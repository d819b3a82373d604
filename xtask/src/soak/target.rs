//! Programs that check themselves, and what they do when nobody traces them.

use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Result, bail};
use tracer_tests::{Finished, Running, changed_text, descriptors, until};

use super::ground::Ground;

/// What to run: a fixture that prints "ready PID" and ends when its stdin is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    fixture: &'static str,
    args: &'static [&'static str],
    /// Its descriptors are the same all the time.
    steady_descriptors: bool,
}

/// Threads that check the result of every system call they make.
pub(super) const C: Kind = Kind {
    name: "C",
    fixture: "c/steady_work",
    args: &["3"],
    steady_descriptors: true,
};

/// An HTTP service and its load; a request that fails ends it with status 1.
pub(super) const GO_SERVER: Kind = Kind {
    name: "Go server",
    fixture: "go/1.24.11/server",
    args: &["-load", "3", "-d", "24h"],
    steady_descriptors: false,
};

/// As [`GO_SERVER`], built by Go `release`.
pub(super) fn go_server_of(release: &str) -> Kind {
    Kind {
        // There are as many as there are releases.
        fixture: String::leak(format!("go/{release}/server")),
        ..GO_SERVER
    }
}

/// 100,000 goroutines that check what they get from each other.
pub(super) const GO_SWARM: Kind = Kind {
    name: "100,000 goroutines",
    fixture: "go/1.24.11/swarm",
    args: &["-n", "100000", "-every", "20s"],
    steady_descriptors: false,
};

/// One that runs, and what it is expected to say at its end.
#[derive(Debug)]
pub(super) struct Target {
    kind: Kind,
    running: Running,
    descriptors: Vec<String>,
    expected: (String, ExitStatus),
}

impl Target {
    /// Runs one untraced to its end, then starts the one to be traced.
    pub(super) fn start(ground: &Ground, kind: Kind) -> Result<Self> {
        let control = Running::ready(&mut command(ground, kind));
        std::thread::sleep(Duration::from_millis(500));
        let expected = said(&control.finish());
        let running = Running::ready(&mut command(ground, kind));
        if !changed_text(running.pid())?.is_empty() {
            bail!(
                "{} has other text than its file before it is traced",
                kind.name
            );
        }
        let descriptors = descriptors(running.pid())?;
        Ok(Self {
            kind,
            running,
            descriptors,
            expected,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn pid_text(&self) -> String {
        self.running.pid_text()
    }

    /// Nothing of a tracer is in it: its text is its file's, its descriptors are its own.
    ///
    /// # Errors
    /// What there is, or that it has ended.
    pub(super) fn is_unharmed(&mut self) -> Result<()> {
        if !self.running.is_running() {
            bail!(
                "{} has ended: {}{}",
                self.kind.name,
                self.running.stdout(),
                self.running.stderr()
            );
        }
        let changed = changed_text(self.running.pid())?;
        if !changed.is_empty() {
            bail!("{}: {}", self.kind.name, changed.join("; "));
        }
        let now = descriptors(self.running.pid())?;
        if self.kind.steady_descriptors && now != self.descriptors {
            bail!(
                "{}: descriptors were {:?} and are {now:?}",
                self.kind.name,
                self.descriptors
            );
        }
        Ok(())
    }

    /// Waits for `until` its text is its file's again, after a tracer that was killed: the kernel
    /// takes probes out a little after the tracer has gone.
    ///
    /// # Errors
    /// As [`Self::is_unharmed`].
    pub(super) fn heals(&mut self) -> Result<()> {
        let pid = self.running.pid();
        until("the target's text to be its own", || {
            changed_text(pid).is_ok_and(|c| c.is_empty()).then_some(())
        });
        self.is_unharmed()
    }

    /// Lets it end and compares with the untraced one.
    ///
    /// # Errors
    /// Its output or its status differs.
    pub(super) fn finish(self) -> Result<Finished> {
        let finished = self.running.finish();
        let now = said(&finished);
        if now != self.expected {
            let name = self.kind.name;
            bail!(
                "{name} said {now:?}, untraced {:?}; {}",
                self.expected,
                finished.stderr
            );
        }
        Ok(finished)
    }
}

fn command(ground: &Ground, kind: Kind) -> Command {
    ground.place().command(kind.fixture, kind.args)
}

/// Output and status; numbers (pids, ports, counts) are not the same in any two runs.
fn said(finished: &Finished) -> (String, ExitStatus) {
    let mut text = String::new();
    for c in finished.stdout.chars() {
        match (c.is_ascii_digit(), text.ends_with('#')) {
            (true, true) => {}
            (true, false) => text.push('#'),
            (false, _) => text.push(c),
        }
    }
    (text, finished.status)
}
