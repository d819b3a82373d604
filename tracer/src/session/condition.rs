//! When to begin a capture, as users type it: `cpu > 80%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::term;

/// What of processes can be waited for. Of several processes it is the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// CPU time in percent of one CPU.
    Cpu,
    /// Time of all threads on run queues, in percent of the time that passes.
    RunQueue,
    /// Memory in RAM, in bytes.
    Rss,
    Threads,
    /// Open descriptors.
    Fds,
}

/// All metrics with their names.
const METRICS: [(&str, Metric); 5] = [
    ("cpu", Metric::Cpu),
    ("runqueue", Metric::RunQueue),
    ("rss", Metric::Rss),
    ("threads", Metric::Threads),
    ("fds", Metric::Fds),
];

const PERCENT: &[(&str, f64)] = &[("%", 1.0), ("", 1.0)];
const BYTES: &[(&str, f64)] = &[
    ("", 1.0),
    ("B", 1.0),
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("T", 1_099_511_627_776.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];
const COUNT: &[(&str, f64)] = &[("", 1.0)];

impl Metric {
    const fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Cpu | Self::RunQueue => PERCENT,
            Self::Rss => BYTES,
            Self::Threads | Self::Fds => COUNT,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = METRICS.iter().find(|row| row.1 == self);
        row.map_or("", |row| row.0)
    }

    /// A value with its unit, for people.
    #[must_use]
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::RunQueue => format!("{} %", rounded(value)),
            Self::Rss => term::bytes(value as u64),
            Self::Threads | Self::Fds => rounded(value),
        }
    }
}

/// One decimal where there is anything behind the point.
fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A metric is above a limit, or below it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    pub metric: Metric,
    /// Otherwise below.
    pub above: bool,
    /// Percent, bytes or a number.
    pub limit: f64,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error(
        "{text:?} is no condition: it must be METRIC > LIMIT or METRIC < LIMIT, as in 'cpu > 80%'"
    )]
    NoComparison { text: String },
    #[error(
        "{text:?} is no condition: {name:?} is no metric; use cpu, runqueue, rss, threads or fds"
    )]
    NoMetric { text: String, name: String },
    #[error("{text:?} is no condition: {limit:?} is no limit of {metric}; give it as {example}")]
    NoLimit {
        text: String,
        limit: String,
        metric: &'static str,
        example: &'static str,
    },
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let whole = || text.trim().to_owned();
        let at = text.find(['<', '>']);
        let at = at.ok_or_else(|| ConditionError::NoComparison { text: whole() })?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let above = rest.starts_with('>');
        let row = METRICS.iter().find(|row| row.0 == name);
        let &(_, metric) = row.ok_or_else(|| ConditionError::NoMetric {
            text: whole(),
            name: name.to_owned(),
        })?;
        let limit = rest[1..].trim();
        match parse_limit(limit, metric.units()) {
            Some(limit) => Ok(Self {
                metric,
                above,
                limit,
            }),
            None => Err(ConditionError::NoLimit {
                text: whole(),
                limit: limit.to_owned(),
                metric: metric.name(),
                example: example(metric),
            }),
        }
    }
}

const fn example(metric: Metric) -> &'static str {
    match metric {
        Metric::Cpu | Metric::RunQueue => "80%",
        Metric::Rss => "500M",
        Metric::Threads | Metric::Fds => "200",
    }
}

/// A number that can be exceeded, with a unit of these.
fn parse_limit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let digits = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let size = units.iter().find(|u| u.0 == unit.trim_start())?.1;
    let value = number.parse::<f64>().ok()? * size;
    value.is_finite().then_some(value)
}

impl Condition {
    /// Whether it is so at a value.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.above {
            true => value > self.limit,
            false => value < self.limit,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.above { '>' } else { '<' };
        let limit = self.metric.shown(self.limit);
        write!(f, "{} {sign} {limit}", self.metric.name())
    }
}

/// What a run waits for before it captures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trigger {
    pub condition: Condition,
    /// So long it must be so without a break.
    pub hold: Duration,
}

/// Values of a trigger's metric as time passes.
#[derive(Debug)]
pub(super) struct Held {
    trigger: Trigger,
    /// Since when the condition holds.
    since: Option<Duration>,
    /// The value nearest to the condition, or furthest beyond it.
    best: Option<f64>,
}

