//! What `/proc` says of a descriptor now.

use std::path::Path;

/// `O_CLOEXEC`, and equally `SOCK_CLOEXEC`, `EFD_CLOEXEC` and their like.
pub(super) const CLOEXEC: u64 = 0o2_000_000;

/// Whether a process has our root directory and our mounts.
pub(super) fn shares_files(pid: u32) -> bool {
    let root = std::fs::read_link(format!("/proc/{pid}/root"));
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/mnt")).ok();
    root.is_ok_and(|root| root == Path::new("/"))
        && namespace(&pid.to_string()).is_some_and(|ns| Some(ns) == namespace("self"))
}

pub(super) fn read_link(pid: u32, fd: i32) -> Option<String> {
    link_text(Path::new(&format!("/proc/{pid}/fd/{fd}")))
}

pub(super) fn link_text(path: &Path) -> Option<String> {
    let link = std::fs::read_link(path).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// A line of `/proc/PID/fdinfo/FD`.
fn info(pid: u32, fd: i32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    Some(line.trim().to_owned())
}

pub(super) fn closes_on_exec(pid: u32, fd: i32) -> bool {
    let flags = info(pid, fd, "flags:");
    let flags = flags.and_then(|f| u64::from_str_radix(&f, 8).ok());
    flags.is_some_and(|flags| flags & CLOEXEC != 0)
}

pub(super) fn pid_of_pidfd(pid: u32, fd: i32) -> Option<String> {
    info(pid, fd, "Pid:")
}

/// `<char 5:0>` or `<block 8:1>` of a device file.
pub(super) fn device(pid: u32, link: &str) -> Option<String> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    if !link.starts_with("/dev/") {
        return None;
    }
    let inside = std::fs::metadata(format!("/proc/{pid}/root{link}"));
    let meta = inside.or_else(|_| std::fs::metadata(link)).ok()?;
    let kind = match meta.file_type() {
        kind if kind.is_char_device() => "char",
        kind if kind.is_block_device() => "block",
        _ => return None,
    };
    let (major, minor) = (libc::major(meta.rdev()), libc::minor(meta.rdev()));
    Some(format!("<{kind} {major}:{minor}>"))
}
