//! Configurations in turn, several times over, so that what changes on the machine meets all.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, bail};

use super::figures::{Figure, Target, max, median, min};
use super::load::{self, Load, Program, Usage};
use super::peers;
use super::sections::Pace;
use super::setting::Setting;
use super::table::{Cell, Table, mib};
use super::workload::Measurement;
use crate::{interrupt, step};

/// What is taken from a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Statistic {
    /// The cost of each single operation.
    P10,
    /// The cost of what happens now and then, such as a sample.
    Mean,
}

impl Statistic {
    pub(super) fn of(self, measurement: &Measurement) -> f64 {
        match self {
            Self::P10 => measurement.p10,
            Self::Mean => measurement.mean,
        }
    }
}

/// Samples of all rounds, in ns per operation.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// By kind of operation, then by configuration.
    samples: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    usage: BTreeMap<String, Vec<Usage>>,
    /// How often a configuration failed, and why the last time.
    failures: BTreeMap<String, (usize, String)>,
    /// Labels of the configurations in their order.
    order: Vec<String>,
    made: usize,
}

/// What a table says of each kind, appended to its name.
const FIELDS: [&str; 5] = [
    " ns",
    " median ns",
    " added median ns",
    " added ns",
    " slowdown",
];

/// The difference to the baseline, by minima and by medians, in ns.
#[derive(Clone, Copy, Debug)]
struct Added {
    min: f64,
    median: f64,
}

impl Rounds {
    /// Runs every program under every configuration, round after round, as long as `pace` allows.
    /// A configuration that fails is left out from then on.
    ///
    /// # Errors
    /// Ctrl-C, or the baseline itself fails.
    pub(super) fn run(
        setting: &Setting,
        pace: Pace,
        loads: &[Load],
        programs: &[Program],
        statistic: Statistic,
    ) -> Result<Self> {
        let mut rounds = Self::default();
        for load in loads {
            let label = load.label();
            if !rounds.order.contains(&label) {
                rounds.order.push(label);
            }
        }
        let started = Instant::now();
        let mut longest = std::time::Duration::ZERO;
        while rounds.made < pace.rounds && started.elapsed() + longest <= pace.budget {
            let begun = Instant::now();
            for turn in 0..loads.len() {
                // Each round begins with another one: no configuration always follows the same.
                let load = &loads[(turn + rounds.made * 5) % loads.len()];
                for program in programs {
                    rounds.one(setting, pace, load, program, statistic)?;
                }
            }
            rounds.made += 1;
            longest = longest.max(begun.elapsed());
            step::note(&format!(
                "round {} of {} at most, {:.0} s",
                rounds.made,
                pace.rounds,
                begun.elapsed().as_secs_f64()
            ));
        }
        Ok(rounds)
    }

