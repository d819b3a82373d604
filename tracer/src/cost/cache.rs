//! Keeps measured prices between runs.
//!
//! The file is used only when it is a plain file of ours that nobody else could have written, in a
//! directory of which the same is true, and was made with the same kernel, its command line, CPU
//! and programs. Whatever is wrong with it, prices are then measured again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::calibrate;
use super::price::{Class, Price, Prices};

/// Where root's system-wide caches are (Filesystem Hierarchy Standard 3.0, 5.5).
const DIRECTORY: &str = "/var/cache/tracer";
const FILE: &str = "prices.json";

/// A longer file is none of ours, in bytes.
const MAX_LEN: u64 = 64 << 10;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    host: Host,
    prices: Vec<(Class, Price)>,
}

/// What prices depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Host {
    /// Release and build of the kernel.
    kernel: String,
    /// Its command line: mitigations, ticks.
    command_line: u32,
    cpu: String,
    /// Checksum of our programs.
    programs: u32,
    tracer: String,
}

impl Host {
    fn this() -> Self {
        let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let line = |file: &str| text(file).trim_end().to_owned();
        let info = text("/proc/cpuinfo");
        let of_cpu = |name: &str| {
            let found = info.lines().find(|l| l.starts_with(name));
            found.unwrap_or_default().to_owned()
        };
        Self {
            kernel: format!(
                "{} {}",
                line("/proc/sys/kernel/osrelease"),
                line("/proc/sys/kernel/version")
            ),
            command_line: crc32fast::hash(text("/proc/cmdline").as_bytes()),
            cpu: ["model name", "microcode", "CPU implementer", "CPU part"]
                .map(of_cpu)
                .join(";"),
            programs: crc32fast::hash(crate::bpf::object()),
            tracer: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The prices of `wanted` on this host: those kept from an earlier run, the others measured now, in
/// some tens of ms, and kept. With them comes what kept some from being measured, if anything did.
#[must_use]
pub fn prices(wanted: &[Class]) -> (Prices, Option<String>) {
    prices_in(Path::new(DIRECTORY), wanted, calibrate::measure)
}

fn prices_in(
    directory: &Path,
    wanted: &[Class],
    measure: impl Fn(&[Class]) -> Result<Prices, String>,
) -> (Prices, Option<String>) {
    let host = Host::this();
    let mut prices = read(directory, &host).unwrap_or_default();
    let missing: Vec<Class> = wanted
        .iter()
        .copied()
        .filter(|&class| class != Class::Record && !prices.is_measured(class))
        .collect();
    if missing.is_empty() {
        return (prices, None);
    }
    match measure(&missing) {
        Ok(new) => {
            new.iter()
                .for_each(|(class, price)| prices.set(class, price));
            let contents = Contents {
                host,
                prices: prices.iter().collect(),
            };
            // Without a place to keep them they are measured again next time.
            let _ = write(directory, &contents);
            let still = missing.iter().find(|&&c| !prices.is_measured(c));
            let why = still.map(|c| format!("the price of {} was not measurable", c.unit()));
            (prices, why)
        }
        Err(why) => (prices, Some(why)),
    }
}

fn read(directory: &Path, host: &Host) -> Option<Prices> {
    if !is_ours(&fs::symlink_metadata(directory).ok()?, libc::S_IFDIR) {
        return None;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(directory.join(FILE))
        .ok()?;
    if !is_ours(&file.metadata().ok()?, libc::S_IFREG) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_LEN + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MAX_LEN {
        return None;
    }
    let contents: Contents = serde_json::from_slice(&bytes).ok()?;
    if contents.host != *host {
        return None;
    }
    let mut prices = Prices::default();
    // Prices out of bounds are left out, and measured again.
    for (class, price) in contents.prices {
        prices.set(class, price);
    }
    Some(prices)
}

/// Of this kind, and writable by nobody but us.
fn is_ours(meta: &fs::Metadata, kind: libc::mode_t) -> bool {
    // SAFETY: no preconditions.
    let us = unsafe { libc::geteuid() };
    meta.uid() == us && meta.mode() & libc::S_IFMT == kind && meta.mode() & 0o022 == 0
}

fn write(directory: &Path, contents: &Contents) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    if !is_ours(&fs::symlink_metadata(directory)?, libc::S_IFDIR) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    remove_abandoned(directory);
    let temporary = directory.join(format!("{FILE}.{}", std::process::id()));
    let written = create(&temporary).and_then(|mut file| {
        file.write_all(&serde_json::to_vec(contents)?)?;
        fs::rename(&temporary, directory.join(FILE))
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes what tracers left that were killed while they wrote: `prices.json.PID`.
fn remove_abandoned(directory: &Path) {
    for file in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = file.file_name();
        let pid = name.to_str().and_then(|name| {
            let pid = name.strip_prefix(FILE)?.strip_prefix('.')?;
            pid.parse::<u32>().ok()
        });
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_file(file.path());
        }
    }
}

fn create(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const WANTED: [Class; 1] = [Class::SyscallStats];

    /// A directory, and how often prices had to be measured in it.
    struct Place {
        directory: tempfile::TempDir,
        measured: Cell<u32>,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(directory.path(), mode).expect("ours");
            Self {
                directory,
                measured: Cell::new(0),
            }
        }

        fn file(&self) -> PathBuf {
            self.directory.path().join(FILE)
        }

        /// The price found, and whether it was measured for that.
        fn look(&self) -> (u32, bool) {
            let before = self.measured.get();
            let (prices, why) = prices_in(self.directory.path(), &WANTED, |_| {
                self.measured.set(self.measured.get() + 1);
                let mut prices = Prices::default();
                prices.set(
                    Class::SyscallStats,
                    Price {
                        target_ns: 300 + self.measured.get(),
                        other_ns: 100,
                    },
                );
                Ok(prices)
            });
            assert_eq!(why, None);
            let price = prices.of(Class::SyscallStats).target_ns;
            (price, self.measured.get() != before)
        }
    }

    #[test]
    fn prices_are_measured_once() {
        let place = Place::new();
        assert_eq!(place.look(), (301, true));
        assert_eq!(place.look(), (301, false));
        let mode = fs::metadata(place.file()).expect("kept").mode();
        assert_eq!(mode & 0o7777, 0o600);
        let left = fs::read_dir(place.directory.path()).expect("list").count();
        assert_eq!(left, 1, "no temporary file");
    }

    #[test]
    fn what_a_killed_writer_left_is_removed() {
        let place = Place::new();
        let left = |name: &str| place.directory.path().join(name);
        // No pid is that large (include/linux/threads.h, PID_MAX_LIMIT); 1 is always alive.
        for name in ["prices.json.4194305", "prices.json.1", "prices.json.bak"] {
            fs::write(left(name), "").expect("written");
        }
        place.look();
        assert!(!left("prices.json.4194305").exists());
        assert!(left("prices.json.1").exists() && left("prices.json.bak").exists());
    }

    #[test]
    fn another_host_or_version_is_measured() {
        let place = Place::new();
        place.look();
        let text = fs::read_to_string(place.file()).expect("kept");
        let other = text.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
        fs::write(place.file(), other).expect("written");
        assert_eq!(place.look(), (302, true));
        assert_eq!(place.look(), (302, false));
    }

    #[test]
    fn damaged_and_forged_files_are_not_believed() {
        let place = Place::new();
        place.look();
        let good = fs::read_to_string(place.file()).expect("kept");
        let free = good.replace("301", "0");
        let dear = good.replace("301", "4000000000");
        let wrong = good.replace("301", "-1");
        let cut = good[..good.len() / 2].to_owned();
        let long = good.replace('{', &format!("{{{}", " ".repeat(MAX_LEN as usize)));
        for bad in [
            free,
            dear,
            wrong,
            cut,
            long,
            String::new(),
            "[".repeat(60_000),
        ] {
            fs::write(place.file(), &bad).expect("written");
            let (price, measured) = place.look();
            assert!(measured && price > 300, "{:.80}", bad);
            assert_eq!(place.look(), (price, false), "replaced");
        }
    }

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        let place = Place::new();
        place.look();
        let mode = fs::Permissions::from_mode(0o666);
        fs::set_permissions(place.file(), mode).expect("changed");
        assert_eq!(place.look(), (302, true));
        let elsewhere = place.directory.path().join("elsewhere");
        fs::rename(place.file(), &elsewhere).expect("moved");
        symlink(&elsewhere, place.file()).expect("linked");
        assert_eq!(place.look(), (303, true), "a link is not followed");
        assert_eq!(place.look(), (303, false), "but replaced");
        let mode = fs::Permissions::from_mode(0o777);
        fs::set_permissions(place.directory.path(), mode).expect("changed");
        assert_eq!(place.look(), (304, true), "a directory of everybody");
        assert_eq!(place.look(), (305, true), "and nothing is kept there");
    }

    #[test]
    fn what_cannot_be_measured_is_assumed_and_said() {
        let place = Place::new();
        let (prices, why) = prices_in(place.directory.path(), &WANTED, |_| {
            Err("no leave".to_owned())
        });
        assert_eq!(why.as_deref(), Some("no leave"));
        let price = prices.of(Class::SyscallStats);
        assert_eq!(price, Class::SyscallStats.assumed());
        let (_, why) = prices_in(place.directory.path(), &WANTED, |_| Ok(Prices::default()));
        let why = why.expect("a reason");
        assert_eq!(why, "the price of a syscall counted was not measurable");
        assert_eq!(
            prices_in(place.directory.path(), &[Class::Record], |_| panic!()),
            (Prices::default(), None)
        );
    }
}
