//! `cargo xtask dist --reproduce`: the same sources in another directory, with another cargo
//! home, give the same bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::source::Source;
use super::{sums, texts};
use crate::machine::Machine;
use crate::{step, workspace};

/// Builds a copy of the tree and compares each file of `out`.
///
/// # Errors
/// The copy does not build, or a file differs; the message names the files.
pub(super) fn reproduce(source: &Source, targets: &[Machine], out: &Path) -> Result<()> {
    let place = workspace::target().join("reproduce");
    let tree = texts::fresh(&place.join("a directory/of another name"))?;
    copy_sources(&tree)?;
    let home = cargo_home(&place)?;
    step::note(&format!("building again in {}", tree.display()));
    let mut again = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    again
        .current_dir(&tree)
        .args([
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--",
            "dist",
            "--target",
        ])
        .args(targets.iter().map(|machine| machine.name()))
        .env("CARGO_HOME", home)
        .env_remove("CARGO_TARGET_DIR");
    step::run(source.tell(&mut again)).context("the copy does not build")?;
    compare(out, &tree.join("target/dist"))?;
    println!("ok       two builds have the same bytes");
    fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))
}

/// Files that git knows or would: no build products.
fn copy_sources(tree: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = step::output_of(&mut git).context("a copy needs git to list the sources")?;
    for name in list.split_terminator('\0') {
        let (from, to) = (workspace::root().join(name), tree.join(name));
        // Deleted, but not committed as such.
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(tree))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// The same crates under another path, not fetched anew.
fn cargo_home(place: &Path) -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let own = own.context("no cargo home: set CARGO_HOME")?;
    let other = texts::fresh(&place.join("another cargo home"))?;
    let list = fs::read_dir(&own).with_context(|| format!("cannot list {}", own.display()))?;
    for entry in list.flatten() {
        symlink(entry.path(), other.join(entry.file_name()))?;
    }
    Ok(other)
}

fn compare(one: &Path, other: &Path) -> Result<()> {
    let names = sums::files(one)?;
    if names != sums::files(other)? {
        bail!("{} and {} have other files", one.display(), other.display());
    }
    let mut differ = Vec::new();
    for name in &names {
        if fs::read(one.join(name))? != fs::read(other.join(name))? {
            differ.push(name.display().to_string());
        }
    }
    if !differ.is_empty() {
        let (one, other) = (one.display(), other.display());
        bail!("{one} and {other} differ: {}", differ.join(", "));
    }
    Ok(())
}
