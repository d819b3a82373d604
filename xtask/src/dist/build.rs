//! The static release binary, without a trace of the directories it was built in.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::source::Source;
use crate::bpf_toolchain::registries;
use crate::machine::Machine;
use crate::{elf, step, workspace};

/// What a download may weigh.
const MAX_BYTES: u64 = 15 << 20;

/// Builds for `machine` and returns the binary's path.
///
/// # Errors
/// It does not build, asks for a dynamic loader, or weighs more than 15 MiB.
pub(super) fn binary(machine: Machine, source: &Source) -> Result<PathBuf> {
    let triple = machine.triple();
    let mut build = machine.cargo()?;
    // With --target the flags reach the binary only, not build scripts and macros.
    build
        .args(["build", "--release", "--locked"])
        .args(["--package", "tracer", "--bin", "tracer"])
        .args(["--target", triple])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(machine)?);
    step::run(source.tell(&mut build)).context("tracer does not build")?;
    let built = workspace::target().join(triple).join("release/tracer");
    check(&built)?;
    Ok(built)
}

fn flags(machine: Machine) -> Result<OsString> {
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    let mut remap = |from: &Path, to: &str| {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    remap(&workspace::root(), ".");
    for registry in registries() {
        remap(&registry, "/registry");
    }
    if let Some(library) = machine.library()? {
        remap(&library, "/rustc/library");
    }
    Ok(flags)
}

fn check(built: &Path) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if elf::has_interpreter(&bytes)? {
        let file = built.display();
        bail!("{file} is not static: it asks for a dynamic loader");
    }
    let size = bytes.len() as u64;
    if size > MAX_BYTES {
        let file = built.display();
        bail!("{file} has {size} bytes, more than the {MAX_BYTES} allowed");
    }
    // Panic messages and the BPF programs' line information are where directories would show.
    for place in registries().into_iter().chain([workspace::root()]) {
        let needle = place.as_os_str().as_encoded_bytes();
        if bytes.windows(needle.len()).any(|w| w == needle) {
            let (file, place) = (built.display(), place.display());
            bail!("{file} names a directory of this machine: {place}");
        }
    }
    Ok(())
}
