//! Keeps the memory of a process beyond its end.
//!
//! The kernel frees an address space when its last user is gone (`mm_struct.mm_users`): the threads
//! that run in it, and whoever reads it at the moment. A read of `/proc/PID/mem` counts as a user
//! from its beginning to its end (`mem_rw`, fs/proc/base.c), and holds no lock while it copies out
//! what it has read. So a thread of ours reads one byte into a page that is missing and that nobody
//! fills in (userfaultfd(2)): it sleeps there, in our own page fault, for as long as we like. The
//! process runs, exits or is killed as ever, but what it had in memory stays as it was at its
//! death, and the file that was opened before goes on reading it.
//!
//! A hold ends with the process that has it: its threads die in that sleep as in any other.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time in which a thread gets to a page fault, however busy the machine is.
const PATIENCE_MS: libc::c_int = 10_000;

/// Why the memory of a process cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum MemoryHoldError {
    /// Its memory is not there or may not be read.
    #[error("the memory of process {pid} cannot be opened: {source}")]
    Memory { pid: u32, source: io::Error },
    /// The kernel does not let us wait in page faults: CAP_SYS_PTRACE is needed, or the sysctl
    /// `vm.unprivileged_userfaultfd`.
    #[error(
        "the kernel refuses userfaultfd: {0}; without it the memory of a process is gone when it \
         ends; run as root, outside of seccomp filters"
    )]
    Faults(io::Error),
    /// The byte that was to be read cannot be.
    #[error("{address:#x} of process {pid} cannot be read: {source}")]
    Unreadable {
        pid: u32,
        address: u64,
        source: io::Error,
    },
    /// No thread can be started, or it gets nowhere.
    #[error("no thread of the tracer can wait in the memory of process {pid}: {source}")]
    Thread { pid: u32, source: io::Error },
}

/// The memory of a process, which stays until this is released or dropped.
#[derive(Debug)]
pub struct MemoryHold {
    memory: Arc<File>,
    gate: Arc<Gate>,
    reader: Option<JoinHandle<()>>,
}

impl MemoryHold {
    /// Holds the memory that process `pid` has now; `address` is of a byte in it that can be read.
    ///
    /// # Errors
    /// [`MemoryHoldError`]; nothing is held then.
    pub fn new(pid: u32, address: u64) -> Result<Self, MemoryHoldError> {
        let memory = File::open(format!("/proc/{pid}/mem"))
            .map_err(|source| MemoryHoldError::Memory { pid, source })?;
        memory
            .read_exact_at(&mut [0], address)
            .map_err(|source| MemoryHoldError::Unreadable {
                pid,
                address,
                source,
            })?;
        let memory = Arc::new(memory);
        let gate = Arc::new(Gate::new().map_err(MemoryHoldError::Faults)?);
        let (file, shut) = (Arc::clone(&memory), Arc::clone(&gate));
        let reader = std::thread::Builder::new()
            .name("memory-hold".to_owned())
            .spawn(move || read_until_open(&file, address, &shut))
            .map_err(|source| MemoryHoldError::Thread { pid, source })?;
        let hold = Self {
            memory,
            gate,
            reader: Some(reader),
        };
        let waits = hold.gate.faults.has_fault();
        waits.map_err(|source| MemoryHoldError::Thread { pid, source })?;
        Ok(hold)
    }

    /// Fills `buf` from `address`, whether the process still runs or not.
    ///
    /// # Errors
    /// `EIO` or `EINVAL` where nothing is mapped, `UnexpectedEof` when nothing is left since it was
    /// released.
    pub fn read(&self, address: u64, buf: &mut [u8]) -> io::Result<()> {
        self.memory.read_exact_at(buf, address)
    }

    /// Lets it go after some time, if it has not been by then. Without a thread to do so it is let
    /// go at once.
    pub fn limit(&self, time: Duration) {
        let gate = Arc::clone(&self.gate);
        let wait = move || {
            gate.wait(time);
            gate.open();
        };
        let spawned = std::thread::Builder::new().spawn(wait);
        if spawned.is_err() {
            self.gate.open();
        }
    }
}

