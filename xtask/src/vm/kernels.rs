//! `xtask/vm/kernels.toml`: which kernels there are, where they come from, what is expected of
//! them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::capabilities::Said;
use crate::machine::Machine;
use crate::workspace;

/// One package of Debian, at one version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pub(super) package: String,
    pub(super) version: String,
    /// SHA-256 of the package file, 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// A package that one file is taken out of.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    pub(super) pin: Pin,
    pub(super) arch: Machine,
    /// Last part of the archive's address: `debian` or `debian-security`.
    pub(super) archive: &'a str,
    pub(super) suite: &'a str,
    /// The file's path in the package, without a slash at the start.
    pub(super) file: &'a str,
}

/// QEMU's own packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Qemu {
    /// Where they and the libraries they need are.
    pub(super) suites: Vec<String>,
    pub(super) packages: Vec<Pin>,
}

/// The guest's tools, for one architecture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Busybox {
    arch: Machine,
    suite: String,
    package: String,
    version: String,
    sha256: String,
    file: String,
}

/// Packages with the programs that tests launch, for one architecture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Userland {
    pub(super) arch: Machine,
    pub(super) suite: String,
    pub(super) packages: Vec<String>,
}

/// One kernel and what is expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) arch: Machine,
    /// Whether it is tested when none is named.
    #[serde(default)]
    pub(super) default: bool,
    #[serde(default = "debian")]
    archive: String,
    suite: String,
    package: String,
    version: String,
    sha256: String,
    file: String,
    /// What `uname -r` says there.
    pub(super) release: String,
    /// Go releases whose fixtures are in the guest.
    pub(super) go: Vec<String>,
    /// Where `tracer doctor` must say something else than on the others.
    #[serde(default)]
    doctor: Said<String>,
    /// Tests that are not run: `FILE::NAME` → why.
    #[serde(default)]
    excluded: BTreeMap<String, String>,
    /// Tests that skip themselves: `FILE::NAME` → a part of the reason they give.
    #[serde(default)]
    skips: BTreeMap<String, String>,
}

fn debian() -> String {
    "debian".to_owned()
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    pub(super) qemu: Qemu,
    busybox: Vec<Busybox>,
    /// What `tracer doctor` must say, unless a kernel has something else.
    doctor: Said<String>,
    #[serde(default)]
    userland: Vec<Userland>,
    #[serde(rename = "kernel")]
    kernels: Vec<Kernel>,
    /// Tests that are not run in guests of an architecture: arch → `FILE::NAME` → why.
    #[serde(default)]
    excluded: BTreeMap<Machine, BTreeMap<String, String>>,
    /// Tests that skip themselves in guests of an architecture: arch → `FILE::NAME` → a part of
    /// the reason they give.
    #[serde(default)]
    skips: BTreeMap<Machine, BTreeMap<String, String>>,
}

