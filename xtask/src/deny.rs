//! `cargo xtask deny`: what this repository depends on, judged by cargo-deny with
//! `.config/deny.toml`.

use std::path::Path;
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
    let mut checks = OF_FILES.to_vec();
    match step::output_of(cargo_deny(&program, MANIFESTS[0]).args(["fetch", "db"])) {
        Ok(_) => checks.push("advisories"),
        Err(why) => step::note(&format!(
            "SKIPPED: advisories: their database cannot be fetched: {why:#}"
        )),
    }
    for manifest in MANIFESTS {
        step::note(&format!(
            "checking the dependencies of {manifest}: {}",
            checks.join(", ")
        ));
        step::run(cargo_deny(&program, manifest).arg("check").args(&checks))
            .with_context(|| format!("the dependencies of {manifest} are not as they should be"))?;
    }
    Ok(())
}

fn cargo_deny(program: &Path, manifest: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root())
        .args(["--config", ".config/deny.toml", "--locked"])
        .args(["--manifest-path", manifest])
        .env("CARGO", host::cargo().get_program());
    command
}
