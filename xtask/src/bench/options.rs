//! What is measured, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// At most three minutes: shows that it works, the figures are rough
    #[arg(long)]
    pub(super) quick: bool,
    /// Also write everything as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) tracer: Option<PathBuf>,
    /// The large Go program of `attach` instead of one found on this machine
    #[arg(long, value_name = "PATH")]
    pub(super) large_go: Option<PathBuf>,
    /// What to measure; everything without one
    pub(super) names: Vec<Section>,
}

/// One part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Section {
    /// Added time for each system call
    Syscalls,
    /// Calls a second that reach the output
    Streaming,
    /// Profile, off-CPU, scheduler and garbage collection
    Sampling,
    /// From start to the first line of a result
    Attach,
    /// CPU time and memory of tracer itself
    Resources,
    /// The cost that tracer predicts against the slowdown that its target sees
    Cost,
}

/// How long the parts take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A round is not begun when the one before took longer than what is left of this.
    pub(super) budget: Duration,
    /// Rounds at most.
    pub(super) rounds: usize,
    /// How long a workload measures one kind of operation.
    pub(super) window: Duration,
}

impl Options {
    /// The parts to measure, in the report's order.
    pub(super) fn sections(&self) -> Vec<Section> {
        let all = Section::value_variants();
        let wanted = |s: &&Section| self.names.is_empty() || self.names.contains(s);
        all.iter().filter(wanted).copied().collect()
    }

    /// How long `section` may take. The budgets add up to less than 10 minutes, with `--quick`
    /// to less than 3; a first round is always made.
    pub(super) fn pace(&self, section: Section) -> Pace {
        let (full_s, full_rounds, full_ms, quick_s, quick_rounds, quick_ms) = match section {
            Section::Syscalls => (200, 12, 250, 45, 3, 80),
            // Windows of at most 0.8 s: the kernel keeps 5 % of every second from SCHED_FIFO.
            Section::Sampling => (140, 8, 800, 35, 2, 400),
            Section::Streaming => (40, 3, 1000, 12, 1, 500),
            Section::Attach => (40, 7, 0, 10, 2, 0),
            Section::Resources => (35, 1, 3000, 14, 1, 800),
            Section::Cost => (100, 8, 400, 22, 2, 200),
        };
        let (seconds, rounds, ms) = if self.quick {
            (quick_s, quick_rounds, quick_ms)
        } else {
            (full_s, full_rounds, full_ms)
        };
        Pace {
            budget: Duration::from_secs(seconds),
            rounds,
            window: Duration::from_millis(ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(quick: bool, names: Vec<Section>) -> Options {
        Options {
            quick,
            json: None,
            tracer: None,
            large_go: None,
            names,
        }
    }

    fn total(options: &Options) -> Duration {
        let budgets = options
            .sections()
            .into_iter()
            .map(|s| options.pace(s).budget);
        budgets.sum()
    }

    #[test]
    fn the_budgets_keep_the_promised_totals() {
        assert!(total(&options(false, vec![])) < Duration::from_secs(10 * 60));
        assert!(total(&options(true, vec![])) < Duration::from_secs(3 * 60));
    }

    #[test]
    fn names_choose_parts_in_the_reports_order() {
        let named = options(true, vec![Section::Attach, Section::Syscalls]);
        assert_eq!(named.sections(), [Section::Syscalls, Section::Attach]);
    }
}
