//! Debian's `rust-src` package as a source of the standard library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use super::nightly::Nightly;
use crate::apt::{self, PrivateApt};
use crate::{pins, step};

/// Library sources below `root/library`.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) root: PathBuf,
    /// The package version they come from.
    pub(super) version: String,
}

/// Unpacked sources for `nightly` from an earlier setup.
pub(super) fn cached(cache: &Path, nightly: &Nightly) -> Option<Sources> {
    let entries = fs::read_dir(cache.join("rust-src")).ok()?;
    entries.flatten().find_map(|entry| {
        let version = entry.file_name().into_string().ok()?;
        let root = entry.path();
        let whole = root.join("library/core/Cargo.toml").is_file();
        (whole && minor_of(&version) == Some(nightly.minor)).then_some(Sources { root, version })
    })
}

/// Fetches and unpacks the `rust-src` package that matches `nightly`.
///
/// # Errors
/// No apt here, no suite with that version, or a failed download; one line each.
pub(super) fn fetch(cache: &Path, nightly: &Nightly) -> Result<Sources> {
    let mirror = apt::mirror()?;
    let mut refusals = Vec::new();
    for suite in suites_for(nightly.minor) {
        match fetch_from(cache, &mirror, suite, nightly) {
            Ok(sources) => return Ok(sources),
            Err(error) => refusals.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("{}", refusals.join("; "))
}

/// The suite known to match first, then the others.
fn suites_for(minor: u32) -> Vec<&'static str> {
    let mut suites: Vec<_> = pins::RUST_SRC_SUITES.iter().collect();
    suites.sort_by_key(|suite| suite.minor != minor);
    suites.into_iter().map(|suite| suite.name).collect()
}

fn fetch_from(cache: &Path, mirror: &str, suite: &str, nightly: &Nightly) -> Result<Sources> {
    let apt = PrivateApt::new(
        &cache.join("apt").join(suite),
        &format!("deb {mirror} {suite} main\n"),
        &cache.join("logs").join(format!("apt-{suite}.log")),
    )?;
    apt.update()?;
    let madison = step::output_of(apt.command("apt-cache").args(["madison", "rust-src"]))?;
    let version = matching_version(&madison, nightly.minor)
        .ok_or_else(|| anyhow!("has no rust-src 1.{}", nightly.minor))?;
    let what = format!("fetching rust-src {version}, the sources of core (46 MB)");
    let deb = apt.download(&format!("rust-src={version}"), &what)?;
    check_sum(&deb, &version)?;
    let sources = unpack(cache, &deb, &version)?;
    fs::remove_dir_all(apt.dir())?;
    Ok(sources)
}

/// The newest 1.`minor` version in the output of `apt-cache madison`.
fn matching_version(madison: &str, minor: u32) -> Option<String> {
    madison
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| minor_of(version) == Some(minor))
        .map(str::to_owned)
}

/// N of a package version 1.N.P+….
fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// Compares a package with its pinned checksum. Apt has verified the archive's signature and the
/// checksum in the signed list in any case.
fn check_sum(deb: &Path, version: &str) -> Result<()> {
    let Some((_, pinned)) = pins::RUST_SRC_SHA256
        .iter()
        .find(|(known, _)| *known == version)
    else {
        step::note(&format!(
            "rust-src {version} is not pinned here; apt has checked the archive's signature"
        ));
        return Ok(());
    };
    apt::check_sum(deb, pinned)
}

/// Moves the package's `library` tree to `cache/rust-src/VERSION/library`, whole or not at all.
fn unpack(cache: &Path, deb: &Path, version: &str) -> Result<Sources> {
    let root = cache.join("rust-src").join(version);
    let scratch = cache.join("rust-src/.unpack");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    step::run_logged(
        "unpacking rust-src",
        Command::new("dpkg-deb").arg("-x").arg(deb).arg(&scratch),
        &cache.join("logs/dpkg.log"),
    )?;
    let tree = fs::read_dir(scratch.join("usr/src"))?
        .flatten()
        .map(|entry| entry.path().join("library"))
        .find(|library| library.join("core/Cargo.toml").is_file())
        .ok_or_else(|| anyhow!("rust-src {version} has no library/core"))?;
    fs::create_dir_all(&root)?;
    let library = root.join("library");
    if library.exists() {
        fs::remove_dir_all(&library)?;
    }
    fs::rename(&tree, &library)?;
    fs::remove_dir_all(&scratch)?;
    Ok(Sources {
        root,
        version: version.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_that_matches_is_asked_first() {
        assert_eq!(suites_for(96)[0], "trixie-backports");
        assert_eq!(suites_for(98)[0], "experimental");
        assert_eq!(suites_for(97)[..2], ["forky", "sid"]);
        assert_eq!(suites_for(42).len(), pins::RUST_SRC_SUITES.len());
    }

    #[test]
    fn picks_the_version_of_the_nightlys_minor() {
        let madison = "  rust-src | 1.98.1+dfsg1-1~exp1 | mirror experimental/main amd64 Packages\n  \
            rust-src | 1.97.1+dfsg1-1 | mirror forky/main amd64 Packages\n";
        assert_eq!(
            matching_version(madison, 97).as_deref(),
            Some("1.97.1+dfsg1-1")
        );
        assert_eq!(matching_version(madison, 9), None);
        assert_eq!(matching_version("", 97), None);
    }
}
