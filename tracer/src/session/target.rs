//! From the processes asked for to processes that can be traced.

use std::io;

use super::launch::{Launched, launch};
use super::plan::TargetSpec;
use super::watch::Watched;
use crate::error::ExpectedError;

/// Whom a run traces.
#[derive(Debug)]
pub(super) enum Target {
    Processes(Vec<Watched>),
    Launched {
        child: Option<Launched>,
        watched: Watched,
    },
    All,
}

impl Target {
    /// Finds the processes, or makes one.
    ///
    /// # Errors
    /// When one does not exist or the command cannot be launched.
    pub(super) fn open(spec: &TargetSpec) -> Result<Self, ExpectedError> {
        match spec {
            TargetSpec::Pids(pids) => pids
                .iter()
                .map(|&pid| watch(pid))
                .collect::<Result<_, _>>()
                .map(Self::Processes),
            TargetSpec::Launch { file, args, setup } => {
                let not_run = |source| ExpectedError::CommandNotRun {
                    command: file.display().to_string(),
                    source,
                };
                let child = launch(file, args, setup).map_err(not_run)?;
                let watched = Watched::open(child.pid).map_err(not_run)?;
                Ok(Self::Launched {
                    child: Some(child),
                    watched,
                })
            }
            TargetSpec::All => Ok(Self::All),
        }
    }

    /// The pids asked for, or that of the launched command.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.watched().iter().map(|w| w.pid).collect()
    }

    /// The processes whose end is awaited.
    pub(super) fn watched(&self) -> &[Watched] {
        match self {
            Self::Processes(processes) => processes,
            Self::Launched { watched, .. } => std::slice::from_ref(watched),
            Self::All => &[],
        }
    }

    /// Adds processes to those that were asked for.
    pub(super) fn join(&mut self, others: Vec<Watched>) {
        if let Self::Processes(processes) = self {
            processes.extend(others);
        }
    }

    /// Pid of our own child.
    pub(super) const fn launched(&self) -> Option<u32> {
        match self {
            Self::Launched { watched, .. } => Some(watched.pid),
            _ => None,
        }
    }

    /// Lets a launched command run.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub(super) fn start(&mut self, spec: &TargetSpec) -> Result<(), ExpectedError> {
        let (Self::Launched { child, .. }, TargetSpec::Launch { file, .. }) = (self, spec) else {
            return Ok(());
        };
        child.take().map_or(Ok(()), |child| {
            child
                .start()
                .map_err(|source| ExpectedError::CommandNotRun {
                    command: file.display().to_string(),
                    source,
                })
        })
    }
}

fn watch(pid: u32) -> Result<Watched, ExpectedError> {
    Watched::open(pid).map_err(|error| match error.raw_os_error() {
        Some(libc::ESRCH) => ExpectedError::NoSuchProcess { pid },
        Some(libc::EINVAL | libc::ENOENT) => thread(pid),
        _ => ExpectedError::UnreadableTarget {
            pid,
            what: "the state".to_owned(),
            why: error.to_string(),
        },
    })
}

/// A thread id was given: the process is named instead.
fn thread(tid: u32) -> ExpectedError {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let tgid = status
        .lines()
        .find_map(|l| l.strip_prefix("Tgid:"))
        .map_or("its process", str::trim)
        .to_owned();
    ExpectedError::NoSuchTarget {
        selector: format!("pid {tid}"),
        why: format!("it is a thread; give its process, {tgid}, whose threads are all traced"),
    }
}

/// A name for messages.
pub(crate) fn comm(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .map(|s| s.trim_end().to_owned())
        .unwrap_or_else(|_: io::Error| "?".to_owned())
}
