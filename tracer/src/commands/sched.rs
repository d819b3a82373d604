//! `tracer sched`: waiting for a CPU.

use std::time::Duration;

use clap::Args;

use super::execute::{Exit, capture};
use super::sched_trace::SchedTrace;
use crate::cli::{OutputArgs, TargetArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::{RunQueueFormat, RunQueueSink};
use crate::session::{Capture, TargetSpec};
use crate::sink::Sink;
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer sched -p 812 -d 10s  run-queue latency of each thread, and a histogram of all
  tracer sched -p 812 -i 1s   a table a second, until Ctrl-C
  tracer sched -p 812 --go    also Go's own scheduler: how long goroutines wait for a P
  tracer sched -p 812 --creators
                              goroutines made and ended by each go statement, and how long new
                              ones wait until they run
  tracer sched -p 812 --schedtrace 1s
                              Go's own line a second: idle Ps, threads, queues of goroutines
  tracer sched -p 812 --schedtrace 1s --scheddetail
                              also a line for each P, thread and goroutine
";

const OVERHEAD: &str = "\
Overhead: about 0.3 microseconds for each context switch of the target, and 0.15 for those of
other processes. --go reads the runtime's own counters a hundred times a second, or less often
where that took more than 1 % of the tracer's time, and adds about 3 microseconds for each P that a
thread loses in a system call: most of it in the runtime's monitor, not in goroutines. --rounds
adds about
0.9 microseconds for each round of Go's scheduler, and 6 to 13 where the Go release (before
1.21) leaves no cheap place for the probe. --creators adds about 1 microsecond for each goroutine
that is made or ends, and, for the first runs, for each switch to one; where that is too much the
first runs are left out, and the counts go on. Beyond --max-overhead probes are detached, dearest
first; the result then says until when it was measured. --schedtrace uses no probe: it reads the
runtime's own counters, some 50 microseconds of the tracer's time a line, and with --scheddetail
some 10 for each thread and goroutine.

Run-queue latency is the time from runnable (woken, or preempted) to running. Some kernels do
not tell of every switch (6.18 was seen to); a thread found running after one counts as running
from the last switch on its CPU that was told, or its wakeup, and how often that was so is
printed.

A thread in a system call keeps its P until another one could use it. --go counts how often the
runtime's monitor takes it from a call that lasts (20 microseconds and more), how often it is given
up before a call that is known to last, and how often a goroutine comes back from a call and finds
no P; and which functions make these calls: before Go 1.23 only the innermost one is known of a P
that was taken.

The latency of goroutines is the runtime's own (sched.timeToRun, Go 1.21 on): it measures one in
eight times of each goroutine, and divides them into parts a quarter wide. The queue of a P has
not the goroutine that is to run next. Exact times by goroutine would take a probe at every
switch, and so several times the cost of a switch: only --creators has one, for first runs.";

/// How long do its threads wait for a CPU: run-queue latency and context switches
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct SchedArgs {
    /// Look at Go's scheduler: queues of goroutines, idle Ps and threads, how long goroutines wait
    /// to run, Ps that threads lose in system calls and where, GOMAXPROCS against what the control
    /// group allows
    #[arg(long)]
    pub go: bool,
    /// Count rounds of Go's scheduler (runtime.schedule) by a probe
    #[arg(long)]
    pub rounds: bool,
    /// Count goroutines that are made and that end by the go statement that made them, and measure
    /// how long new ones wait until they run for the first time, by probes
    #[arg(long)]
    pub creators: bool,
    /// Print and start over every TIME
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Print what GODEBUG=schedtrace prints every TIME, of a Go process that runs
    #[arg(long, value_name = "TIME", value_parser = parse_duration,
          conflicts_with_all = ["go", "rounds", "creators", "interval"])]
    pub schedtrace: Option<Duration>,
    /// With --schedtrace, print each P, M and G, too, as GODEBUG=scheddetail=1 does
    #[arg(long, requires = "schedtrace")]
    pub scheddetail: bool,
    #[command(flatten)]
    pub view: SchedView,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How threads are shown.
#[derive(Clone, Debug, Args)]
pub struct SchedView {
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub top: usize,
}

const FORMATS: &[&str] = &["text", "json", "ndjson"];

/// The sink of a scheduling report.
pub(super) fn sink(view: &SchedView, output: &OutputArgs) -> Result<Box<dyn Sink>, ExpectedError> {
    let format = match output.format("sched", FORMATS)? {
        "json" => RunQueueFormat::Json,
        "ndjson" => RunQueueFormat::Ndjson,
        _ => RunQueueFormat::Text { threads: view.top },
    };
    let opened = output.open(false)?;
    let sink = RunQueueSink::new(opened.out, &opened.name, format);
    Ok(output.redacted(Box::new(sink)))
}

impl SchedArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        if let Some(period) = self.schedtrace {
            return self.trace(period);
        }
        let mut captures = vec![Capture::RunQueue];
        if self.rounds {
            captures.push(Capture::GoSchedule);
        }
        if self.go {
            captures.push(Capture::GoHandoffs);
        }
        if self.creators {
            captures.extend([Capture::GoCreations, Capture::GoFirstRuns]);
        }
        let mut plan = self.target.plan(captures, &["sched"], Policy::Enforce)?;
        plan.interval = self.interval;
        plan.go_looks = self.go;
        capture(&plan, vec![sink(&self.view, &self.output)?])
    }

    fn trace(&self, period: Duration) -> anyhow::Result<Exit> {
        let plan = self.target.plan(Vec::new(), &[], Policy::Enforce)?;
        let TargetSpec::Pids(pids) = &plan.target else {
            return Err(only_one().into());
        };
        let &[pid] = &pids[..] else {
            return Err(only_one().into());
        };
        let trace = SchedTrace {
            pid,
            period: period.max(Duration::from_millis(1)),
            detail: self.scheddetail,
            duration: plan.duration,
            quiet: !plan.notices,
            output: &self.output,
        };
        trace.execute()
    }
}

fn only_one() -> ExpectedError {
    ExpectedError::Usage(
        "--schedtrace reads one process that runs: give -p PID (a program that you start yourself \
         prints it with GODEBUG=schedtrace=1000)"
            .to_owned(),
    )
}
