//! What a guest's memory holds: the tests, tracer, the fixtures and what they need.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cpio::Tree;
use super::kernels::{Kernel, Matrix};
use super::packages::Packages;
use super::programs;
use crate::machine::Machine;
use crate::{fixtures, step, workspace};

/// How much slower than here everything may be in a guest: what the tests wait for is given this
/// many times the patience.
const TIME_SCALE: u32 = 4;

/// What a guest is to do.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// Run the tests whose `FILE::NAME` contains one of these; all without one.
    Tests { filters: Vec<String> },
    /// Run a line of the shell.
    Command(String),
}

/// The files of all guests of one architecture, packed.
#[derive(Clone, Debug)]
pub(super) struct Image {
    archive: PathBuf,
}

impl Image {
    /// Builds and packs everything.
    ///
    /// # Errors
    /// Something does not build, or cannot be fetched or packed.
    pub(super) fn build(matrix: &Matrix, packages: &Packages, arch: Machine) -> Result<Self> {
        let mut tree = Tree::default();
        for dir in [
            "proc", "sys", "dev", "tmp", "root", "run", "var/tmp", "vm/bin",
        ] {
            tree.directory(dir);
        }
        if arch == Machine::HOST {
            programs::add_own(&mut tree)?;
        } else {
            programs::add_debian(&mut tree, &packages.userland(matrix.userland(arch)?)?)?;
        }
        let init = workspace::root().join("xtask/vm/init");
        let init = fs::read(&init).with_context(|| format!("cannot read {}", init.display()))?;
        tree.bytes("init", init, 0o755);
        tree.host_file("vm/busybox", &packages.file(&matrix.busybox(arch)?)?);
        add_tests(&mut tree, arch)?;
        let releases: Vec<&str> = matrix.go_releases(arch).into_iter().collect();
        fixtures::build(arch, &releases, false)?;
        add_fixtures(&mut tree, arch, &releases)?;
        let archive = workspace::target().join(format!("vm/guest-{arch}.cpio"));
        pack(&tree, &archive)?;
        Ok(Self { archive })
    }

    /// The archive for one guest, with its errand; `scratch` is where.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn for_guest(
        &self,
        kernel: &Kernel,
        matrix: &Matrix,
        errand: &Errand,
        scratch: &Path,
    ) -> Result<()> {
        fs::copy(&self.archive, scratch)
            .with_context(|| format!("cannot write {}", scratch.display()))?;
        let out = File::options().append(true).open(scratch)?;
        // The kernel unpacks archives that follow one another; each begins on a multiple of four.
        errand_tree(kernel, matrix, errand).pack(BufWriter::new(out))?;
        Ok(())
    }
}

fn pack(tree: &Tree, archive: &Path) -> Result<()> {
    if let Some(dir) = archive.parent() {
        fs::create_dir_all(dir)?;
    }
    let out =
        File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let size = tree.pack(BufWriter::new(out))?;
    step::note(&format!("{}: {} MiB", archive.display(), size >> 20));
    Ok(())
}

/// What differs between guests.
fn errand_tree(kernel: &Kernel, matrix: &Matrix, errand: &Errand) -> Tree {
    let mut tree = Tree::default();
    let plan = format!(
        "export TRACER_BIN=/vm/tracer TRACER_FIXTURES=/vm/fixtures\n\
         export TRACER_TIME_SCALE={TIME_SCALE}\n\
         GO_RELEASES='{}'\nATTEMPTS=2\nTEST_SECONDS={}\n",
        kernel.go.join(" "),
        super::results::TEST_SECONDS,
    );
    tree.bytes("vm/plan", plan, 0o644);
    match errand {
        Errand::Tests { filters } => {
            let lines = |names: Vec<&str>| -> String {
                names.into_iter().map(|n| format!("{n}\n")).collect()
            };
            let filters = filters.iter().map(String::as_str).collect();
            tree.bytes("vm/filters", lines(filters), 0o644);
            let excluded = matrix.excluded(kernel).into_keys().collect();
            tree.bytes("vm/excluded", lines(excluded), 0o644);
        }
        Errand::Command(line) => tree.bytes("vm/command", line.as_str(), 0o644),
    }
    tree
}

/// Tracer and the programs of the tests, static, and the texts they compare with.
fn add_tests(tree: &mut Tree, arch: Machine) -> Result<()> {
    let built = |package: &[&str], subcommand: &[&str]| -> Result<Vec<(String, PathBuf)>> {
        let mut cargo = arch.cargo()?;
        cargo
            .args(subcommand)
            .args(package)
            .args([
                "--target",
                arch.triple(),
                "--message-format=json-render-diagnostics",
            ])
            // With --target the flags reach the programs only, not build scripts and macros.
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        executables(&mut cargo)
    };
    let tracer = built(&["--package", "tracer", "--bin", "tracer"], &["build"])?;
    let [(_, tracer)] = &tracer[..] else {
        bail!("cargo build made {} programs", tracer.len());
    };
    tree.host_file("vm/tracer", tracer);
    let tests = built(&["--package", "tracer-tests"], &["test", "--no-run"])?;
    for (name, program) in tests
        .iter()
        .filter(|(name, _)| !ELSEWHERE.contains(&&**name))
    {
        tree.host_file(Path::new("vm/tests").join(name), program);
    }
    // The tests know where these are from their build.
    for golden in GOLDEN {
        for entry in fs::read_dir(workspace::root().join(golden))?.flatten() {
            tree.host_file(entry.path(), &entry.path());
        }
    }
    Ok(())
}

/// Programs of tests that ask no kernel: their own unit tests, and those of hostile input.
const ELSEWHERE: [&str; 2] = ["tracer_tests", "hostile"];

/// Files that tests compare with.
const GOLDEN: [&str; 2] = ["tests/golden", "tracer/src/syscall/golden"];

/// Names and files of the programs that a cargo command says it has made.
fn executables(cargo: &mut Command) -> Result<Vec<(String, PathBuf)>> {
    use std::process::Stdio;
    let out = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !out.status.success() {
        bail!("the programs of the guests do not build");
    }
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(text.lines().filter_map(executable).collect())
}

/// Name and file of the program in a line of cargo's messages, when there is one.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let file = message["executable"].as_str()?;
    let name = message["target"]["name"].as_str()?;
    Some((name.to_owned(), file.into()))
}

fn add_fixtures(tree: &mut Tree, arch: Machine, releases: &[&str]) -> Result<()> {
    let fixtures = fixtures::directory(arch);
    let mut dirs = vec![PathBuf::from("c")];
    dirs.extend(releases.iter().map(|r| Path::new("go").join(r)));
    for dir in dirs {
        let here = fixtures.join(&dir);
        let entries =
            fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                tree.host_file(
                    Path::new("vm/fixtures").join(&dir).join(&name),
                    &entry.path(),
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let line =
            r#"{"reason":"compiler-artifact","target":{"name":"go"},"executable":"/t/go-1"}"#;
        assert_eq!(executable(line), Some(("go".to_owned(), "/t/go-1".into())));
        assert_eq!(
            executable(r#"{"target":{"name":"x"},"executable":null}"#),
            None
        );
        assert_eq!(executable("warning: no JSON"), None);
    }
}
