//! `tracer offcpu`: where threads wait.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use super::execute::{Exit, capture_when_due};
use super::goroutine_waits;
use super::profile::{DEFAULT_DURATION, StackArgs, StackView};
use crate::cli::{OutputArgs, TargetArgs, WhenArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{StackBy, StackSink};
use crate::session::Capture;
use crate::sink::Sink;
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer offcpu -p 812                    10 s: which stacks wait, and for how long
  tracer offcpu -p 812 -d 30s -o off.svg  a flame graph of waiting time
  tracer offcpu -p 812 --min-block 10ms   long waits only: the kernel leaves out the others
  tracer offcpu -p 812 --wakers           also who ended each wait, and from where
  tracer offcpu -p 812 --goroutines       what goroutines wait for, by wait reason and stack
  tracer offcpu -p 812 --goroutines --by creator
                                          the same by the function that made them
  tracer offcpu -p 812 --format folded    one line a stack, in microseconds
";

const OVERHEAD: &str = "\
Overhead: about 2.6 microseconds for each time the target leaves the CPU, and 0.15 for each
context switch of other processes; --wakers adds as much for each wakeup. Beyond --max-overhead
only some switches are measured, each of which then counts for several; if that is not enough, the
run ends with what it has.

Waiting is counted from leaving the CPU to being woken; the time from there to running again is
shown apart, as runnable. A wait that is open at the end counts until then. One that began before
the run counts from the beginning of the run on, with its innermost frame alone. A thread that is
preempted does not wait: it is runnable. Threads of a Go program that are idle in futex or
epoll_wait are the runtime's; what goroutines wait for shows --goroutines.

--goroutines measures each wait by two probes in the runtime: where a goroutine parks, with its
stack, and where it runs again. Its wait for a P is part of it: sched --go shows that apart. A wait
costs the target about 2 microseconds (twice 600 ns to get into a probe, 900 for stack and sum), up to
5 with deep stacks, and several times that before Go 1.21, which has no cheap place for probes; -v
has what a hit costs on this host. What waited when the
run began counts from then on, what waits at its end until then. When that would exceed
--max-overhead, or the kernel refuses, goroutines are looked at instead, and a line says so: their
memory is read every 10 ms, or less often when there are so many that reading took more than a tenth
of a CPU. That costs the target nothing, and is a sample: waits shorter than the time between two
looks are seen in proportion, not one by one. --every asks for it.";

/// Where does it wait: time off the CPU by kernel and user stack
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct OffCpuArgs {
    /// Only waits that last at least this, until they are ended: 500us, 10ms, 1s
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub min_block: Option<Duration>,
    /// Only waits that last at most this
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub max_block: Option<Duration>,
    /// Show who ended each wait: its stack stands upside down on that of the wait
    #[arg(long, conflicts_with = "no_kernel")]
    pub wakers: bool,
    /// Goroutines of a Go program, by wait reason and stack, in place of threads
    #[arg(long, conflicts_with_all = ["wakers", "min_block", "max_block", "no_kernel", "states", "threads", "how", "when"])]
    pub goroutines: bool,
    /// Look at all goroutines every TIME, without probes
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "goroutines")]
    pub every: Option<Duration>,
    /// No kernel frames
    #[arg(long)]
    pub no_kernel: bool,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub view: OffCpuView,
    #[command(flatten)]
    pub when: WhenArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How waits are shown.
#[derive(Clone, Debug, Args)]
pub struct OffCpuView {
    /// Each state on its own: interruptible, uninterruptible (disk), stopped, preempted
    #[arg(long)]
    pub states: bool,
    #[command(flatten)]
    pub stacks: StackView,
}

impl OffCpuView {
    /// Whether it can be shown so.
    fn check(&self) -> Result<(), ExpectedError> {
        let why = match self.stacks.by {
            Some(StackBy::Cpu) => "a wait is on no CPU: offcpu has tables --by thread and function",
            Some(StackBy::Creator) => {
                "threads have no creator among goroutines: give --goroutines --by creator"
            }
            _ => return Ok(()),
        };
        Err(ExpectedError::Usage(why.to_owned()))
    }

    /// Whether waits of goroutines can be shown so.
    fn check_goroutines(&self) -> Result<(), ExpectedError> {
        match self.stacks.by {
            None | Some(StackBy::Creator) => Ok(()),
            Some(_) => {
                let why = "goroutines wait on no thread: --goroutines has a table --by creator";
                Err(ExpectedError::Usage(why.to_owned()))
            }
        }
    }
}

/// The sink of an off-CPU profile.
pub(super) fn sink(view: &OffCpuView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    view.check()?;
    view.stacks.sink("offcpu", output, |shown, out, name| {
        StackSink::off_cpu(shown, out, name).by_state(view.states)
    })
}

impl OffCpuArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        if self.goroutines {
            self.view.check_goroutines()?;
            return goroutine_waits::execute(&self);
        }
        let mut captures = vec![Capture::OffCpu {
            kernel: !self.no_kernel,
            user: true,
            blocked: self.blocked()?,
        }];
        captures.extend(self.wakers.then_some(Capture::Wakers));
        let mut plan = self.target.plan(captures, &["offcpu"], Policy::Enforce)?;
        plan.stack_walk = self.stacks.walk();
        plan.when = self.when.trigger(&self.target)?;
        if self.target.command.is_empty() {
            plan.duration = plan.duration.or(Some(DEFAULT_DURATION));
        }
        let check = || {
            self.view.check()?;
            self.view.stacks.check("offcpu", &self.output)
        };
        capture_when_due(&plan, check, || sink(&self.view, &self.output))
    }

    /// How many ns waits last that are shown.
    fn blocked(&self) -> Result<RangeInclusive<u64>, ExpectedError> {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (min, max) = (
            self.min_block.map_or(0, ns),
            self.max_block.map_or(u64::MAX, ns),
        );
        if min > max {
            return Err(ExpectedError::Usage(
                "--min-block is longer than --max-block: no wait is both".to_owned(),
            ));
        }
        Ok(min..=max)
    }
}
