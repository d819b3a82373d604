//! Files of the host, below a root that tests replace.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest file read as text: those of `/proc` and `/sys` that matter here are far shorter.
const MAX_TEXT: u64 = 1 << 20;

/// Where `/proc` and `/sys` are.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The host this program runs on.
    #[must_use]
    pub fn live() -> Self {
        Self::at(Path::new("/"))
    }

    /// Files below `root` as if it were `/`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where an absolute path of the host is.
    #[must_use]
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Whether it is there, as far as this process may see.
    #[must_use]
    pub fn exists(&self, absolute: &str) -> bool {
        self.path(absolute).exists()
    }

    /// Opens a file to read.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn open(&self, absolute: &str) -> io::Result<File> {
        File::open(self.path(absolute))
    }

    /// The text of a file (at most its first MiB) without the space around it; bytes that are not
    /// UTF-8 are replaced.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn text(&self, absolute: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.open(absolute)?
            .take(MAX_TEXT)
            .read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The number in a file.
    #[must_use]
    pub fn number(&self, absolute: &str) -> Option<i64> {
        self.text(absolute).ok()?.parse().ok()
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// As [`fs::read_link`].
    pub fn link(&self, absolute: &str) -> io::Result<String> {
        let target = fs::read_link(self.path(absolute))?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// The value of `Key:` in a file such as `/proc/PID/status`.
    #[must_use]
    pub fn field(&self, absolute: &str, key: &str) -> Option<String> {
        field(&self.text(absolute).ok()?, key)
    }
}

/// The value of `Key:` in the text of a file such as `/proc/PID/status`.
#[must_use]
pub(super) fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(':')?;
        Some(value.trim().to_owned())
    })
}
