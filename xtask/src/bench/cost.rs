//! The cost that tracer predicts, from its price list and the hits, against the slowdown that the
//! target sees.
//!
//! Both are shares of the target's CPU time: predicted by the tracer's own last lines, measured as
//! what an operation takes more while the tracer is attached, divided by what it takes then. Runs
//! with and without the tracer take turns; minima over rounds are compared, and medians beside them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::figures::{Figure, Target, median, min};
use super::load::{Place, Program};
use super::report::Part;
use super::rounds::Statistic;
use super::sections::Pace;
use super::setting::Setting;
use super::spawned::Spawned;
use super::table::{Cell, Table};
use super::tools::Tool;
use super::workload::{Measurement, Workload};

/// The prediction may be off by this factor.
const FACTOR: f64 = 1.5;

/// How long the tracer may take for its result.
const RESULT_LIMIT: Duration = Duration::from_secs(10);

/// One workload under one command.
struct Case {
    program: Program,
    tool: Tool,
    statistic: Statistic,
}

/// Samples of one case.
#[derive(Debug, Default)]
struct Samples {
    /// ns per operation.
    alone: Vec<f64>,
    /// ns per operation while traced.
    traced: Vec<f64>,
    /// Percent of CPU time.
    predicted: Vec<f64>,
}

/// Measures all cases in turn, round after round.
///
/// # Errors
/// The workloads do not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let cases = cases(setting);
    let mut samples: Vec<Samples> = cases.iter().map(|_| Samples::default()).collect();
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    let mut rounds = 0;
    while rounds < pace.rounds && started.elapsed() + longest <= pace.budget {
        let begun = Instant::now();
        for (case, samples) in cases.iter().zip(&mut samples) {
            samples.alone.push(alone(setting, case, pace.window)?);
            let (traced, predicted) = traced(setting, case, pace.window)?;
            samples.traced.push(traced);
            samples.predicted.push(predicted);
        }
        rounds += 1;
        longest = longest.max(begun.elapsed());
    }
    Ok(part(&cases, &samples, rounds))
}

/// The option that makes a command tell what its probes cost: `-v` is strace's own elsewhere.
fn telling_costs(line: &str) -> &'static str {
    match line.starts_with("strace") {
        true => "--probe-costs",
        false => "-v",
    }
}

fn cases(setting: &Setting) -> Vec<Case> {
    let case = |path, prefix, kind, line: &str, statistic| Case {
        program: Program {
            path,
            kinds: vec![kind],
            prefix,
            place: Place::Pinned,
        },
        tool: setting
            .tools
            .tracer(&format!("{line} {}", telling_costs(line))),
        statistic,
    };
    let c = |kind, line| case(setting.c("bench_loop"), "C ", kind, line, Statistic::P10);
    let go = |kind, line| case(setting.go("benchloop"), "Go ", kind, line, Statistic::P10);
    let busy = |line| {
        case(
            setting.go("benchloop"),
            "Go ",
            "busy",
            line,
            Statistic::Mean,
        )
    };
    vec![
        c("getppid", "strace -c"),
        c("read", "strace -c"),
        go("read", "strace -c"),
        c("getppid", "strace -o /dev/null"),
        c("read", "strace -o /dev/null"),
        c("pipe", "sched"),
        c("pipe", "offcpu"),
        go("channels", "sched --rounds"),
        busy("profile -F 999"),
        busy("profile -F 4999"),
    ]
}

fn value(case: &Case, measured: &[Measurement]) -> Result<f64> {
    let one = measured.first().context("nothing was measured")?;
    Ok(case.statistic.of(one))
}

fn started(setting: &Setting, case: &Case, window: Duration) -> Result<Workload> {
    let mut command = std::process::Command::new(&case.program.path);
    command.arg(window.as_millis().to_string());
    command.args(&case.program.kinds);
    let workload = Workload::start(&mut command)?;
    setting.placement.place_workload(workload.pid())?;
    Ok(workload)
}

fn alone(setting: &Setting, case: &Case, window: Duration) -> Result<f64> {
    let mut workload = started(setting, case, window)?;
    workload.go()?;
    let measured = workload.measurements(window)?;
    workload.finish()?;
    value(case, &measured)
}

fn traced(setting: &Setting, case: &Case, window: Duration) -> Result<(f64, f64)> {
    let mut workload = started(setting, case, window)?;
    let mut process = case.tool.attach(workload.pid(), &setting.scratch_file())?;
    setting.placement.place_tool(process.pid(), false)?;
    workload.go()?;
    let measured = workload.measurements(window)?;
    workload.finish()?;
    process.interrupt(RESULT_LIMIT)?;
    setting.clean();
    let predicted = prediction(&process)
        .with_context(|| format!("{} does not tell the target's cost", case.tool.label))?;
    Ok((value(case, &measured)?, predicted))
}

