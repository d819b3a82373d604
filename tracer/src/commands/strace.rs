//! `tracer strace`: system calls.

use std::time::Duration;

use clap::{ArgAction, Args};

use super::execute::{Exit, capture};
use crate::cli::{OutputArgs, TargetArgs};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::render::strace_count::{CountFormat, CountOptions, StraceCounts};
use crate::render::strace_line::{LineOptions, Prefix, StraceLines, Timestamps};
use crate::session::{Capture, TargetSpec};
use crate::sink::Sink;
use crate::syscall::count::{SummaryColumn, SummarySort, parse_columns, parse_sort};
use crate::syscall::filter::{SyscallSet, parse};
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer strace -p 812                     every call of all threads of process 812
  tracer strace -p 812 -e trace=%net -T    network calls only, with their durations
  tracer strace -f -o log -- make          a command and its children, into a file
  tracer strace -c -d 10s -p 812           a table: calls, errors, time
  tracer strace -c -U calls,p50,p99,max,name -d 10s -p 812
                                           the same with latency percentiles
  tracer strace --goroutines -p 812        each line with its goroutine (Go programs)
";

const OVERHEAD: &str = "\
Overhead: -c about 0.25 microseconds a call, lines about 1; no stop of the target, where strace
stops it twice a call. While it runs, every process on the host pays about 0.15 a call. A trace is
to be complete: more than 2 % is only told, and nothing detached, unless you give --max-overhead.

Times are wall clock in the call (strace -c shows system CPU time). Strings that were not in
memory at entry are shown as addresses.";

/// Longest string or buffer that is copied.
const MAX_STRING_LIMIT: u32 = 4096;

/// Which system calls does it make, with what arguments, results and durations
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct StraceArgs {
    /// What to trace: trace=openat,%net,!close,/^read/ (strace's expressions)
    #[arg(short = 'e', value_name = "EXPR", allow_hyphen_values = true)]
    pub expressions: Vec<String>,
    /// Count time, calls and errors for each syscall, and print a table at the end
    #[arg(short = 'c', long)]
    pub summary_only: bool,
    /// Print and start over every TIME (with -c)
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, requires = "summary_only")]
    pub interval: Option<Duration>,
    #[command(flatten)]
    pub lines: LineView,
    #[command(flatten)]
    pub counts: CountView,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// How lines are shown.
#[derive(Clone, Debug, Args)]
pub struct LineView {
    /// Show the time spent in each call
    #[arg(short = 'T', long)]
    pub syscall_times: bool,
    /// Show the time of day; twice: with microseconds; three times: seconds since 1970
    #[arg(short = 't', action = ArgAction::Count)]
    pub timestamps: u8,
    /// Show the time since the line before
    #[arg(short = 'r', long)]
    pub relative_timestamps: bool,
    /// Bytes of a string to show
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_STRING_LIMIT)))]
    pub string_limit: u32,
    /// Column of the result
    #[arg(long, value_name = "COLUMN", default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub columns: u32,
    /// Show the goroutine of each line (Go programs)
    #[arg(long)]
    pub goroutines: bool,
}

/// How the table of -c is shown.
#[derive(Clone, Debug, Args)]
pub struct CountView {
    /// Sort the table of -c by this column
    #[arg(short = 'S', long, value_name = "COLUMN")]
    pub summary_sort_by: Option<String>,
    /// Columns of the table of -c: time-percent, total-time, min-time, max-time, avg-time, calls,
    /// errors, name, p50, p90, p95, p99, p99.9, max
    #[arg(short = 'U', long, value_name = "COLUMNS")]
    pub summary_columns: Option<String>,
    /// A latency histogram of each syscall after the table
    #[arg(long)]
    pub histogram: bool,
}

