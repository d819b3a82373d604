//! Man pages, completions and the change log: what stands beside the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::source::Source;
use crate::{step, workspace};

/// Shells, and the names under which they look for completions.
pub(super) const SHELLS: &[(&str, &str)] = &[
    ("bash", "tracer.bash"),
    ("zsh", "_tracer"),
    ("fish", "tracer.fish"),
];

/// Lets `tracer`, a binary that runs here, write them into `package`: `man/`, `completions/` and
/// `changelog`.
///
/// # Errors
/// It does not run, or a file cannot be written.
pub(super) fn write(tracer: &Path, source: &Source, package: &Path) -> Result<()> {
    let man = fresh(&package.join("man"))?;
    step::run(Command::new(tracer).arg("man").arg(&man)).context("no man pages")?;
    let completions = fresh(&package.join("completions"))?;
    for (shell, name) in SHELLS {
        let script = step::output_of(Command::new(tracer).args(["completions", shell]))?;
        put(&completions.join(name), script.as_bytes())?;
    }
    put(&package.join("changelog"), changelog(source).as_bytes())?;
    put(&package.join("copyright"), copyright()?.as_bytes())?;
    put(&package.join("README.md"), &own("README.md")?)?;
    Ok(())
}

/// An empty directory.
pub(super) fn fresh(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.to_owned())
}

pub(super) fn put(file: &Path, text: &[u8]) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Debian wants these compressed (policy 12.1, 12.7). Without name and time in the header, so that
/// the same text has the same bytes.
///
/// # Errors
/// gzip is missing or fails.
pub(super) fn compress(package: &Path) -> Result<()> {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "--no-name", "--recursive"]);
    step::run(gzip.args([package.join("man"), package.join("changelog")]))
}

fn own(name: &str) -> Result<Vec<u8>> {
    fs::read(workspace::root().join(name)).with_context(|| format!("cannot read {name}"))
}

/// Both licences; Debian has the text of one of them.
fn copyright() -> Result<String> {
    let mit = String::from_utf8(own("LICENSE-MIT")?)?;
    Ok(format!(
        "tracer is licensed under MIT or Apache-2.0, at your choice; its BPF programs under MIT or\n\
         GPL-2.0. See /usr/share/common-licenses/Apache-2.0 and /usr/share/common-licenses/GPL-2.\n\
         LICENSES.txt beside this file lists what is linked into it.\n\n{mit}"
    ))
}

/// deb-changelog(5), with the one entry that a build knows of.
fn changelog(source: &Source) -> String {
    let commit = match source.commit.as_str() {
        "" => "Built from a tree without history.".to_owned(),
        commit => format!("Built from commit {commit}."),
    };
    format!(
        "tracer ({}) unstable; urgency=medium\n\n  * {commit}\n\n -- {}  {}\n",
        env!("CARGO_PKG_VERSION"),
        super::deb::MAINTAINER,
        mail_date(source.epoch)
    )
}

/// RFC 5322, UTC.
fn mail_date(epoch: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let day = super::source::day(epoch);
    let part = |from: usize, to: usize| day.get(from..to).unwrap_or_default();
    // 1970 began on a Thursday.
    let weekday = DAYS[usize::try_from(epoch / 86_400 % 7).unwrap_or(0)];
    let month = part(5, 7).parse().unwrap_or(1_usize) - 1;
    let (hour, minute, second) = (epoch / 3600 % 24, epoch / 60 % 60, epoch % 60);
    format!(
        "{weekday}, {} {} {} {hour:02}:{minute:02}:{second:02} +0000",
        part(8, 10),
        MONTHS[month],
        part(0, 4)
    )
}

#[cfg(test)]
mod tests {
    use super::mail_date;

    /// From `date -u -R -d @N`.
    #[test]
    fn dates_are_those_of_mail() {
        assert_eq!(mail_date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(mail_date(1_795_262_391), "Sat, 21 Nov 2026 11:59:51 +0000");
    }
}
