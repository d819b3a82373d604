//! `tracer gc`: Go's garbage collections.

use std::io::stderr;

use clap::Args;

use super::execute::{Exit, capture};
use crate::cli::{OutputArgs, TargetArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{GcFormat, GcRemarks, GcSink, GcSummarySink, GcTold};
use crate::session::Capture;
use crate::sink::Sink;

const EXAMPLES: &str = "\
Examples:
  tracer gc -p 812                  a line a cycle until Ctrl-C, as GODEBUG=gctrace=1 prints it
  tracer gc -p 812 -d 1m --trigger  also why each cycle began: heap, time or forced
  tracer gc -p 812 --next           also where the next cycle begins, and what says so
  tracer gc -p 812 --stw            also each stop of the world, and who delayed it
  tracer gc -p 812 -d 30s --assists also which functions, go statements and goroutines have to mark
                                    because they allocate
  tracer gc -p 812 --format ndjson  one JSON object a cycle
";

const OVERHEAD: &str = "\
Overhead: two probe hits, about 4 microseconds, for each cycle. That is never too much unless
you say so with --max-overhead. --stw adds about 10 microseconds for each stop of the world, 1
for each P that has to be stopped, and 0.3 for each context switch of the target (0.15 for those
of others). --assists adds some 4 microseconds for each assist, which itself lasts from some 10 on,
and 5 to 30 for each wait for others, of which the kernel has to single-step the end; beyond
--max-overhead (2 % then) its probes are detached, and the result says until when it was measured.

The line: gc NUMBER @SECONDS SINCE START PERCENT OF CPU: sweep termination (world stopped) +
concurrent mark + mark termination (world stopped), wall clock; CPU of the same, where mark is
assists/background/idle; heap at start -> at end -> live; heap goal; stacks; globals;
processors.

A line of --stw: when, why in the runtime's words, the time until all Ps had stopped (as the
runtime takes it from Go 1.23 on; before, as the probes see it), the time until all run again;
then the P that was the last to stop by itself: the goroutine that it ran when the stop began,
where that was when it stopped at last, and how long its thread was on a CPU, waiting for one,
in a page fault or in a syscall. Ps that are idle or in a syscall are stopped by the one who
asks and delay nobody. Not known are: Ps that stop by entering a syscall, Ps beyond the 64th,
reasons before Go 1.21, and where in code that cannot be preempted the time went before it could
be.

With --assists a summary follows at the end: how often goroutines had to mark for the collector
before they were given memory, for how long, how long they waited for others to mark, where the
program allocates then, which go statement made the goroutines, and each goroutine. The place is the
innermost function that is neither the runtime's nor the standard library's. Of more goroutines
than there is room for (16384, by place) the rest are \"others\".

Warnings on stderr: a stop of the world longer than 200 us; a heap goal above 85 % of
GOMEMLIMIT; more than 25 % of the CPU time of all Ps for collections, over a second.
\"self-check\" there means that a cycle's record and the runtime's own counters disagree: doubt
the figures, and report it.";

/// When does Go collect garbage, how long does it stop the world, how large is the heap
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct GcArgs {
    /// Also print a line for each stop of the world, for whatever reason: how long it took to stop,
    /// and who was the last to stop
    #[arg(long)]
    pub stw: bool,
    /// Sum up GC assists (marking that goroutines do because they allocate) by place of allocation, by
    /// go statement and by goroutine, by
    /// probes, and compare them with the runtime's own count
    #[arg(long)]
    pub assists: bool,
    #[command(flatten)]
    pub view: GcView,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How cycles are shown.
#[derive(Clone, Debug, Args)]
pub struct GcView {
    /// Append why each cycle began
    #[arg(long)]
    pub trigger: bool,
    /// Append at which heap size the next cycle begins, its goal, and what sets that: GOGC, the
    /// smallest heap, or GOMEMLIMIT
    #[arg(long)]
    pub next: bool,
}

const FORMATS: &[&str] = &["text", "json", "ndjson"];

/// The sink of a garbage collection trace.
pub(super) fn sink(view: &GcView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    let format = match output.format("gc", FORMATS)? {
        "json" => GcFormat::Json,
        "ndjson" => GcFormat::Ndjson,
        _ => GcFormat::Text(GcRemarks {
            trigger: view.trigger,
            next: view.next,
        }),
    };
    let opened = output.open(false)?;
    let sink = GcSink::new(opened.out, &opened.name, format);
    Ok(output.redacted(Box::new(sink)))
}

impl GcArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let mut captures = vec![Capture::GoGc];
        captures.extend(self.stw.then_some(Capture::GoStops));
        if self.assists {
            captures.extend([Capture::GoAssists, Capture::GoAssistWaits]);
        }
        let policy = match self.assists {
            true => Policy::Enforce,
            false => Policy::Ignore,
        };
        let plan = self.target.plan(captures, &["gc"], policy)?;
        let mut sinks = vec![sink(&self.view, &self.output)?];
        let told = match plan.notices {
            true => GcTold::All,
            false => GcTold::Disagreements,
        };
        sinks.push(Box::new(GcSummarySink::new(stderr(), "stderr", told)));
        capture(&plan, sinks)
    }
}
