//! `SHA256SUMS`: every file of a release, as `sha256sum --check` reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::texts::put;
use crate::step;

/// Its name.
pub(super) const FILE: &str = "SHA256SUMS";

/// Writes the checksums of all files below `dir`, by name.
///
/// # Errors
/// `sha256sum` is missing, or the file cannot be written.
pub(super) fn write(dir: &Path) -> Result<String> {
    let mut command = Command::new("sha256sum");
    command.current_dir(dir).args(files(dir)?);
    let text = step::output_of(&mut command)?;
    put(&dir.join(FILE), text.as_bytes())?;
    Ok(text)
}

/// Paths of all files below `dir` but the checksums', relative to it, sorted.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(dir, &mut found)?;
    let mut names: Vec<PathBuf> = found
        .iter()
        .filter_map(|file| Some(file.strip_prefix(dir).ok()?.to_owned()))
        .filter(|name| name.as_os_str() != FILE)
        .collect();
    names.sort();
    Ok(names)
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let list = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in list.flatten() {
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), into)?;
        } else {
            into.push(entry.path());
        }
    }
    Ok(())
}
