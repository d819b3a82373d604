//! The tracing tools: where they are, how they are told what to trace, and how one knows that
//! they do.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::peers::{Family, How, Peer};
use super::spawned::Spawned;
use super::workload::Workload;
use crate::{interrupt, step};

/// Stands for the target's process id in a tool's arguments.
const PID: &str = "{pid}";

/// Stands for a scratch file.
const FILE: &str = "{file}";

/// What is measured is the cost of our probes, not that of leaving them out.
const UNGUARDED: [&str; 2] = ["--max-overhead", "off"];

/// How long attaching may take.
const ATTACH_LIMIT: Duration = Duration::from_secs(20);

/// A tool that has waited this long has attached.
const QUIET: Duration = Duration::from_millis(80);

/// How often a tool is looked at while it attaches.
const LOOK: Duration = Duration::from_millis(4);

/// How a tool shows that it is attached.
#[derive(Clone, Copy, Debug)]
enum Ready {
    /// By a line with this in it, and some time after it.
    Says(&'static str, Duration),
    /// It says nothing: it waits for events, or for its time to be over.
    Waits,
    /// It launches the target, which says when it is ready.
    Launched,
}

impl Ready {
    fn of(peer: &Peer) -> Self {
        match (peer.how, peer.family) {
            (How::Launching, _) => Self::Launched,
            (_, Family::Tracer) => ATTACHED,
            (_, Family::Strace) => Self::Says("attached", Duration::from_millis(50)),
            (_, Family::Perf | Family::Bpftrace | Family::Libbpf | Family::Bcc) => Self::Waits,
        }
    }
}

/// What tracer says.
const ATTACHED: Ready = Ready::Says("tracer: attached to", Duration::ZERO);

/// One way to start one tool.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// As a person would type it, without the process id.
    pub(super) label: String,
    program: PathBuf,
    args: Vec<String>,
    ready: Ready,
    /// It shares the workload's CPU instead of having its own.
    pub(super) on_workload_cpu: bool,
}

impl Tool {
    /// Attaches to `pid`; `file` is where it may write.
    ///
    /// # Errors
    /// It cannot be started or does not say that it is attached.
    pub(super) fn attach(&self, pid: u32, file: &Path) -> Result<Spawned> {
        self.start(pid, file).map(|(process, _)| process)
    }

    /// As [`Self::attach`], with the time from start to attached.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(super) fn start(&self, pid: u32, file: &Path) -> Result<(Spawned, Duration)> {
        let mut process = Spawned::start(&mut self.command(pid, file), &self.label)?;
        let took = match self.ready {
            Ready::Says(words, then) => {
                let line = process.line_with(words, ATTACH_LIMIT)?;
                std::thread::sleep(then);
                line.at.duration_since(process.started())
            }
            Ready::Waits => until_it_waits(&mut process)?,
            Ready::Launched => Duration::ZERO,
        };
        self.alive(&mut process)?;
        Ok((process, took))
    }

    fn alive(&self, process: &mut Spawned) -> Result<()> {
        match process.wait(Duration::ZERO)? {
            None => Ok(()),
            Some(_) => Err(anyhow!("it ended: {}", reason(process))),
        }
    }

    /// The command that traces `program` from its start.
    pub(super) fn launching(&self, program: &Path, args: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg(program).args(args);
        command
    }

    fn command(&self, pid: u32, file: &Path) -> Command {
        let mut command = Command::new(&self.program);
        // bcc's tools buffer what they say otherwise.
        command.env("PYTHONUNBUFFERED", "1");
        for arg in &self.args {
            let arg = arg.replace(PID, &pid.to_string());
            command.arg(arg.replace(FILE, &file.to_string_lossy()));
        }
        command
    }

    /// Whether it can do its work here: attaches to `program`, a Go program that says "ready".
    fn try_out(&self, program: &Path, file: &Path) -> Result<()> {
        if matches!(self.ready, Ready::Launched) {
            let args = ["-c".to_owned(), "echo ready".to_owned()];
            let mut command = self.launching(Path::new("/bin/sh"), &args);
            let mut process = Spawned::start(&mut command, &self.label)?;
            return process.line_with("ready", ATTACH_LIMIT).map(|_| ());
        }
        let target = Workload::start(Command::new(program).args(["1", "read"]))?;
        let mut process = self.attach(target.pid(), file)?;
        process.interrupt(Duration::from_secs(10)).map(|_| ())
    }
}

