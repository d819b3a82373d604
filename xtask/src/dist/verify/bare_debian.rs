//! A Debian with nothing in it: the package is installed there, used, and removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::check::{expect, has};
use crate::dist::sums;
use crate::{fixtures, pins, privilege, step, workspace};

const SUITE: &str = "bookworm";

/// Enters the tree `$1` with the kernel's file systems in it and runs the shell line `$2`. They
/// are mounted in a namespace of its own and go away with it.
const ENTER: &str = r#"set -e
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 sh -c "$2""#;

/// What is done there, and what must be seen. The Go program ends when its stdin does.
const STEPS: &[(&str, &str, &[&str])] = &[
    (
        "no other package is needed",
        "dpkg --install /tracer.deb && dpkg --verify tracer && dpkg-query -W tracer",
        &["tracer\t"],
    ),
    ("version", "tracer --version", &["tracer "]),
    (
        "doctor",
        "tracer doctor || [ $? = 3 ]",
        &["kernel", "privileges"],
    ),
    (
        "strace -c of a command",
        "tracer strace -c -- ls /",
        &["execve", "100.00", " 0 lost", "tracer.deb"],
    ),
    (
        "strace of a command, line by line",
        "tracer strace -e trace=openat -- cat /etc/debian_version",
        &["openat(AT_FDCWD, \"/etc/debian_version\", O_RDONLY) = "],
    ),
    (
        "gc of a running Go program",
        "sleep 5 | /gcload -d 20s & sleep 1; tracer gc -d 2s -p $!; kill $!",
        &["\ngc ", " MB goal, ", "GC cycles in "],
    ),
    (
        "profile of it, as a flame graph",
        "sleep 5 | /gcload -d 20s & sleep 1; tracer profile -d 1s -o /tmp/a.svg -p $!; kill $!; \
         grep -c main.main /tmp/a.svg; rm /tmp/a.svg",
        &[" 0 lost"],
    ),
    (
        "documentation is where Debian looks for it",
        "cd /usr/share && ls doc/tracer/copyright doc/tracer/changelog.gz doc/tracer/LICENSES.txt \
         man/man1/tracer-strace.1.gz bash-completion/completions/tracer \
         zsh/vendor-completions/_tracer fish/vendor_completions.d/tracer.fish",
        &["tracer-strace.1.gz"],
    ),
    (
        "removal leaves nothing",
        "dpkg --purge tracer && ! find / -xdev -name '*tracer*' -not -path '/tracer.deb' \
         -not -path '/sys/*' -not -path '/proc/*' | grep .",
        &["Removing tracer"],
    ),
];

/// Runs all steps in a tree that `debootstrap` made, which is kept for the next time.
///
/// # Errors
/// Not root, no package for this machine in `out`, no debootstrap, or a step that fails.
pub(super) fn install_and_run(out: &Path) -> Result<()> {
    if !privilege::is_root() {
        bail!("a chroot needs root: run `cargo xtask dist --verify` as root");
    }
    if !has("debootstrap", "installation in a bare Debian") {
        return Ok(());
    }
    let tree = tree()?;
    copy(&package(out)?, &tree.join("tracer.deb"))?;
    let go = fixtures::go_program(pins::GO_DEMO, "gcload")?;
    copy(&go, &tree.join("gcload"))?;
    for (what, line, shown) in STEPS {
        expect(
            &format!("bare {SUITE}: {what}"),
            &mut enter(&tree, line),
            shown,
        )?;
    }
    Ok(())
}

fn enter(tree: &Path, line: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", ENTER, "sh"])
        .arg(tree)
        .arg(line);
    command
}

/// The package for this machine.
fn package(out: &Path) -> Result<PathBuf> {
    let arch = step::output_of(Command::new("dpkg").arg("--print-architecture"))?;
    let end = format!("_{}.deb", arch.trim());
    let found = sums::files(out)?
        .into_iter()
        .find(|name| name.to_string_lossy().ends_with(&end));
    let name = found.with_context(|| format!("no package {end} in {}", out.display()))?;
    Ok(out.join(name))
}

fn tree() -> Result<PathBuf> {
    let tree = workspace::target().join("bare-debian").join(SUITE);
    if tree.join("usr/bin/dpkg").is_file() {
        return Ok(tree);
    }
    let scratch = tree.with_extension("new");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", SUITE])
        .arg(&scratch)
        .arg(crate::apt::mirror()?);
    let log = scratch.with_extension("log");
    step::run_logged("making a bare Debian (about 1 min)", &mut command, &log)?;
    fs::rename(&scratch, &tree)?;
    Ok(tree)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
