//! The BPF toolchain as `cargo xtask setup` left it, and the one cargo call that compiles
//! `tracer-ebpf` with it.
//!
//! `bpfel-unknown-none` has no prebuilt `core`, so the build needs a nightly compiler, the library
//! sources that match it, and `bpf-linker`. Setup writes where these are into a *stamp*: a text
//! file of `KEY=value` lines in the cache directory. This file is compiled into xtask and, by
//! `#[path]`, into tracer's build script; it therefore uses the standard library only.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Remedy shared by every way in which the stamp can be unusable.
const REMEDY: &str = "run `cargo xtask setup`";

/// The target triple of every BPF object.
const TARGET: &str = "bpfel-unknown-none";

/// A resolved toolchain: paths are absolute, versions are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// Root of the nightly: `bin/rustc`, `bin/cargo` and `lib/` are below it.
    pub(crate) sysroot: PathBuf,
    /// A directory whose `library/` holds the standard library's sources; `None` when the
    /// nightly's own sysroot has them.
    pub(crate) src_root: Option<PathBuf>,
    /// The bpf-linker executable.
    pub(crate) linker: PathBuf,
    /// [`driver_identity`] of the sysroot at the time of setup.
    pub(crate) driver: String,
    /// The pinned versions setup worked with.
    pub(crate) pins: String,
    /// `rustc --version`, where the sources come from, and the linker's version.
    pub(crate) versions: [String; 3],
}

/// Cache directory: `$TRACER_CACHE`, `$XDG_CACHE_HOME/tracer` or `~/.cache/tracer`.
///
/// # Errors
/// `TRACER_CACHE` is a relative path, or none of the three variables gives an absolute one.
pub(crate) fn cache_dir() -> Result<PathBuf, String> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if env::var_os("TRACER_CACHE").is_some() && absolute("TRACER_CACHE").is_none() {
        return Err("TRACER_CACHE is no absolute path: set it to one, or unset it".to_owned());
    }
    absolute("TRACER_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("tracer")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/tracer")))
        .ok_or_else(|| "no cache directory: set TRACER_CACHE to an absolute path".to_owned())
}

/// Where cargo has unpacked the sources of crates, one directory for each registry, sorted. Both
/// names of one that is reached through a symbolic link: debug information has the other one.
pub(crate) fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let sources = home.map(|home| fs::read_dir(home.join("registry/src")));
    let mut found: Vec<PathBuf> = sources
        .into_iter()
        .flatten()
        .flat_map(|list| list.flatten().map(|entry| entry.path()))
        .flat_map(|path| [path.canonicalize().unwrap_or_else(|_| path.clone()), path])
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Where setup leaves its result.
pub(crate) fn stamp_path(cache: &Path) -> PathBuf {
    cache.join("toolchain")
}

/// Names the compiler in `sysroot` without running it: the file name of its driver library
/// carries a hash of the compiler, and its size is checked as well.
///
/// # Errors
/// The sysroot has no `lib/librustc_driver-*.so`.
pub(crate) fn driver_identity(sysroot: &Path) -> Result<String, String> {
    let lib = sysroot.join("lib");
    let entries = fs::read_dir(&lib).map_err(|e| format!("cannot list {}: {e}", lib.display()))?;
    entries
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let size = entry.metadata().ok()?.len();
            name.starts_with("librustc_driver-")
                .then(|| format!("{name}:{size}"))
        })
        .ok_or_else(|| format!("no librustc_driver in {}", lib.display()))
}

impl Toolchain {
    /// Reads the stamp and checks cheaply (no process is started) that it still holds.
    ///
    /// # Errors
    /// No stamp, a malformed one, a path that is gone, or another compiler in the same place.
    /// Every message ends with the remedy.
    pub(crate) fn load(cache: &Path) -> Result<Self, String> {
        let path = stamp_path(cache);
        let text = fs::read_to_string(&path)
            .map_err(|e| format!("no BPF toolchain ({}: {e}): {REMEDY}", path.display()))?;
        Self::parse(&text)
            .and_then(|toolchain| toolchain.check().map(|()| toolchain))
            .map_err(|e| {
                format!(
                    "BPF toolchain in {} is stale: {e}: {REMEDY}",
                    path.display()
                )
            })
    }