/// Waits until the tool does nothing but wait; returns from its start to then.
///
/// Neither what it says nor its CPU time tells that: most of these tools speak before they attach,
/// and attaching itself waits for the kernel.
fn until_it_waits(process: &mut Spawned) -> Result<Duration> {
    let deadline = Instant::now() + ATTACH_LIMIT;
    let mut since = Instant::now();
    loop {
        interrupt::check()?;
        if !waits(process.pid()) {
            since = Instant::now();
        }
        let ended = process.wait(Duration::ZERO)?.is_some();
        if ended || since.elapsed() >= QUIET {
            return Ok(since.duration_since(process.started()));
        }
        if Instant::now() > deadline {
            bail!("it still works on attaching after {ATTACH_LIMIT:?}");
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the first thread of `pid` is in a call that waits for events or for time to pass (the
/// first field of /proc/PID/syscall, Documentation/filesystems/proc.rst).
fn waits(pid: u32) -> bool {
    const CALLS: &[libc::c_long] = &[
        libc::SYS_ppoll,
        libc::SYS_pselect6,
        libc::SYS_epoll_pwait,
        libc::SYS_nanosleep,
        libc::SYS_clock_nanosleep,
        libc::SYS_rt_sigtimedwait,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_pause,
    ];
    let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = text.split_whitespace().next();
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(|number| CALLS.contains(&number))
}

/// Of what a tool has said before it ended, the line that tells why.
fn reason(process: &Spawned) -> String {
    let lines: Vec<&str> = process.heard().iter().map(|line| &*line.text).collect();
    telling(&lines)
}

fn telling(lines: &[&str]) -> String {
    const MARKS: &[&str] = &["Unable to", "rror", "ailed", "annot", "ermi", "nvalid"];
    let marked = |line: &&&str| MARKS.iter().any(|mark| line.contains(mark));
    let line = lines.iter().find(marked).or(lines.last());
    line.map_or_else(
        || "it said nothing".to_owned(),
        |line| line.trim().to_owned(),
    )
}

/// The tools of this machine.
#[derive(Debug)]
pub(super) struct Toolbox {
    tracer: PathBuf,
}

impl Toolbox {
    /// # Errors
    /// `tracer` does not run.
    pub(super) fn find(tracer: &Path) -> Result<Self> {
        if version(tracer).is_none() {
            bail!("{} --version fails", tracer.display());
        }
        Ok(Self {
            tracer: tracer.to_owned(),
        })
    }

    /// Each family with its version, or with what to install.
    pub(super) fn versions(&self) -> Vec<(&'static str, String)> {
        let own = version(&self.tracer).unwrap_or_default();
        let own = own.strip_prefix("tracer ").unwrap_or(&own).to_owned();
        let others = Family::OTHERS.map(|family| {
            let package = family.package();
            let found = package_version(package).unwrap_or_else(|| "not installed".to_owned());
            (package, found)
        });
        std::iter::once(("tracer", own)).chain(others).collect()
    }

    /// The binary that is measured.
    pub(super) fn tracer_file(&self) -> &Path {
        &self.tracer
    }

    /// `tracer LINE -p PID`.
    pub(super) fn tracer(&self, line: &str) -> Tool {
        let words = line.split_whitespace().chain(UNGUARDED).chain(["-p", PID]);
        Tool {
            label: format!("tracer {}", line.replace(FILE, "FILE")),
            program: self.tracer.clone(),
            args: words.map(str::to_owned).collect(),
            ready: ATTACHED,
            on_workload_cpu: false,
        }
    }

    /// `peer` as a tool that has been seen to work on `program`; `file` is where it may write.
    ///
    /// # Errors
    /// It is not installed or does not work here; the message is its own.
    pub(super) fn working(&self, peer: &Peer, program: &Path, file: &Path) -> Result<Tool> {
        let tool = self.tool(peer)?;
        tool.try_out(program, file)?;
        Ok(tool)
    }

    fn tool(&self, peer: &Peer) -> Result<Tool> {
        let mut words = peer.line.split_whitespace();
        let name = words.next().context("a row without a program")?;
        let program = match peer.family {
            Family::Tracer => self.tracer.clone(),
            family => in_path(name)
                .ok_or_else(|| anyhow!("not installed (Debian package {})", family.package()))?,
        };
        let script = std::iter::once(peer.script).filter(|script| !script.is_empty());
        let guard = match peer.family {
            Family::Tracer => &UNGUARDED[..],
            _ => &[],
        };
        Ok(Tool {
            label: peer.label.to_owned(),
            program,
            args: words
                .chain(script)
                .chain(guard.iter().copied())
                .map(str::to_owned)
                .collect(),
            ready: Ready::of(peer),
            on_workload_cpu: peer.how == How::SameCpu,
        })
    }
}

pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    // Administrators' tools, which a user's PATH may not have.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut found = env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(name));
    found.find(|file| file.is_file())
}

fn version(program: &Path) -> Option<String> {
    let text = step::output_of(Command::new(program).arg("--version")).ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// As dpkg knows it; for tools that were installed otherwise, `None`.
fn package_version(package: &str) -> Option<String> {
    let mut query = Command::new("dpkg-query");
    let text = step::output_of(query.args(["-W", "-f", "${Version}", package])).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::peers::PEERS;
    use super::*;

    #[test]
    fn a_tools_line_gets_the_pid_and_the_file() {
        let tracer = Toolbox {
            tracer: PathBuf::from("/bin/tracer"),
        };
        let peer = PEERS.iter().find(|peer| peer.id == "tracer-lines");
        let tool = tracer.tool(peer.expect("a row")).expect("our own");
        let command = tool.command(42, Path::new("/tmp/x"));
        let args: Vec<_> = command.get_args().collect();
        let expected = "strace --force -o /tmp/x -p 42 --max-overhead off";
        assert_eq!(args, expected.split(' ').collect::<Vec<_>>());
        assert_eq!(tool.label, "tracer strace -o FILE");
    }

    #[test]
    fn a_tool_that_is_not_there_names_its_package() {
        let tools = Toolbox {
            tracer: PathBuf::from("/bin/tracer"),
        };
        let absent = Peer {
            id: "x",
            label: "x",
            purpose: super::super::peers::Purpose::Count,
            family: Family::Bcc,
            how: How::Attached,
            line: "no-such-tool-bpfcc -p {pid}",
            script: "",
            main: true,
        };
        let error = tools.tool(&absent).expect_err("it is not installed");
        assert_eq!(
            error.to_string(),
            "not installed (Debian package bpfcc-tools)"
        );
    }

    #[test]
    fn the_line_that_tells_why_a_tool_ended() {
        let bcc = [
            "sh: 1: modprobe: not found",
            "Unable to find kernel headers. Try rebuilding kernel with CONFIG_IKHEADERS=m",
            "Traceback (most recent call last):",
            "Exception: Failed to compile BPF module <text>",
        ];
        assert!(telling(&bcc).starts_with("Unable to find kernel headers"));
        assert_eq!(telling(&["one", "two"]), "two");
        assert_eq!(telling(&[]), "it said nothing");
    }

    #[test]
    fn a_quiet_tool_is_attached_when_it_waits() {
        let mut sh = Command::new("sh");
        sh.args([
            "-c",
            "i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done; exec sleep 60",
        ]);
        let mut process = Spawned::start(&mut sh, "sh").expect("started");
        assert!(!waits(process.pid()));
        until_it_waits(&mut process).expect("it sleeps in the end");
        assert!(waits(process.pid()));
        assert!(process.wait(Duration::ZERO).expect("no Ctrl-C").is_none());
    }
}
