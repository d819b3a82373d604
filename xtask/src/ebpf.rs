//! `cargo xtask build-ebpf`: the BPF object alone, for a look at its errors or its size.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bpf_toolchain::{Toolchain, object_path};
use crate::{elf, setup, step, workspace};

/// Compiles tracer-ebpf and prints where the object is and what it holds. With `deny_warnings`
/// a warning of the compiler is an error.
///
/// # Errors
/// Setup or the build fails.
pub(crate) fn build(deny_warnings: bool) -> Result<()> {
    let toolchain = setup::ensure()?;
    let root = workspace::root();
    let target = root.join("target/bpf");
    let manifest = root.join("tracer-ebpf/Cargo.toml");
    let mut command = toolchain.build_command(&manifest, &target, std::env::consts::ARCH);
    if deny_warnings {
        command.args(["--config", "build.warnings='deny'"]);
    }
    step::run(&mut command).context("the BPF programs do not build")?;
    let path = object_path(&target, "tracer-ebpf");
    let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let summary = elf::bpf_summary(&object)?;
    println!(
        "{}: {} bytes, {} programs{}",
        path.display(),
        object.len(),
        summary.programs.len(),
        if summary.has_btf { ", BTF" } else { ", NO BTF" }
    );
    Ok(())
}

/// Holds tracer-ebpf to the lint that asks for the reason of every `unsafe`. The others are for
/// code that no verifier reads.
///
/// # Errors
/// A block has no reason.
pub(crate) fn lint() -> Result<()> {
    let toolchain = setup::ensure()?;
    if !toolchain.sysroot.join("bin/cargo-clippy").is_file() {
        step::note("SKIPPED: lints of the BPF programs: the nightly has no clippy");
        return Ok(());
    }
    let root = workspace::root();
    let manifest = root.join("tracer-ebpf/Cargo.toml");
    step::run(&mut clippy(&toolchain, &manifest, &root.join("target/bpf")))
        .context("BPF programs: not clean")
}

/// The build command with clippy in the compiler's place.
fn clippy(toolchain: &Toolchain, manifest: &Path, target: &Path) -> Command {
    let command = toolchain.build_command(manifest, target, std::env::consts::ARCH);
    let words: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
    let mut clippy = Command::new(command.get_program());
    clippy.arg("clippy").args(words).args([
        "--",
        "-A",
        "clippy::all",
        "-D",
        "clippy::undocumented_unsafe_blocks",
    ]);
    for (key, value) in command.get_envs() {
        match value {
            // Clippy sets it to itself.
            _ if key == "RUSTC_WORKSPACE_WRAPPER" => {}
            Some(value) => {
                clippy.env(key, value);
            }
            None => {
                clippy.env_remove(key);
            }
        }
    }
    clippy
}
