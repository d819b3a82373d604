//! Files out of pinned Debian packages, kept in the cache directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::kernels::{Pin, Qemu, Source, Userland};
use crate::apt::{self, PrivateApt, check_sum, packages_in};
use crate::machine::Machine;
use crate::step;

/// What is fetched for guests, below the project's cache directory.
#[derive(Clone, Debug)]
pub(super) struct Packages {
    cache: PathBuf,
}

impl Packages {
    pub(super) fn new(cache: &Path) -> Self {
        Self {
            cache: cache.to_owned(),
        }
    }

    /// The file that `source` names, unpacked; fetched unless an earlier run did.
    ///
    /// # Errors
    /// The suite no longer has the version, the checksum is another one, or the package does not
    /// have the file.
    pub(super) fn file(&self, source: &Source<'_>) -> Result<PathBuf> {
        let pin = &source.pin;
        let tree = self.kept(&format!("files/{}", pin.sha256), |tree| {
            let package = self.fetch(source)?;
            unpack_file(&package, source.file, tree)?;
            Ok(fs::remove_file(package)?)
        })?;
        let file = tree.join(source.file);
        if !file.is_file() {
            bail!("{} has no file {}", pin.package, source.file);
        }
        Ok(file)
    }

    /// QEMU with the libraries this machine does not have, unpacked; returns the tree's root.
    ///
    /// # Errors
    /// This machine is no Debian that the packages fit, or they cannot be fetched.
    pub(super) fn qemu(&self, qemu: &Qemu) -> Result<PathBuf> {
        let [first, ..] = &qemu.packages[..] else {
            bail!("no QEMU packages are pinned");
        };
        self.kept(&format!("qemu/{}", first.sha256), |tree| {
            let mirror = apt::mirror()?;
            let line = |suite: &String| format!("deb {mirror} {suite} main\n");
            let sources: String = qemu.suites.iter().map(line).collect();
            let apt = self.apt("qemu", &sources)?;
            let pinned = |pin: &Pin| format!("{}={}", pin.package, pin.version);
            let wanted: Vec<String> = qemu.packages.iter().map(pinned).collect();
            // Apt knows which of the libraries this machine has.
            let packages = closure(&apt, &[], &wanted, "fetching QEMU (25 MB)");
            let packages = packages
                .context("install QEMU 10 or later, or pin another one in xtask/vm/kernels.toml")?;
            for pin in &qemu.packages {
                check_pinned(&packages, pin)?;
            }
            unpack(&packages, tree)
        })
    }

    /// Programs and all they need, unpacked; returns the tree's root.
    ///
    /// # Errors
    /// They cannot be fetched.
    pub(super) fn userland(&self, userland: &Userland) -> Result<PathBuf> {
        let Userland { arch, suite, .. } = userland;
        let name = format!("userland-{suite}-{arch}-{}", userland.packages.join("-"));
        self.kept(&name, |tree| {
            let debian = arch.debian_name();
            let line = format!("deb [arch={debian}] {} {suite} main\n", apt::mirror()?);
            let apt = self.apt(&format!("userland-{suite}-{debian}"), &line)?;
            let apt = apt.with_architecture(debian);
            // As if nothing were installed, on a machine of that architecture.
            let status = apt.dir().join("status");
            fs::write(&status, "")?;
            let bare = [
                format!("-oDir::State::status={}", status.display()),
                format!("-oAPT::Architecture={debian}"),
            ];
            let what = format!("fetching programs for {arch} (50 MB)");
            unpack(&closure(&apt, &bare, &userland.packages, &what)?, tree)
        })
    }

