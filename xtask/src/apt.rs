//! The system's apt with lists, caches and sources of its own: no list, cache or configuration of
//! the system is written, and no package is installed. Root is not needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::step;

/// The Debian archive that this machine's own apt configuration names, so that local mirrors are
/// used; without a slash at its end.
///
/// # Errors
/// There is no apt, or it knows no Debian archive.
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

/// An apt that keeps everything below one directory.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    dir: PathBuf,
    log: PathBuf,
    /// In Debian's naming; besides this machine's own.
    architecture: Option<String>,
}

impl PrivateApt {
    /// An apt in `dir` for the lines of `sources` (as in sources.list(5)), whose output goes to
    /// `log`.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub(crate) fn new(dir: &Path, sources: &str, log: &Path) -> Result<Self> {
        fs::create_dir_all(dir.join("lists/partial"))?;
        fs::create_dir_all(dir.join("archives/partial"))?;
        fs::write(dir.join("sources.list"), sources)?;
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
            log: log.to_owned(),
            architecture: None,
        })
    }

    /// Knows packages of `architecture` (Debian's name), too.
    pub(crate) fn with_architecture(mut self, architecture: &str) -> Self {
        self.architecture = Some(architecture.to_owned());
        self
    }

    /// Everything it keeps is below this directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// One of apt's programs with the private configuration.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(self.dir.join("apt.conf"))
            .current_dir(&self.dir);
        if let Some(architecture) = &self.architecture {
            command.arg(format!("-oAPT::Architectures::={architecture}"));
        }
        command
    }

    /// Fetches the package lists.
    ///
    /// # Errors
    /// An archive cannot be reached or its signature does not hold.
    pub(crate) fn update(&self) -> Result<()> {
        let what = "reading the distribution's package list (about 10 s)";
        let mut update = self.command("apt-get");
        // Without this apt-get ends with 0 when an archive cannot be reached.
        update.args(["update", "-o", "APT::Update::Error-Mode=any"]);
        step::run_logged(what, &mut update, &self.log)
    }

    /// Fetches one package (`NAME=VERSION`, `NAME:ARCH=VERSION`) and returns its file, in the
    /// private directory. `what` is said meanwhile.
    ///
    /// # Errors
    /// The archive has no such version, or the download fails.
    pub(crate) fn download(&self, package: &str, what: &str) -> Result<PathBuf> {
        let mut get = self.command("apt-get");
        get.arg("download").arg(package);
        step::run_logged(what, &mut get, &self.log)?;
        let found = packages_in(&self.dir)?.into_iter().next();
        found.ok_or_else(|| anyhow!("apt-get download left no package"))
    }
}

/// The package files directly in `dir`, sorted.
///
/// # Errors
/// It cannot be listed.
pub(crate) fn packages_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut packages: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "deb"))
        .collect();
    packages.sort();
    Ok(packages)
}

/// Compares a file with its pinned SHA-256 (64 hexadecimal digits). A file that differs is
/// removed.
///
/// # Errors
/// It differs, or cannot be read.
pub(crate) fn check_sum(file: &Path, pinned: &str) -> Result<()> {
    let sum = step::output_of(Command::new("sha256sum").arg("--").arg(file))?;
    // A name with a backslash or newline would put a backslash in front.
    let sum = sum.split_whitespace().next().unwrap_or_default();
    if sum != pinned {
        fs::remove_file(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        bail!("{name} has sha256 {sum}, not the pinned {pinned}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_another_sum_is_refused_and_removed() {
        let file = std::env::temp_dir().join(format!("xtask-sum-{}", std::process::id()));
        // sha256("abc"), FIPS 180-2 appendix B.1.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        fs::write(&file, "abc").expect("a file");
        check_sum(&file, sum).expect("the sum of abc");
        fs::write(&file, "abd").expect("a file");
        let error = check_sum(&file, sum).expect_err("another text");
        assert!(
            error
                .to_string()
                .ends_with(&format!("not the pinned {sum}"))
        );
        assert!(!file.exists());
    }
}
