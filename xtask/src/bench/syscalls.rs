//! What each system call of the target costs more while it is traced.

use anyhow::Result;

use super::figures::{Figure, Target};
use super::load::{Load, Program};
use super::options::Pace;
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::setting::Setting;
use super::tools::Toolbox;

/// Our count may cost this many times what two empty BPF programs cost.
const OVER_EMPTY: Target = Target::AtMost(1.8);

/// strace's count costs this many times ours.
const UNDER_STRACE: Target = Target::AtLeast(50.0);

/// Counts entries by kernel probe, as its users write it.
const BPFTRACE_COUNT: &str =
    "tracepoint:raw_syscalls:sys_enter /pid == {pid}/ { @[args->id] = count(); }";

/// The loads; those whose tool is not installed are `None`.
struct Loads {
    summary: Load,
    stream: Load,
    filter: Load,
    bystander: Load,
    strace_summary: Option<Load>,
    strace_summary_same_cpu: Option<Load>,
    strace_stream: Option<Load>,
    strace_stream_same_cpu: Option<Load>,
    strace_filter: Option<Load>,
    perf_summary: Option<Load>,
    perf_stream: Option<Load>,
    bpftrace: Option<Load>,
}

impl Loads {
    fn of(tools: &Toolbox) -> Self {
        let strace = |line| tools.strace(line).map(Load::Attached);
        let beside = |line| {
            let tool = tools.strace(line)?;
            Some(Load::Attached(tool.on_workload_cpu()))
        };
        let perf = |line| tools.perf(line).map(Load::Attached);
        Self {
            summary: Load::Attached(tools.tracer("strace -c")),
            stream: Load::Attached(tools.tracer("strace -o /dev/null")),
            filter: Load::Attached(tools.tracer("strace -e trace=execve -o /dev/null")),
            bystander: Load::Bystander(tools.tracer("strace -c")),
            strace_summary: strace("-c -f"),
            strace_summary_same_cpu: beside("-c -f"),
            strace_stream: strace("-f -o /dev/null"),
            strace_stream_same_cpu: beside("-f -o /dev/null"),
            strace_filter: tools
                .strace_launching("--seccomp-bpf -f -e trace=execve -o /dev/null")
                .map(Load::Launched),
            perf_summary: perf("trace -s"),
            perf_stream: perf("trace -o /dev/null"),
            bpftrace: tools.bpftrace("count", BPFTRACE_COUNT).map(Load::Attached),
        }
    }

    /// In the tables' order. The baseline comes twice a round: everything is compared with it.
    fn all(&self) -> Vec<Load> {
        let ours = [&self.summary, &self.stream, &self.filter, &self.bystander];
        let theirs = [
            &self.strace_summary,
            &self.strace_summary_same_cpu,
            &self.strace_stream,
            &self.strace_stream_same_cpu,
            &self.strace_filter,
            &self.perf_summary,
            &self.perf_stream,
            &self.bpftrace,
        ];
        let mut all = vec![Load::Baseline, Load::EmptyPair];
        all.extend(ours.into_iter().cloned());
        all.push(Load::Baseline);
        all.extend(theirs.into_iter().flatten().cloned());
        all
    }

    /// The comparisons: over, under, target.
    fn ratios(&self) -> Vec<(Option<&Load>, &Load, Option<Target>)> {
        let ours = Some(&self.summary);
        vec![
            (ours, &Load::EmptyPair, Some(OVER_EMPTY)),
            (Some(&self.bystander), &Load::EmptyPair, None),
            (
                self.strace_summary.as_ref(),
                &self.summary,
                Some(UNDER_STRACE),
            ),
            (
                self.strace_summary_same_cpu.as_ref(),
                &self.summary,
                Some(UNDER_STRACE),
            ),
            (self.perf_summary.as_ref(), &self.summary, None),
            (self.bpftrace.as_ref(), &self.summary, None),
            (self.strace_stream.as_ref(), &self.stream, None),
            (self.strace_stream_same_cpu.as_ref(), &self.stream, None),
            (self.perf_stream.as_ref(), &self.stream, None),
            (Some(&self.filter), &Load::EmptyPair, None),
        ]
    }
}

/// Measures all loads on a C and a Go program.
///
/// # Errors
/// The workloads do not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let programs = [
        Program {
            path: setting.c("bench_loop"),
            kinds: vec!["getppid", "read"],
            prefix: "C ",
        },
        Program {
            path: setting.go("benchloop"),
            kinds: vec!["read"],
            prefix: "Go ",
        },
    ];
    let loads = Loads::of(&setting.tools);
    let rounds = Rounds::run(setting, pace, &loads.all(), &programs, Statistic::P10)?;
    let mut part =
        Part::new("added time per system call (each run's p10 over chunks of 2000 calls)");
    for kind in ["C getppid", "C read", "Go read"] {
        part.tables.push(rounds.table(kind));
        part.figures.extend(ratios(&rounds, &loads, kind));
    }
    part.notes = rounds.notes();
    part.notes.push(
        "strace --seccomp-bpf leaves calls it does not trace alone: that beats every tracepoint"
            .to_owned(),
    );
    Ok(part)
}

fn ratios(rounds: &Rounds, loads: &Loads, kind: &str) -> Vec<Figure> {
    let ratios = loads.ratios().into_iter();
    ratios
        .filter_map(|(over, under, target)| rounds.ratio_of_added(kind, over?, under, target))
        .collect()
}
