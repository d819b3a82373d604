//! What the repository holds: files that a test or a package tool left in it are not part of it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{step, workspace};

/// All that stands at the top.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".config",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "tests",
    "tracer",
    "tracer-common",
    "tracer-ebpf",
    "xtask",
];

/// Inputs of the fuzzers have the names and lengths that they need.
const FUZZ: &str = "tests/fuzz/";

/// Compares the files that git has with what should be there.
///
/// # Errors
/// Git does not run, or there is a file too many: it is named.
pub(crate) fn check() -> Result<()> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(workspace::root());
    let listed = git.output().context("cannot run git")?;
    if !listed.status.success() {
        // The sources of a release have no repository.
        step::note("the files of the tree are not checked: git does not list them");
        return Ok(());
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    for path in listed.split_terminator('\0') {
        if let Some(why) = unwanted(path) {
            bail!("{path}: {why}; `git rm` it");
        }
    }
    Ok(())
}

fn unwanted(path: &str) -> Option<&'static str> {
    let top = path.split('/').next().unwrap_or(path);
    if !TOP.contains(&top) {
        return Some("does not belong to the top of the tree");
    }
    if path.starts_with(FUZZ) {
        return None;
    }
    // There may be links that lead nowhere, and files just deleted.
    let metadata = workspace::root().join(path).metadata().ok()?;
    (metadata.is_file() && metadata.len() == 0).then_some("is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_tool_left_at_the_top_is_unwanted() {
        assert!(unwanted("a-1.0-py3-none-any.whl").is_some());
        assert!(unwanted("notes/a.md").is_some());
        assert_eq!(unwanted("README.md"), None);
        assert_eq!(unwanted("xtask/src/tree.rs"), None);
    }
}
