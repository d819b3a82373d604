//! `tracer profile`: where CPU time goes.

use clap::{Args, ValueEnum};

use super::execute::{Exit, capture};
use crate::cli::{OutputArgs, TargetArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{OnCpuSink, StackFormat, StackOutput, StackText};
use crate::session::{Capture, StackWalk};
use crate::sink::Sink;

const EXAMPLES: &str = "\
Examples:
  tracer profile -p 812                    10 s of samples as a table of functions
  tracer profile -p 812 -d 30s -o cpu.svg  a flame graph to open in a browser
  tracer profile -F 999 -- ./bench         a command, from its first instruction
  tracer profile -p 812 --format folded    one line a stack, for other tools
";

const OVERHEAD: &str = "\
Overhead: at 99 Hz not measurable; at 999 Hz 3 to 5 % of the sampled CPUs. Beyond --max-overhead
the run ends with what it has.

A sample is taken on every CPU -F times a second; those in which the target runs count. User
stacks follow frame pointers in Go code and unwind tables (.eh_frame) in all other, which needs no
frame pointers, on x86-64. The footer tells what share of stacks reach their root.";

/// Samples a second and CPU where none are given: not in step with timers of 100 Hz.
pub(super) const DEFAULT_HZ: u32 = 99;

/// Where does it burn CPU: samples of kernel and user stacks
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct ProfileArgs {
    /// Samples a second on each CPU
    #[arg(short = 'F', long = "frequency", value_name = "HZ", default_value_t = DEFAULT_HZ, value_parser = clap::value_parser!(u32).range(1..=9999))]
    pub hz: u32,
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

/// How user stacks are walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Stacks {
    /// Frame pointers in Go code, unwind tables elsewhere
    #[default]
    Auto,
    /// Frame pointers
    Fp,
    /// As auto, or not at all
    Dwarf,
}

/// Options of commands that walk user stacks.
#[derive(Clone, Debug, Args)]
pub struct StackArgs {
    /// How user stacks are walked
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Stacks::Auto)]
    pub stacks: Stacks,
}

impl StackArgs {
    pub(super) const fn walk(&self) -> StackWalk {
        match self.stacks {
            Stacks::Auto => StackWalk::Auto,
            Stacks::Fp => StackWalk::Pointers,
            Stacks::Dwarf => StackWalk::Tables,
        }
    }
}

/// How stacks are shown.
#[derive(Clone, Debug, Args)]
pub struct StackView {
    /// Each thread on its own
    #[arg(long)]
    pub threads: bool,
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub top: usize,
}

/// Formats of stacks.
pub(super) const FORMATS: &[&str] = &["text", "folded", "svg", "json"];

impl StackView {
    /// Resolves format and width for an output.
    pub(super) fn resolve(
        &self,
        command: &str,
        output: &OutputArgs,
        width: usize,
    ) -> Result<StackOutput, ExpectedError> {
        let format = match output.format(command, FORMATS)? {
            "folded" => StackFormat::Folded,
            "svg" => StackFormat::Svg,
            "json" => StackFormat::Json,
            _ => StackFormat::Text,
        };
        Ok(StackOutput {
            format,
            text: StackText {
                top: self.top,
                width,
            },
            threads: self.threads,
        })
    }
}

/// The sink of a profile.
pub(super) fn sink(view: &StackView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    view.resolve("profile", output, 0)?;
    let opened = output.open(false)?;
    let shown = view.resolve("profile", output, opened.width)?;
    Ok(Box::new(OnCpuSink::new(shown, opened.out, &opened.name)))
}

/// How long profiles take when nothing says so and the target goes on.
pub(super) const DEFAULT_DURATION: std::time::Duration = std::time::Duration::from_secs(10);

impl ProfileArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let captures = vec![Capture::Samples {
            hz: self.hz,
            kernel: !self.no_kernel,
            user: true,
        }];
        let mut plan = self.target.plan(captures, &["profile"], Policy::Enforce)?;
        plan.stack_walk = self.stacks.walk();
        if self.target.command.is_empty() {
            plan.duration = plan.duration.or(Some(DEFAULT_DURATION));
        }
        capture(&plan, vec![sink(&self.view, &self.output)?])
    }
}
