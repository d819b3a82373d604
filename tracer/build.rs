//! Compiles the BPF programs into `OUT_DIR/tracer.bpf.o`, which the `bpf` module embeds.
//!
//! The toolchain comes from `cargo xtask setup`; this script never downloads or installs one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[path = "../xtask/src/bpf_toolchain.rs"]
mod bpf_toolchain;

use bpf_toolchain::{Toolchain, cache_dir, object_path, stamp_path};

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let root = variable("CARGO_MANIFEST_DIR")?.join("..");
    let root = root
        .canonicalize()
        .map_err(|e| format!("no workspace root: {e}"))?;
    let cache = cache_dir()?;
    watch(&cache);
    let toolchain = Toolchain::load(&cache)?;
    let out = variable("OUT_DIR")?;
    let target = out.join("bpf");
    let arch =
        env::var("CARGO_CFG_TARGET_ARCH").map_err(|e| format!("CARGO_CFG_TARGET_ARCH: {e}"))?;
    let manifest = root.join("tracer-ebpf/Cargo.toml");
    compile(&mut toolchain.build_command(&manifest, &target, &arch))?;
    let object = object_path(&target, "tracer-ebpf");
    fs::copy(&object, out.join("tracer.bpf.o"))
        .map(drop)
        .map_err(|e| format!("cannot copy {}: {e}", object.display()))
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set"))
}

/// Tells cargo when to run this script again. Inputs are told from the package's directory on, where
/// cargo looks for them: a tree that was moved with what was built in it is then found changed.
fn watch(cache: &Path) {
    const INPUTS: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "tracer-ebpf/Cargo.toml",
        "tracer-ebpf/src",
        "tracer-common/Cargo.toml",
        "tracer-common/src",
    ];
    for input in INPUTS {
        println!("cargo::rerun-if-changed=../{input}");
    }
    println!("cargo::rerun-if-changed={}", stamp_path(cache).display());
    println!("cargo::rerun-if-env-changed=TRACER_CACHE");
    println!("cargo::rerun-if-env-changed=XDG_CACHE_HOME");
}

/// Runs the BPF build. Cargo hides a build script's output unless the script fails, so warnings
/// are only pointed at.
fn compile(command: &mut Command) -> Result<(), String> {
    let out = command
        .output()
        .map_err(|e| format!("cannot run the nightly cargo: {e}"))?;
    let text = String::from_utf8_lossy(&out.stderr);
    eprint!("{text}");
    if !out.status.success() {
        return Err(
            "the BPF programs do not compile; `cargo xtask build-ebpf` shows why".to_owned(),
        );
    }
    if let Some(count) = text
        .lines()
        .find(|l| l.contains("`tracer-ebpf`") && l.contains("generated"))
    {
        println!(
            "cargo::warning={} (`cargo xtask build-ebpf` shows them)",
            count.trim()
        );
    }
    Ok(())
}
