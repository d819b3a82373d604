//! Debian's `rust-src` package as a source of the standard library, through apt with a state
//! directory of its own: no list, cache or configuration of the system is written, and no
//! package is installed. Root is not needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::nightly::Nightly;
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
    let mirror = mirror()?;
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

/// The archive this machine's own apt configuration names, so that local mirrors are used.
pub(crate) fn mirror() -> Result<String> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(CREATED_BY) $(REPO_URI)"]);
    let text = step::output_of(&mut apt).context("no apt to ask")?;
    text.lines()
        .filter_map(|line| line.strip_prefix("Packages "))
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("apt is configured for no Debian archive"))
}

fn fetch_from(cache: &Path, mirror: &str, suite: &str, nightly: &Nightly) -> Result<Sources> {
    let apt = PrivateApt::new(&cache.join("apt").join(suite), mirror, suite)?;
    apt.update(&cache.join("logs").join(format!("apt-{suite}.log")))?;
    let madison = step::output_of(apt.command("apt-cache").args(["madison", "rust-src"]))?;
    let version = matching_version(&madison, nightly.minor)
        .ok_or_else(|| anyhow!("has no rust-src 1.{}", nightly.minor))?;
    let log = cache.join("logs/apt-download.log");
    let deb = apt.download(&version, &log)?;
    check_sum(&deb, &version)?;
    let sources = unpack(cache, &deb, &version)?;
    fs::remove_dir_all(&apt.dir)?;
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

/// An apt whose lists, caches and sources are all below one directory.
struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    fn new(dir: &Path, mirror: &str, suite: &str) -> Result<Self> {
        fs::create_dir_all(dir.join("lists/partial"))?;
        fs::create_dir_all(dir.join("archives/partial"))?;
        fs::write(
            dir.join("sources.list"),
            format!("deb {mirror} {suite} main\n"),
        )?;
        // The system's hooks clean the system's caches: not ours to run.
        let conf = format!(
            "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
             Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             Dir::State::lists \"{0}/lists\";\nDir::Cache \"{0}\";\n\
             Dir::Cache::archives \"{0}/archives\";\n\
             Acquire::Languages \"none\";\nAPT::Sandbox::User \"\";\n",
            dir.display()
        );
        fs::write(dir.join("apt.conf"), conf)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(self.dir.join("apt.conf"))
            .current_dir(&self.dir);
        command
    }

    fn update(&self, log: &Path) -> Result<()> {
        let what = "reading the distribution's package list (about 10 s)";
        let mut update = self.command("apt-get");
        // Without this apt-get ends with 0 when an archive cannot be reached.
        update.args(["update", "-o", "APT::Update::Error-Mode=any"]);
        step::run_logged(what, &mut update, log)
    }

    /// The package file, in the private directory.
    fn download(&self, version: &str, log: &Path) -> Result<PathBuf> {
        let what = format!("fetching rust-src {version}, the sources of core (46 MB)");
        let mut get = self.command("apt-get");
        get.arg("download").arg(format!("rust-src={version}"));
        step::run_logged(&what, &mut get, log)?;
        let found = fs::read_dir(&self.dir)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|ext| ext == "deb"));
        found.ok_or_else(|| anyhow!("apt-get download left no package"))
    }
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
    let sum = step::output_of(Command::new("sha256sum").arg("--").arg(deb))?;
    if !sum.starts_with(pinned) {
        fs::remove_file(deb)?;
        bail!(
            "rust-src {version} has sha256 {}, not the pinned {pinned}",
            &sum[..sum.len().min(64)]
        );
    }
    Ok(())
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
