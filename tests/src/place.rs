//! Where the binary and the fixtures are.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Tracer, skip};

/// What a test works with: the binary, the fixtures and a directory of its own.
#[derive(Debug)]
pub struct Place {
    tracer: PathBuf,
    fixtures: PathBuf,
    dir: TempDir,
}

/// The place, or `None` and a [`skip`] when a part of it is missing.
#[must_use]
pub fn place(root_needed: bool) -> Option<Place> {
    let variable = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        let path = path.filter(|p| p.exists());
        if path.is_none() {
            skip(&format!(
                "{name} names nothing; run the tests with `cargo xtask test`"
            ));
        }
        path
    };
    let place = Place::new(variable("TRACER_BIN")?, variable("TRACER_FIXTURES")?);
    if root_needed && !is_root() {
        skip("BPF programs are loaded here, which needs root");
        return None;
    }
    Some(place)
}

/// The minor number of a Go release, 24 of `1.24.11`.
///
/// # Panics
/// When it is no release.
#[must_use]
pub fn minor(release: &str) -> u32 {
    let number = release.split('.').nth(1).and_then(|n| n.parse().ok());
    number.unwrap_or_else(|| panic!("{release} is no Go release"))
}

/// True when BPF programs may be loaded.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

impl Place {
    /// With this binary, and the fixtures below this directory.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    #[must_use]
    pub fn new(tracer: PathBuf, fixtures: PathBuf) -> Self {
        Self {
            tracer,
            fixtures,
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// A built fixture, for instance `c/sleeper` or `go/1.24.11/gcload-stripped`.
    ///
    /// # Panics
    /// When it is not built: `cargo xtask test` builds them all, so that is no reason to skip.
    #[must_use]
    pub fn fixture(&self, name: &str) -> PathBuf {
        let path = self.fixtures.join(name);
        assert!(path.is_file(), "{} is not built", path.display());
        path
    }

    /// Go releases with built fixtures, oldest first.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn go_releases(&self) -> Vec<String> {
        let dir = self.fixtures.join("go");
        let mut releases: Vec<String> = std::fs::read_dir(&dir)
            .expect("fixtures have go/")
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        releases.sort();
        assert!(!releases.is_empty(), "{} is empty", dir.display());
        releases
    }

    /// The ways in which fixture `name` is built for Go `release`, as the rest of its file's name:
    /// the plain way, which is "", and at least stripped, as PIE, and with cgo.
    ///
    /// # Panics
    /// When one of these is missing.
    #[must_use]
    pub fn go_variants(&self, release: &str, name: &str) -> Vec<String> {
        let dir = self.fixtures.join("go").join(release);
        let mut variants: Vec<String> = std::fs::read_dir(&dir)
            .expect("fixtures of this release")
            .flatten()
            .filter_map(|e| Some(e.file_name().to_str()?.strip_prefix(name)?.to_owned()))
            .filter(|rest| rest.is_empty() || rest.starts_with('-'))
            .collect();
        variants.sort();
        // There is no C compiler for other machines.
        let cgo = if cfg!(target_arch = "x86_64") {
            "-cgo"
        } else {
            ""
        };
        for usual in ["", "-stripped", "-nodwarf", "-pie", cgo] {
            assert!(
                variants.iter().any(|v| v == usual),
                "{name}{usual} is not built for Go {release}"
            );
        }
        variants
    }

    /// A fixture with its arguments.
    #[must_use]
    pub fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.fixture(name));
        command.args(args);
        command
    }

    /// The binary with arguments.
    #[must_use]
    pub fn tracer(&self, args: &[&str]) -> Tracer {
        Tracer::new(&self.tracer, args)
    }

    /// The binary's file.
    #[must_use]
    pub fn tracer_file(&self) -> &Path {
        &self.tracer
    }

    /// Directory of this test, removed at its end.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the test's directory, as text for arguments.
    ///
    /// # Panics
    /// When the temporary directory's name is not UTF-8.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        path.to_str().expect("temporary paths are text").to_owned()
    }
}
