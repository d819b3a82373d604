//! What a release is made from: its commit, and the one time that everything in it carries.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{step, workspace};

/// The names under which a build is told. Set from outside they win: a source tree without its
/// history is built into the same bytes.
const COMMIT: &str = "TRACER_COMMIT";
const COMMIT_DATE: &str = "TRACER_COMMIT_DATE";
/// <https://reproducible-builds.org/specs/source-date-epoch/>
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The state of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Abbreviated commit, with `+` when files differ from it; empty outside of a repository.
    pub(super) commit: String,
    /// Its day, `YYYY-MM-DD`, UTC.
    pub(super) date: String,
    /// Its time, seconds since 1970.
    pub(super) epoch: u64,
}

impl Source {
    /// Asks the environment, then git. A tree without either has no commit and is dated 1970.
    ///
    /// # Errors
    /// `SOURCE_DATE_EPOCH` is no number.
    pub(super) fn of_tree() -> Result<Self> {
        let log = |format: &str| git(&["log", "-1", format]).unwrap_or_default();
        let epoch = env::var(EPOCH).unwrap_or_else(|_| log("--format=%ct"));
        let epoch = match epoch.trim() {
            "" => 0,
            number => number
                .parse()
                .with_context(|| format!("{EPOCH} is no number: {number}"))?,
        };
        Ok(Self {
            commit: env::var(COMMIT).unwrap_or_else(|_| commit()),
            date: env::var(COMMIT_DATE).unwrap_or_else(|_| day(epoch)),
            epoch,
        })
    }

    /// Tells a command.
    pub(super) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(EPOCH, self.epoch.to_string());
        for (name, value) in [(COMMIT, &self.commit), (COMMIT_DATE, &self.date)] {
            // An empty one would be shown as such.
            match value.as_str() {
                "" => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        command
    }
}

fn git(args: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(args);
    Some(step::output_of(&mut git).ok()?.trim().to_owned())
}

fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return String::new();
    };
    let clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    commit + if clean { "" } else { "+" }
}

/// The UTC day of a time, `YYYY-MM-DD`.
///
/// Days to civil date with years that begin in March, so that the leap day is the last one.
pub(super) fn day(epoch: u64) -> String {
    let days = epoch / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::day;

    /// From `date -u -d @N +%F`.
    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(951_868_800), "2000-03-01");
        assert_eq!(day(1_795_262_391), "2026-11-21");
        assert_eq!(day(4_107_542_399), "2100-02-28");
        assert_eq!(day(4_107_542_400), "2100-03-01");
    }
}