/// The set that `-e` expressions describe.
fn syscalls(expressions: &[String]) -> Result<SyscallSet, ExpectedError> {
    let mut set = None;
    for expression in expressions {
        let list = match expression.split_once('=') {
            None => expression.as_str(),
            Some(("trace" | "t", list)) => list,
            Some((other, _)) => {
                return Err(ExpectedError::Usage(format!(
                    "-e {other}= is not known; use -e trace=..."
                )));
            }
        };
        // As in strace, the last one wins.
        set = Some(parse(list).map_err(|e| ExpectedError::Usage(e.to_string()))?);
    }
    Ok(set.unwrap_or(SyscallSet::ALL))
}

impl LineView {
    fn options(&self, calls: SyscallSet) -> LineOptions {
        LineOptions {
            string_limit: self.string_limit as usize,
            column: self.columns as usize,
            timestamps: match self.timestamps {
                0 => Timestamps::None,
                1 => Timestamps::Seconds,
                2 => Timestamps::Microseconds,
                _ => Timestamps::Epoch,
            },
            relative: self.relative_timestamps,
            durations: self.syscall_times,
            goroutines: self.goroutines,
            calls,
            ..LineOptions::default()
        }
    }
}

/// How lines name their thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineStyle {
    pub(super) prefix: Prefix,
    pub(super) follow: bool,
    pub(super) attach_messages: bool,
}

/// The sink of lines.
pub(super) fn line_sink(
    view: &LineView,
    calls: SyscallSet,
    style: LineStyle,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    output.format("strace", &["text"])?;
    let opened = output.open(true)?;
    let options = LineOptions {
        prefix: style.prefix,
        follow: style.follow,
        attach_messages: style.attach_messages,
        ..view.options(calls)
    };
    Ok(Box::new(StraceLines::new(
        options,
        opened.out,
        &opened.name,
    )))
}

/// The sink of the table of -c.
pub(super) fn count_sink(
    view: &CountView,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    let usage = |e: crate::syscall::count::SummaryError| ExpectedError::Usage(e.to_string());
    let format = match output.format("strace -c", &["text", "json"])? {
        "json" => CountFormat::Json,
        _ => CountFormat::Text,
    };
    let defaults = CountOptions::default();
    let columns: Vec<SummaryColumn> = match &view.summary_columns {
        Some(names) => parse_columns(names).map_err(usage)?,
        None => defaults.columns,
    };
    let sort: SummarySort = match &view.summary_sort_by {
        Some(name) => parse_sort(name).map_err(usage)?,
        None => defaults.sort,
    };
    let options = CountOptions {
        columns,
        sort,
        histograms: view.histogram,
        format,
    };
    let opened = output.open(true)?;
    Ok(Box::new(StraceCounts::new(
        options,
        opened.out,
        &opened.name,
    )))
}

impl StraceArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let syscalls = syscalls(&self.expressions)?;
        if self.summary_only {
            let captures = vec![Capture::SyscallStats { syscalls }];
            let mut plan = self.target.plan(captures, &["strace -c"], Policy::Warn)?;
            plan.interval = self.interval;
            return capture(&plan, vec![count_sink(&self.counts, &self.output)?]);
        }
        let captures = vec![Capture::SyscallStream {
            syscalls,
            string_limit: self.lines.string_limit,
            goroutines: self.lines.goroutines,
        }];
        let mut plan = self.target.plan(captures, &["strace"], Policy::Warn)?;
        plan.go_optional = true;
        let style = style(&plan.target, plan.follow, self.output.file().is_some());
        let sink = line_sink(&self.lines, syscalls, style, &self.output)?;
        capture(&plan, vec![sink])
    }
}

/// As strace does: in a file each line names its thread when there can be several.
fn style(target: &TargetSpec, follow: bool, to_file: bool) -> LineStyle {
    let several = match target {
        TargetSpec::Pids(pids) => pids.len() > 1 || pids.iter().any(|&pid| threads(pid) > 1),
        TargetSpec::Launch { .. } => false,
        TargetSpec::All => true,
    };
    LineStyle {
        prefix: if to_file && (follow || several) {
            Prefix::Bare
        } else if to_file {
            Prefix::Never
        } else {
            Prefix::WhenSeveral
        },
        follow,
        attach_messages: follow && !to_file,
    }
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count)
}
