//! `cargo xtask deny`: what this repository depends on, judged by cargo-deny with
//! `.config/deny.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cargo_install, host, pins, step, workspace};

/// The dependency graphs: that of the workspace, and that of the fuzz targets, which are one of
/// their own.
const MANIFESTS: &[&str] = &["Cargo.toml", "tests/fuzz/Cargo.toml"];

/// What `Cargo.lock` and the crates' own files tell.
const OF_FILES: &[&str] = &["licenses", "bans", "sources"];

/// Checks licences, banned crates and sources; known vulnerabilities too, where the database of
/// advisories can be fetched. It lies outside the package registry.
///
/// # Errors
/// cargo-deny cannot be had, a lock file is out of date, or a dependency is not allowed.
pub(crate) fn deny() -> Result<()> {
    let program = cargo_install::installed("cargo-deny", pins::CARGO_DENY, "about 4 min")?;
    let advisories = fetch_advisories(&program);
    let mut checks = OF_FILES.to_vec();
    match advisories {
        Ok(()) => checks.push("advisories"),
        Err(why) => step::note(&format!(
            "SKIPPED: advisories: their database cannot be fetched: {why:#}"
        )),
    }
    for manifest in MANIFESTS {
        let manifest = workspace::root().join(manifest);
        step::note(&format!(
            "checking the dependencies of {}: {}",
            manifest.display(),
            checks.join(", ")
        ));
        check(&program, &manifest, &checks)
            .with_context(|| format!("dependencies of {}: not clean", manifest.display()))?;
    }
    Ok(())
}

fn fetch_advisories(program: &Path) -> Result<()> {
    let mut command = command(program, &workspace::root().join(MANIFESTS[0]));
    command.arg("fetch").arg("--config").arg(config()).arg("db");
    step::output_of(&mut command).map(drop)
}

fn check(program: &Path, manifest: &Path, checks: &[&str]) -> Result<()> {
    let mut command = command(program, manifest);
    command
        .args(["check", "--disable-fetch", "--hide-inclusion-graph"])
        .arg("--config")
        .arg(config())
        .args(checks);
    step::run(&mut command)
}

fn config() -> PathBuf {
    workspace::root().join(".config/deny.toml")
}

fn command(program: &Path, manifest: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root())
        .args(["--locked", "--manifest-path"])
        .arg(manifest)
        .env("CARGO", host::cargo().get_program());
    command
}