impl Held {
    pub(super) const fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            since: None,
            best: None,
        }
    }

    /// Takes the value at a time; whether the condition has held long enough by then.
    pub(super) fn observe(&mut self, now: Duration, value: f64) -> bool {
        let better = |best: f64| match self.trigger.condition.above {
            true => best.max(value),
            false => best.min(value),
        };
        self.best = Some(self.best.map_or(value, better));
        if !self.trigger.condition.holds(value) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_sub(since) >= self.trigger.hold
    }

    /// How far it came, as "…, but" would go on.
    pub(super) fn best(&self) -> String {
        let metric = self.trigger.condition.metric;
        let extreme = match self.trigger.condition.above {
            true => "at most",
            false => "at least",
        };
        match self.best {
            Some(value) => format!("{} was {extreme} {}", metric.name(), metric.shown(value)),
            None => format!("{} was never seen", metric.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn conditions_and_mistakes() {
        let of = |metric, above, limit| Condition {
            metric,
            above,
            limit,
        };
        for (text, want, shown) in [
            ("cpu > 80%", of(Metric::Cpu, true, 80.0), "cpu > 80 %"),
            ("cpu>150.5", of(Metric::Cpu, true, 150.5), "cpu > 150.5 %"),
            (
                " runqueue < 5 % ",
                of(Metric::RunQueue, false, 5.0),
                "runqueue < 5 %",
            ),
            (
                "rss > 1.5G",
                of(Metric::Rss, true, 1_610_612_736.0),
                "rss > 1.50 GiB",
            ),
            (
                "rss < 512 KiB",
                of(Metric::Rss, false, 524_288.0),
                "rss < 512 KiB",
            ),
            (
                "threads > 200",
                of(Metric::Threads, true, 200.0),
                "threads > 200",
            ),
            ("fds<3", of(Metric::Fds, false, 3.0), "fds < 3"),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
            assert_eq!(want.to_string(), shown);
        }
        for (text, want) in [
            ("", "\"\" is no condition: it must be METRIC > LIMIT"),
            ("cpu = 80", "\"cpu = 80\" is no condition: it must be"),
            ("load > 3", "\"load > 3\" is no condition: \"load\" is no"),
            (
                "cpu > lots",
                "\"cpu > lots\" is no condition: \"lots\" is no limit of cpu; give it as 80%",
            ),
            ("cpu > 80M", "\"cpu > 80M\" is no condition: \"80M\""),
            ("cpu >= 80", "\"cpu >= 80\" is no condition: \"= 80\""),
            ("cpu > -1", "\"cpu > -1\" is no condition: \"-1\""),
            (
                "rss > 5%",
                "\"rss > 5%\" is no condition: \"5%\" is no limit of rss; give it as 500M",
            ),
            ("threads > 5 K", "\"threads > 5 K\" is no condition"),
        ] {
            let error = text.parse::<Condition>().expect_err(text).to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn a_condition_must_hold_without_a_break() {
        let at = Duration::from_millis;
        let trigger = Trigger {
            condition: "cpu > 80%".parse().expect("a condition"),
            hold: at(400),
        };
        let mut held = Held::new(trigger);
        assert_eq!(held.best(), "cpu was never seen");
        let values = [
            (0, 90.0, false),
            (200, 99.0, false),
            (300, 80.0, false),
            (500, 81.0, false),
            (700, 81.0, false),
            (900, 85.0, true),
        ];
        for (ms, value, want) in values {
            assert_eq!(held.observe(at(ms), value), want, "after {ms} ms");
        }
        assert_eq!(held.best(), "cpu was at most 99 %");
        let below = Trigger {
            condition: "fds < 4".parse().expect("a condition"),
            hold: Duration::ZERO,
        };
        let mut held = Held::new(below);
        assert!(!held.observe(at(0), 5.0) && !held.observe(at(1), 4.0));
        assert_eq!(held.best(), "fds was at least 4");
        assert!(held.observe(at(2), 3.0));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,30}") {
            if let Ok(condition) = text.parse::<Condition>() {
                prop_assert!(condition.limit >= 0.0 && condition.limit.is_finite());
            }
        }

        #[test]
        fn any_number_of_any_metric_is_a_limit(row in 0..METRICS.len(), limit in 0u32..100_000) {
            let (name, metric) = METRICS[row];
            let condition = Condition { metric, above: false, limit: f64::from(limit) };
            prop_assert_eq!(format!("{name} < {limit}").parse(), Ok(condition));
        }
    }
}