impl Drop for MemoryHold {
    /// Returns when it is let go; that of a dead process is free again then.
    fn drop(&mut self) {
        self.gate.open();
        if let Some(reader) = self.reader.take() {
            // It does not panic.
            let _ = reader.join();
        }
    }
}

/// Reads a byte to where it cannot be put while the gate is shut. A signal that only stops us may
/// interrupt that: it begins again.
fn read_until_open(memory: &File, address: u64, gate: &Gate) {
    block_signals();
    while !gate.is_open.load(Ordering::Acquire) {
        // SAFETY: the page is ours, one byte long at least, and lives as long as the gate; nobody
        // else looks into it.
        let read = unsafe {
            libc::pread(
                memory.as_raw_fd(),
                gate.page.0.as_ptr().cast(),
                1,
                address.cast_signed(),
            )
        };
        let error = io::Error::last_os_error().raw_os_error();
        if read >= 0 || !matches!(error, Some(libc::EFAULT | libc::EINTR)) {
            // It was read, or there is nothing to hold any more.
            return;
        }
    }
}

/// Has other threads handle the signals of this process.
fn block_signals() {
    // SAFETY: the set is made by the first call and used by the second.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

/// A page in which whoever touches it first waits until it is opened.
#[derive(Debug)]
struct Gate {
    faults: Faults,
    page: Page,
    is_open: AtomicBool,
    opened: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn new() -> io::Result<Self> {
        let page = Page::new()?;
        let faults = Faults::new()?;
        faults.catch(&page)?;
        Ok(Self {
            faults,
            page,
            is_open: AtomicBool::new(false),
            opened: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets through whoever waits.
    fn open(&self) {
        let mut opened = self.lock();
        if !std::mem::replace(&mut *opened, true) {
            self.is_open.store(true, Ordering::Release);
            self.faults.let_go(&self.page);
            self.changed.notify_all();
        }
    }

    /// Returns when it is open, or the time is over.
    fn wait(&self, time: Duration) {
        let wait = self
            .changed
            .wait_timeout_while(self.lock(), time, |open| !*open);
        drop(wait);
    }
}

/// Anonymous memory of one page that nobody has touched.
#[derive(Debug)]
struct Page(NonNull<u8>, usize);

// SAFETY: only the kernel writes into it, at the order of one thread.
unsafe impl Send for Page {}
// SAFETY: as above; its address is constant.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> io::Result<Self> {
        // SAFETY: the call has no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let size = usize::try_from(size).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: a new anonymous mapping; the kernel chooses its place.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self(at, size))
    }

    fn range(&self) -> Range {
        Range {
            start: self.0.as_ptr() as u64,
            len: self.1 as u64,
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nobody uses any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), self.1) };
    }
}

/// `struct uffdio_range` (include/uapi/linux/userfaultfd.h).
#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_api`.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `UFFD_API`
const API: u64 = 0xaa;
/// `UFFDIO_REGISTER_MODE_MISSING`
const MISSING: u64 = 1;
/// `UFFDIO_API`, `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`: direction, size, 0xaa and a number.
const IO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
const IO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
const IO_UNREGISTER: libc::Ioctl = 0x8010_aa01_u32 as libc::Ioctl;

/// Page faults of ours that wait for us: a userfaultfd.
#[derive(Debug)]
struct Faults(OwnedFd);

