//! What the tests launch in a guest besides fixtures: this machine's own programs, or, where the
//! guest is of another architecture, those of a Debian suite.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cpio::Tree;
use crate::step;

/// What the tests start besides fixtures.
const PROGRAMS: &[&str] = &[
    "cat", "cp", "echo", "env", "false", "find", "git", "grep", "gzip", "head", "id", "kill", "ls",
    "mkfifo", "mv", "python3", "rm", "sh", "sleep", "sort", "strace", "strip", "tar", "true",
    "uniq",
];

/// Directories of the root that are links on a merged system.
const MERGED: &[&str] = &["bin", "lib", "lib64", "sbin"];

/// Parts of Python's library that no test imports.
const PYTHON_UNUSED: &[&str] = &[
    "config-",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tkinter",
    "turtledemo",
    "unittest",
];

/// Adds this machine's programs with the libraries they load. Those that are not installed are named in a
/// note; the tests that need them say so.
///
/// # Errors
/// A file cannot be read, or the libraries of one cannot be found out.
pub(super) fn add_own(tree: &mut Tree) -> Result<()> {
    for name in MERGED {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(to) => tree.symlink(&path, to),
            Err(_) => tree.directory(&path),
        }
    }
    let mut copied = Copied {
        tree,
        done: BTreeSet::new(),
    };
    let mut missing = Vec::new();
    for name in PROGRAMS {
        if !copied.program(name)? {
            missing.push(*name);
        }
    }
    if !missing.is_empty() {
        step::note(&format!(
            "not installed, so not in the guests: {}",
            missing.join(", ")
        ));
    }
    copied.python()?;
    for file in [
        "/etc/ld.so.cache",
        "/etc/passwd",
        "/etc/group",
        "/etc/nsswitch.conf",
    ] {
        copied.file_if_there(Path::new(file))?;
    }
    copied.below(Path::new("/usr/share/git-core/templates"), &[])
}

/// Parts of a Debian system that no test looks at.
const DEBIAN_UNUSED: &[&str] = &[
    "etc/",
    "usr/sbin/",
    "usr/share/",
    "usr/lib/git-core/",
    "var/",
];

/// Where Debian keeps Perl, which git brings along.
const PERL: &str = "perl";

/// Adds the programs of a Debian system unpacked at `root`.
///
/// # Errors
/// A directory cannot be listed.
pub(super) fn add_debian(tree: &mut Tree, root: &Path) -> Result<()> {
    // Some packages still have files in /bin and /lib, which are links since Debian 12.
    for name in MERGED {
        tree.symlink(name, Path::new("usr").join(name));
    }
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let inside = merged(path.strip_prefix(root)?);
            let text = inside.to_string_lossy();
            let unused = |part: &&str| format!("{text}/").starts_with(part);
            if DEBIAN_UNUSED.iter().any(unused) || text.contains(PERL) {
                continue;
            }
            if path.is_symlink() {
                tree.symlink(&inside, fs::read_link(&path)?);
            } else if path.is_dir() {
                dirs.push(path);
            } else {
                tree.host_file(&inside, &path);
            }
        }
    }
    // Those of this machine do for their names.
    for name in ["passwd", "group"] {
        tree.host_file(Path::new("etc").join(name), &Path::new("/etc").join(name));
    }
    // What the shells of maintainer scripts would have made.
    tree.symlink("usr/bin/sh", "dash");
    Ok(())
}

/// The path in a system whose /bin, /sbin and /lib are those in /usr.
fn merged(path: &Path) -> PathBuf {
    let first = path.components().next();
    let old = first.is_some_and(|c| MERGED.iter().any(|m| c.as_os_str() == *m));
    if old {
        Path::new("usr").join(path)
    } else {
        path.to_owned()
    }
}

struct Copied<'a> {
    tree: &'a mut Tree,
    done: BTreeSet<PathBuf>,
}

