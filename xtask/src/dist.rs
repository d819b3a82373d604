//! `cargo xtask dist`: the one static binary that is handed to people.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine::Machine;
use crate::{elf, setup, step, workspace};

/// What a download may weigh.
const MAX_BYTES: u64 = 15 << 20;

/// Builds the release binary into `target/dist/tracer`, that of another architecture than this
/// machine's into `target/dist/tracer-ARCH`.
///
/// # Errors
/// It does not build, asks for a dynamic loader, or weighs more than 15 MiB.
pub(crate) fn dist(machine: Machine) -> Result<()> {
    setup::ensure()?;
    let triple = machine.triple();
    let mut build = machine.cargo()?;
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
            triple,
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(machine)?);
    step::run(&mut build).context("tracer does not build")?;
    let built = workspace::target().join(triple).join("release/tracer");
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
    let name = if machine == Machine::HOST {
        "tracer".to_owned()
    } else {
        format!("tracer-{}", machine.name())
    };
    let tracer = place.join(name);
    fs::copy(&built, &tracer).with_context(|| format!("cannot write {}", tracer.display()))?;
    let sum = step::output_of(Command::new("sha256sum").arg(&tracer))?;
    println!("{}: {size} bytes, static", tracer.display());
    println!(
        "sha256 {}",
        sum.split_whitespace().next().unwrap_or_default()
    );
    Ok(())
}

fn flags(machine: Machine) -> Result<String> {
    let mut flags = "-Ctarget-feature=+crt-static".to_owned();
    if let Some(library) = machine.library()? {
        flags += &format!(
            "\x1f--remap-path-prefix={}=/rustc/library",
            library.display()
        );
    }
    Ok(flags)
}
