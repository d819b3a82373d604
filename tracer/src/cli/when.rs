//! When to begin: for commands that capture for a while.

use std::time::Duration;

use clap::Args;

use super::TargetArgs;
use crate::error::ExpectedError;
use crate::session::{Condition, Metric, Trigger};
use crate::term::parse_duration;

/// How long a condition must hold where nothing is said.
const DEFAULT_HOLD: Duration = Duration::from_secs(1);

/// When to begin.
#[derive(Clone, Debug, Args)]
pub struct WhenArgs {
    /// Wait for this before attaching: cpu, runqueue (percent of a CPU, of the time), rss (bytes),
    /// threads or fds, > or < a limit, as in 'cpu > 80%' or 'rss > 2G'. Of several processes it is
    /// the sum; with -f, of children that they start meanwhile, too
    #[arg(long, value_name = "CONDITION", conflicts_with = "command")]
    pub when: Option<Condition>,
    /// How long the condition must hold; 1s unless given
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, requires = "when")]
    pub hold: Option<Duration>,
}

impl WhenArgs {
    /// What to wait for, if anything.
    ///
    /// # Errors
    /// When the target has no such value.
    pub fn trigger(&self, target: &TargetArgs) -> Result<Option<Trigger>, ExpectedError> {
        let Some(condition) = self.when else {
            return Ok(None);
        };
        if target.all && condition.metric != Metric::Cpu {
            return Err(ExpectedError::Usage(format!(
                "the host as a whole has no {}: --when with --all takes cpu",
                condition.metric.name()
            )));
        }
        Ok(Some(Trigger {
            condition,
            hold: self.hold.unwrap_or(DEFAULT_HOLD),
        }))
    }
}
