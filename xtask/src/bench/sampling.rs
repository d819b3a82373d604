//! What the samplers and the probes on the schedulers cost the target.

use anyhow::Result;

use super::load::{Load, Program};
use super::options::Pace;
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::setting::Setting;
use super::tools::{Tool, Toolbox};

/// One workload with the loads it is measured under, ours first.
struct Series {
    title: &'static str,
    program: Program,
    ours: Vec<Tool>,
    theirs: Vec<Tool>,
}

impl Series {
    /// The name of its one kind of operation in tables.
    fn kind(&self) -> String {
        format!("{}{}", self.program.prefix, self.program.kinds.join(" "))
    }
}

/// Measures all series; each gets a share of the budget.
///
/// # Errors
/// The workloads do not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let all = series(setting);
    let mut part = Part::new("samplers and scheduler probes (mean time per operation)");
    let total: usize = all.iter().map(weight).sum();
    for series in &all {
        let share = Pace {
            budget: pace.budget.mul_f64(ratio(weight(series), total)),
            ..pace
        };
        one(setting, share, series, &mut part)?;
    }
    Ok(part)
}

/// Runs in one round.
fn weight(series: &Series) -> usize {
    1 + series.ours.len() + series.theirs.len()
}

#[expect(clippy::cast_precision_loss, reason = "counts of configurations")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn one(setting: &Setting, pace: Pace, series: &Series, part: &mut Part) -> Result<()> {
    let attached = |tools: &[Tool]| {
        tools
            .iter()
            .cloned()
            .map(Load::Attached)
            .collect::<Vec<_>>()
    };
    let (ours, theirs) = (attached(&series.ours), attached(&series.theirs));
    let loads: Vec<Load> = std::iter::once(Load::Baseline)
        .chain(ours.iter().cloned())
        .chain(theirs.iter().cloned())
        .collect();
    let programs = std::slice::from_ref(&series.program);
    let rounds = Rounds::run(setting, pace, &loads, programs, Statistic::Mean)?;
    let kind = series.kind();
    part.tables.push(rounds.table(&kind));
    for load in &ours {
        part.figures
            .extend(rounds.slowdown(&kind, load, &Load::Baseline));
        for other in &theirs {
            part.figures.extend(rounds.slowdown(&kind, load, other));
        }
    }
    let notes = rounds.notes().into_iter();
    part.notes
        .extend(notes.map(|note| format!("{}: {note}", series.title)));
    Ok(())
}

fn series(setting: &Setting) -> Vec<Series> {
    let tools = &setting.tools;
    vec![
        profile(setting, tools),
        context_switches(setting, tools),
        goroutine_switches(setting, tools),
        collections(setting, tools),
    ]
}

fn profile(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "profile",
        program: go(setting, "busy"),
        ours: vec![
            tools.tracer("profile -F 99"),
            tools.tracer("profile -F 999"),
        ],
        theirs: present([
            tools.perf("record -F 99 -g -o {file}"),
            tools.perf("record -F 999 -g -o {file}"),
        ]),
    }
}

fn context_switches(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "context switches",
        program: Program {
            path: setting.c("bench_loop"),
            kinds: vec!["pipe"],
            prefix: "C ",
        },
        ours: vec![tools.tracer("offcpu"), tools.tracer("sched")],
        theirs: present([
            tools.perf_everywhere("sched record -o {file}"),
            tools.perf("trace -s"),
        ]),
    }
}

fn goroutine_switches(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "goroutine switches",
        program: go(setting, "channels"),
        ours: vec![tools.tracer("sched --go"), tools.tracer("gc")],
        theirs: vec![],
    }
}

fn collections(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "garbage collections",
        program: go(setting, "alloc"),
        ours: vec![tools.tracer("gc")],
        theirs: vec![],
    }
}

fn go(setting: &Setting, kind: &'static str) -> Program {
    Program {
        path: setting.go("benchloop"),
        kinds: vec![kind],
        prefix: "Go ",
    }
}

fn present<const N: usize>(tools: [Option<Tool>; N]) -> Vec<Tool> {
    tools.into_iter().flatten().collect()
}
