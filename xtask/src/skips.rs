//! What tests said of themselves when they did not take place: `tests/src/skip.rs` writes it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::{step, workspace};

/// The variable by which tests know the file.
pub(crate) const VARIABLE: &str = "TRACER_SKIPS";

/// The skips of one run.
#[derive(Debug)]
pub(crate) struct Skips {
    file: PathBuf,
    deny: bool,
}

impl Skips {
    /// Begins with none. With `deny`, and where `CI` is set, one is a failure.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn begin(deny: bool) -> Result<Self> {
        let file = workspace::target().join(format!("skips-{}", std::process::id()));
        std::fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        let in_ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty());
        Ok(Self {
            file,
            deny: deny || in_ci,
        })
    }

    /// What [`VARIABLE`] must be.
    pub(crate) fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// Adds one that is not a single test's.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add(&self, what: &str, why: &str) -> Result<()> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.file)?;
        Ok(writeln!(file, "{what}\t{why}")?)
    }

    /// Lists them all.
    ///
    /// # Errors
    /// There is one, and they are denied.
    pub(crate) fn end(self) -> Result<()> {
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        std::fs::remove_file(&self.file)?;
        let skips = parse(&text);
        if skips.is_empty() {
            return Ok(());
        }
        for (test, why) in &skips {
            step::note(&format!("SKIPPED {test}: {why}"));
        }
        let number = skips.len();
        if self.deny {
            bail!("{number} skipped: with --deny-skips, and where CI is set, that is a failure");
        }
        step::note(&format!(
            "{number} skipped; they are among those counted as passed"
        ));
        Ok(())
    }
}

/// Test and reason of each line. A test that is repeated says it again.
fn parse(text: &str) -> BTreeSet<(&str, &str)> {
    let skip = |line| str::split_once(line, '\t').unwrap_or((line, "no reason given"));
    text.lines().map(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_skip_is_listed_once_with_its_reason() {
        let skips = parse("go::b\tno root\ngo::a\tno strace\ngo::b\tno root\ngo::c\n");
        assert_eq!(
            skips.into_iter().collect::<Vec<_>>(),
            [
                ("go::a", "no strace"),
                ("go::b", "no root"),
                ("go::c", "no reason given")
            ]
        );
    }

    #[test]
    fn skips_are_a_failure_only_where_they_are_denied() {
        for (deny, skipped) in [(true, false), (false, true), (true, true)] {
            let file = std::env::temp_dir().join(format!(
                "xtask-skips-{}-{deny}-{skipped}",
                std::process::id()
            ));
            std::fs::write(&file, "").expect("a file");
            let skips = Skips {
                file: file.clone(),
                deny,
            };
            if skipped {
                skips.add("go::a", "no root").expect("written");
            }
            let failed = skips.end().is_err();
            assert_eq!(failed, deny && skipped);
            assert!(!file.exists());
        }
    }
}
