//! Learns that processes end, and with what status, without stopping or polling them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process, held by a descriptor that cannot come to mean another one.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) pid: u32,
    fd: AsyncFd<PidFd>,
}

#[derive(Debug)]
struct PidFd(OwnedFd);

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Watched {
    /// Opens the process.
    ///
    /// # Errors
    /// `ESRCH` when it does not exist; when `pid` is a thread that leads no process, `EINVAL`, or
    /// `ENOENT` from newer kernels (6.18 does so).
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the descriptor is new and ours; the kernel made it close on exec.
        let fd = PidFd(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: `PidFd` owns its descriptor and always returns the same one.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }
            .map_err(|e| e.into_parts().1)?;
        Ok(Self { pid, fd })
    }

    /// Whether the process has ended by now; its pid may be another's then.
    pub(super) fn has_ended(&self) -> bool {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid element.
        unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
    }

    /// Resolves when the process has ended.
    pub(super) async fn ended(&self) {
        // An error means that readiness cannot be awaited, which ends the wait as well.
        let _ = self.fd.readable().await;
    }
}

/// Resolves when all have ended.
pub(super) async fn all_ended(watched: &[Watched]) {
    for process in watched {
        process.ended().await;
    }
}

/// Whether a thread of a process is there and more than a zombie. The first thread may end before
/// the others.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = std::fs::read(thread.path().join("stat")).unwrap_or_default();
        // "TID (NAME) STATE …", where the name may hold anything, also parentheses.
        let name_end = stat.iter().rposition(|&byte| byte == b')');
        let state = name_end.and_then(|end| stat.get(end + 2));
        !matches!(state, None | Some(b'Z' | b'X'))
    })
}

/// Collects the status of our own child, as `wait4` reports it.
pub(super) fn reap(pid: u32) -> Option<u32> {
    let mut status = 0;
    // SAFETY: `status` is valid; the child is ours.
    let got = unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, libc::WNOHANG) };
    (got == pid.cast_signed()).then(|| status.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_and_what_is_gone_are_not_alive() {
        assert!(is_alive(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().expect("starts");
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while is_alive(child.id()) {
            assert!(std::time::Instant::now() < patience, "never a zombie");
            std::thread::yield_now();
        }
        child.wait().expect("ours");
        assert!(!is_alive(child.id()));
    }
}
