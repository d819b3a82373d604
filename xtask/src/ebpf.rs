//! `cargo xtask build-ebpf`: the BPF object alone, for a look at its errors or its size.

use std::fs;

use anyhow::{Context, Result};

use crate::bpf_toolchain::object_path;
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
