//! What the repository holds: files that a test or a package tool left in it are not part of it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{host, step, workspace};

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

/// `tracer` needs the BPF toolchain to be built, and `xtask` is what sets that up: on a new machine
/// it has to build without. What it depends on is asked of cargo.
///
/// # Errors
/// Cargo does not tell, or `xtask` depends on `tracer`.
pub(crate) fn check_bootstrap() -> Result<()> {
    let mut cargo = host::cargo();
    cargo.args(["tree", "--package", "xtask", "--edges", "normal,build"]);
    cargo.args(["--prefix", "none", "--format", "{p}"]);
    let listed = cargo.output().context("cannot run cargo tree")?;
    if !listed.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    if needs_bpf(&listed) {
        bail!("xtask depends on tracer: on a new machine neither can be built");
    }
    Ok(())
}

/// `tree` has a line `NAME vVERSION (PATH)` for each package.
fn needs_bpf(tree: &str) -> bool {
    tree.lines().any(|line| line.starts_with("tracer v"))
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
    fn tracer_itself_is_what_a_new_machine_cannot_build() {
        assert!(needs_bpf(
            "xtask v0.1.0 (/src/xtask)\ntracer v0.1.0 (/src/tracer)\n"
        ));
        assert!(!needs_bpf("tracer-tests v0.1.0 (/src/tests)\n"));
    }

    #[test]
    fn what_a_package_tool_left_at_the_top_is_unwanted() {
        assert!(unwanted("a-1.0-py3-none-any.whl").is_some());
        assert!(unwanted("notes/a.md").is_some());
        assert_eq!(unwanted("README.md"), None);
        assert_eq!(unwanted("xtask/src/tree.rs"), None);
    }
}
