//! Launches a command that waits, before its first instruction, for the probes.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A forked child that has not yet executed its program.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: u32,
    go: File,
    failure: File,
}

/// Forks a child that will execute `file` when told to.
///
/// # Errors
/// When there are too many processes or files, or an argument holds a NUL.
pub(super) fn launch(file: &Path, args: &[String]) -> io::Result<Launched> {
    let file = CString::new(file.as_os_str().as_bytes())?;
    let args = args
        .iter()
        .map(|a| CString::new(a.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<_> = args.iter().map(|a| a.as_ptr()).collect();
    argv.push(std::ptr::null());
    let (wait, go) = pipe()?;
    let (failure, report) = pipe()?;
    // SAFETY: the tracer has one thread here or the child calls nothing but async-signal-safe
    // functions, on data made before the fork.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => child(&file, &argv, wait.as_raw_fd(), go, report.as_raw_fd()),
        pid => Ok(Launched {
            pid: pid.cast_unsigned(),
            go,
            failure,
        }),
    }
}

/// The child's side: every descriptor of ours closes on exec.
fn child(file: &CString, argv: &[*const libc::c_char], wait: RawFd, go: File, report: RawFd) -> ! {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    // SAFETY: async-signal-safe calls on valid descriptors and strings. Closing our copy of the
    // writing end lets the read see the parent's death.
    unsafe {
        libc::close(go.as_raw_fd());
        let mut byte = 0u8;
        if libc::read(wait, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execve(file.as_ptr(), argv.as_ptr(), environ);
        let errno = *libc::__errno_location();
        libc::write(report, (&raw const errno).cast(), 4);
        libc::_exit(127);
    }
}

fn pipe() -> io::Result<(File, File)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for two.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptors are new and ours.
    unsafe { Ok((File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1]))) }
}

impl Launched {
    /// Lets the child execute its program, and waits until it has.
    ///
    /// # Errors
    /// The error of `execve`.
    pub(super) fn start(mut self) -> io::Result<()> {
        self.go.write_all(&[1])?;
        let mut errno = [0; 4];
        // The reporting end closes when `execve` succeeds.
        match self.failure.read_exact(&mut errno) {
            Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
            Err(_) => Ok(()),
        }
    }
}

/// The file that a shell would execute for `name`, as `execvp` searches it.
///
/// # Errors
/// `ENOENT` or `EACCES`, as the shell would say.
pub(crate) fn find_executable(name: &str) -> io::Result<PathBuf> {
    if name.contains('/') {
        return check_executable(Path::new(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut denied = false;
    for dir in std::env::split_paths(&path) {
        match check_executable(&dir.join(name)) {
            Ok(file) => return Ok(file),
            Err(error) => denied |= error.raw_os_error() == Some(libc::EACCES),
        }
    }
    let errno = if denied { libc::EACCES } else { libc::ENOENT };
    Err(io::Error::from_raw_os_error(errno))
}

fn check_executable(file: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(file)?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(file.to_owned())
}
