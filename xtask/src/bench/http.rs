//! A Go HTTP service under load, as its clients see it: how many requests a second it can answer,
//! and how long requests take when they come at a fixed rate that it can bear alone.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::client::{Answers, Client};
use super::empty_probe::EmptyPair;
use super::figures::{max, median, min};
use super::load::{self, Load, Meter, Place, Usage};
use super::peers::{self, How};
use super::report::Part;
use super::sections::Pace;
use super::service::Service;
use super::setting::Setting;
use super::table::{Cell, Table, mib};
use crate::{interrupt, step};

/// Share of what the service can do alone that is asked of it at a fixed rate.
const SHARE: f64 = 0.5;

/// Measurements of what the service can do, each time: they are short, and what else happens on the
/// machine makes a service slower, never faster. The best tenth is where nothing did.
const WINDOWS: u32 = 3;

/// Columns of the result; times and shares are medians but for the best tenth.
const HEADS: &[&str] = &[
    "configuration",
    "requests/s",
    "of baseline %",
    "requests/s best tenth",
    "of best tenth %",
    "offered/s",
    "answered %",
    "p50 us",
    "p99 us",
    "p99 us min",
    "p999 us",
    "tool CPU %",
    "tool RSS MiB",
    "lost %",
    "runs",
    "remark",
];

/// Measures the main tools on the light service.
///
/// # Errors
/// The service or its client does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("a Go HTTP service with 16 connections, on one CPU");
    let start = || {
        let mut command = Command::new(setting.go("webservice"));
        command.args(["-procs", "1", "-d", "30m"]);
        Service::announcing(&mut command, "webservice")
    };
    let mut loads = vec![Load::Baseline, Load::EmptyPair];
    loads.extend(setting.loads(|peer| peer.main && peer.how == How::Attached));
    loads.push(Load::Baseline);
    contest(setting, pace, "webservice", &start, &loads, &mut part)?;
    Ok(part)
}

/// One run.
#[derive(Debug)]
struct Run {
    /// Requests a second, as many as it answers, in each window.
    most: Vec<f64>,
    fixed: Answers,
    usage: Option<Usage>,
}

/// Runs of all rounds, by label.
#[derive(Debug, Default)]
struct Runs {
    /// Requests a second of the service alone, in each window between the others.
    alone: Vec<f64>,
    good: BTreeMap<String, Vec<Run>>,
    bad: BTreeMap<String, (usize, String)>,
}

impl Runs {
    /// It never worked, or failed twice.
    fn has_failed(&self, label: &str) -> bool {
        let worked = self.good.contains_key(label);
        let failed = self.bad.get(label).map_or(0, |failure| failure.0);
        failed > usize::from(worked)
    }

    fn of(&self, label: &str, field: impl Fn(&Run) -> f64) -> Vec<f64> {
        let runs = self.good.get(label).into_iter().flatten();
        runs.map(field).collect()
    }

    /// Requests a second in every window.
    fn most(&self, label: &str) -> Vec<f64> {
        let of_label = self.good.get(label).into_iter().flatten();
        let most = of_label.flat_map(|run| run.most.iter().copied());
        match label == Load::Baseline.label() {
            true => most.chain(self.alone.iter().copied()).collect(),
            false => most.collect(),
        }
    }
}

/// A service with its client, which stay while the tools come and go.
struct Pair {
    client: Client,
    service: Service,
}

impl Pair {
    fn start(setting: &Setting, pace: Pace, start: &dyn Fn() -> Result<Service>) -> Result<Self> {
        let service = start()?;
        setting.placement.place_workload(service.pid())?;
        let mut client = Client::start(setting, &service)?;
        // The service warms up.
        client.flat(pace.window)?;
        Ok(Self { client, service })
    }

    /// Requests a second, as many as the service answers, in each of several windows.
    fn most(&mut self, pace: Pace) -> Result<Vec<f64>> {
        let window = pace.window / WINDOWS;
        (0..WINDOWS)
            .map(|_| Ok(self.client.flat(window)?.per_second()))
            .collect()
    }
}

