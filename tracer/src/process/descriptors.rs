//! What the descriptors of the traced processes refer to.
//!
//! A table for each process, seeded from `/proc/PID/fd` and kept up to date by the calls that open,
//! copy and close. A look into `/proc` when a line is printed would come too late for what was
//! closed meanwhile; it is the last resort for a number the table does not have, for instance one
//! that came in a message.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::descriptor_calls::{F_DUPFD_CLOEXEC, F_SETFD, is_dup, is_tracked, opener};
use super::descriptor_links::{
    CLOEXEC, closes_on_exec, device, link_text, pid_of_pidfd, read_link, shares_files,
};
use super::made::{self, Made, made_by};
use super::real_path::real_path;
use super::sockets::{Socket, describe_socket};
use crate::event::{CaptureStatus, Exec, Fork, SyscallEnter, SyscallExit};
use crate::syscall::arg::Syscall;
use crate::syscall::machine::Machine;
use crate::syscall::qualify::DescriptorDetails;
use crate::syscall::table;

/// Most descriptors of one process that are remembered; the kernel's default limit is 1024.
const MAX_DESCRIPTORS: usize = 65_536;
/// With the bit of `O_DIRECTORY` that it has on the machine this is built for.
const O_TMPFILE: u64 = libc::O_TMPFILE as u64;
const AT_FDCWD: i32 = -100;

/// What a descriptor refers to, as `readlink` of `/proc/PID/fd/N` would say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Descriptor {
    link: String,
    closes_on_exec: bool,
    socket: Socket,
}

