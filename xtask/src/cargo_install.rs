//! Programs of the package registry that tasks use: each at its pinned version, built once into
//! the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow};

use crate::bpf_toolchain::cache_dir;
use crate::{host, step};

/// The program of crate `name`, which is built when the cache does not have it; `takes` says how
/// long that is. The crate must have a program of its own name.
///
/// # Errors
/// There is no cache directory, or the crate does not build.
pub(crate) fn installed(name: &str, version: &str, takes: &str) -> Result<PathBuf> {
    let cache = cache_dir().map_err(|e| anyhow!(e))?;
    let root = cache.join(name).join(version);
    let program = root.join("bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    let mut cargo = host::cargo();
    cargo
        .args(["install", name, "--locked", "--version", version, "--root"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", root.join("build"));
    let what = format!("building {name} {version} ({takes})");
    let log = cache.join("logs").join(format!("{name}.log"));
    step::run_logged(&what, &mut cargo, &log)?;
    fs::remove_dir_all(root.join("build"))?;
    Ok(program)
}
