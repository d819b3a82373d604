//! Faults of the user's request or of the environment, with their exit codes.
//!
//! An [`ExpectedError`] is no defect of the tracer: its message names the object, the reason and
//! the remedy, and its exit code is part of the command line's contract. Any other error that
//! reaches `main` is a defect and is reported as such.

use std::io;
use std::path::PathBuf;

/// What the exit codes of every command mean. After `-- CMD` the command's own status is passed on
/// instead.
pub mod exit_code {
    /// All done.
    pub const DONE: u8 = 0;
    /// A result could not be produced.
    pub const NO_RESULT: u8 = 1;
    /// The command line makes no sense.
    pub const USAGE: u8 = 2;
    /// Not permitted, or the kernel refuses.
    pub const NOT_PERMITTED: u8 = 3;
    /// There is no such target.
    pub const NO_TARGET: u8 = 4;
    /// The target cannot be read that way.
    pub const UNREADABLE_TARGET: u8 = 5;
    /// An input file is bad.
    pub const BAD_INPUT: u8 = 6;
}

/// A fault that the user or the administrator can do something about.
#[derive(Debug, thiserror::Error)]
pub enum ExpectedError {
    /// The command line makes no sense; the text says what and what would.
    #[error("{0}")]
    Usage(String),
    /// A command cannot print its result in the format asked for.
    #[error("{command} has no format {format}; it has: {}", available.join(", "))]
    NoSuchFormat {
        command: String,
        format: String,
        available: Vec<String>,
    },
    /// No process with that id exists.
    #[error(
        "no process {pid}: it may have ended, or {pid} may be its id inside a container (give \
         the id that `ps` on the host shows)"
    )]
    NoSuchProcess { pid: u32 },
    /// Nothing matches a selector such as a name or a cgroup.
    #[error("no process matches {selector}: {why}")]
    NoSuchTarget { selector: String, why: String },
    /// The command to launch cannot be executed.
    #[error("cannot run {command}: {source}")]
    CommandNotRun { command: String, source: io::Error },
    /// The kernel denied a right; `missing` names the capability, sysctl or lockdown mode.
    #[error("not permitted to {what}: {missing}; {remedy}")]
    NotPermitted {
        what: String,
        missing: String,
        remedy: String,
    },
    /// The kernel's type information is missing.
    #[error(
        "cannot read the kernel's type information at {file}: {why}; a kernel built with \
         CONFIG_DEBUG_INFO_BTF=y is needed"
    )]
    NoBtf { file: PathBuf, why: String },
    /// The kernel refused something that the tracer needs.
    #[error("the kernel refuses {what}: {why}; `tracer doctor` shows what this host allows")]
    KernelRefuses { what: String, why: String },
    /// A Go program is needed and the target is none.
    #[error(
        "process {pid} ({exe}) is not a Go program that can be read: {why}; commands that know \
         no Go work on it (strace, profile, offcpu, sched)"
    )]
    NotGo { pid: u32, exe: String, why: String },
    /// The target exists, but what is asked for cannot be read from it.
    #[error("cannot read {what} of process {pid}: {why}")]
    UnreadableTarget { pid: u32, what: String, why: String },
    /// The target is of a kind that this build does not know, for instance a newer Go release.
    #[error("{target} is not supported: {why}; {remedy}")]
    Unsupported {
        target: String,
        why: String,
        remedy: String,
    },
    /// An input file cannot be read or is not what it should be.
    #[error("{why}")]
    BadInput {
        /// What is wrong with which file, for instance a [`crate::recording::ReadError`].
        why: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The output file is already there.
    #[error("{file} exists already; choose another name or replace it with --force")]
    OutputExists { file: PathBuf },
    /// The output file cannot be created or written.
    #[error("cannot write {file}: {source}")]
    OutputUnwritable { file: PathBuf, source: io::Error },
    /// Everything worked, but there is nothing to show.
    #[error("no {result}: {why}")]
    NoResult { result: String, why: String },
}

impl ExpectedError {
    /// The exit code of the tracer when it ends with this error; one of [`exit_code`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoResult { .. } | Self::OutputExists { .. } | Self::OutputUnwritable { .. } => {
                exit_code::NO_RESULT
            }
            Self::Usage(_) | Self::NoSuchFormat { .. } => exit_code::USAGE,
            Self::NotPermitted { .. } | Self::NoBtf { .. } | Self::KernelRefuses { .. } => {
                exit_code::NOT_PERMITTED
            }
            Self::NoSuchProcess { .. } | Self::NoSuchTarget { .. } | Self::CommandNotRun { .. } => {
                exit_code::NO_TARGET
            }
            Self::NotGo { .. } | Self::UnreadableTarget { .. } | Self::Unsupported { .. } => {
                exit_code::UNREADABLE_TARGET
            }
            Self::BadInput { .. } => exit_code::BAD_INPUT,
        }
    }
}

