//! What a scenario has measured, for people.

use std::fmt;
use std::time::Duration;

/// Names and values, in the order they were noted.
#[derive(Debug, Default)]
pub(super) struct Figures(Vec<(String, String)>);

impl Figures {
    pub(super) fn note(&mut self, name: impl Into<String>, value: impl fmt::Display) {
        self.0.push((name.into(), value.to_string()));
    }

    /// Median, 99th percentile and maximum of durations, in milliseconds.
    pub(super) fn note_times(&mut self, name: &str, times: &mut [Duration]) {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else {
            return;
        };
        let at = |share: f64| times[(last as f64 * share).round() as usize].as_secs_f64() * 1e3;
        let text = format!(
            "p50 {:.0}, p99 {:.0}, max {:.0} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        );
        self.note(name, text);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "    {name:<28} {value}")?;
        }
        Ok(())
    }
}

/// Slope of the least-squares line through points `(x, y)`; zero for less than two.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let together: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn times_are_shown_by_rank() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let mut figures = Figures::default();
        figures.note_times("attach", &mut times);
        assert_eq!(figures.0[0].1, "p50 51, p99 99, max 100 ms");
    }
}