impl Copied<'_> {
    /// A program by its name; false when it is not installed.
    fn program(&mut self, name: &str) -> Result<bool> {
        let dirs = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
        let mut paths = dirs.iter().map(|dir| Path::new(dir).join(name));
        match paths.find(|path| path.exists()) {
            Some(path) => self.file(&path).map(|()| true),
            None => Ok(false),
        }
    }

    fn file_if_there(&mut self, path: &Path) -> Result<()> {
        if path.exists() {
            self.file(path)?;
        }
        Ok(())
    }

    /// A file, each link on the way to it, and the libraries it loads.
    fn file(&mut self, path: &Path) -> Result<()> {
        let path = in_real_directory(path)?;
        if !self.done.insert(path.clone()) {
            return Ok(());
        }
        if let Ok(to) = fs::read_link(&path) {
            self.tree.symlink(&path, &to);
            let base = path.parent().unwrap_or(Path::new("/"));
            return self.file(&base.join(to));
        }
        self.tree.host_file(&path, &path);
        for library in libraries(&path)? {
            self.file(&library)?;
        }
        Ok(())
    }

    /// All files below a directory, but for directories whose name begins like one of `unused`.
    fn below(&mut self, dir: &Path, unused: &[&str]) -> Result<()> {
        let Ok(entries) = fs::read_dir(dir) else {
            return Ok(());
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !path.is_dir() {
                self.file_if_there(&path)?;
            } else if !unused.iter().any(|u| name.starts_with(u)) {
                self.below(&path, unused)?;
            }
        }
        Ok(())
    }

    /// The library of the system's Python.
    fn python(&mut self) -> Result<()> {
        let python = Path::new("/usr/bin/python3");
        if !python.exists() {
            return Ok(());
        }
        let mut ask = Command::new(python);
        ask.args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('stdlib'))",
        ]);
        let library = step::output_of(&mut ask)?;
        self.below(Path::new(library.trim()), PYTHON_UNUSED)
    }
}

/// The path with no links but its last part.
fn in_real_directory(path: &Path) -> Result<PathBuf> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(path.to_owned());
    };
    let parent = parent
        .canonicalize()
        .with_context(|| format!("cannot find {}", path.display()))?;
    Ok(parent.join(name))
}

/// The loader and libraries of an ELF file; none for what needs none.
///
/// # Errors
/// One of them is not installed.
fn libraries(file: &Path) -> Result<Vec<PathBuf>> {
    use std::io::Read;
    let mut start = [0; 4];
    let mut reader =
        fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    if reader.read_exact(&mut start).is_err() || start != *b"\x7fELF" {
        return Ok(Vec::new());
    }
    // It fails for static programs, and then says nothing that looks like a library.
    let out = Command::new("ldd")
        .arg(file)
        .output()
        .context("cannot run ldd")?;
    parse_ldd(&String::from_utf8_lossy(&out.stdout))
        .with_context(|| format!("libraries of {}", file.display()))
}

/// Paths in ldd's output.
fn parse_ldd(text: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in text.lines() {
        let (name, place) = line.split_once(" => ").unwrap_or(("", line));
        if place.trim() == "not found" {
            anyhow::bail!("{} is not installed", name.trim());
        }
        // "/path (0x7f…)"; the kernel's own has no path.
        let path = place.trim().split(" (").next().unwrap_or_default();
        if path.starts_with('/') {
            paths.push(path.into());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldds_output() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd2c3f1000)\n\
            \tlibselinux.so.1 => /lib/x86_64-linux-gnu/libselinux.so.1 (0x00007f3a)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f3b)\n";
        let wanted = [
            "/lib/x86_64-linux-gnu/libselinux.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        let paths = parse_ldd(text).expect("sound");
        assert_eq!(paths, wanted.map(PathBuf::from));
        assert!(
            parse_ldd("\tnot a dynamic executable\n")
                .expect("none")
                .is_empty()
        );
        let error = parse_ldd("\tlibx.so => not found\n").expect_err("missing");
        assert_eq!(error.to_string(), "libx.so is not installed");
    }

    #[test]
    fn a_shell_brings_its_links_and_its_loader() {
        let mut tree = Tree::default();
        let mut copied = Copied {
            tree: &mut tree,
            done: BTreeSet::new(),
        };
        copied.file(Path::new("/bin/sh")).expect("a shell");
        let files: Vec<String> = copied
            .done
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        assert!(files.iter().any(|f| f.ends_with("/bin/sh")), "{files:?}");
        assert!(files.iter().any(|f| f.contains("/ld-")), "{files:?}");
        for file in &files {
            assert!(tree.has(Path::new(file)));
        }
    }
}
