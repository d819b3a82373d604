//! Runs the tracer.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Finished, Loaded, Running, until};

/// The commands that attach to a process, as they are typed.
pub const COMMANDS: [&[&str]; 8] = [
    &["strace"],
    &["strace", "-c"],
    &["profile"],
    &["offcpu"],
    &["offcpu", "--wakers"],
    &["wall"],
    &["sched"],
    &["gc"],
];

/// A command line of the tracer.
#[derive(Debug)]
pub struct Tracer(Command);

impl Tracer {
    pub(crate) fn new(file: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(file);
        command
            .args(args)
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .env_remove("COLUMNS")
            // Cargo's: it makes every program search its libraries in many places.
            .env_remove("LD_LIBRARY_PATH");
        Self(command)
    }

    /// Appends arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    /// Appends `-- PROGRAM ARG…`.
    #[must_use]
    pub fn launching(mut self, program: impl AsRef<Path>, args: &[&str]) -> Self {
        self.0.arg("--").arg(program.as_ref()).args(args);
        self
    }

    /// Sets a variable for the tracer and what it launches.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Sets the directory.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// The command itself, for what is special.
    pub fn command(&mut self) -> &mut Command {
        &mut self.0
    }

    /// Runs it to its end with nothing to read on stdin.
    #[must_use]
    pub fn run(mut self) -> Finished {
        self.0
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::spawn(&mut self.0).finish()
    }

    /// Runs it to its end while the launched fixture wants a line on stdin, and keeps stdin open
    /// until `enough` of its output is there.
    #[must_use]
    pub fn run_interactive(mut self, enough: impl Fn(&Running) -> bool) -> Finished {
        let mut running = Running::start(&mut self.0);
        until("ready", || {
            running.stdout().contains("ready ").then_some(())
        });
        running.proceed();
        until("enough output", || {
            (enough(&running) || !running.is_running()).then_some(())
        });
        running.finish()
    }

    /// Starts it and waits until all its probes are attached.
    #[must_use]
    pub fn attach(mut self) -> Running {
        let mut running = Running::start(&mut self.0);
        until("attaching", || {
            let attached = running.stderr().contains("tracer: attached to ");
            (attached || !running.is_running()).then_some(())
        });
        assert!(
            running.stderr().contains("tracer: attached to "),
            "not attached: {}",
            running.stderr()
        );
        running
    }
}

impl Running {
    /// Ends a running tracer by SIGINT. Asserts that it took its programs with it.
    #[must_use]
    pub fn interrupt(self) -> Finished {
        let loaded = Loaded::by(self.pid());
        self.signal(libc::SIGINT);
        let finished = self.finish();
        loaded.assert_gone();
        finished
    }
}

/// Asserts that stderr is one clear line of the tracer, and that it ended with `code`.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn one_line(finished: &Finished, code: i32) -> &str {
    let stderr = finished.stderr.trim_end_matches('\n');
    assert_eq!(finished.status.code(), Some(code), "{stderr}");
    assert!(!stderr.contains('\n'), "more than a line:\n{stderr}");
    assert!(!stderr.contains("unexpected error"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
        .strip_prefix("tracer: ")
        .unwrap_or_else(|| panic!("not the tracer's line: {stderr:?}"))
}
