//! Samples of one quantity, and ratios of two with their targets.

/// The smallest; `None` without samples.
pub(super) fn min(samples: &[f64]) -> Option<f64> {
    samples.iter().copied().reduce(f64::min)
}

/// The largest; `None` without samples.
pub(super) fn max(samples: &[f64]) -> Option<f64> {
    samples.iter().copied().reduce(f64::max)
}

/// The middle one, or the mean of the two in the middle; `None` without samples.
pub(super) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(half.checked_sub(1)?)?, upper))
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    /// Whether `value` is what it should be. It is printed, and nothing depends on it.
    pub(super) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    /// As in `target ≤ 1.8: met`.
    pub(super) fn verdict(self, value: f64) -> String {
        let (sign, limit) = match self {
            Self::AtMost(limit) => ("≤", limit),
            Self::AtLeast(limit) => ("≥", limit),
        };
        let word = if self.is_met(value) { "met" } else { "missed" };
        format!("target {sign} {limit}: target {word}")
    }
}

/// One number of the report that stands for itself.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: String,
    /// By the minima over rounds.
    pub(super) value: f64,
    /// The same by the medians.
    pub(super) by_medians: Option<f64>,
    /// After the number: `x`, `ms`.
    pub(super) unit: &'static str,
    pub(super) target: Option<Target>,
    /// A difference it is made from is smaller than the noise.
    pub(super) below_noise: bool,
}

impl Figure {
    /// A line for people.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{}: {}{}", self.name, digits(self.value), self.unit);
        if let Some(median) = self.by_medians {
            line.push_str(&format!(" (by medians {}{})", digits(median), self.unit));
        }
        if self.below_noise {
            line.push_str(" (below the noise)");
        }
        if let Some(target) = self.target {
            line.push_str(&format!("   [{}]", target.verdict(self.value)));
        }
        line
    }
}

/// Three decimals below 2, where one percent matters, and one above 100.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 2.0 => 3,
        large if large >= 100.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(min(&[2.0, 1.0]), Some(1.0));
        assert_eq!(max(&[]), None);
    }

    #[test]
    fn a_verdict_stands_beside_each_target() {
        assert_eq!(Target::AtMost(1.8).verdict(1.8), "target ≤ 1.8: target met");
        assert_eq!(
            Target::AtLeast(50.0).verdict(49.0),
            "target ≥ 50: target missed"
        );
    }

    #[test]
    fn a_line_has_the_decimals_that_matter() {
        let figure = Figure {
            name: "slowdown".to_owned(),
            value: 1.0204,
            by_medians: Some(250.04),
            unit: "x",
            target: None,
            below_noise: true,
        };
        let expected = "slowdown: 1.020x (by medians 250.0x) (below the noise)";
        assert_eq!(figure.line(), expected);
    }
}
