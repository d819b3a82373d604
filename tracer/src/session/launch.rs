//! Launches a command that waits, before its first instruction, for the probes.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a command is given other than its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchSetup {
    /// Variables to set, or to remove where there is no value, in this order.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// Whom the command runs as, if not as the tracer does.
    pub user: Option<User>,
}

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
    groups: Vec<libc::gid_t>,
}

impl User {
    /// The user with that name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name ends in NUL; the entry is read before the next call that may change it.
        let (uid, gid) = unsafe {
            let entry = libc::getpwnam(name.as_ptr()).as_ref()?;
            (entry.pw_uid, entry.pw_gid)
        };
        Some(Self {
            uid,
            gid,
            groups: groups(&name, gid),
        })
    }
}

/// All groups of a user.
fn groups(name: &CStr, gid: u32) -> Vec<libc::gid_t> {
    let mut count = 64;
    loop {
        let mut groups = vec![0; count];
        let mut len = libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX);
        // SAFETY: there is room for `len` ids.
        let got =
            unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut len) };
        // `NGROUPS_MAX` (linux/limits.h).
        if got >= 0 || count >= 65_536 {
            groups.truncate(usize::try_from(got).unwrap_or(0));
            return groups;
        }
        count *= 2;
    }
}

/// The ids that a child takes: those of a user, or of a set-user-id file as the effective ones.
#[derive(Debug)]
struct Owner {
    user: User,
    effective_uid: u32,
    effective_gid: u32,
}

impl Owner {
    /// Gives up our ids; false, with `errno`, when the kernel refuses. Async-signal-safe.
    fn take_over(&self) -> bool {
        let user = &self.user;
        // SAFETY: plain system calls of this thread, the only one, on data made before the fork.
        unsafe {
            let root = libc::syscall(libc::SYS_geteuid) == 0;
            let groups = user.groups.as_ptr();
            (!root || libc::syscall(libc::SYS_setgroups, user.groups.len(), groups) == 0)
                && libc::syscall(libc::SYS_setregid, user.gid, self.effective_gid) == 0
                && libc::syscall(libc::SYS_setreuid, user.uid, self.effective_uid) == 0
        }
    }
}

impl LaunchSetup {
    fn owner_of(&self, file: &Path) -> Option<Owner> {
        use std::os::unix::fs::MetadataExt;
        let user = self.user.clone()?;
        let meta = std::fs::metadata(file).ok();
        let with = |bit: u32| meta.as_ref().filter(|m| m.mode() & bit != 0);
        Some(Owner {
            effective_uid: with(libc::S_ISUID).map_or(user.uid, MetadataExt::uid),
            effective_gid: with(libc::S_ISGID).map_or(user.gid, MetadataExt::gid),
            user,
        })
    }

    /// Our own environment with the changes, as `NAME=VALUE`.
    fn environment(&self) -> io::Result<Vec<CString>> {
        let changed = |name: &OsStr| self.environment.iter().any(|(n, _)| n == name);
        let ours = std::env::vars_os().filter(|(name, _)| !changed(name));
        let mut variables: Vec<(OsString, OsString)> = ours.collect();
        for (name, value) in &self.environment {
            variables.retain(|(n, _)| n != name);
            if let Some(value) = value {
                variables.push((name.clone(), value.clone()));
            }
        }
        let text = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).map_err(io::Error::from)
        };
        variables.into_iter().map(text).collect()
    }
}

/// What a child executes.
struct Program<'a> {
    file: &'a CStr,
    argv: &'a [*const libc::c_char],
    envp: &'a [*const libc::c_char],
    owner: Option<&'a Owner>,
}

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
pub(super) fn launch(file: &Path, args: &[String], setup: &LaunchSetup) -> io::Result<Launched> {
    let owner = setup.owner_of(file);
    let file = CString::new(file.as_os_str().as_bytes())?;
    let args = args
        .iter()
        .map(|a| CString::new(a.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<_> = args.iter().map(|a| a.as_ptr()).collect();
    argv.push(std::ptr::null());
    let environment = setup.environment()?;
    let mut envp: Vec<_> = environment.iter().map(|e| e.as_ptr()).collect();
    envp.push(std::ptr::null());
    let (wait, go) = pipe()?;
    let (failure, report) = pipe()?;
    // SAFETY: the tracer has one thread here or the child calls nothing but async-signal-safe
    // functions, on data made before the fork.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let program = Program {
                file: &file,
                argv: &argv,
                envp: &envp,
                owner: owner.as_ref(),
            };
            child(&program, wait.as_raw_fd(), go, report.as_raw_fd())
        }
        pid => Ok(Launched {
            pid: pid.cast_unsigned(),
            go,
            failure,
        }),
    }
}

/// The child's side: every descriptor of ours closes on exec.
fn child(program: &Program<'_>, wait: RawFd, go: File, report: RawFd) -> ! {
    // SAFETY: async-signal-safe calls on valid descriptors and strings. Closing our copy of the
    // writing end lets the read see the parent's death.
    unsafe {
        libc::close(go.as_raw_fd());
        let mut byte = 0u8;
        if libc::read(wait, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if program.owner.is_none_or(|owner| owner.take_over()) {
            libc::execve(
                program.file.as_ptr(),
                program.argv.as_ptr(),
                program.envp.as_ptr(),
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_and_removed() {
        let set = |name: &str, value: Option<&str>| (name.into(), value.map(Into::into));
        let setup = LaunchSetup {
            environment: vec![
                set("TRACER_TEST_A", Some("1")),
                set("PATH", None),
                set("TRACER_TEST_A", Some("2=3")),
            ],
            user: None,
        };
        let environment = setup.environment().expect("no NUL");
        let has = |text: &str| environment.iter().any(|e| e.as_bytes() == text.as_bytes());
        assert!(has("TRACER_TEST_A=2=3") && !has("TRACER_TEST_A=1"));
        assert!(
            !environment
                .iter()
                .any(|e| e.as_bytes().starts_with(b"PATH="))
        );
    }

    #[test]
    fn users_are_those_of_the_host() {
        let root = User::named("root").expect("every host has one");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(User::named("no such user"), None);
    }
}
