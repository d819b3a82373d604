//! Archives in the "newc" format, which the kernel unpacks into its first root directory
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const DIRECTORY: u32 = 0o040_755;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;

/// What is at one path of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    /// A file of this machine, with its permissions there.
    Host(PathBuf),
    Bytes(Vec<u8>, u32),
    Symlink(PathBuf),
}

/// A tree of files to be packed; paths are relative to the guest's root.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, Node>);

impl Tree {
    /// Adds a directory and those above it.
    pub(super) fn directory(&mut self, path: impl AsRef<Path>) {
        self.insert(path.as_ref(), Node::Directory);
    }

    /// Adds a file of this machine.
    pub(super) fn host_file(&mut self, path: impl AsRef<Path>, host: &Path) {
        self.insert(path.as_ref(), Node::Host(host.to_owned()));
    }

    /// Adds a file with these bytes and permissions.
    pub(super) fn bytes(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>, mode: u32) {
        self.insert(path.as_ref(), Node::Bytes(bytes.into(), mode));
    }

    /// Adds a symbolic link.
    pub(super) fn symlink(&mut self, path: impl AsRef<Path>, to: impl Into<PathBuf>) {
        self.insert(path.as_ref(), Node::Symlink(to.into()));
    }

    /// Whether there is something at `path`.
    #[cfg(test)]
    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.contains_key(relative(path))
    }

    /// The kernel makes no missing parents, so each path brings its own along.
    fn insert(&mut self, path: &Path, node: Node) {
        let path = relative(path);
        let parents = path.ancestors().skip(1);
        for parent in parents.filter(|p| !p.as_os_str().is_empty()) {
            self.0.entry(parent.to_owned()).or_insert(Node::Directory);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Writes the archive: each directory before what is in it. Returns its size in bytes.
    ///
    /// # Errors
    /// A file cannot be read, is larger than the format can say (4 GiB), or `out` fails.
    pub(super) fn pack(&self, out: impl Write) -> Result<u64> {
        let mut archive = Archive {
            out,
            written: 0,
            inode: 0,
        };
        for (path, node) in &self.0 {
            archive
                .node(path, node)
                .with_context(|| format!("cannot pack {}", path.display()))?;
        }
        archive.entry(Path::new("TRAILER!!!"), 0, &[])?;
        archive.out.flush()?;
        Ok(archive.written)
    }
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

struct Archive<W> {
    out: W,
    written: u64,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn node(&mut self, path: &Path, node: &Node) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::PermissionsExt;
        match node {
            Node::Directory => self.entry(path, DIRECTORY, &[]),
            Node::Bytes(bytes, mode) => self.entry(path, REGULAR | mode, bytes),
            Node::Symlink(to) => self.entry(path, SYMLINK, to.as_os_str().as_bytes()),
            Node::Host(host) => {
                let bytes =
                    fs::read(host).with_context(|| format!("cannot read {}", host.display()))?;
                let mode = fs::metadata(host)?.permissions().mode() & 0o777;
                self.entry(path, REGULAR | mode, &bytes)
            }
        }
    }

    fn entry(&mut self, path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let name = path.as_os_str().as_bytes();
        let Ok(size) = u32::try_from(bytes.len()) else {
            bail!("{} bytes are more than the format allows", bytes.len());
        };
        // Equal numbers would make files one, with several names.
        self.inode += 1;
        let name_size = u32::try_from(name.len() + 1)?;
        let links = 1 + u32::from(mode == DIRECTORY);
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
        // namesize, check
        let fields = [
            self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0,
        ];
        self.write(b"070701")?;
        for field in fields {
            self.write(format!("{field:08x}").as_bytes())?;
        }
        self.write(name)?;
        self.write(&[0])?;
        self.pad()?;
        self.write(bytes)?;
        self.pad()?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Names with their header, and contents, end on a multiple of four.
    fn pad(&mut self) -> io::Result<()> {
        let over = usize::try_from(self.written % 4).unwrap_or_default();
        self.write(&[0; 3][..(4 - over) % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive: mode, name and contents of each entry.
    fn unpack(bytes: &[u8]) -> Vec<(u32, String, Vec<u8>)> {
        let field = |at: usize, n: usize| {
            let digits = &bytes[at + 6 + 8 * n..at + 14 + 8 * n];
            let digits = std::str::from_utf8(digits).expect("digits");
            u32::from_str_radix(digits, 16).expect("a number")
        };
        let round = |n: usize| n.next_multiple_of(4);
        let (mut at, mut entries) = (0, Vec::new());
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701", "at {at}");
            let name_size = field(at, 11) as usize;
            let size = field(at, 6) as usize;
            let name = &bytes[at + 110..at + 110 + name_size];
            assert_eq!(name.last(), Some(&0));
            let name = String::from_utf8(name[..name_size - 1].to_vec()).expect("text");
            let start = round(at + 110 + name_size);
            entries.push((field(at, 1), name, bytes[start..start + size].to_vec()));
            at = round(start + size);
        }
        entries
    }

    #[test]
    fn what_is_packed_can_be_unpacked_parents_first() {
        let mut tree = Tree::default();
        tree.bytes("/a/b/file", "text", 0o755);
        tree.symlink("a/link", "b/file");
        tree.bytes("empty", "", 0o644);
        let mut bytes = Vec::new();
        let size = tree.pack(&mut bytes).expect("packed");
        assert_eq!(size, bytes.len() as u64);
        assert_eq!(size % 4, 0);
        let entry = |mode, name: &str, text: &str| (mode, name.to_owned(), text.into());
        assert_eq!(
            unpack(&bytes),
            [
                entry(0o040_755, "a", ""),
                entry(0o040_755, "a/b", ""),
                entry(0o100_755, "a/b/file", "text"),
                entry(0o120_777, "a/link", "b/file"),
                entry(0o100_644, "empty", ""),
                entry(0, "TRAILER!!!", ""),
            ]
        );
    }

    #[test]
    fn a_files_permissions_are_kept_and_a_missing_one_is_named() {
        let own = std::env::current_exe().expect("own path");
        let mut tree = Tree::default();
        tree.host_file("own", &own);
        let mut bytes = Vec::new();
        tree.pack(&mut bytes).expect("packed");
        let entries = unpack(&bytes);
        assert_eq!(entries[0].0 & 0o100_100, 0o100_100, "an executable file");
        assert!(entries[0].2 == fs::read(&own).expect("own bytes"));
        tree.host_file("none", Path::new("/nowhere/none"));
        let error = tree.pack(io::sink()).expect_err("no such file");
        assert!(format!("{error:#}").contains("/nowhere/none"), "{error:#}");
    }
}
