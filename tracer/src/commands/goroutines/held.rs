//! A Go process whose memory stays beyond its end.

use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::go::HeldMemory;
use crate::process::{MemoryHold, MemoryHoldError};

/// A Go process, all that is needed to read its goroutines, and its memory.
pub(super) struct Held {
    pub(super) process: GoProcess,
    pub(super) memory: HeldMemory,
    /// See [`stack_start`].
    stack_start: u64,
}

impl Held {
    /// Opens a process that runs.
    ///
    /// # Errors
    /// When it is no Go program that can be read, its memory cannot be held, or it begins another
    /// program meanwhile.
    pub(super) fn open(pid: u32) -> Result<Self, ExpectedError> {
        let stack_start = stack_start(pid).ok_or(ExpectedError::NoSuchProcess { pid })?;
        let process = GoProcess::open(pid)?;
        let address = process.runtime.globals.allgs;
        let hold = MemoryHold::new(pid, address).map_err(|error| refused(pid, &error))?;
        let held = Self {
            process,
            memory: HeldMemory::new(pid, hold),
            stack_start,
        };
        match held.is_current() {
            true => Ok(held),
            false => Err(ExpectedError::NoSuchProcess { pid }),
        }
    }

    /// Whether what is held is the memory that the process runs in: not after an `execve`.
    pub(super) fn is_current(&self) -> bool {
        stack_start(self.process.pid) == Some(self.stack_start)
    }
}

fn refused(pid: u32, error: &MemoryHoldError) -> ExpectedError {
    match error {
        MemoryHoldError::Faults(_) => ExpectedError::KernelRefuses {
            what: format!("to hold the memory of process {pid}"),
            why: error.to_string(),
        },
        _ => ExpectedError::UnreadableTarget {
            pid,
            what: "the memory".to_owned(),
            why: error.to_string(),
        },
    }
}

/// Where the first stack of a process began, an address that is random for each program that it runs
/// (`startstack`, field 28 of `/proc/PID/stat`).
fn stack_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // "PID (NAME) STATE …", where the name may hold anything, also parentheses.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let field = rest.split_ascii_whitespace().nth(28 - 3)?;
    field.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stack_is_above_ours() {
        let start = stack_start(std::process::id()).expect("we are there");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("ours");
        let line = maps.lines().find(|line| line.ends_with("[stack]"));
        let range = line.expect("a stack").split(' ').next().expect("a range");
        let (low, high) = range.split_once('-').expect("two ends");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        assert!((number(low)..number(high)).contains(&start));
        assert_eq!(stack_start(0x3fff_fff0), None);
    }
}
