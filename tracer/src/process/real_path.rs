//! Paths without links, as another process would find them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows (`MAXSYMLINKS`, include/linux/namei.h).
const MAX_LINKS: u32 = 40;

/// Follows the links of an absolute path for a thread that shares our files: `/proc/self` and
/// `/proc/thread-self`, and what leads through them, as `/dev/stdin` does, are that thread's.
///
/// # Errors
/// When there is no such file, or it cannot be looked for.
pub(super) fn real_path(path: &Path, pid: u32, tid: u32) -> io::Result<PathBuf> {
    let mut left: Vec<PathBuf> = parts(path);
    let mut real = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == Path::new("..") {
            real.pop();
            continue;
        }
        let in_proc = real == Path::new("/proc");
        if in_proc && part == Path::new("self") {
            real.push(pid.to_string());
            continue;
        }
        if in_proc && part == Path::new("thread-self") {
            real.push(format!("{pid}/task/{tid}"));
            continue;
        }
        let here = real.join(&part);
        let target = match std::fs::read_link(&here) {
            // It is there, and no link.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                real = here;
                continue;
            }
            target => target?,
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        if is_no_path(&real, target.as_os_str()) {
            return Ok(target);
        }
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        left.extend(parts(&target));
    }
    Ok(real)
}

/// What a link of `/proc/PID/fd` says that leads to no file with a path: `pipe:[12]`.
fn is_no_path(directory: &Path, target: &OsStr) -> bool {
    let text = target.as_bytes();
    directory.starts_with("/proc") && !text.starts_with(b"/") && text.contains(&b':')
}

/// The parts of a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    let mut parts: Vec<PathBuf> = path.components().filter_map(part).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn self_is_the_other_process() {
        let real = |path: &str| real_path(Path::new(path), 1, 1).map(|p| p.display().to_string());
        assert_eq!(real("/proc/self/maps").expect("it runs"), "/proc/1/maps");
        assert_eq!(real("/proc/mounts").expect("a link"), "/proc/1/mounts");
        let thread = real("/proc/thread-self/comm").expect("it runs");
        assert_eq!(thread, "/proc/1/task/1/comm");
        assert!(real("/proc/self/nonexistent").is_err());
    }

    #[test]
    fn links_are_followed_as_the_system_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(dir.join("a/b")).expect("directories");
        std::fs::write(dir.join("a/file"), "").expect("a file");
        symlink("b/../file", dir.join("a/relative")).expect("a link");
        symlink(dir.join("a"), dir.join("absolute")).expect("a link");
        symlink("loop", dir.join("loop")).expect("a link");
        let own = std::process::id();
        for path in ["absolute/relative", "a/./b/../relative", "absolute//b/"] {
            let path = dir.join(path);
            let real = real_path(&path, own, own).expect("it is there");
            assert_eq!(real, std::fs::canonicalize(&path).expect("it is there"));
        }
        let looped = real_path(&dir.join("loop"), own, own).expect_err("no end");
        assert_eq!(looped.raw_os_error(), Some(libc::ELOOP));
        assert!(real_path(&dir.join("nothing/.."), own, own).is_err());
    }

    #[test]
    fn a_descriptor_of_no_file_is_what_it_is() {
        use std::os::fd::AsRawFd;
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let own = std::process::id();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let real = real_path(Path::new(&path), own, own).expect("it is open");
        assert!(real.to_string_lossy().starts_with("pipe:["), "{real:?}");
    }
}
