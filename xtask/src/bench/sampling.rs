//! What the samplers and the probes on the schedulers cost the target.

use anyhow::Result;

use super::load::{Load, Program};
use super::options::Pace;
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::setting::Setting;
use super::tools::{Tool, Toolbox};

/// One workload with the tools it is measured under.
struct Series {
    title: &'static str,
    program: Program,
    contests: Vec<Contest>,
}

/// One of our modes, and what it is compared with besides the baseline.
struct Contest {
    ours: Tool,
    theirs: Vec<Tool>,
}

impl Series {
    /// The name of its one kind of operation in tables.
    fn kind(&self) -> String {
        format!("{}{}", self.program.prefix, self.program.kinds.join(" "))
    }

    /// The baseline, then each tool once.
    fn loads(&self) -> Vec<Load> {
        let ours = self.contests.iter().map(|contest| &contest.ours);
        let theirs = self.contests.iter().flat_map(|contest| &contest.theirs);
        let mut tools: Vec<&Tool> = Vec::new();
        for tool in ours.chain(theirs) {
            if tools.iter().all(|known| known.label != tool.label) {
                tools.push(tool);
            }
        }
        let attached = tools.into_iter().cloned().map(Load::Attached);
        std::iter::once(Load::Baseline).chain(attached).collect()
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
    series.loads().len()
}

#[expect(clippy::cast_precision_loss, reason = "counts of configurations")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn one(setting: &Setting, pace: Pace, series: &Series, part: &mut Part) -> Result<()> {
    let programs = std::slice::from_ref(&series.program);
    let rounds = Rounds::run(setting, pace, &series.loads(), programs, Statistic::Mean)?;
    let kind = series.kind();
    part.tables.push(rounds.table(&kind));
    for contest in &series.contests {
        let ours = Load::Attached(contest.ours.clone());
        part.figures
            .extend(rounds.slowdown(&kind, &ours, &Load::Baseline));
        for other in &contest.theirs {
            let other = Load::Attached(other.clone());
            part.figures.extend(rounds.slowdown(&kind, &ours, &other));
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
    let contest = |hz: u32| Contest {
        ours: tools.tracer(&format!("profile -F {hz}")),
        theirs: present([tools.perf(&format!("record -F {hz} -g -o {{file}}"))]),
    };
    Series {
        title: "profile",
        program: go(setting, "busy"),
        contests: vec![contest(99), contest(999)],
    }
}

fn context_switches(setting: &Setting, tools: &Toolbox) -> Series {
    let contest = |line: &str| Contest {
        ours: tools.tracer(line),
        theirs: present([
            tools.perf_everywhere("sched record -o {file}"),
            tools.perf("trace -s"),
        ]),
    };
    Series {
        title: "context switches",
        program: Program {
            path: setting.c("bench_loop"),
            kinds: vec!["pipe"],
            prefix: "C ",
        },
        contests: vec![contest("offcpu"), contest("sched")],
    }
}

fn goroutine_switches(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "goroutine switches",
        program: go(setting, "channels"),
        contests: vec![alone(tools, "sched --go"), alone(tools, "gc")],
    }
}

fn collections(setting: &Setting, tools: &Toolbox) -> Series {
    Series {
        title: "garbage collections",
        program: go(setting, "alloc"),
        contests: vec![alone(tools, "gc")],
    }
}

/// A mode that no other tool has.
fn alone(tools: &Toolbox, line: &str) -> Contest {
    Contest {
        ours: tools.tracer(line),
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
