//! Attaches user probes.
//!
//! By `perf_event_open(2)` on the `uprobe` event source and `PERF_EVENT_IOC_SET_BPF`: this works
//! the same from Linux 4.17 on. The loader library decides by the kernel's version string instead,
//! which it cannot read when that has two parts (`7.3-cloud-amd64`): it then needs tracefs and
//! leaves entries behind there when it is killed.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The number of the event source, from which the kernel's own tools take it, too.
const TYPE: &str = "/sys/bus/event_source/devices/uprobe/type";

/// Codes of ioctl(2) from include/uapi/linux/perf_event.h: `_IO('$', 0)` and `_IOW('$', 8, __u32)`.
const IOC_ENABLE: libc::Ioctl = 0x2400;
const IOC_SET_BPF: libc::Ioctl = 0x4004_2408;
const FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// `struct perf_event_attr` up to `config2`: `PERF_ATTR_SIZE_VER1` (include/uapi/linux/perf_event.h).
#[derive(Default)]
#[repr(C)]
struct PerfEventAttr {
    event_type: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    /// `uprobe_path`: the address of a path that ends in NUL.
    config1: u64,
    /// `probe_offset`: bytes from the beginning of the file.
    config2: u64,
}

/// An attached user probe. Dropping it detaches; so does the end of this process.
#[derive(Debug)]
pub(super) struct UprobeLink {
    _event: OwnedFd,
}

impl UprobeLink {
    /// Attaches a program at a file offset, in one process or, with pid 0, in all.
    ///
    /// # Errors
    /// The system call that failed and why: there is no such event source, file or process, or the
    /// offset is not at an instruction that can be probed.
    pub(super) fn attach(
        program: BorrowedFd<'_>,
        file: &Path,
        offset: u64,
        pid: u32,
    ) -> Result<Self, UprobeError> {
        let event_type = event_type().map_err(UprobeError::NoSource)?;
        let event = open(event_type, file, offset, pid).map_err(UprobeError::Open)?;
        ioctl(&event, IOC_SET_BPF, program.as_raw_fd()).map_err(UprobeError::SetProgram)?;
        ioctl(&event, IOC_ENABLE, 0).map_err(UprobeError::Enable)?;
        Ok(Self { _event: event })
    }
}

/// Why a user probe cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum UprobeError {
    #[error("cannot read {TYPE}; mount sysfs, or use a kernel built with CONFIG_UPROBE_EVENTS=y")]
    NoSource(#[source] io::Error),
    #[error("perf_event_open refuses the place; `tracer doctor` shows what this host allows")]
    Open(#[source] io::Error),
    #[error("the event takes no program; `tracer doctor` shows what this host allows")]
    SetProgram(#[source] io::Error),
    #[error("the event cannot be enabled; `tracer doctor` shows what this host allows")]
    Enable(#[source] io::Error),
}

fn event_type() -> io::Result<u32> {
    let text = fs::read_to_string(TYPE)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds no number"))
}

fn open(event_type: u32, file: &Path, offset: u64, pid: u32) -> io::Result<OwnedFd> {
    let path = CString::new(file.as_os_str().as_bytes())?;
    let attr = PerfEventAttr {
        event_type,
        size: size_of::<PerfEventAttr>() as u32,
        config1: path.as_ptr().addr() as u64,
        config2: offset,
        ..PerfEventAttr::default()
    };
    // The kernel wants a process or a CPU. On whichever CPU the event of all processes is opened,
    // it sees hits on all.
    let (pid, cpu) = match pid {
        0 => (-1, 0),
        pid => (pid.cast_signed(), -1),
    };
    let no_group = -1;
    // SAFETY: the attribute says its own length, and the path it points to ends in NUL; both live
    // until the call returns, and the kernel copies them.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            pid,
            cpu,
            no_group,
            FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the call succeeded, so this is a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn ioctl(event: &OwnedFd, request: libc::Ioctl, argument: RawFd) -> io::Result<()> {
    // SAFETY: both requests take a number.
    if unsafe { libc::ioctl(event.as_raw_fd(), request, argument) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_attribute_has_the_kernel_s_layout() {
        assert_eq!(size_of::<PerfEventAttr>(), 72, "PERF_ATTR_SIZE_VER1");
        assert_eq!(std::mem::offset_of!(PerfEventAttr, config1), 56);
    }

    #[test]
    fn a_place_that_is_none_is_refused_with_the_reason() {
        let Ok(event_type) = event_type() else {
            eprintln!("skipped: this host has no user probes");
            return;
        };
        let open = |file: &str| open(event_type, Path::new(file), 0, 0).map(drop);
        let error = open("/nonexistent").expect_err("no such file");
        // EACCES or EPERM is the answer to the unprivileged.
        let errno = error.raw_os_error().unwrap_or(0);
        assert!([libc::ENOENT, libc::EACCES, libc::EPERM].contains(&errno));
        let nul = open("/a\0b").expect_err("no path");
        assert_eq!(nul.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_no_program_is_not_attached() {
        let file = fs::File::open("/dev/null").expect("there");
        let exe = Path::new("/proc/self/exe");
        let error = UprobeLink::attach(file.as_fd(), exe, 0x1000, std::process::id());
        assert!(error.is_err());
    }
}