/// The share that the tracer's lines name.
fn prediction(process: &Spawned) -> Option<f64> {
    let lines = process.heard().iter().rev();
    lines
        .filter_map(|line| predicted_percent(&line.text))
        .next()
}

/// Reads `tracer: cost: 54.52 % of the target's 301 ms of CPU time, …`.
fn predicted_percent(line: &str) -> Option<f64> {
    let rest = line.strip_prefix("tracer: cost: ")?;
    let (percent, rest) = rest.split_once(" % of the target's ")?;
    rest.contains("of CPU time").then_some(())?;
    percent.parse().ok()
}

/// Percent of `traced` that is not in `alone`.
fn share(alone: Option<f64>, traced: Option<f64>) -> Option<f64> {
    let (alone, traced) = (alone?, traced?);
    (traced > 0.0).then(|| (1.0 - alone / traced) * 100.0)
}

fn part(cases: &[Case], samples: &[Samples], rounds: usize) -> Part {
    let mut part = Part::new("predicted cost against measured slowdown");
    let mut table = Table::new(
        "percent of the target's CPU time",
        &[
            "workload",
            "command",
            "alone ns",
            "traced ns",
            "measured",
            "(medians)",
            "predicted",
            "predicted/measured",
        ],
    );
    for (case, samples) in cases.iter().zip(samples) {
        let workload = format!("{}{}", case.program.prefix, case.program.kinds.join(" "));
        let by_min = share(min(&samples.alone), min(&samples.traced));
        let by_median = share(median(&samples.alone), median(&samples.traced));
        let predicted = median(&samples.predicted);
        let ratio = |measured: Option<f64>| Some(predicted? / measured.filter(|&m| m > 0.0)?);
        table.push(vec![
            Cell::text(&workload),
            Cell::text(&case.tool.label),
            Cell::maybe(min(&samples.alone), 1, ""),
            Cell::maybe(min(&samples.traced), 1, ""),
            Cell::maybe(by_min, 1, "%"),
            Cell::maybe(by_median, 1, "%"),
            Cell::maybe(predicted, 1, "%"),
            Cell::maybe(ratio(by_min), 2, "x"),
        ]);
        let Some(factor) = ratio(by_min) else {
            continue;
        };
        part.figures.push(Figure {
            name: format!("{workload}, {}: predicted cost off by", case.tool.label),
            value: off_by(factor),
            by_medians: ratio(by_median).map(off_by),
            unit: "x",
            target: Some(Target::AtMost(FACTOR)),
            below_noise: is_noise(samples),
        });
    }
    part.tables.push(table);
    part.notes.push(format!("rounds: {rounds}"));
    part
}

/// As a factor above 1, in either direction.
fn off_by(ratio: f64) -> f64 {
    ratio.max(1.0 / ratio)
}

/// What tracing adds is less than what rounds without it differ by.
fn is_noise(samples: &Samples) -> bool {
    let (Some(low), Some(middle)) = (min(&samples.alone), median(&samples.alone)) else {
        return true;
    };
    min(&samples.traced).is_none_or(|traced| traced - low < middle - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prediction_is_read_from_its_line_only() {
        let line = "tracer: cost: 54.52 % of the target's 301 ms of CPU time, 46.75 % of a CPU";
        assert_eq!(predicted_percent(line), Some(54.52));
        let other = "tracer: cost: syscall_count 574016 hits, 286 ns each, 164 ms";
        assert_eq!(predicted_percent(other), None);
        let over = "tracer: over the budget of 2 %: x takes 5.0 % of the target's CPU time";
        assert_eq!(predicted_percent(over), None);
    }

    #[test]
    fn shares_and_factors() {
        assert_eq!(share(Some(100.0), Some(200.0)), Some(50.0));
        assert_eq!(share(None, Some(1.0)), None);
        assert_eq!(share(Some(1.0), Some(0.0)), None);
        assert_eq!((off_by(2.0), off_by(0.5)), (2.0, 2.0));
        let samples = |traced| Samples {
            alone: vec![100.0, 104.0, 110.0],
            traced: vec![traced],
            predicted: vec![],
        };
        assert!(is_noise(&samples(103.0)) && !is_noise(&samples(105.0)));
    }
}