impl Faults {
    fn new() -> io::Result<Self> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and ours.
        let faults = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut api = Api {
            api: API,
            features: 0,
            ioctls: 0,
        };
        faults.control(IO_API, &mut api)?;
        Ok(faults)
    }

    fn control<T>(&self, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
        // SAFETY: each request is used with the structure that it takes.
        let done =
            unsafe { libc::ioctl(self.0.as_raw_fd(), request, std::ptr::from_mut(argument)) };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// From now on whoever touches the page waits.
    fn catch(&self, page: &Page) -> io::Result<()> {
        let mut register = Register {
            range: page.range(),
            mode: MISSING,
            ioctls: 0,
        };
        self.control(IO_REGISTER, &mut register)
    }

    /// Whoever waits goes on, with a page of zeros.
    fn let_go(&self, page: &Page) {
        // It fails only for what was never registered.
        let _ = self.control(IO_UNREGISTER, &mut page.range());
    }

    /// Returns when somebody waits.
    fn has_fault(&self) -> io::Result<()> {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid element.
        match unsafe { libc::poll(&raw mut poll, 1, PATIENCE_MS) } {
            1 => Ok(()),
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use super::*;
    use crate::process::Maps;

    /// A process that sleeps, and an address of its program's memory.
    fn sleeper() -> (Child, u64) {
        let mut child = Command::new("sh")
            .args(["-c", "echo ready; exec 1>&-; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        let text = std::fs::read(format!("/proc/{}/maps", child.id())).expect("it lives");
        let maps = Maps::parse(&text, |m| m.perms.read && m.inode != 0);
        let address = maps.mappings.first().expect("its program").start;
        (child, address)
    }

    fn held(pid: u32, address: u64) -> Option<MemoryHold> {
        match MemoryHold::new(pid, address) {
            Ok(hold) => Some(hold),
            Err(MemoryHoldError::Faults(why)) => {
                println!("skipped: no userfaultfd: {why}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn memory_of_the_dead_is_read_until_it_is_let_go() {
        let (mut child, address) = sleeper();
        let Some(hold) = held(child.id(), address) else {
            return;
        };
        let file = File::open(format!("/proc/{}/mem", child.id())).expect("ours");
        child.kill().expect("ours");
        child.wait().expect("ours");
        let mut magic = [0; 4];
        hold.read(address, &mut magic).expect("it is held");
        assert_eq!(&magic, b"\x7fELF");
        drop(hold);
        assert_eq!(file.read_at(&mut magic, address).expect("no error"), 0);
    }

    #[test]
    fn a_limit_is_kept_and_waits_no_longer_than_the_hold() {
        let (mut child, address) = sleeper();
        let Some(hold) = held(child.id(), address) else {
            return;
        };
        child.kill().expect("ours");
        child.wait().expect("ours");
        hold.read(address, &mut [0; 4]).expect("it is held");
        hold.limit(Duration::from_millis(1));
        let patience = Instant::now() + Duration::from_secs(20);
        while hold.read(address, &mut [0; 4]).is_ok() {
            assert!(Instant::now() < patience, "held for ever");
            std::thread::yield_now();
        }
        let end = hold.read(address, &mut [0; 4]).expect_err("it is gone");
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_cannot_be_held_is_told() {
        let (mut child, _) = sleeper();
        let refused = MemoryHold::new(child.id(), 8).expect_err("nothing is there");
        assert!(matches!(
            refused,
            MemoryHoldError::Unreadable { address: 8, .. }
        ));
        child.kill().expect("ours");
        child.wait().expect("ours");
        let refused = MemoryHold::new(child.id(), 8).expect_err("it is gone");
        assert!(matches!(refused, MemoryHoldError::Memory { .. }));
    }

    const HELD: &str = "TRACER_TEST_HELD";

    /// Holds the process that the test below names, and ends only when it is killed.
    #[test]
    fn a_holder() {
        let Ok(of) = std::env::var(HELD) else { return };
        let (pid, address) = of.split_once(' ').expect("a process and an address");
        let address = address.parse().expect("a number");
        let hold = held(pid.parse().expect("a number"), address);
        println!(
            "{}",
            if hold.is_some() {
                "it holds"
            } else {
                "it cannot"
            }
        );
        std::thread::sleep(Duration::from_secs(600));
    }

    #[test]
    fn a_holder_that_is_killed_holds_nothing() {
        let (mut child, address) = sleeper();
        let file = File::open(format!("/proc/{}/mem", child.id())).expect("ours");
        let mut holder = Command::new(std::env::current_exe().expect("a file"))
            .args([
                "--exact",
                "--nocapture",
                "process::memory_hold::tests::a_holder",
            ])
            .env(HELD, format!("{} {address}", child.id()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let stdout = BufReader::new(holder.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let said = lines.find(|line| line.contains("it holds") || line.contains("it cannot"));
        child.kill().expect("ours");
        child.wait().expect("ours");
        let read = || file.read_at(&mut [0; 4], address).expect("no error");
        if said.is_some_and(|line| line.contains("it holds")) {
            assert_eq!(read(), 4, "it is held");
        }
        holder.kill().expect("ours");
        holder.wait().expect("ours");
        assert_eq!(read(), 0);
    }
}
