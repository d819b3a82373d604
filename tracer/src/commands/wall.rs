//! `tracer wall`: where all time goes.

use clap::Args;

use super::execute::{Exit, capture_when_due};
use super::profile::{DEFAULT_DURATION, DEFAULT_HZ, StackArgs, StackView};
use crate::cli::{OutputArgs, TargetArgs, WhenArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{StackBy, StackSink};
use crate::session::{ANY_WAIT, Capture, SampleEvent};
use crate::sink::Sink;

const EXAMPLES: &str = "\
Examples:
  tracer wall -p 812                     10 s: all time of all threads, as tables that add up
  tracer wall -p 812 -d 30s -o wall.svg  one flame graph of time on and off the CPU
  tracer wall -p 812 --threads           each thread on its own
  tracer wall -- ./job                   a command, from its first instruction
";

const OVERHEAD: &str = "\
Overhead: that of profile and offcpu together, about 3 microseconds for each time the target leaves
the CPU, and 0.15 for each context switch of other processes. More than 2 % is only told, since
nothing may be missing from the sum, unless you give --max-overhead.

Every thread adds up to the time it was there: on the CPU, runnable (waiting for a CPU) and blocked.
All three are measured at every switch; the time on the CPU of each thread is shared among its
stacks by samples. What is missing from the sum is told. SELF is the time of a function and of what
the kernel does for it. Threads of a Go program that have no goroutine to run are one row:
[idle Go thread].";

/// Where does all time go: on the CPU, waiting for it, and blocked, in sums that add up
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct WallArgs {
    /// Samples a second on each CPU
    #[arg(short = 'F', long = "frequency", value_name = "HZ", default_value_t = DEFAULT_HZ, value_parser = clap::value_parser!(u32).range(1..=9999))]
    pub hz: u32,
    /// No kernel frames
    #[arg(long)]
    pub no_kernel: bool,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub view: WallView,
    #[command(flatten)]
    pub when: WhenArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How time is shown.
#[derive(Clone, Debug, Args)]
pub struct WallView {
    /// What threads do stands at the root of stacks, not at their end
    #[arg(long)]
    pub states: bool,
    #[command(flatten)]
    pub stacks: StackView,
}

/// What is captured.
pub(super) fn captures(hz: u32, kernel: bool) -> Vec<Capture> {
    vec![
        Capture::Samples {
            event: SampleEvent::CpuClock,
            hz,
            kernel,
            user: true,
            creators: false,
        },
        Capture::OffCpu {
            kernel,
            user: true,
            blocked: ANY_WAIT,
        },
        Capture::OnCpu,
    ]
}

impl WallView {
    /// Whether it can be shown so.
    fn check(&self) -> Result<(), ExpectedError> {
        if matches!(self.stacks.by, Some(StackBy::Cpu | StackBy::Creator)) {
            let why = "waits are on no CPU: wall has tables --by thread and function";
            return Err(ExpectedError::Usage(why.to_owned()));
        }
        Ok(())
    }
}

/// The sink of all time.
pub(super) fn sink(view: &WallView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    view.check()?;
    view.stacks.sink("wall", output, |shown, out, name| {
        StackSink::wall(shown, out, name).by_state(view.states)
    })
}

impl WallArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        if self.target.all {
            return Err(ExpectedError::Usage(
                "wall adds up the threads of chosen processes: give -p PID".to_owned(),
            )
            .into());
        }
        let captures = captures(self.hz, !self.no_kernel);
        let mut plan = self.target.plan(captures, &["wall"], Policy::Warn)?;
        plan.stack_walk = self.stacks.walk();
        plan.when = self.when.trigger(&self.target)?;
        if self.target.command.is_empty() {
            plan.duration = plan.duration.or(Some(DEFAULT_DURATION));
        }
        let check = || {
            self.view.check()?;
            self.view.stacks.check("wall", &self.output)
        };
        capture_when_due(&plan, check, || sink(&self.view, &self.output))
    }
}
