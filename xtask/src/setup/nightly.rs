//! Nightly compilers: those installed, and the pinned one that rustup can install into the cache.
//!
//! The user's own toolchains are only ever read. Rustup installs into a home of its own below
//! the cache directory, so nothing it does shows in `rustup toolchain list`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::bpf_toolchain::isolate;
use crate::{pins, step};

/// A nightly rustc with the cargo beside it.
#[derive(Clone, Debug)]
pub(super) struct Nightly {
    pub(super) sysroot: PathBuf,
    /// First line of `rustc -vV`.
    pub(super) version: String,
    /// N of release 1.N.
    pub(super) minor: u32,
    /// Major version of the LLVM inside.
    pub(super) llvm: u32,
}

impl Nightly {
    /// Asks the compiler in `sysroot` what it is.
    ///
    /// # Errors
    /// It does not run, has no cargo beside it, or is no nightly.
    fn inspect(sysroot: &Path) -> Result<Self> {
        if !sysroot.join("bin/cargo").is_file() {
            bail!("{} has no cargo", sysroot.display());
        }
        let mut rustc = Command::new(sysroot.join("bin/rustc"));
        isolate(&mut rustc);
        Self::parse(sysroot, &step::output_of(rustc.arg("-vV"))?)
    }

    fn parse(sysroot: &Path, verbose: &str) -> Result<Self> {
        let field = |key: &str| {
            verbose
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap_or_default()
                .trim()
        };
        let number = |text: &str, nth: usize| text.split('.').nth(nth)?.parse::<u32>().ok();
        let release = field("release:");
        if !release.ends_with("-nightly") {
            bail!("{} is rustc {release}, no nightly", sysroot.display());
        }
        match (number(release, 1), number(field("LLVM version:"), 0)) {
            (Some(minor), Some(llvm)) => Ok(Self {
                sysroot: sysroot.to_owned(),
                version: verbose.lines().next().unwrap_or_default().to_owned(),
                minor,
                llvm,
            }),
            _ => bail!("cannot read the version of {}", sysroot.display()),
        }
    }

    /// Whether rustup's `rust-src` component is in the sysroot.
    pub(super) fn has_sources(&self) -> bool {
        self.sysroot
            .join("lib/rustlib/src/rust/library/core/Cargo.toml")
            .is_file()
    }
}

/// Every installed nightly the pinned bpf-linker can work with, the best first; why others
/// were passed over is added to `tried`.
pub(super) fn installed(cache: &Path, tried: &mut Vec<String>) -> Vec<Nightly> {
    let mut sysroots = rustup_sysroots();
    sysroots.extend(private_sysroots(cache));
    // The nightly on PATH may be one of rustup's.
    sysroots.extend(path_sysroot().filter(|path| !sysroots.contains(path)));
    let mut found = Vec::new();
    for sysroot in sysroots {
        match Nightly::inspect(&sysroot) {
            Ok(nightly) if pins::BPF_LINKER_LLVM.contains(&nightly.llvm) => found.push(nightly),
            Ok(nightly) => tried.push(format!(
                "{}: its LLVM {} has no feature in bpf-linker {} (which has {:?})",
                nightly.version,
                nightly.llvm,
                pins::BPF_LINKER,
                pins::BPF_LINKER_LLVM,
            )),
            Err(error) => tried.push(format!("nightly rustc: {error:#}")),
        }
    }
    if found.is_empty() && tried.is_empty() {
        tried.push("nightly rustc: none is installed".to_owned());
    }
    // A nightly that has its sources needs nothing else; the sort keeps the order otherwise.
    found.sort_by_key(|nightly| !nightly.has_sources());
    found
}

/// Sysroots of the user's rustup nightlies, `nightly` before dated ones.
fn rustup_sysroots() -> Vec<PathBuf> {
    let mut list = Command::new("rustup");
    list.args(["toolchain", "list", "-v"])
        .env("RUSTUP_AUTO_INSTALL", "0");
    let text = step::output_of(&mut list).unwrap_or_default();
    let mut rows: Vec<(bool, PathBuf)> = text
        .lines()
        .filter(|line| line.starts_with("nightly"))
        .filter_map(|line| {
            let path = &line[line.find('/')?..];
            let dated = line.as_bytes().get(8).is_some_and(u8::is_ascii_digit);
            Some((dated, PathBuf::from(path.trim_end())))
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, path)| path).collect()
}

fn private_home(cache: &Path) -> PathBuf {
    cache.join("rustup")
}

fn private_sysroots(cache: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(private_home(cache).join("toolchains")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// A nightly on PATH that rustup does not own (a distribution's or a hand-made one).
fn path_sysroot() -> Option<PathBuf> {
    let mut rustc = Command::new("rustc");
    isolate(&mut rustc);
    rustc.env("RUSTUP_AUTO_INSTALL", "0");
    let version = step::output_of(rustc.arg("--version")).ok()?;
    if !version.contains("-nightly") {
        return None;
    }
    let sysroot = step::output_of(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(sysroot.trim()))
}

/// Installs the pinned nightly with its sources into the cache.
///
/// # Errors
/// No rustup, rustup told not to install (`RUSTUP_AUTO_INSTALL=0`), or its failure in one line.
pub(super) fn install(cache: &Path) -> Result<Nightly> {
    if std::env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|value| value == "0") {
        bail!("not asked, RUSTUP_AUTO_INSTALL=0 says so");
    }
    let home = private_home(cache);
    let mut rustup = Command::new("rustup");
    isolate(&mut rustup);
    rustup
        .args([
            "toolchain",
            "install",
            pins::NIGHTLY,
            "--profile",
            "minimal",
        ])
        .args(["--component", "rust-src", "--no-self-update"])
        .env("RUSTUP_HOME", &home);
    let what = format!(
        "installing {} with rust-src into the cache (about 1 min; your own toolchains stay as they are)",
        pins::NIGHTLY
    );
    step::run_logged(&what, &mut rustup, &cache.join("logs/rustup.log"))?;
    private_sysroots(cache)
        .iter()
        .find_map(|sysroot| Nightly::inspect(sysroot).ok().filter(Nightly::has_sources))
        .ok_or_else(|| anyhow::anyhow!("left no nightly with sources in {}", home.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_compilers_own_description() {
        let text = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\n\
            commit-date: 2026-05-19\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        let nightly = Nightly::parse(Path::new("/x"), text).expect("a nightly");
        assert_eq!((nightly.minor, nightly.llvm), (97, 22));
        assert_eq!(
            nightly.version,
            "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)"
        );
    }

    #[test]
    fn a_stable_compiler_is_refused() {
        let text = "rustc 1.95.0 (59807616e 2026-04-14)\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        let error = Nightly::parse(Path::new("/x"), text).expect_err("no nightly");
        assert_eq!(error.to_string(), "/x is rustc 1.95.0, no nightly");
    }
}
