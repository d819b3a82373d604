//! The Debian package, by cargo-deb from the description in tracer's `Cargo.toml`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::source::Source;
use crate::{cargo_install, host, pins, step, workspace};

/// As in `[package.metadata.deb]`.
pub(super) const MAINTAINER: &str = "The tracer authors <authors@tracer.invalid>";

/// Packs `target/TRIPLE/release/package` into a package in `out`.
///
/// # Errors
/// cargo-deb cannot be had, or does not make the package.
pub(super) fn pack(triple: &str, source: &Source, out: &Path) -> Result<()> {
    // Compression and file order are its, and so the package's bytes.
    let cargo_deb = cargo_install::installed("cargo-deb", pins::CARGO_DEB, "about 3 min")?;
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