/// Measures `loads` on the service that `start` starts, in turn, and adds a table to `part`.
///
/// # Errors
/// The service or its client does not run untraced, or Ctrl-C.
pub(super) fn contest(
    setting: &Setting,
    pace: Pace,
    name: &str,
    start: &dyn Fn() -> Result<Service>,
    loads: &[Load],
    part: &mut Part,
) -> Result<()> {
    let mut pair = Pair::start(setting, pace, start)?;
    let mut runs = Runs {
        alone: pair.most(pace)?,
        ..Runs::default()
    };
    let rate = round_rate(median(&runs.alone).unwrap_or(0.0) * SHARE);
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    let mut round = 0;
    while round < pace.rounds && (round == 0 || started.elapsed() + longest <= pace.budget) {
        let begun = Instant::now();
        for turn in 0..loads.len() {
            let load = &loads[(turn + round * 5) % loads.len()];
            if runs.has_failed(&load.label()) {
                continue;
            }
            match one(setting, pace, load, &mut pair, rate) {
                Ok(run) => {
                    runs.good.entry(load.label()).or_default().push(run);
                    runs.alone.extend(pair.most(pace)?);
                }
                Err(error) => {
                    failed(&mut runs, load, &error)?;
                    // Whatever happened to the two: the next tool gets new ones.
                    pair = Pair::start(setting, pace, start)?;
                }
            }
        }
        longest = longest.max(begun.elapsed());
        round += 1;
        step::note(&format!(
            "{name}: round {round} of {} at most, {:.0} s",
            pace.rounds,
            begun.elapsed().as_secs_f64()
        ));
    }
    part.tables.push(table(name, &runs, loads, rate));
    part.notes.extend(notes(name, &runs, round));
    Ok(())
}

fn failed(runs: &mut Runs, load: &Load, error: &anyhow::Error) -> Result<()> {
    interrupt::check()?;
    if !matches!(load, Load::Unavailable { .. }) {
        step::note(&format!("{}: {error:#}", load.label()));
    }
    let failure = runs.bad.entry(load.label()).or_default();
    *failure = (failure.0 + 1, format!("{error:#}"));
    Ok(())
}

fn one(setting: &Setting, pace: Pace, load: &Load, pair: &mut Pair, rate: f64) -> Result<Run> {
    let (_probes, tool) = match load {
        Load::Unavailable { why, .. } => anyhow::bail!("{why}"),
        Load::EmptyPair => (Some(EmptyPair::attach()?), None),
        Load::Attached(tool) => {
            let pid = pair.service.pid();
            (
                None,
                Some(load::attached(setting, Place::Pinned, tool, pid)?),
            )
        }
        Load::Baseline | Load::Bystander(_) | Load::Launched(_) => (None, None),
    };
    let meter = tool.as_ref().map(|tool| (Meter::start(tool), tool));
    let most = pair.most(pace)?;
    let fixed = pair.client.fixed(rate, pace.window * 2)?;
    let cpu = meter.map_or(0.0, |(meter, tool)| meter.share(tool));
    let usage = match tool {
        Some(mut tool) => Some(load::ended(setting, &mut tool, cpu)?),
        None => None,
    };
    Ok(Run { most, fixed, usage })
}

/// What nine of ten are below.
fn best_tenth(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * 9 / 10).copied()
}

/// To two digits.
fn round_rate(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.max(1.0).log10().floor() - 1.0);
    (rate / unit).round() * unit
}

fn table(name: &str, runs: &Runs, loads: &[Load], rate: f64) -> Table {
    let title = format!(
        "{name}: as many requests as it answers, then {rate:.0} a second; times from when each was due"
    );
    let hidden = ["requests/s best tenth", "offered/s", "p99 us min"];
    let mut table = Table::new(&title, HEADS).for_programs(&hidden);
    let mut seen = Vec::new();
    for load in loads {
        let label = load.label();
        if !seen.contains(&label) {
            table.push_as(&peers::id_of(&label), row(runs, &label, rate));
            seen.push(label);
        }
    }
    table
}