impl Descriptor {
    fn new(link: String, closes_on_exec: bool) -> Self {
        Self {
            link,
            closes_on_exec,
            socket: Socket::default(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Process {
    files: HashMap<i32, Descriptor>,
    directory: Option<PathBuf>,
    /// Its paths mean what they mean to us. Remembered, since most paths are looked up when their
    /// process may have ended.
    shares_files: Option<bool>,
}

/// A process and one of its threads.
type Thread = (u32, u32);

/// The tables of all processes.
#[derive(Clone, Debug)]
pub struct Descriptors {
    /// Whose calls they are, if that is known.
    machine: Option<Machine>,
    processes: HashMap<u32, Process>,
    /// Tracked calls that have not returned, by thread.
    pending: HashMap<u32, SyscallEnter>,
}

impl Default for Descriptors {
    fn default() -> Self {
        Self {
            machine: Some(Machine::HOST),
            processes: HashMap::new(),
            pending: HashMap::new(),
        }
    }
}

impl Descriptors {
    /// The calls of a recording have the numbers of this machine; of an unknown one nothing is
    /// learnt.
    pub fn set_machine(&mut self, machine: Option<Machine>) {
        self.machine = machine;
    }

    /// The row of a call, `None` when its number has none. The 32-bit ABI has other numbers.
    #[must_use]
    pub fn row(&self, nr: u32, compat: bool) -> Option<&'static Syscall> {
        table::lookup_on(self.machine.filter(|_| !compat)?, nr)
    }

    /// Reads what a process has open now.
    pub fn attach(&mut self, pid: u32) {
        let mut process = Process {
            directory: std::fs::read_link(format!("/proc/{pid}/cwd")).ok(),
            shares_files: Some(shares_files(pid)),
            ..Process::default()
        };
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd"));
        for entry in entries
            .into_iter()
            .flatten()
            .flatten()
            .take(MAX_DESCRIPTORS)
        {
            let fd = entry.file_name().to_str().and_then(|n| n.parse().ok());
            if let (Some(fd), Some(link)) = (fd, link_text(&entry.path())) {
                let closes = closes_on_exec(pid, fd);
                process.files.insert(fd, Descriptor::new(link, closes));
            }
        }
        self.processes.insert(pid, process);
    }

    /// A call begins.
    pub fn enter(&mut self, tid: u32, enter: &SyscallEnter) {
        if self.row(enter.nr, enter.compat).is_some_and(is_tracked) {
            self.pending.insert(tid, enter.clone());
        }
    }

    /// A call ended: the table follows.
    pub fn exit(&mut self, pid: u32, tid: u32, exit: &SyscallExit) {
        let Some(enter) = self.pending.remove(&tid).filter(|e| e.nr == exit.nr) else {
            return;
        };
        let Some(row) = self.row(exit.nr, exit.compat) else {
            return;
        };
        // A socket that does not block is about to have an address, which it had not before.
        let progresses = row.name == "connect" && exit.ret == -i64::from(libc::EINPROGRESS);
        if exit.ret < 0 && !progresses {
            return;
        }
        let process = self.processes.entry(pid).or_default();
        process.apply((pid, tid), row.name, &enter, exit);
    }

    /// A new process has what its parent has.
    pub fn fork(&mut self, parent: u32, fork: &Fork) {
        if fork.child_pid != parent {
            let process = self.processes.get(&parent).cloned().unwrap_or_default();
            self.processes.insert(fork.child_pid, process);
        }
    }

    /// A new program keeps what does not close.
    pub fn exec(&mut self, pid: u32, exec: &Exec) {
        self.pending.remove(&exec.old_tid);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.files.retain(|_, d| !d.closes_on_exec);
        }
    }

    /// A process is gone.
    pub fn gone(&mut self, pid: u32) {
        self.processes.remove(&pid);
    }

    /// The path, or what stands for one: `socket:[12]`.
    pub fn link(&mut self, pid: u32, fd: i32) -> Option<&str> {
        let process = self.processes.entry(pid).or_default();
        process.file(pid, fd).map(|d| d.link.as_str())
    }

    /// The path in an argument, absolute where the directory that it begins in is known; without
    /// the dots that mean nothing, but with links and `..` as they stand. `None` when it was not
    /// copied, or not all of it.
    pub fn path(
        &mut self,
        pid: u32,
        directory: i32,
        enter: &SyscallEnter,
        index: u8,
    ) -> Option<PathBuf> {
        let path = path_argument(enter, index)?;
        let process = self.processes.entry(pid).or_default();
        let begin = match directory {
            _ if path.is_absolute() => None,
            AT_FDCWD => process.directory(pid).map(Path::to_owned),
            fd => process.file(pid, fd).map(|d| PathBuf::from(&d.link)),
        };
        Some(begin.unwrap_or_default().join(path).components().collect())
    }

    /// What stands after the number of a descriptor, without the angle brackets around it:
    /// `/etc/passwd`, `socket:[12]`, `TCP:[127.0.0.1:80]`. A file without a name any more has
    /// ` (deleted)` at its end.
    pub fn describe(&mut self, pid: u32, fd: i32, details: DescriptorDetails) -> Option<String> {
        let process = self.processes.entry(pid).or_default();
        if fd == AT_FDCWD {
            return process.directory(pid).map(|d| d.display().to_string());
        }
        let descriptor = process.file(pid, fd)?;
        let inode = descriptor.link.strip_prefix("socket:[");
        if let (true, Some(inode)) = (details.socket(), inode) {
            let inode = inode.trim_end_matches(']').parse().ok();
            return Some(describe_socket(pid, fd, inode, &mut descriptor.socket));
        }
        if details.pidfd() && descriptor.link == "anon_inode:[pidfd]" {
            return pid_of_pidfd(pid, fd).map(|of| format!("pid:{of}"));
        }
        let device = details.device().then(|| device(pid, &descriptor.link));
        let device = device.flatten().unwrap_or_default();
        Some(format!("{}{device}", descriptor.link))
    }

    /// As [`Self::describe`], of what the table has: a number that is not open, or about to mean
    /// something else, is not looked up.
    pub fn describe_known(
        &mut self,
        pid: u32,
        fd: i32,
        details: DescriptorDetails,
    ) -> Option<String> {
        let is_known = self.processes.get(&pid)?.files.contains_key(&fd);
        is_known.then(|| self.describe(pid, fd, details)).flatten()
    }

    /// Whether the table of a process has entries, for tests.
    #[cfg(test)]
    fn known(&self, pid: u32) -> Vec<(i32, &str)> {
        let files = self.processes.get(&pid).map(|p| &p.files);
        let mut known: Vec<_> = files
            .into_iter()
            .flatten()
            .map(|(fd, d)| (*fd, d.link.as_str()))
            .collect();
        known.sort_unstable();
        known
    }
}

impl Process {
    fn file(&mut self, pid: u32, fd: i32) -> Option<&mut Descriptor> {
        if fd < 0 {
            return None;
        }
        if !self.files.contains_key(&fd) {
            let link = read_link(pid, fd)?;
            self.insert(fd, Descriptor::new(link, closes_on_exec(pid, fd)));
        }
        self.files.get_mut(&fd)
    }

    fn insert(&mut self, fd: i32, descriptor: Descriptor) {
        if self.files.len() < MAX_DESCRIPTORS {
            self.files.insert(fd, descriptor);
        }
    }

    fn directory(&mut self, pid: u32) -> Option<&Path> {
        if self.directory.is_none() {
            self.directory = std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
        }
        self.directory.as_deref()
    }

    fn apply(&mut self, of: Thread, name: &str, enter: &SyscallEnter, exit: &SyscallExit) {
        let pid = of.0;
        let args = &enter.args;
        let first = args[0] as i32;
        match name {
            "close" => {
                self.files.remove(&first);
            }
            "close_range" => self.close_range(args),
            "chdir" => self.directory = self.resolve(of, AT_FDCWD, enter, 0),
            "fchdir" => self.directory = self.file(pid, first).map(|d| PathBuf::from(&d.link)),
            "chroot" | "pivot_root" | "setns" | "unshare" => self.shares_files = None,
            "pipe" | "pipe2" | "socketpair" => self.pair(pid, name, enter, exit),
            "bind" | "connect" | "listen" => {
                if let Some(file) = self.files.get_mut(&first) {
                    file.socket.changed();
                }
            }
            "fcntl" if args[1] as u32 == F_SETFD => {
                if let Some(file) = self.files.get_mut(&first) {
                    file.closes_on_exec = args[2] & 1 != 0;
                }
            }
            "fcntl" if !is_dup(args) => {}
            _ => self.opened(of, name, enter, exit.ret as i32),
        }
    }

    /// `fd` is new.
    fn opened(&mut self, of: Thread, name: &str, enter: &SyscallEnter, fd: i32) {
        let pid = of.0;
        let args = &enter.args;
        let source = args[0] as i32;
        let closes = match name {
            "fcntl" => args[1] as u32 == F_DUPFD_CLOEXEC,
            // Flags are in memory, or of another form: the descriptor itself says.
            "openat2" | "memfd_create" | "fanotify_init" | "perf_event_open" | "fsopen"
            | "fspick" | "fsmount" => closes_on_exec(pid, fd),
            "pidfd_open" | "pidfd_getfd" | "io_uring_setup" | "landlock_create_ruleset" => true,
            _ => opener(name)
                .flatten()
                .is_some_and(|index| args[index] & CLOEXEC != 0),
        };
        let path = match name {
            "dup2" | "dup3" if source == fd => return,
            "dup" | "dup2" | "dup3" | "fcntl" => {
                if let Some(copy) = self.file(pid, source).cloned() {
                    let closes_on_exec = closes;
                    self.insert(
                        fd,
                        Descriptor {
                            closes_on_exec,
                            ..copy
                        },
                    );
                }
                return;
            }
            "open" | "creat" => self.resolve(of, AT_FDCWD, enter, 0),
            // The file has no name.
            "openat" if args[2] & O_TMPFILE == O_TMPFILE => None,
            "openat" | "openat2" => self.resolve(of, source, enter, 1),
            _ => None,
        };
        let socket = Socket::of(match name {
            "socket" => made::protocol(args[0], args[1], args[2]),
            "accept" | "accept4" => self.file(pid, source).and_then(|d| d.socket.protocol()),
            _ => None,
        });
        self.files.remove(&fd);
        let link = path.map(|p| p.display().to_string());
        if let Some(link) = link.or_else(|| made_by(name).link(|| read_link(pid, fd))) {
            let descriptor = Descriptor::new(link, closes);
            self.insert(
                fd,
                Descriptor {
                    socket,
                    ..descriptor
                },
            );
        }
    }

    fn close_range(&mut self, args: &[u64; 6]) {
        const CLOSE_RANGE_CLOEXEC: u64 = 4;
        let (first, last) = (args[0] as u32, args[1] as u32);
        let inside = |fd: &i32| (first..=last).contains(&fd.cast_unsigned());
        if args[2] & CLOSE_RANGE_CLOEXEC == 0 {
            self.files.retain(|fd, _| !inside(fd));
            return;
        }
        for (_, file) in self.files.iter_mut().filter(|(fd, _)| inside(fd)) {
            file.closes_on_exec = true;
        }
    }

    /// Two new descriptors, of which the kernel stored the numbers.
    fn pair(&mut self, pid: u32, name: &str, enter: &SyscallEnter, exit: &SyscallExit) {
        let args = &enter.args;
        let closes = args[1] & CLOEXEC != 0;
        let made = made_by(name);
        let protocol = match made {
            Made::Begins("socket:[") => made::protocol(args[0], args[1], args[2]),
            _ => None,
        };
        let stored = exit.captures.iter().find(|c| c.data.len() >= 8);
        for number in stored
            .into_iter()
            .flat_map(|c| c.data.chunks_exact(4).take(2))
        {
            let fd = i32::from_ne_bytes(number.try_into().expect("chunks of four"));
            self.files.remove(&fd);
            if let Some(link) = made.link(|| read_link(pid, fd)) {
                let descriptor = Descriptor::new(link, closes);
                let socket = Socket::of(protocol);
                self.insert(
                    fd,
                    Descriptor {
                        socket,
                        ..descriptor
                    },
                );
            }
        }
    }

    /// The absolute path behind an argument, without links where paths mean to the process what they
    /// mean to us, and they can still be followed.
    fn resolve(
        &mut self,
        (pid, tid): Thread,
        directory: i32,
        enter: &SyscallEnter,
        index: u8,
    ) -> Option<PathBuf> {
        let path = path_argument(enter, index)?;
        let path = if path.is_absolute() {
            path.to_owned()
        } else if directory == AT_FDCWD {
            self.directory(pid)?.join(path)
        } else {
            Path::new(&self.file(pid, directory)?.link).join(path)
        };
        let shares = *self.shares_files.get_or_insert_with(|| shares_files(pid));
        let open = |fd| self.files.get(&fd).map(|d| PathBuf::from(&d.link));
        let real = || real_path(&path, (pid, tid), open).ok();
        let real = shares.then(real).flatten();
        Some(real.unwrap_or_else(|| plain((pid, tid), &path)))
    }
}

/// The whole path in an argument, if it was copied.
pub fn path_argument(enter: &SyscallEnter, index: u8) -> Option<&Path> {
    use std::os::unix::ffi::OsStrExt;
    let capture = enter.captures.iter().find(|c| c.arg == index)?;
    let whole = capture.status == CaptureStatus::Ok;
    whole.then(|| Path::new(std::ffi::OsStr::from_bytes(&capture.data)))
}

/// A path of which links are not followed: `.`, `..` and `self` are taken out.
fn plain((pid, tid): Thread, path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) if plain == Path::new("/proc") => match name.to_str() {
                Some("self") => plain.push(pid.to_string()),
                Some("thread-self") => plain.push(format!("{pid}/task/{tid}")),
                _ => plain.push(name),
            },
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Capture;

    /// No process has this id (`PID_MAX_LIMIT` is 2^22), so `/proc` cannot help.
    const PID: u32 = 1 << 30;

    fn call(tables: &mut Descriptors, name: &str, args: [u64; 6], path: Option<&str>, ret: i64) {
        let nr = table::by_name(name).expect(name);
        let captures = path.map(|path| Capture {
            arg: u8::from(name == "openat"),
            data: path.into(),
            ..Capture::default()
        });
        let enter = SyscallEnter {
            nr,
            args,
            captures: captures.into_iter().collect(),
            ..SyscallEnter::default()
        };
        let exit = SyscallExit {
            nr,
            ret,
            ..SyscallExit::default()
        };
        tables.enter(PID, &enter);
        tables.exit(PID, PID, &exit);
    }

    fn open(tables: &mut Descriptors, path: &str, flags: u64, fd: i64) {
        let at = (-100i64).cast_unsigned();
        call(tables, "openat", [at, 1, flags, 0, 0, 0], Some(path), fd);
    }

    #[test]
    fn tables_follow_open_dup_and_close() {
        let mut tables = Descriptors::default();
        open(&mut tables, "/proc/self/maps", 0, 3);
        assert_eq!(tables.known(PID), [(3, &*format!("/proc/{PID}/maps"))]);
        open(&mut tables, "/no/such/../file", 0, 3);
        call(&mut tables, "dup2", [3, 9, 0, 0, 0, 0], None, 9);
        call(&mut tables, "close", [3, 0, 0, 0, 0, 0], None, 0);
        assert_eq!(tables.known(PID), [(9, "/no/file")]);
        open(&mut tables, "/nowhere/gone", 0, -2);
        assert_eq!(tables.known(PID).len(), 1, "an error opens nothing");
        call(&mut tables, "fcntl", [9, 1030, 0, 0, 0, 0], None, 4);
        call(&mut tables, "close_range", [5, 20, 0, 0, 0, 0], None, 0);
        assert_eq!(tables.known(PID), [(4, "/no/file")]);
        let unix = [1, 0o2_000_001, 0, 0, 0, 0];
        call(&mut tables, "socket", unix, None, 7);
        assert_eq!(tables.known(PID), [(4, "/no/file"), (7, "socket:[?]")]);
        let all = tables.describe(PID, 7, DescriptorDetails::ALL);
        assert_eq!(all.as_deref(), Some("UNIX-STREAM:[?]"));
        call(&mut tables, "accept4", [7, 0, 0, 0, 0, 0], None, 8);
        let all = tables.describe(PID, 8, DescriptorDetails::ALL);
        assert_eq!(all.as_deref(), Some("UNIX-STREAM:[?]"));
        call(&mut tables, "epoll_create1", [0; 6], None, 7);
        assert_eq!(tables.link(PID, 7), Some("anon_inode:[eventpoll]"));
        call(&mut tables, "close", [7, 0, 0, 0, 0, 0], None, 0);
        assert_eq!(tables.link(PID, 7), None);
        assert_eq!(tables.link(PID, -1), None);
    }

    #[test]
    fn a_new_program_keeps_what_does_not_close() {
        let mut tables = Descriptors::default();
        open(&mut tables, "/no/a", CLOEXEC, 3);
        open(&mut tables, "/no/b", 0, 4);
        open(&mut tables, "/no/c", 0, 5);
        call(&mut tables, "fcntl", [5, 2, 1, 0, 0, 0], None, 0);
        let fork = Fork {
            child_pid: PID + 1,
            child_tid: PID + 1,
            comm: String::new(),
        };
        tables.fork(PID, &fork);
        let exec = Exec {
            old_tid: PID,
            comm: String::new(),
        };
        tables.exec(PID, &exec);
        assert_eq!(tables.known(PID), [(4, "/no/b")]);
        assert_eq!(tables.known(PID + 1).len(), 3, "the child's own");
        tables.gone(PID);
        assert!(tables.known(PID).is_empty());
    }

    #[test]
    fn a_relative_path_stands_in_the_working_directory() {
        use std::os::fd::AsRawFd;
        // Open before all is read: other tests use the numbers that are free.
        let null = std::fs::File::open("/dev/null").expect("a device");
        let mut tables = Descriptors::default();
        let directory = std::env::current_dir().expect("a directory");
        let own = std::process::id();
        tables.attach(own);
        assert_eq!(
            tables.describe(own, AT_FDCWD, DescriptorDetails::PATH),
            Some(directory.display().to_string())
        );
        let fd = null.as_raw_fd();
        assert_eq!(tables.link(own, fd), Some("/dev/null"));
        assert_eq!(
            tables.describe(own, fd, DescriptorDetails::ALL).as_deref(),
            Some("/dev/null<char 1:3>")
        );
    }
}
