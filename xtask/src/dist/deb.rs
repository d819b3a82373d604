//! The Debian package, by cargo-deb from the description in tracer's `Cargo.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::source::Source;
use crate::bpf_toolchain::cache_dir;
use crate::{host, pins, step, workspace};

/// As in `[package.metadata.deb]`.
pub(super) const MAINTAINER: &str = "The tracer authors <authors@tracer.invalid>";

/// Packs `target/TRIPLE/release/package` into a package in `out`.
///
/// # Errors
/// cargo-deb cannot be had, or does not make the package.
pub(super) fn pack(triple: &str, source: &Source, out: &Path) -> Result<()> {
    let cargo_deb = cargo_deb()?;
    let mut command = Command::new(&cargo_deb);
    command
        .current_dir(workspace::root())
        .args(["--package", "tracer", "--target", triple])
        .args([
            "--no-build",
            "--no-strip",
            "--no-dbgsym",
            "--locked",
            "--output",
        ])
        .arg(out)
        .env("CARGO", host::cargo().get_program());
    step::output_of(source.tell(&mut command))
        .map(drop)
        .context("no Debian package")
}

/// The pinned cargo-deb: compression and file order are its, and so the package's bytes.
fn cargo_deb() -> Result<PathBuf> {
    let cache = cache_dir().map_err(|e| anyhow!(e))?;
    let root = cache.join("cargo-deb").join(pins::CARGO_DEB);
    let program = root.join("bin/cargo-deb");
    if program.is_file() {
        return Ok(program);
    }
    let mut install = host::cargo();
    install
        .args([
            "install",
            "cargo-deb",
            "--locked",
            "--version",
            pins::CARGO_DEB,
        ])
        .arg("--root")
        .arg(&root)
        .env("CARGO_TARGET_DIR", root.join("build"));
    let what = format!("building cargo-deb {} (about 3 min)", pins::CARGO_DEB);
    step::run_logged(&what, &mut install, &cache.join("logs/cargo-deb.log"))?;
    std::fs::remove_dir_all(root.join("build"))?;
    Ok(program)
}
