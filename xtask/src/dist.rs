//! `cargo xtask dist`: the one static binary that is handed to people.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{elf, host, setup, step, workspace};

/// What a download may weigh.
const MAX_BYTES: u64 = 15 << 20;

/// Builds the release binary for this machine's architecture into `target/dist/tracer`.
///
/// # Errors
/// It does not build, asks for a dynamic loader, or weighs more than 15 MiB.
pub(crate) fn dist() -> Result<()> {
    setup::ensure()?;
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = host::cargo();
    // With --target the flags reach the binary only, not build scripts and macros.
    build
        .args([
            "build",
            "--release",
            "--package",
            "tracer",
            "--bin",
            "tracer",
            "--target",
            &triple,
        ])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    step::run(&mut build).context("tracer does not build")?;
    let built = workspace::target().join(&triple).join("release/tracer");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    if elf::has_interpreter(&bytes)? {
        bail!(
            "{} is not static: it asks for a dynamic loader",
            built.display()
        );
    }
    let size = bytes.len() as u64;
    if size > MAX_BYTES {
        bail!(
            "{} has {size} bytes, more than the {MAX_BYTES} allowed",
            built.display()
        );
    }
    let place = workspace::target().join("dist");
    fs::create_dir_all(&place)?;
    let tracer = place.join("tracer");
    fs::copy(&built, &tracer).with_context(|| format!("cannot write {}", tracer.display()))?;
    let sum = step::output_of(Command::new("sha256sum").arg(&tracer))?;
    println!("{}: {size} bytes, static", tracer.display());
    println!(
        "sha256 {}",
        sum.split_whitespace().next().unwrap_or_default()
    );
    Ok(())
}
