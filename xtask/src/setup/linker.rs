//! bpf-linker: the one on PATH, or the pinned one built into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::nightly::Nightly;
use crate::bpf_toolchain::isolate;
use crate::{pins, step};

/// A linker that may or may not work with the nightly at hand: the trial build tells.
#[derive(Clone, Debug)]
pub(super) struct Linker {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// Where the pinned linker for LLVM `llvm` is built.
fn home(cache: &Path, llvm: u32) -> PathBuf {
    cache.join(format!("bpf-linker/{}-llvm{llvm}", pins::BPF_LINKER))
}

/// The linker an earlier setup built for this nightly's LLVM.
pub(super) fn cached(cache: &Path, nightly: &Nightly) -> Option<Linker> {
    let path = home(cache, nightly.llvm).join("bin/bpf-linker");
    let version = format!("bpf-linker {}", pins::BPF_LINKER);
    path.is_file().then_some(Linker { path, version })
}

/// A linker the user has installed.
pub(super) fn on_path() -> Option<Linker> {
    let dirs = std::env::var_os("PATH")?;
    let path = std::env::split_paths(&dirs)
        .map(|dir| dir.join("bpf-linker"))
        .find(|path| path.is_file())?;
    let version = step::output_of(Command::new(&path).arg("--version")).ok()?;
    Some(Linker {
        path,
        version: version.trim().to_owned(),
    })
}

/// Builds the pinned linker with `nightly`, whose LLVM library it then loads.
///
/// # Errors
/// The pinned version does not know that LLVM, or the build fails.
pub(super) fn install(cache: &Path, nightly: &Nightly) -> Result<Linker> {
    if !pins::BPF_LINKER_LLVM.contains(&nightly.llvm) {
        bail!(
            "bpf-linker {} has no feature for LLVM {}",
            pins::BPF_LINKER,
            nightly.llvm
        );
    }
    let root = home(cache, nightly.llvm);
    let mut cargo = Command::new(nightly.sysroot.join("bin/cargo"));
    isolate(&mut cargo);
    cargo
        .args([
            "install",
            "bpf-linker",
            "--version",
            pins::BPF_LINKER,
            "--locked",
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("rust-llvm-{}", nightly.llvm),
        ])
        .arg("--root")
        .arg(&root)
        .env("RUSTC", nightly.sysroot.join("bin/rustc"))
        .env("RUSTC_WRAPPER", "")
        .env("CARGO_TARGET_DIR", root.join("build"));
    let what = format!(
        "building bpf-linker {}, which links the BPF programs (about 2 min)",
        pins::BPF_LINKER
    );
    step::run_logged(&what, &mut cargo, &cache.join("logs/bpf-linker.log"))?;
    std::fs::remove_dir_all(root.join("build"))?;
    cached(cache, nightly).ok_or_else(|| anyhow::anyhow!("cargo install left no bpf-linker"))
}
