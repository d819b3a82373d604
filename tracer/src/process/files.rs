//! Files that targets have mapped, held open.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Mapping;

/// Open files at most; the usual soft limit of a process is 1024.
const MAX_OPEN: usize = 384;

/// A mapped file, open for reading for as long as this lives.
#[derive(Debug)]
pub struct MappedFile {
    /// Path as the target saw it when it was first seen.
    pub path: String,
    file: File,
    len: u64,
    id: (u64, u64),
}

impl MappedFile {
    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path by which this process, and any other of the same user, can open the file even if it
    /// was deleted, replaced or lies in another mount namespace.
    #[must_use]
    pub fn proc_path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Size in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Device and inode number: the same for two mappings of one file.
    #[must_use]
    pub fn id(&self) -> (u64, u64) {
        self.id
    }
}

/// The files of all targets, each open once. A file is closed when the last address space that
/// maps it is dropped and [`MappedFiles::close_unused`] is called.
#[derive(Debug, Default)]
pub struct MappedFiles {
    open: HashMap<FileKey, Arc<MappedFile>>,
    refused: u64,
}

/// What `/proc/PID/maps` says of a file. The device differs from that of `stat` on some file
/// systems (btrfs, overlayfs), so it is not compared with the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileKey {
    dev: (u32, u32),
    inode: u64,
}

impl MappedFiles {
    /// The file behind a mapping of a live process, or the one already open for it. `None` when it
    /// is no regular file, cannot be opened (the process may be gone) or too many are open.
    pub fn open(&mut self, pid: u32, mapping: &Mapping) -> Option<Arc<MappedFile>> {
        if !mapping.is_file() {
            return None;
        }
        let key = FileKey {
            dev: mapping.dev,
            inode: mapping.inode,
        };
        if let Some(file) = self.open.get(&key) {
            return Some(Arc::clone(file));
        }
        if self.open.len() >= MAX_OPEN {
            self.refused += 1;
            return None;
        }
        let file = Arc::new(open_mapped(pid, mapping)?);
        self.open.insert(key, Arc::clone(&file));
        Some(file)
    }

    /// Closes files that no address space maps any more.
    pub fn close_unused(&mut self) {
        self.open.retain(|_, file| Arc::strong_count(file) > 1);
    }

    /// The open files, as [`MappedFile::id`].
    #[must_use]
    pub fn ids(&self) -> HashSet<(u64, u64)> {
        self.open.values().map(|file| file.id()).collect()
    }

    /// Files that were not opened because too many were open.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Files open now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no file is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// Opens the very file that is mapped: by its mapping (works for deleted files and in containers,
/// needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE), else by its path in the target's root, else as
/// the target's executable, else, if the target is gone, by its path here. All but the first must
/// have the mapping's inode number.
fn open_mapped(pid: u32, mapping: &Mapping) -> Option<MappedFile> {
    let by_mapping = format!(
        "/proc/{pid}/map_files/{:x}-{:x}",
        mapping.start, mapping.end
    );
    let by_path = format!("/proc/{pid}/root{}", mapping.name());
    let by_exe = format!("/proc/{pid}/exe");
    let file = open_regular(Path::new(&by_mapping))
        .ok()
        .or_else(|| open_same(&by_path, mapping.inode))
        .or_else(|| open_same(&by_exe, mapping.inode))
        .or_else(|| open_same(mapping.name(), mapping.inode))?;
    let metadata = file.metadata().ok()?;
    Some(MappedFile {
        path: mapping.name().to_owned(),
        len: metadata.len(),
        id: (metadata.dev(), metadata.ino()),
        file,
    })
}

fn open_same(path: &str, inode: u64) -> Option<File> {
    let file = open_regular(Path::new(path)).ok()?;
    (file.metadata().ok()?.ino() == inode).then_some(file)
}

/// Opens a regular file and nothing else: opening a device or a pipe can act or block, and what
/// lies at the path is the target's choice. So the path is only looked up first.
fn open_regular(path: &Path) -> io::Result<File> {
    let found = File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
        .open(path)?;
    let kind = found.metadata()?.file_type();
    if !kind.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::options()
        .read(true)
        .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let fifo = dir.path().join("fifo");
        let name = std::ffi::CString::new(fifo.to_str().expect("UTF-8")).expect("no NUL");
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert!(open_regular(&fifo).is_err(), "would block");
        assert!(open_regular(Path::new("/dev/null")).is_err());
        assert!(open_regular(dir.path()).is_err());
        assert!(open_regular(Path::new("/proc/self/exe")).is_ok());
    }
}
