//! `tracer record`: capture now, look later.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::execute::{Exit, capture_when_due};
use super::profile::DEFAULT_HZ;
use super::strace::MAX_STRING_LIMIT;
use super::wall;
use crate::cli::{RedactionArgs, TargetArgs, WhenArgs};
use crate::cost::Policy;
use crate::recording::{Writer, check_file};
use crate::session::{ANY_WAIT, CallStacks, Capture, SampleEvent};
use crate::syscall::filter::SyscallSet;
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer record -o a.trc -d 10s -p 812             profile, off-CPU, scheduling, syscall table and
                                                   (Go) garbage collections, together
  tracer record -o a.trc -k strace,gc -d 10s -p 812
  tracer report a.trc                              everything that was recorded, as text
  tracer report profile a.trc -o cpu.svg           one part, on any machine
";

const OVERHEAD: &str = "\
Overhead: the sum of what the recorded commands cost; see their help. A recording is to be complete:
more than 2 % is only told, and nothing detached, unless you give --max-overhead.

Function names are looked up while recording, so the report needs neither the target nor its files.";

/// Capture now, look later with `tracer report`, also on another machine
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct RecordArgs {
    /// File to write, usually NAME.trc
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// What to record
    #[arg(short, long, value_delimiter = ',', default_values_t = DEFAULT_KINDS)]
    pub kind: Vec<Kind>,
    /// Tables start over every TIME
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Samples a second on each CPU, for profile
    #[arg(short = 'F', long = "frequency", value_name = "HZ", default_value_t = DEFAULT_HZ, value_parser = clap::value_parser!(u32).range(1..=9999))]
    pub hz: u32,
    /// Bytes of strings to record, for strace
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 32)]
    pub string_limit: u32,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub redaction: RedactionArgs,
    #[command(flatten)]
    pub when: WhenArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What can be recorded: the commands that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Every system call
    Strace,
    /// The table of strace -c
    Count,
    Profile,
    #[value(name = "offcpu")]
    OffCpu,
    /// All time on the CPU and off it
    Wall,
    Sched,
    Gc,
}

const DEFAULT_KINDS: [Kind; 5] = [
    Kind::Count,
    Kind::Profile,
    Kind::OffCpu,
    Kind::Sched,
    Kind::Gc,
];

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |v| v.get_name()))
    }
}

impl Kind {
    /// The name under which a recording lists it.
    #[must_use]
    pub const fn recorded(self) -> &'static str {
        match self {
            Self::Strace => "strace",
            Self::Count => "strace -c",
            Self::Profile => "profile",
            Self::OffCpu => "offcpu",
            Self::Wall => "wall",
            Self::Sched => "sched",
            Self::Gc => "gc",
        }
    }

    fn captures(self, args: &RecordArgs) -> Vec<Capture> {
        vec![match self {
            Self::Strace => Capture::SyscallStream {
                syscalls: SyscallSet::ALL,
                string_limit: args.string_limit.min(MAX_STRING_LIMIT),
                copied: SyscallSet::ALL,
                goroutines: true,
                stacks: CallStacks::None,
                environments: false,
            },
            Self::Count => Capture::SyscallStats {
                syscalls: SyscallSet::ALL,
            },
            Self::Profile => Capture::Samples {
                event: SampleEvent::CpuClock,
                hz: args.hz,
                kernel: true,
                user: true,
                creators: false,
            },
            Self::OffCpu => Capture::OffCpu {
                kernel: true,
                user: true,
                blocked: ANY_WAIT,
            },
            Self::Wall => return wall::captures(args.hz, true),
            Self::Sched => Capture::RunQueue,
            Self::Gc => Capture::GoGc,
        }]
    }
}

impl RecordArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let mut kinds = self.kind.clone();
        kinds.sort_by_key(|k| *k as u8);
        kinds.dedup();
        let mut captures: Vec<Capture> = Vec::new();
        for capture in kinds.iter().flat_map(|k| k.captures(&self)) {
            if !captures.contains(&capture) {
                captures.push(capture);
            }
        }
        let names: Vec<&str> = kinds.iter().map(|k| k.recorded()).collect();
        let mut plan = self.target.plan(captures, &names, Policy::Warn)?;
        plan.interval = self.interval;
        plan.when = self.when.trigger(&self.target)?;
        plan.go_optional = self.kind == DEFAULT_KINDS || kinds.len() > 1;
        let check = || check_file(&self.output, self.force);
        capture_when_due(&plan, check, || {
            let writer = Writer::create(&self.output, self.force)?;
            Ok(self.redaction.before(Box::new(writer)))
        })
    }
}