impl From<crate::recording::ReadError> for ExpectedError {
    fn from(error: crate::recording::ReadError) -> Self {
        Self::BadInput {
            why: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> String {
        s.to_owned()
    }

    fn io_error() -> io::Error {
        io::Error::from_raw_os_error(libc::ENOSPC)
    }

    fn target_faults() -> Vec<(ExpectedError, u8, &'static str)> {
        vec![
            (
                ExpectedError::NoSuchProcess { pid: 77 },
                4,
                "no process 77: it may have ended",
            ),
            (
                ExpectedError::NoSuchTarget {
                    selector: text("--comm nginx"),
                    why: text("no thread has that name"),
                },
                4,
                "no process matches --comm nginx: no thread has that name",
            ),
            (
                ExpectedError::CommandNotRun {
                    command: text("/bin/nope"),
                    source: io::Error::from_raw_os_error(libc::ENOENT),
                },
                4,
                "cannot run /bin/nope: No such file or directory",
            ),
            (
                ExpectedError::NotGo {
                    pid: 5,
                    exe: text("/bin/cat"),
                    why: text("it has no Go build information"),
                },
                5,
                "process 5 (/bin/cat) is not a Go program that can be read: it has no Go build",
            ),
            (
                ExpectedError::UnreadableTarget {
                    pid: 5,
                    what: text("the goroutines"),
                    why: text("the address is not mapped"),
                },
                5,
                "cannot read the goroutines of process 5: the address is not mapped",
            ),
            (
                ExpectedError::Unsupported {
                    target: text("go1.99"),
                    why: text("its layout is not known"),
                    remedy: text("use a newer tracer"),
                },
                5,
                "go1.99 is not supported: its layout is not known; use a newer tracer",
            ),
        ]
    }

    fn host_faults() -> Vec<(ExpectedError, u8, &'static str)> {
        vec![
            (
                ExpectedError::NotPermitted {
                    what: text("load BPF programs"),
                    missing: text("CAP_BPF is missing"),
                    remedy: text("run as root"),
                },
                3,
                "not permitted to load BPF programs: CAP_BPF is missing; run as root",
            ),
            (
                ExpectedError::NoBtf {
                    file: PathBuf::from("/sys/kernel/btf/vmlinux"),
                    why: text("no such file"),
                },
                3,
                "cannot read the kernel's type information at /sys/kernel/btf/vmlinux: no such",
            ),
            (
                ExpectedError::KernelRefuses {
                    what: text("a ring buffer"),
                    why: text("EINVAL"),
                },
                3,
                "the kernel refuses a ring buffer: EINVAL; `tracer doctor`",
            ),
        ]
    }

    fn request_faults() -> Vec<(ExpectedError, u8, &'static str)> {
        vec![
            (
                ExpectedError::Usage(text("-i makes no sense here")),
                2,
                "-i makes no sense here",
            ),
            (
                ExpectedError::NoSuchFormat {
                    command: text("gc"),
                    format: text("svg"),
                    available: vec![text("text"), text("ndjson")],
                },
                2,
                "gc has no format svg; it has: text, ndjson",
            ),
            (
                ExpectedError::BadInput {
                    why: text("a.trc: is not a recording").into(),
                },
                6,
                "a.trc: is not a recording",
            ),
            (
                ExpectedError::OutputExists {
                    file: PathBuf::from("a.trc"),
                },
                1,
                "a.trc exists already; choose another name or replace it with --force",
            ),
            (
                ExpectedError::OutputUnwritable {
                    file: PathBuf::from("a.trc"),
                    source: io_error(),
                },
                1,
                "cannot write a.trc: No space left on device",
            ),
            (
                ExpectedError::NoResult {
                    result: text("samples"),
                    why: text("the process never ran"),
                },
                1,
                "no samples: the process never ran",
            ),
        ]
    }

    #[test]
    fn every_fault_has_its_documented_exit_code_and_says_what_happened() {
        let all = target_faults()
            .into_iter()
            .chain(host_faults())
            .chain(request_faults());
        for (error, code, message) in all {
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}