impl Matrix {
    /// Reads the repository's file.
    ///
    /// # Errors
    /// It cannot be read, or says something that makes no sense; the message names it.
    pub(super) fn load() -> Result<Self> {
        let path = workspace::root().join("xtask/vm/kernels.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let matrix: Self = toml::from_str(text)?;
        matrix.check()?;
        Ok(matrix)
    }

    fn check(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for kernel in &self.kernels {
            let name = &kernel.name;
            if !names.insert(name) {
                bail!("two kernels are named {name}");
            }
            if kernel.go.is_empty() {
                bail!("kernel {name} has no Go release: the tests need one");
            }
            kernel.source().pin.check()?;
            self.busybox(kernel.arch)?.pin.check()?;
        }
        self.qemu.packages.iter().try_for_each(Pin::check)
    }

    /// The kernels with these names; without one the default ones, or all with `all`.
    ///
    /// # Errors
    /// There is no kernel of a name; the message lists those there are.
    pub(super) fn chosen(&self, names: &[String], all: bool) -> Result<Vec<&Kernel>> {
        if names.is_empty() {
            let wanted = |k: &&Kernel| all || k.default;
            return Ok(self.kernels.iter().filter(wanted).collect());
        }
        names.iter().map(|name| self.kernel(name)).collect()
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// There is none; the message lists those there are.
    pub(super) fn kernel(&self, name: &str) -> Result<&Kernel> {
        let found = self.kernels.iter().find(|k| k.name == name);
        found.with_context(|| {
            let names: Vec<&str> = self.kernels.iter().map(|k| k.name.as_str()).collect();
            format!("no kernel {name}; there are: {}", names.join(", "))
        })
    }

    /// Every Go release of some kernel of `arch`.
    pub(super) fn go_releases(&self, arch: Machine) -> BTreeSet<&str> {
        let of_arch = self.kernels.iter().filter(|k| k.arch == arch);
        of_arch.flat_map(|k| &k.go).map(String::as_str).collect()
    }

    /// The guest's tools.
    ///
    /// # Errors
    /// None are pinned for `arch`.
    pub(super) fn busybox(&self, arch: Machine) -> Result<Source<'_>> {
        let found = self.busybox.iter().find(|b| b.arch == arch);
        let busybox = found.with_context(|| format!("no busybox for {arch}"))?;
        Ok(Source {
            pin: Pin {
                package: busybox.package.clone(),
                version: busybox.version.clone(),
                sha256: busybox.sha256.clone(),
            },
            arch,
            archive: "debian",
            suite: &busybox.suite,
            file: &busybox.file,
        })
    }

    /// The programs that tests launch.
    ///
    /// # Errors
    /// None are named for `arch`.
    pub(super) fn userland(&self, arch: Machine) -> Result<&Userland> {
        let found = self.userland.iter().find(|u| u.arch == arch);
        found.with_context(|| format!("no userland for {arch} in kernels.toml"))
    }

    /// What `tracer doctor` must say on `kernel`: the status of every entry.
    pub(super) fn doctor(&self, kernel: &Kernel) -> Said<String> {
        let mut expected = self.doctor.clone();
        for (section, entries) in &kernel.doctor {
            let section = expected.entry(section.clone()).or_default();
            section.extend(entries.clone());
        }
        expected
    }

    /// Tests that are not run on `kernel`, with the reasons.
    pub(super) fn excluded<'a>(&'a self, kernel: &'a Kernel) -> BTreeMap<&'a str, &'a str> {
        of_both(self.excluded.get(&kernel.arch), &kernel.excluded)
    }

    /// Tests that skip themselves on `kernel`, with a part of the reason each gives.
    pub(super) fn skips<'a>(&'a self, kernel: &'a Kernel) -> BTreeMap<&'a str, &'a str> {
        of_both(self.skips.get(&kernel.arch), &kernel.skips)
    }
}

/// Tests of an architecture and those of one kernel, which win.
fn of_both<'a>(
    arch: Option<&'a BTreeMap<String, String>>,
    kernel: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, &'a str> {
    let tests = arch.into_iter().flatten().chain(kernel);
    tests
        .map(|(test, why)| (test.as_str(), why.as_str()))
        .collect()
}

impl Kernel {
    /// Where its image is.
    pub(super) fn source(&self) -> Source<'_> {
        Source {
            pin: Pin {
                package: self.package.clone(),
                version: self.version.clone(),
                sha256: self.sha256.clone(),
            },
            arch: self.arch,
            archive: &self.archive,
            suite: &self.suite,
            file: &self.file,
        }
    }
}