    /// Parses the text of a stamp.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or_else(|| format!("line {key}= is missing"))
        };
        let src_root = value("SRC_ROOT")?;
        Ok(Self {
            sysroot: value("SYSROOT")?.into(),
            src_root: (!src_root.is_empty()).then(|| src_root.into()),
            linker: value("LINKER")?.into(),
            driver: value("DRIVER")?,
            pins: value("PINS")?,
            versions: [
                value("RUSTC_VERSION")?,
                value("SRC_VERSION")?,
                value("LINKER_VERSION")?,
            ],
        })
    }

    /// That every file is where setup found it and the compiler is the same one.
    fn check(&self) -> Result<(), String> {
        let mut files = vec![self.rustc(), self.cargo(), self.linker.clone()];
        files.push(self.library().join("core/Cargo.toml"));
        if let Some(missing) = files.iter().find(|path| !path.is_file()) {
            return Err(format!("{} is missing", missing.display()));
        }
        let driver = driver_identity(&self.sysroot)?;
        if driver != self.driver {
            return Err(format!(
                "the compiler in {} has changed",
                self.sysroot.display()
            ));
        }
        Ok(())
    }

    pub(crate) fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin/rustc")
    }

    pub(crate) fn cargo(&self) -> PathBuf {
        self.sysroot.join("bin/cargo")
    }

    /// The standard library's source tree.
    pub(crate) fn library(&self) -> PathBuf {
        match &self.src_root {
            Some(root) => root.join("library"),
            None => self.sysroot.join("lib/rustlib/src/rust/library"),
        }
    }

    /// `cargo build --release` for the BPF target, for the package whose manifest is `manifest`.
    ///
    /// `arch` is the traced machine's architecture in Rust's naming (aya's `bpf_target_arch`).
    /// The object is `target_dir/bpfel-unknown-none/release/<binary>`.
    pub(crate) fn build_command(&self, manifest: &Path, target_dir: &Path, arch: &str) -> Command {
        let mut command = Command::new(self.cargo());
        isolate(&mut command);
        command
            .args([
                "build",
                "--release",
                "--target",
                TARGET,
                "-Z",
                "build-std=core",
            ])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags(manifest, arch))
            // bpf-linker reads bitcode with the LLVM library it finds here, rustc's own.
            .env("LD_LIBRARY_PATH", self.sysroot.join("lib"));
        self.configure(&mut command);
        command
    }

    /// Has this toolchain's cargo use its compiler and the library's sources, and no wrapper.
    pub(crate) fn configure(&self, cargo: &mut Command) {
        cargo
            .env("RUSTC", self.rustc())
            // An empty value turns off a wrapper named in a user's cargo configuration.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("PATH", self.search_path());
        if self.src_root.is_some() {
            // Cargo's only way to take the library's sources from elsewhere than the sysroot
            // (src/cargo/core/compiler/standard_lib.rs, detect_sysroot_src_path).
            cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", self.library());
        }
    }

    fn rustflags(&self, manifest: &Path, arch: &str) -> String {
        let mut flags = vec![
            "--cfg".to_owned(),
            format!("bpf_target_arch=\"{arch}\""),
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
            format!("-Clinker={}", self.linker.display()),
            // BTF line information must not carry the builder's directories.
            format!(
                "--remap-path-prefix={}=/rustc/library",
                self.library().display()
            ),
        ];
        for registry in registries() {
            flags.push(format!(
                "--remap-path-prefix={}=/registry",
                registry.display()
            ));
        }
        if let Some(workspace) = manifest.parent().and_then(Path::parent) {
            flags.push(format!("--remap-path-prefix={}=.", workspace.display()));
        }
        flags.join("\x1f")
    }

    fn search_path(&self) -> std::ffi::OsString {
        let rest = env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(self.sysroot.join("bin")).chain(env::split_paths(&rest));
        env::join_paths(dirs).unwrap_or(rest)
    }
}

/// Where [`Toolchain::build_command`] leaves binary `name`.
pub(crate) fn object_path(target_dir: &Path, name: &str) -> PathBuf {
    target_dir.join(TARGET).join("release").join(name)
}

/// Removes what an outer cargo, rustup or clippy put into the environment for *its* build:
/// compiler wrappers, flags, profiles and targets that must not reach the BPF build. What says
/// how to reach registries, and the job server, stays.
pub(crate) fn isolate(command: &mut Command) {
    const KEPT: &[&str] = &[
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "RUST_BACKTRACE",
        "RUSTUP_HOME",
    ];
    const DROPPED: &[&str] = &["CARGO", "CLIPPY_", "DEP_", "RUST", "__CARGO"];
    const DROPPED_NAMES: &[&str] = &[
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "TARGET",
    ];
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let starts = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
        if (starts(DROPPED) && !starts(KEPT)) || DROPPED_NAMES.contains(&name.as_ref()) {
            command.env_remove(&key);
        }
    }
}
