//! The tracing tools: which of them are here, how they are told what to trace, and how one knows
//! that they do.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::spawned::Spawned;

/// Stands for the target's process id in a tool's arguments.
const PID: &str = "{pid}";

/// Stands for a scratch file.
const FILE: &str = "{file}";

/// How long attaching may take.
const ATTACH_LIMIT: Duration = Duration::from_secs(20);

/// How a tool shows that it is attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// A part of a line it prints then, or before.
    pub(super) says: Option<&'static str>,
    /// How long to wait after that, for tools that speak too early or not at all.
    pub(super) then: Duration,
}

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
    fn new(program: &Path, line: &str, target: &[&str], ready: Ready) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let words = line.split_whitespace().chain(target.iter().copied());
        Self {
            label: format!("{name} {}", line.replace(FILE, "FILE")),
            program: program.to_owned(),
            args: words.map(str::to_owned).collect(),
            ready,
            on_workload_cpu: false,
        }
    }

    /// The same on the workload's CPU: for tools that stop the target for each call, the
    /// quickest place.
    pub(super) fn on_workload_cpu(mut self) -> Self {
        self.label.push_str(" (same CPU)");
        self.on_workload_cpu = true;
        self
    }

    /// Attaches to `pid`; `file` is where it may write.
    ///
    /// # Errors
    /// It cannot be started or does not say that it is attached.
    pub(super) fn attach(&self, pid: u32, file: &Path) -> Result<Spawned> {
        self.start(pid, file).map(|(process, _)| process)
    }

    /// As [`Self::attach`], with the time from start to its saying so.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(super) fn start(&self, pid: u32, file: &Path) -> Result<(Spawned, Duration)> {
        let mut process = Spawned::start(&mut self.command(pid, file), &self.label)?;
        let mut took = process.started().elapsed();
        if let Some(says) = self.ready.says {
            let line = process.line_with(says, ATTACH_LIMIT)?;
            took = line.at.duration_since(process.started());
        }
        std::thread::sleep(self.ready.then);
        Ok((process, took))
    }

    /// The command that traces `program` from its start.
    pub(super) fn launching(&self, program: &Path, args: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg(program).args(args);
        command
    }

    fn command(&self, pid: u32, file: &Path) -> Command {
        let mut command = Command::new(&self.program);
        for arg in &self.args {
            let arg = arg.replace(PID, &pid.to_string());
            command.arg(arg.replace(FILE, &file.to_string_lossy()));
        }
        command
    }
}

/// The tools of this machine.
#[derive(Debug)]
pub(super) struct Toolbox {
    tracer: PathBuf,
    strace: Option<PathBuf>,
    perf: Option<PathBuf>,
    bpftrace: Option<PathBuf>,
}

impl Toolbox {
    /// Looks in PATH.
    ///
    /// # Errors
    /// `tracer` does not run.
    pub(super) fn find(tracer: &Path) -> Result<Self> {
        let toolbox = Self {
            tracer: tracer.to_owned(),
            strace: in_path("strace"),
            perf: in_path("perf"),
            bpftrace: in_path("bpftrace"),
        };
        if version(tracer).is_none() {
            bail!("{} --version fails", tracer.display());
        }
        Ok(toolbox)
    }

    /// Each tool with its version, or with what to install.
    pub(super) fn versions(&self) -> Vec<(&'static str, String)> {
        let tracer = Some(&self.tracer);
        let all = [
            ("tracer", tracer, ""),
            ("strace", self.strace.as_ref(), "strace"),
            ("perf", self.perf.as_ref(), "linux-perf"),
            ("bpftrace", self.bpftrace.as_ref(), "bpftrace"),
        ];
        let describe = |path: Option<&PathBuf>, package: &str| match path {
            Some(path) => version(path).unwrap_or_else(|| "does not run".to_owned()),
            None => format!("not installed: left out (Debian package {package})"),
        };
        all.map(|(name, path, package)| (name, describe(path, package)))
            .to_vec()
    }

    /// `tracer LINE -p PID`.
    pub(super) fn tracer(&self, line: &str) -> Tool {
        let ready = Ready {
            says: Some("tracer: attached to"),
            then: Duration::ZERO,
        };
        // What is measured is the cost of the probes, not that of leaving them out.
        let target = ["--max-overhead", "off", "-p", PID];
        Tool::new(&self.tracer, line, &target, ready)
    }

    /// `strace LINE -p PID`.
    pub(super) fn strace(&self, line: &str) -> Option<Tool> {
        let ready = Ready {
            says: Some("attached"),
            then: Duration::from_millis(50),
        };
        let strace = self.strace.as_ref()?;
        Some(Tool::new(strace, line, &["-p", PID], ready))
    }

    /// `strace LINE PROGRAM`.
    pub(super) fn strace_launching(&self, line: &str) -> Option<Tool> {
        let ready = Ready {
            says: None,
            then: Duration::ZERO,
        };
        Some(Tool::new(self.strace.as_ref()?, line, &[], ready))
    }

    /// `perf LINE -p PID`; perf does not say when it is attached.
    pub(super) fn perf(&self, line: &str) -> Option<Tool> {
        Some(Tool::new(self.perf.as_ref()?, line, &["-p", PID], SETTLED))
    }

    /// `perf LINE`, for what perf does on the whole machine.
    pub(super) fn perf_everywhere(&self, line: &str) -> Option<Tool> {
        Some(Tool::new(self.perf.as_ref()?, line, &[], SETTLED))
    }

    /// A bpftrace program; `{pid}` in it is the target's.
    pub(super) fn bpftrace(&self, label: &str, program: &str) -> Option<Tool> {
        // It says so before it attaches.
        let ready = Ready {
            says: Some("Attaching"),
            then: Duration::from_millis(600),
        };
        let line = format!("bpftrace {label}");
        let mut tool = Tool::new(self.bpftrace.as_ref()?, "-B none -e", &[program], ready);
        tool.label = line;
        Some(tool)
    }
}

/// For tools that say nothing: several times what attaching takes.
const SETTLED: Ready = Ready {
    says: None,
    then: Duration::from_millis(900),
};

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|dir| dir.join(name));
    found.into_iter().find(|file| file.is_file())
}

fn version(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.arg(OsStr::new("--version")).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    output.status.success().then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_line_gets_the_pid_and_the_file() {
        let perf = Toolbox {
            tracer: PathBuf::from("tracer"),
            strace: None,
            perf: Some(PathBuf::from("/usr/bin/perf")),
            bpftrace: None,
        }
        .perf("record -o {file}")
        .expect("perf");
        let command = perf.command(42, Path::new("/tmp/x"));
        let args: Vec<_> = command.get_args().collect();
        assert_eq!(args, ["record", "-o", "/tmp/x", "-p", "42"]);
        assert_eq!(perf.label, "perf record -o FILE");
    }
}
