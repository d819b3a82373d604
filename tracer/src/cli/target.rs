//! Whom to trace and for how long: common to all capturing commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use crate::cost::{Budget, Limit, Policy, parse_limit};
use crate::error::ExpectedError;
use crate::session::{Capture, LaunchSetup, Plan, TargetSpec, find_executable};
use crate::term::parse_duration;

/// Whom, and for how long.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// Processes to attach to, with all their threads; may be repeated
    #[arg(short, long = "pid", value_name = "PID[,PID...]", value_parser = parse_pids)]
    pub pid: Vec<Pids>,
    /// Attach to the processes of this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["pid", "all"])]
    pub comm: Option<String>,
    /// Trace every process on the host
    #[arg(short, long, conflicts_with = "pid")]
    pub all: bool,
    /// Follow children, too
    #[arg(short, long, action = ArgAction::Count)]
    pub follow_forks: u8,
    /// Stop after this time: 500ms, 10s, 2m
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Size of the buffer between kernel and tracer, in KiB
    #[arg(long, value_name = "KIB", hide_short_help = true)]
    pub buffer_size: Option<u32>,
    /// Percent of the target's CPU time that probes may take, or off; 2 unless given
    #[arg(long, value_name = "PCT", value_parser = parse_limit)]
    pub max_overhead: Option<Limit>,
    /// More on stderr: what each probe costs
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Less on stderr
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
    /// Command to launch and trace from its first instruction
    #[arg(last = true, value_name = "CMD", conflicts_with_all = ["pid", "comm", "all"])]
    pub command: Vec<String>,
}

impl TargetArgs {
    /// A plan for these targets; `policy` is about the budget when none is given.
    ///
    /// # Errors
    /// When there is no target, or it cannot be found.
    pub fn plan(
        &self,
        captures: Vec<Capture>,
        kind: &[&str],
        policy: Policy,
    ) -> Result<Plan, ExpectedError> {
        let mut plan = Plan::new(self.spec()?, captures);
        plan.follow = self.follow_forks > 0;
        plan.duration = self.duration;
        plan.ring_bytes = self.buffer_size.map(|kib| kib.saturating_mul(1024));
        plan.notices = self.quiet == 0;
        plan.verbose = self.verbose;
        plan.budget = Budget::new(self.max_overhead, policy);
        plan.kinds = kind.iter().map(|&k| k.to_owned()).collect();
        Ok(plan)
    }

    /// The process, for a command that looks at a single one, which runs already.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn only_pid(&self, command: &str) -> Result<u32, ExpectedError> {
        match self.spec()? {
            TargetSpec::Pids(pids) if pids.len() == 1 => Ok(pids[0]),
            _ => Err(ExpectedError::Usage(format!(
                "{command} looks at one running process: give -p PID"
            ))),
        }
    }

    fn spec(&self) -> Result<TargetSpec, ExpectedError> {
        if let Some(name) = self.command.first() {
            let file = find_executable(name).map_err(|source| ExpectedError::CommandNotRun {
                command: name.clone(),
                source,
            })?;
            return Ok(TargetSpec::Launch {
                file,
                args: self.command.clone(),
                setup: LaunchSetup::default(),
            });
        }
        if self.all {
            return Ok(TargetSpec::All);
        }
        if let Some(name) = &self.comm {
            return by_name(name).map(TargetSpec::Pids);
        }
        if self.pid.is_empty() {
            return Err(ExpectedError::Usage(
                "no target: give -p PID, --comm NAME, --all or -- CMD".to_owned(),
            ));
        }
        let mut pids: Vec<u32> = self.pid.iter().flat_map(|p| p.0.clone()).collect();
        pids.sort_unstable();
        pids.dedup();
        if pids.contains(&std::process::id()) {
            return Err(ExpectedError::Usage(
                "the tracer cannot trace itself".to_owned(),
            ));
        }
        Ok(TargetSpec::Pids(pids))
    }
}

/// Ids in one argument, between commas or white space as `pidof` prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pids(Vec<u32>);

fn parse_pids(text: &str) -> Result<Pids, std::num::ParseIntError> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let numbers = words.filter(|w| !w.is_empty()).map(str::parse).collect();
    match numbers {
        Ok(pids) if Vec::is_empty(&pids) => "".parse().map(|pid| Pids(vec![pid])),
        other => other.map(Pids),
    }
}

fn by_name(name: &str) -> Result<Vec<u32>, ExpectedError> {
    let comm = |pid: u32| {
        let file: PathBuf = format!("/proc/{pid}/comm").into();
        std::fs::read_to_string(file).map(|s| s.trim_end() == name)
    };
    let mut pids: Vec<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != std::process::id() && comm(pid).unwrap_or(false))
        .collect();
    pids.sort_unstable();
    if pids.is_empty() {
        return Err(ExpectedError::NoSuchTarget {
            selector: format!("--comm {name}"),
            why: "no running process has that name (names are cut to 15 bytes)".to_owned(),
        });
    }
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_between_commas_or_spaces() {
        assert_eq!(parse_pids("812"), Ok(Pids(vec![812])));
        assert_eq!(parse_pids("812,813 814\n"), Ok(Pids(vec![812, 813, 814])));
        assert!(parse_pids("").is_err() && parse_pids("a").is_err() && parse_pids("-1").is_err());
    }
}
