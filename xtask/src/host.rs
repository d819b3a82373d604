//! Cargo for the host side: the stable toolchain that runs xtask itself.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{step, workspace};

/// The cargo that started xtask, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root());
    cargo
}

/// Builds the tracer binary and returns its path.
///
/// # Errors
/// It does not build.
pub(crate) fn build_tracer(release: bool) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "tracer", "--bin", "tracer"]);
    if release {
        build.arg("--release");
    }
    step::run(&mut build).context("tracer does not build")?;
    let profile = if release { "release" } else { "debug" };
    Ok(workspace::target().join(profile).join("tracer"))
}