impl Pin {
    fn check(&self) -> Result<()> {
        let hexadecimal = self.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if self.sha256.len() != 64 || !hexadecimal {
            bail!("{}: {:?} is no SHA-256", self.package, self.sha256);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"
        [qemu]
        suites = ["s"]
        packages = []
        [doctor.checks]
        btf = "ok"
        jit = "ok"
        [[busybox]]
        arch = "x86_64"
        suite = "s"
        package = "busybox-static"
        version = "1"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        file = "bin/busybox"
    "#;

    fn kernel(name: &str, more: &str) -> String {
        let sum = "1".repeat(64);
        format!(
            "[[kernel]]\nname = {name:?}\narch = \"x86_64\"\nsuite = \"s\"\npackage = \"p\"\n\
             version = \"2\"\nsha256 = \"{sum}\"\nfile = \"boot/vmlinuz\"\nrelease = \"r\"\n\
             go = [\"1.24.11\"]\n{more}\n"
        )
    }

    fn parse(kernels: &[String]) -> Result<Matrix> {
        Matrix::parse(&(HEAD.to_owned() + &kernels.concat()))
    }

    #[test]
    fn the_repositorys_own_file_is_sound() {
        let matrix = Matrix::load().expect("kernels.toml");
        let names = |all| -> Vec<&str> {
            let chosen = matrix.chosen(&[], all).expect("kernels");
            chosen.iter().map(|k| k.name.as_str()).collect()
        };
        assert_eq!(names(false), ["5.10", "6.1", "6.12", "7.2"]);
        assert_eq!(names(true).len(), 7);
        for kernel in matrix.chosen(&[], true).expect("kernels") {
            let file = kernel.source().file;
            assert!(file.contains(&kernel.release), "{file}");
        }
    }

    #[test]
    fn kernels_are_chosen_by_name_by_default_or_all() {
        let matrix = parse(&[kernel("5", ""), kernel("6", "default = true")]).expect("sound");
        let names = |names: &[&str], all| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            let chosen = matrix.chosen(&names, all).expect("kernels");
            chosen.iter().map(|k| k.name.clone()).collect()
        };
        assert_eq!(names(&[], false), ["6"]);
        assert_eq!(names(&[], true), ["5", "6"]);
        assert_eq!(names(&["5"], false), ["5"]);
        let error = matrix.chosen(&["4".to_owned()], false).expect_err("none");
        assert_eq!(error.to_string(), "no kernel 4; there are: 5, 6");
    }

    #[test]
    fn what_is_not_run_or_skipped_is_of_the_kernel_or_of_its_architecture() {
        let text = kernel("5", "[kernel.excluded]\n\"a::b\" = \"old\"")
            + "[excluded.x86_64]\n\"c::d\" = \"never\"\n[excluded.aarch64]\n\"e::f\" = \"no\"\n";
        let matrix = parse(&[text]).expect("sound");
        let excluded = matrix.excluded(matrix.kernel("5").expect("there"));
        assert_eq!(
            excluded.into_iter().collect::<Vec<_>>(),
            [("a::b", "old"), ("c::d", "never")]
        );
        let text = kernel("5", "[kernel.skips]\n\"a::b\" = \"old\"")
            + "[skips.x86_64]\n\"a::b\" = \"new\"\n\"c::d\" = \"small\"\n";
        let matrix = parse(&[text]).expect("sound");
        let skips = matrix.skips(matrix.kernel("5").expect("there"));
        let skips: Vec<_> = skips.into_iter().collect();
        assert_eq!(skips, [("a::b", "old"), ("c::d", "small")]);
    }

    #[test]
    fn a_kernel_is_expected_to_be_as_the_others_but_for_what_it_says() {
        let more =
            "[kernel.doctor.checks]\njit = \"missing\"\n[kernel.doctor.features]\ngc = \"ok\"";
        let matrix = parse(&[kernel("5", more)]).expect("sound");
        let expected = matrix.doctor(matrix.kernel("5").expect("there"));
        assert_eq!(
            format!("{expected:?}"),
            r#"{"checks": {"btf": "ok", "jit": "missing"}, "features": {"gc": "ok"}}"#
        );
    }

    #[test]
    fn senseless_files_are_refused() {
        let refused = |kernels: &[String], why: &str| {
            let error = parse(kernels).expect_err(why);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        };
        refused(
            &[kernel("5", ""), kernel("5", "")],
            "two kernels are named 5",
        );
        refused(&[kernel("5", "defualt = true")], "defualt");
        let other = kernel("5", "").replace("x86_64", "riscv64");
        refused(&[other], "riscv64");
        let short = kernel("5", "").replace("1111", "111");
        refused(&[short], "is no SHA-256");
        let no_go = kernel("5", "").replace("\"1.24.11\"", "");
        refused(&[no_go], "has no Go release");
        let arm = kernel("5", "").replace("x86_64", "aarch64");
        refused(&[arm], "no busybox for aarch64");
    }
}