    /// A directory below the cache, made whole or not at all, by one run at a time.
    fn kept(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let root = self.cache.join("vm").join(name);
        if root.is_dir() {
            return Ok(root);
        }
        let dir = root.parent().unwrap_or(&self.cache);
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let _lock = self.lock()?;
        // Another run may have made it while this one waited.
        if root.is_dir() {
            return Ok(root);
        }
        let scratch = self.cache.join("vm/unpack");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        fs::create_dir(&scratch)?;
        make(&scratch)?;
        fs::rename(&scratch, &root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(root)
    }

    /// Held until dropped.
    fn lock(&self) -> Result<File> {
        let path = self.cache.join("vm/lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock()?;
        Ok(file)
    }

    fn fetch(&self, source: &Source<'_>) -> Result<PathBuf> {
        let Source {
            pin, arch, suite, ..
        } = source;
        let mirror = apt::mirror()?;
        let base = mirror.strip_suffix("/debian").unwrap_or(&mirror);
        let arch = arch.debian_name();
        let line = format!("deb [arch={arch}] {base}/{} {suite} main\n", source.archive);
        let apt = self.apt(&format!("{suite}-{arch}"), &line)?;
        let apt = apt.with_architecture(arch);
        let wanted = format!("{}:{arch}={}", pin.package, pin.version);
        let what = format!("fetching {} {}", pin.package, pin.version);
        let package = apt.download(&wanted, &what).or_else(|_| {
            // There are no lists yet, or they are older than the pin.
            apt.update()?;
            apt.download(&wanted, &what)
                .map_err(|error| gone(&apt, source, &error))
        })?;
        check_sum(&package, &pin.sha256)?;
        Ok(package)
    }

    fn apt(&self, name: &str, sources: &str) -> Result<PrivateApt> {
        let dir = self.cache.join("vm/apt").join(name);
        let log = self.cache.join(format!("logs/vm-apt-{name}.log"));
        let apt = PrivateApt::new(&dir, sources, &log)?;
        // What an interrupted download left.
        for package in packages_in(&dir)? {
            fs::remove_file(package)?;
        }
        Ok(apt)
    }
}

/// Fetches packages with all they depend on and apt does not take for installed.
fn closure(
    apt: &PrivateApt,
    options: &[String],
    wanted: &[String],
    what: &str,
) -> Result<Vec<PathBuf>> {
    let archives = apt.dir().join("archives");
    for package in packages_in(&archives)? {
        fs::remove_file(package)?;
    }
    let mut update = apt.command("apt-get");
    step::output_of(update.args(options).arg("update"))?;
    let mut install = apt.command("apt-get");
    // Only files are fetched; the system's state is neither changed nor locked.
    install
        .args(options)
        .args([
            "install",
            "--download-only",
            "--yes",
            "--no-install-recommends",
        ])
        .args(["-o", "Debug::NoLocking=1"])
        .args(wanted);
    step::run_logged(what, &mut install, &apt.dir().join("install.log"))?;
    packages_in(&archives)
}

/// The clear error for a version that the suite no longer has.
fn gone(apt: &PrivateApt, source: &Source<'_>, error: &anyhow::Error) -> anyhow::Error {
    let pin = &source.pin;
    let mut madison = apt.command("apt-cache");
    madison.args(["madison", &pin.package]);
    let now = step::output_of(&mut madison).unwrap_or_default();
    let now: Vec<&str> = now
        .lines()
        .filter_map(|l| l.split('|').nth(1))
        .map(str::trim)
        .collect();
    let now = if now.is_empty() {
        "no such package any more".to_owned()
    } else {
        now.join(", ")
    };
    anyhow!(
        "{} {} cannot be fetched from {}: {error:#}; the suite has: {now}; \
         pin what it has now in xtask/vm/kernels.toml",
        pin.package,
        pin.version,
        source.suite
    )
}

/// Unpacks one file of a package below `tree`.
fn unpack_file(package: &Path, file: &str, tree: &Path) -> Result<()> {
    use std::process::Stdio;
    let mut dpkg = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let tar = dpkg.stdout.take().context("dpkg-deb has no output")?;
    let mut unpack = Command::new("tar");
    unpack
        .arg("-x")
        .arg("-C")
        .arg(tree)
        .arg(format!("./{file}"));
    let unpacked = unpack.stdin(tar).status();
    dpkg.wait()?;
    if !unpacked.is_ok_and(|status| status.success()) {
        bail!("cannot take {file} out of {}", package.display());
    }
    Ok(())
}

/// Compares the package of a pin, which is one of `packages`, with its checksum.
fn check_pinned(packages: &[PathBuf], pin: &Pin) -> Result<()> {
    let named = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{}_", pin.package))
    };
    let package = packages.iter().find(named);
    let package = package.with_context(|| format!("apt did not fetch {}", pin.package))?;
    check_sum(package, &pin.sha256)
}

/// Unpacks packages to `tree` and removes them.
fn unpack(packages: &[PathBuf], tree: &Path) -> Result<()> {
    for package in packages {
        let mut dpkg = Command::new("dpkg-deb");
        step::output_of(dpkg.arg("-x").arg(package).arg(tree))?;
        fs::remove_file(package)?;
    }
    Ok(())
}

/// File name of QEMU for guests of `arch`.
pub(super) fn qemu_program(arch: Machine) -> String {
    format!("qemu-system-{}", arch.name())
}
