//! `tracer profile`: where CPU time goes.

use std::io::Write;

use clap::{Args, ValueEnum};
use regex_lite::Regex;

use super::execute::{Exit, capture_when_due};
use crate::cli::{OutputArgs, TargetArgs, WhenArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{STACK_FORMATS, StackBy, StackOutput, StackSink, StackText};
use crate::report::HotClass;
use crate::session::{Capture, SampleEvent, StackWalk};
use crate::sink::Sink;

const EXAMPLES: &str = "\
Examples:
  tracer profile -p 812                    10 s of samples as a table of functions
  tracer profile -p 812 -d 30s -o cpu.svg  a flame graph to open in a browser
  tracer profile -p 812 -o cpu.html        the same with tables and hot regions, one page
  tracer profile -p 812 -o cpu.pb.gz       for go tool pprof
  tracer profile -p 812 --peek json        callers and callees of functions with json in their names
  tracer profile -F 999 -- ./bench         a command, from its first instruction
  tracer profile -p 812 --when 'cpu > 80%' --for 10s
                                           once it has been busy for 10 s
  tracer profile -p 812 --by creator       of a Go program: who made the goroutines that run
  tracer profile -p 812 -e page-faults     who touches memory first
  tracer profile -p 812 --format folded    one line a stack, for other tools
";

const OVERHEAD: &str = "\
Overhead: at 99 Hz not measurable; at 999 Hz 3 to 5 % of the sampled CPUs. Beyond --max-overhead
the run ends with what it has. While --when waits, nothing is attached, and /proc is read 5 times a
second.

A sample is taken on every CPU -F times a second; those in which the target runs count. With -e it
is taken so often by something else than time, and samples are then no share of time. User stacks
follow frame pointers in Go code and unwind tables (.eh_frame) in all other, which needs no frame
pointers, on x86-64. There Go's function table has the callers that frame pointers hide: of
functions that have no frame, or not yet. The footer tells what share of stacks reach their root,
and what share was guessed: code without tables is walked along frame pointers that it may not keep.

Regions are told from the functions in stacks; those that take more than their share are listed as
hot, with the functions of the program that lead there, and marked in svg and html.";

/// Samples a second and CPU where none are given: not in step with timers of 100 Hz.
pub(super) const DEFAULT_HZ: u32 = 99;

/// Where does it burn CPU: samples of kernel and user stacks
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct ProfileArgs {
    /// Samples a second on each CPU
    #[arg(short = 'F', long = "frequency", value_name = "HZ", default_value_t = DEFAULT_HZ, value_parser = clap::value_parser!(u32).range(1..=9999))]
    pub hz: u32,
    /// What samples are taken of: cpu-clock (time), page-faults or major-faults (each of them), or
    /// what the CPU counts: cycles, instructions, cache-references, cache-misses, branches,
    /// branch-misses, ref-cycles
    #[arg(short, long, value_name = "EVENT", default_value_t = SampleEvent::CpuClock)]
    pub event: SampleEvent,
    /// No kernel frames
    #[arg(long)]
    pub no_kernel: bool,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub view: ProfileView,
    #[command(flatten)]
    pub when: WhenArgs,
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
    #[arg(long = "stacks", value_name = "HOW", value_enum, default_value_t = Stacks::Auto)]
    pub how: Stacks,
}

impl StackArgs {
    pub(super) const fn walk(&self) -> StackWalk {
        match self.how {
            Stacks::Auto => StackWalk::Auto,
            Stacks::Fp => StackWalk::Pointers,
            Stacks::Dwarf => StackWalk::Tables,
        }
    }
}

/// How samples are shown.
#[derive(Clone, Debug, Args)]
pub struct ProfileView {
    #[command(flatten)]
    pub stacks: StackView,
    /// From which share on a region is hot: blocking=15, syscalls=12, gc=8, allocation, scheduler
    /// and locks=10 unless given
    #[arg(long, value_name = "REGION=PERCENT", value_delimiter = ',', value_parser = parse_hot)]
    pub hot: Vec<(HotClass, f64)>,
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
    /// What the table is of
    #[arg(long, value_name = "WHAT")]
    pub by: Option<StackBy>,
    /// Callers and callees of the functions that match, instead of the table
    #[arg(long, value_name = "REGEX", value_parser = Regex::new, conflicts_with = "by")]
    pub peek: Option<Regex>,
}

fn parse_hot(text: &str) -> Result<(HotClass, f64), String> {
    let parts = text.split_once('=').map(|(class, share)| {
        let share = share.trim_end_matches('%');
        (class, share.parse::<f64>())
    });
    match parts {
        Some((class, Ok(share))) if (0.0..=100.0).contains(&share) => Ok((class.parse()?, share)),
        _ => Err(format!("{text:?} is no threshold: give it as gc=8")),
    }
}

impl StackView {
    /// Resolves format and width for an output.
    pub(super) fn resolve(
        &self,
        command: &str,
        output: &OutputArgs,
        width: usize,
    ) -> Result<StackOutput, ExpectedError> {
        let formats: Vec<_> = STACK_FORMATS
            .iter()
            .map(|f| (f.name, f.extensions))
            .collect();
        let format = &STACK_FORMATS[output.format_at(command, &formats)?];
        if format.name != "text" && (self.by.is_some() || self.peek.is_some()) {
            let why = format!(
                "--by and --peek are about text, and not about {}",
                format.name
            );
            return Err(ExpectedError::Usage(why));
        }
        Ok(StackOutput {
            format,
            text: StackText {
                top: self.top,
                width,
            },
            threads: self.threads,
            by: self.by,
            peek: self.peek.clone(),
            ..StackOutput::default()
        })
    }

    /// Whether there will be a sink of a command.
    pub(super) fn check(&self, command: &str, output: &OutputArgs) -> Result<(), ExpectedError> {
        self.resolve(command, output, 0)?;
        output.check()
    }

    /// The sink of a command: what is asked for is checked before the output is opened.
    pub(super) fn sink(
        &self,
        command: &str,
        output: &OutputArgs,
        make: impl FnOnce(StackOutput, Box<dyn Write>, &str) -> StackSink<Box<dyn Write>>,
    ) -> Result<Box<dyn Sink>, ExpectedError> {
        self.resolve(command, output, 0)?;
        let opened = output.open(false)?;
        let shown = self.resolve(command, output, opened.width)?;
        let sink = make(shown, opened.out, &opened.name);
        Ok(output.redacted(Box::new(sink)))
    }
}

/// The sink of a profile.
pub(super) fn sink(
    view: &ProfileView,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    view.stacks.sink("profile", output, |mut shown, out, name| {
        for &(class, percent) in &view.hot {
            shown.hot.set(class, percent);
        }
        StackSink::on_cpu(shown, out, name)
    })
}

/// How long profiles take when nothing says so and the target goes on.
pub(super) const DEFAULT_DURATION: std::time::Duration = std::time::Duration::from_secs(10);

impl ProfileArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let captures = vec![Capture::Samples {
            event: self.event,
            hz: self.hz,
            kernel: !self.no_kernel,
            user: true,
            creators: self.view.stacks.by == Some(StackBy::Creator),
        }];
        let mut plan = self.target.plan(captures, &["profile"], Policy::Enforce)?;
        plan.stack_walk = self.stacks.walk();
        plan.when = self.when.trigger(&self.target)?;
        if self.target.command.is_empty() {
            plan.duration = plan.duration.or(Some(DEFAULT_DURATION));
        }
        let stacks = &self.view.stacks;
        let check = || stacks.check("profile", &self.output);
        capture_when_due(&plan, check, || sink(&self.view, &self.output))
    }
}
