//! The steps of a release.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::source::Source;
use super::{build, deb, licences, reproduce, sums, texts, verify};
use crate::machine::Machine;
use crate::{host, setup, step, workspace};

/// What is asked of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Architectures to build for; this machine's without one
    #[arg(long, value_name = "ARCH", num_args = 1..)]
    target: Vec<Machine>,
    /// Then look at it: man pages, completions, and an installation in a bare Debian; needs root
    #[arg(long)]
    verify: bool,
    /// Then build it again from another directory and compare all bytes
    #[arg(long)]
    reproduce: bool,
}

/// Makes `target/dist` anew: the binary, the Debian package, man pages, completions, licences,
/// checksums.
///
/// # Errors
/// Something does not build, or does not pass what `options` asks for.
pub(crate) fn dist(options: &Options) -> Result<()> {
    setup::ensure()?;
    let started = Instant::now();
    let source = Source::of_tree()?;
    let out = texts::fresh(&directory())?;
    let mut targets = options.target.clone();
    if targets.is_empty() {
        targets.push(Machine::HOST);
    }
    // The binary that runs here writes the texts of all packages: it comes first.
    targets.sort_by_key(|&target| target != Machine::HOST);
    let mut speaker = None;
    for &target in &targets {
        one(target, &source, &out, &mut speaker)?;
    }
    let list = sums::write(&out)?;
    print!("{}", table(&out, &list)?);
    let seconds = started.elapsed().as_secs_f64();
    step::note(&format!("{} in {seconds:.0} s", out.display()));
    if options.verify {
        verify::verify(&out)?;
    }
    if options.reproduce {
        reproduce::reproduce(&source, &targets, &out)?;
    }
    Ok(())
}

/// Where the release goes.
fn directory() -> PathBuf {
    workspace::target().join("dist")
}

/// Builds and packs for one architecture. `speaker` is a binary that runs here, once there is one.
fn one(machine: Machine, source: &Source, out: &Path, speaker: &mut Option<PathBuf>) -> Result<()> {
    let built = build::binary(machine, source)?;
    let package = texts::fresh(&built.with_file_name("package"))?;
    copy(&built, &package.join("tracer"))?;
    let native = machine == Machine::HOST;
    let spoken = match speaker.take() {
        Some(file) => file,
        None if native => built.clone(),
        None => host::build_tracer(false)?,
    };
    texts::write(&spoken, source, &package)?;
    *speaker = Some(spoken);
    texts::put(&package.join("LICENSES.txt"), licences::list()?.as_bytes())?;
    let name = if native {
        "tracer".to_owned()
    } else {
        format!("tracer-{machine}")
    };
    copy(&built, &out.join(name))?;
    for part in ["man", "completions"] {
        let place = texts::fresh(&out.join(part))?;
        for file in sums::files(&package.join(part))? {
            copy(&package.join(part).join(&file), &place.join(&file))?;
        }
    }
    copy(&package.join("LICENSES.txt"), &out.join("LICENSES.txt"))?;
    texts::compress(&package)?;
    deb::pack(machine.triple(), source, out)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Size, sum and name of each file.
fn table(out: &Path, sums: &str) -> Result<String> {
    let mut text = String::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").context("sha256sum's format")?;
        let size = fs::metadata(out.join(name))?.len();
        let start = sum.get(..16).unwrap_or(sum);
        text += &format!("{size:>9}  {start}  {name}\n");
    }
    Ok(text)
}