    fn one(
        &mut self,
        setting: &Setting,
        pace: Pace,
        load: &Load,
        program: &Program,
        statistic: Statistic,
    ) -> Result<()> {
        let label = load.label();
        if self.has_failed(&label) {
            return Ok(());
        }
        match load::run(setting, program, load, pace.window) {
            Ok(outcome) => {
                for measured in &outcome.measured {
                    let kind = format!("{}{}", program.prefix, measured.kind);
                    let by_label = self.samples.entry(kind).or_default();
                    let samples = by_label.entry(label.clone()).or_default();
                    samples.push(statistic.of(measured));
                }
                self.usage.entry(label).or_default().extend(outcome.usage);
            }
            Err(error) => {
                interrupt::check()?;
                if matches!(load, Load::Baseline) {
                    bail!("{}: {error:#}", program.path.display());
                }
                if !matches!(load, Load::Unavailable { .. }) {
                    step::note(&format!("{label}: {error:#}"));
                }
                let failure = self.failures.entry(label).or_default();
                *failure = (failure.0 + 1, format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// It never worked, or failed twice: what else happens on the machine may do that once.
    fn has_failed(&self, label: &str) -> bool {
        let worked = self.usage.contains_key(label);
        let failed = self.failures.get(label).map_or(0, |failure| failure.0);
        failed > usize::from(worked)
    }

    fn of(&self, kind: &str, label: &str) -> &[f64] {
        let by_label = self.samples.get(kind);
        by_label
            .and_then(|by_label| by_label.get(label))
            .map_or(&[], Vec::as_slice)
    }

    fn baseline(&self, kind: &str) -> &[f64] {
        self.of(kind, &Load::Baseline.label())
    }

    fn added(&self, kind: &str, label: &str) -> Option<Added> {
        let (samples, baseline) = (self.of(kind, label), self.baseline(kind));
        Some(Added {
            min: min(samples)? - min(baseline)?,
            median: median(samples)? - median(baseline)?,
        })
    }

    /// How far the baseline's median is from its minimum, in ns: differences below say nothing.
    fn noise(&self, kind: &str) -> f64 {
        let baseline = self.baseline(kind);
        median(baseline).unwrap_or(0.0) - min(baseline).unwrap_or(0.0)
    }

    /// One table of all `kinds`: a row for each configuration, also for those that failed. For
    /// each kind: minimum and median, both differences to the baseline, and the ratio of minima;
    /// of more than three kinds people see the ratios alone.
    pub(super) fn table(&self, title: &str, kinds: &[&str]) -> Table {
        let mut heads = vec!["configuration".to_owned()];
        let mut for_programs = Vec::new();
        for kind in kinds {
            let of_kind = FIELDS.map(|field| format!("{kind}{field}"));
            let shown = if kinds.len() > 3 {
                &of_kind[4..]
            } else {
                &of_kind[3..]
            };
            let hidden = of_kind.iter().filter(|head| !shown.contains(head));
            for_programs.extend(hidden.cloned());
            heads.extend(of_kind);
        }
        heads.extend(["tool CPU %", "tool RSS MiB", "lost %", "runs", "remark"].map(str::to_owned));
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut table = Table::new(title, &heads).for_programs(&for_programs);
        for label in &self.order {
            table.push_as(&peers::id_of(label), self.row(label, kinds));
        }
        table
    }

    fn row(&self, label: &str, kinds: &[&str]) -> Vec<Cell> {
        let mut row = vec![Cell::text(label)];
        for kind in kinds {
            let samples = self.of(kind, label);
            let added = self.added(kind, label);
            let slowdown = min(samples).zip(min(self.baseline(kind)));
            row.extend([
                Cell::maybe(min(samples), 1, ""),
                Cell::maybe(median(samples), 1, ""),
                Cell::maybe(added.map(|added| added.median), 1, ""),
                Cell::maybe(added.map(|added| added.min), 1, ""),
                Cell::maybe(slowdown.map(|(traced, alone)| traced / alone), 3, "x"),
            ]);
        }
        let runs = kinds.first().map_or(0, |kind| self.of(kind, label).len());
        let failure = self.failures.get(label);
        row.extend([
            Cell::maybe(self.cpu_percent(label), 1, ""),
            Cell::maybe(self.peak_mib(label), 1, ""),
            Cell::maybe(self.lost_percent(label), 2, ""),
            Cell::count(runs),
            failure.map_or(Cell::Absent, |(_, why)| Cell::text(why)),
        ]);
        row
    }

    fn cpu_percent(&self, label: &str) -> Option<f64> {
        let shares: Vec<f64> = self.usage.get(label)?.iter().map(|u| u.cpu).collect();
        median(&shares).map(|share| share * 100.0)
    }

    /// Of the run that lost most.
    fn lost_percent(&self, label: &str) -> Option<f64> {
        let shares = self.usage.get(label)?.iter().filter_map(|usage| usage.lost);
        shares.reduce(f64::max).map(|share| share * 100.0)
    }

    fn peak_mib(&self, label: &str) -> Option<f64> {
        let peaks = self.usage.get(label)?.iter().map(|usage| usage.max_rss);
        peaks.max().map(mib)
    }

    /// What was left out, and how much the baseline itself differs from round to round.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!("rounds: {}", self.made)];
        for kind in self.samples.keys() {
            let baseline = self.baseline(kind);
            let (Some(low), Some(high)) = (min(baseline), max(baseline)) else {
                continue;
            };
            notes.push(format!(
                "noise of {kind}: baseline {low:.1} to {high:.1} ns, spread {:.1} %",
                (high / low - 1.0) * 100.0
            ));
        }
        notes
    }

    /// Added time in configuration `over` divided by that in `under`. `None` when one was not measured or
    /// `under` added nothing.
    pub(super) fn ratio_of_added(
        &self,
        kind: &str,
        over: &str,
        under: &str,
        target: Option<Target>,
    ) -> Option<Figure> {
        let (high, low) = (self.added(kind, over)?, self.added(kind, under)?);
        if low.min <= 0.0 {
            return None;
        }
        Some(Figure {
            name: format!("{kind}: added by `{over}` / by `{under}`"),
            value: high.min / low.min,
            by_medians: (low.median > 0.0).then_some(high.median / low.median),
            unit: "x",
            target,
            below_noise: high.min.min(low.min) < self.noise(kind),
        })
    }

    /// What configuration `by` adds, in ns; with `than`, beyond what that adds.
    pub(super) fn added_ns(
        &self,
        kind: &str,
        by: &str,
        than: Option<&str>,
        target: Target,
    ) -> Option<Figure> {
        let added = self.added(kind, by)?;
        let (name, less) = match than {
            None => (format!("{kind}: added by `{by}`"), None),
            Some(than) => (
                format!("{kind}: added by `{by}` beyond `{than}`"),
                Some(self.added(kind, than)?),
            ),
        };
        let value = added.min - less.map_or(0.0, |l| l.min);
        Some(Figure {
            name,
            value,
            by_medians: Some(added.median - less.map_or(0.0, |l| l.median)),
            unit: " ns",
            target: Some(target),
            below_noise: value < self.noise(kind),
        })
    }

    /// Time in configuration `over` divided by time in `under`.
    pub(super) fn slowdown(&self, kind: &str, over: &str, under: &str) -> Option<Figure> {
        let (high, low) = (self.of(kind, over), self.of(kind, under));
        let (value, lowest) = (min(high)? / min(low)?, min(low)?);
        Some(Figure {
            name: format!("{kind}: time under `{over}` / under `{under}`"),
            value,
            by_medians: Some(median(high)? / median(low)?),
            unit: "x",
            target: None,
            below_noise: ((value - 1.0) * lowest).abs() < self.noise(kind),
        })
    }
}
