//! A child process that does not outlive its value: its lines, its cost, its end.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;

/// How often waiting looks for Ctrl-C and for the child's end.
const TICK: Duration = Duration::from_millis(5);

/// One line of the child's stdout or stderr, and when it came.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: Instant,
    pub(super) text: String,
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Largest resident set, bytes (`ru_maxrss`). Never below xtask's own: the kernel counts the
    /// memory the child shared with it before exec.
    pub(super) max_rss: u64,
}

/// A running child. It is killed when this is dropped, and when xtask dies.
#[derive(Debug)]
pub(super) struct Spawned {
    child: Child,
    name: String,
    started: Instant,
    lines: Receiver<Line>,
    heard: Vec<Line>,
    ended: Option<Ended>,
}

impl Spawned {
    /// Starts `command`, called `name` in messages. Its three standard streams are pipes.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(command: &mut Command, name: &str) -> Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: the closure makes one system call, which is async-signal-safe.
        unsafe { command.pre_exec(die_with_parent) };
        let started = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let (sender, lines) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            forward(pipe, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            forward(pipe, sender);
        }
        Ok(Self {
            child,
            name: name.to_owned(),
            started,
            lines,
            heard: Vec::new(),
            ended: None,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The writing end of its stdin, once.
    pub(super) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Everything it has said that was waited past.
    pub(super) fn heard(&self) -> &[Line] {
        &self.heard
    }

    /// Waits for a line that contains `marker`; those before it go to [`Self::heard`].
    ///
    /// # Errors
    /// `limit` passes, the child closes its streams, or Ctrl-C comes first.
    pub(super) fn line_with(&mut self, marker: &str, limit: Duration) -> Result<Line> {
        let deadline = Instant::now() + limit;
        loop {
            interrupt::check()?;
            match self.lines.recv_timeout(TICK) {
                Ok(line) if line.text.contains(marker) => return Ok(line),
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "{} did not say {marker:?} in {limit:?}: {}",
                        self.name,
                        self.last_words()
                    )
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "{} ended before it said {marker:?}: {}",
                        self.name,
                        self.last_words()
                    )
                }
            }
        }
    }

    fn last_words(&self) -> &str {
        self.heard
            .last()
            .map_or("it said nothing", |line| &line.text)
    }

    /// CPU time of all its threads so far (first field of /proc/PID/task/TID/schedstat, ns;
    /// Documentation/scheduler/sched-stats.rst). Threads that have ended are not counted.
    pub(super) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid()));
        let ns = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(ns.sum())
    }

    pub(super) fn signal(&self, signal: libc::c_int) {
        if self.ended.is_none() {
            send(self.pid(), signal);
        }
    }

    /// Interrupts it, waits up to `limit`, then kills it; the rest of its lines go to
    /// [`Self::heard`].
    ///
    /// # Errors
    /// Ctrl-C while waiting.
    pub(super) fn interrupt(&mut self, limit: Duration) -> Result<Ended> {
        self.signal(libc::SIGINT);
        match self.wait(limit)? {
            Some(ended) => Ok(ended),
            None => Ok(self.kill()),
        }
    }

    /// Waits up to `limit` for its end.
    ///
    /// # Errors
    /// Ctrl-C while waiting.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<Option<Ended>> {
        let deadline = Instant::now() + limit;
        while self.ended.is_none() {
            interrupt::check()?;
            self.reap(libc::WNOHANG);
            if self.ended.is_none() && Instant::now() >= deadline {
                return Ok(None);
            }
            // What it says must not fill the channel's pipe while it is waited for.
            if let Ok(line) = self.lines.recv_timeout(TICK) {
                self.heard.push(line);
            }
        }
        while let Ok(line) = self.lines.recv_timeout(TICK) {
            self.heard.push(line);
        }
        Ok(self.ended)
    }

    fn kill(&mut self) -> Ended {
        self.signal(libc::SIGKILL);
        self.reap(0);
        self.ended.unwrap_or(Ended { max_rss: 0 })
    }

    /// wait4(2), for the resources that `Child::wait` does not tell.
    fn reap(&mut self, options: libc::c_int) {
        if self.ended.is_some() {
            return;
        }
        // SAFETY: rusage is plain integers, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let mut status = 0;
        let pid = libc::pid_t::try_from(self.pid()).unwrap_or(libc::pid_t::MAX);
        // SAFETY: both pointers are to values that live here. The child is reaped nowhere else:
        // `Child` does it only when told to, and its methods for that are not used.
        let reaped = unsafe { libc::wait4(pid, &raw mut status, options, &raw mut usage) };
        if reaped != 0 {
            let kib = u64::try_from(usage.ru_maxrss).unwrap_or(0);
            self.ended = Some(Ended { max_rss: kib << 10 });
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends `signal` to `pid`, which may have ended already.
pub(super) fn send(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill takes no pointers.
        unsafe { libc::kill(pid, signal) };
    }
}

fn die_with_parent() -> std::io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and no pointers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Reads lines to the end in a thread; lines that are no UTF-8 are read as far as they are.
fn forward(pipe: impl Read + Send + 'static, sender: Sender<Line>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            let at = Instant::now();
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(Line { at, text }).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_waited_for_and_the_child_is_killed() {
        let mut sh = Command::new("sh");
        sh.args(["-c", "echo one; echo two >&2; sleep 60"]);
        let mut child = Spawned::start(&mut sh, "sh").expect("started");
        let line = child
            .line_with("two", Duration::from_secs(10))
            .expect("two");
        assert_eq!(line.text, "two");
        let pid = child.pid();
        drop(child);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_child_that_ends_early_is_told_with_its_last_words() {
        let mut sh = Command::new("sh");
        sh.args(["-c", "echo no such thing"]);
        let mut child = Spawned::start(&mut sh, "sh").expect("started");
        let error = child
            .line_with("ready", Duration::from_secs(10))
            .expect_err("it never says so");
        assert_eq!(
            error.to_string(),
            "sh ended before it said \"ready\": no such thing"
        );
    }
}