fn row(runs: &Runs, label: &str, rate: f64) -> Vec<Cell> {
    let most = runs.most(label);
    let alone = runs.most(&Load::Baseline.label());
    let share = |of: fn(&[f64]) -> Option<f64>| {
        let both = of(&most).zip(of(&alone));
        Cell::maybe(both.map(|(one, all)| 100.0 * one / all), 1, "")
    };
    let of = |field: fn(&Run) -> f64| median(&runs.of(label, field));
    let usages = runs.good.get(label).into_iter().flatten();
    let usages: Vec<Usage> = usages.filter_map(|run| run.usage).collect();
    let cpu: Vec<f64> = usages.iter().map(|usage| usage.cpu * 100.0).collect();
    let rss = usages.iter().map(|usage| usage.max_rss).max();
    let lost: Vec<f64> = usages.iter().filter_map(|usage| usage.lost).collect();
    vec![
        Cell::text(label),
        Cell::maybe(median(&most), 0, ""),
        share(median),
        Cell::maybe(best_tenth(&most), 0, ""),
        share(best_tenth),
        Cell::number(rate, 0, ""),
        Cell::maybe(of(|run| run.fixed.share_answered() * 100.0), 1, ""),
        Cell::maybe(of(|run| run.fixed.p50_ns / 1e3), 0, ""),
        Cell::maybe(of(|run| run.fixed.p99_ns / 1e3), 0, ""),
        Cell::maybe(min(&runs.of(label, |run| run.fixed.p99_ns / 1e3)), 0, ""),
        Cell::maybe(of(|run| run.fixed.p999_ns / 1e3), 0, ""),
        Cell::maybe(median(&cpu), 1, ""),
        Cell::maybe(rss.map(mib), 1, ""),
        Cell::maybe(max(&lost).map(|share| share * 100.0), 2, ""),
        Cell::count(runs.good.get(label).map_or(0, Vec::len)),
        runs.bad
            .get(label)
            .map_or(Cell::Absent, |(_, why)| Cell::text(why)),
    ]
}

fn notes(name: &str, runs: &Runs, rounds: usize) -> Vec<String> {
    let label = Load::Baseline.label();
    let alone = runs.most(&label);
    let p99 = runs.of(&label, |run| run.fixed.p99_ns / 1e3);
    let mut notes = vec![format!("{name}: rounds: {rounds}")];
    if let (Some(low), Some(high)) = (min(&alone), max(&alone)) {
        let spread = (high / low - 1.0) * 100.0;
        notes.push(format!(
            "{name}: noise: baseline {low:.0} to {high:.0} requests/s in {} windows, \
             spread {spread:.1} %; p99 {:.0} to {:.0} us",
            alone.len(),
            min(&p99).unwrap_or(0.0),
            max(&p99).unwrap_or(0.0),
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(done: f64, p99_us: f64) -> Answers {
        Answers {
            sent: done,
            done,
            ns: 1e9,
            p50_ns: 1e3,
            p99_ns: p99_us * 1e3,
            p999_ns: 1e6,
            max_ns: 2e6,
            due: done,
        }
    }

    #[test]
    fn a_row_compares_medians_with_the_baseline() {
        let mut runs = Runs::default();
        let run = |done, p99| Run {
            most: vec![done; 3],
            fixed: answers(500.0, p99),
            usage: None,
        };
        let alone = vec![run(1000.0, 10.0), run(900.0, 12.0), run(1100.0, 14.0)];
        runs.good.insert("baseline".to_owned(), alone);
        runs.good.insert("x".to_owned(), vec![run(250.0, 80.0)]);
        let row = row(&runs, "x", 500.0);
        assert_eq!(row[1], Cell::number(250.0, 0, ""));
        assert_eq!(row[2], Cell::number(25.0, 1, ""));
        assert_eq!(row[3], Cell::number(250.0, 0, ""));
        assert_eq!(row[4], Cell::number(25_000.0 / 1100.0, 1, ""));
        assert_eq!(row[8], Cell::number(80.0, 0, ""));
        assert_eq!(row.len(), HEADS.len());
        let noise = &notes("s", &runs, 3)[1];
        assert!(
            noise.contains("900 to 1100 requests/s in 9 windows, spread 22.2 %; p99 10 to 14 us")
        );
    }

    #[test]
    fn rates_have_two_digits() {
        assert!((round_rate(13_749.0) - 14_000.0).abs() < 1e-6);
        assert!((round_rate(86.4) - 86.0).abs() < 1e-6);
    }
}
