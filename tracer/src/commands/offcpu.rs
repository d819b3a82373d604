//! `tracer offcpu`: where threads wait.

use clap::Args;

use super::execute::{Exit, capture};
use super::profile::{DEFAULT_DURATION, StackArgs, StackView};
use crate::cli::{OutputArgs, TargetArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{StackBy, StackSink};
use crate::session::Capture;
use crate::sink::Sink;

const EXAMPLES: &str = "\
Examples:
  tracer offcpu -p 812                    10 s: which stacks wait, and for how long
  tracer offcpu -p 812 -d 30s -o off.svg  a flame graph of waiting time
  tracer offcpu -p 812 --format folded    one line a stack, in microseconds
";

const OVERHEAD: &str = "\
Overhead: about 2.6 microseconds for each time the target leaves the CPU, and 0.15 for each
context switch of other processes. Beyond --max-overhead only some switches are measured, each of
which then counts for several; if that is not enough, the run ends with what it has.

Waiting is counted from leaving the CPU to being woken; the time from there to running again is
shown apart, as runnable. A wait counts when it ends within the run. Threads of a Go program that
are idle in futex or epoll_wait are the runtime's, not goroutines.";

/// Where does it wait: time off the CPU by kernel and user stack
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct OffCpuArgs {
    /// No kernel frames
    #[arg(long)]
    pub no_kernel: bool,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub view: StackView,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The sink of an off-CPU profile.
pub(super) fn sink(view: &StackView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    if view.by == Some(StackBy::Cpu) {
        let why = "a wait is on no CPU: offcpu has tables --by thread and function";
        return Err(ExpectedError::Usage(why.to_owned()));
    }
    view.sink("offcpu", output, StackSink::off_cpu)
}

impl OffCpuArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let captures = vec![Capture::OffCpu {
            kernel: !self.no_kernel,
            user: true,
        }];
        let mut plan = self.target.plan(captures, &["offcpu"], Policy::Enforce)?;
        plan.stack_walk = self.stacks.walk();
        if self.target.command.is_empty() {
            plan.duration = plan.duration.or(Some(DEFAULT_DURATION));
        }
        capture(&plan, vec![sink(&self.view, &self.output)?])
    }
}
