//! A child process that reads ELF symbols and DWARF of files a target chose.
//!
//! The DWARF parser can be made to panic, to recurse until the stack ends, and to inflate a small
//! section without bound; a file cut short while it is mapped raises SIGBUS. In a child none of
//! this costs more than the names of one file: its memory is limited, a request has a deadline,
//! and after a failure the file is read again without DWARF, then not at all.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::native::Native;
use crate::event::FrameSymbol;

/// Time for one request: reading the DWARF of a file of 700 MB takes a few seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// Offsets in one request.
const CHUNK: usize = 4096;

/// Largest message in bytes.
const MAX_MESSAGE: usize = 256 << 20;

/// Files one child reads.
const MAX_FILES: usize = 64;

/// Private memory the child may have, at most.
const MAX_MEMORY: u64 = 4 << 30;

/// What a file made the parser do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    #[default]
    Dwarf,
    /// DWARF made the child fail.
    SymbolsOnly,
    /// ELF symbols did as well.
    Nothing,
}

/// Symbolizes offsets in files out of process. The child starts with the first request and ends
/// when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    /// Time for one request.
    deadline: Duration,
    child: Option<Child>,
    /// Files that made the child fail, by the caller's id.
    distrusted: HashMap<(u64, u64), Trust>,
}

#[derive(Serialize, Deserialize)]
struct Request {
    path: PathBuf,
    offsets: Vec<u64>,
    dwarf: bool,
}

type Reply = Vec<Vec<FrameSymbol>>;

impl Default for Worker {
    fn default() -> Self {
        Self::with_deadline(DEADLINE)
    }
}

impl Worker {
    /// A worker that gives up on a request after the given time.
    pub(super) fn with_deadline(deadline: Duration) -> Self {
        Self {
            deadline,
            child: None,
            distrusted: HashMap::new(),
        }
    }

    /// Process id of the child, when it runs.
    #[cfg(test)]
    pub(super) fn child_pid(&self) -> Option<libc::pid_t> {
        self.child.as_ref().map(|child| child.pid)
    }

    /// Names each offset in the file at `path` as `Native::symbolize` does; all empty when the
    /// file defeats the parser. `id` tells files apart across calls.
    pub(super) fn symbolize(&mut self, id: (u64, u64), path: &Path, offsets: &[u64]) -> Reply {
        let mut reply = Vec::with_capacity(offsets.len());
        for chunk in offsets.chunks(CHUNK) {
            reply.extend(self.symbolize_chunk(id, path, chunk));
        }
        reply
    }

    fn symbolize_chunk(&mut self, id: (u64, u64), path: &Path, offsets: &[u64]) -> Reply {
        loop {
            let trust = self.distrusted.get(&id).copied().unwrap_or_default();
            if trust == Trust::Nothing {
                return vec![Vec::new(); offsets.len()];
            }
            let request = Request {
                path: path.to_owned(),
                offsets: offsets.to_vec(),
                dwarf: trust == Trust::Dwarf,
            };
            match self.ask(id, &request) {
                Ok(reply) if reply.len() == offsets.len() => return reply,
                outcome => self.failed(id, path, trust, outcome.err()),
            }
        }
    }

    fn ask(&mut self, id: (u64, u64), request: &Request) -> io::Result<Reply> {
        if self.child.as_ref().is_some_and(Child::is_worn) {
            self.child = None;
        }
        let child = match &mut self.child {
            Some(child) => child,
            none => none.insert(Child::start()?),
        };
        child.files.insert(id);
        send(&mut child.stream, request)?;
        receive(&mut child.stream, Some(Instant::now() + self.deadline))
    }

    /// Ends the child and trusts the file less, if no other can be the reason: what was read of
    /// other files still takes memory.
    fn failed(&mut self, id: (u64, u64), path: &Path, trust: Trust, error: Option<io::Error>) {
        let child = self.child.take();
        if child.is_some_and(|c| c.files.len() > 1) {
            return;
        }
        let less = match trust {
            Trust::Dwarf => Trust::SymbolsOnly,
            _ => Trust::Nothing,
        };
        log::debug!("reading {} failed: {error:?}; now {less:?}", path.display());
        self.distrusted.insert(id, less);
    }

    /// Files whose DWARF or symbols could not be read safely.
    pub(super) fn distrusted(&self) -> usize {
        self.distrusted.len()
    }
}

#[derive(Debug)]
struct Child {
    pid: libc::pid_t,
    stream: UnixStream,
    /// Files it was asked about. It keeps what it parsed.
    files: HashSet<(u64, u64)>,
}

impl Child {
    fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: the child only runs `serve`, which does not return. Other threads do not exist
        // in it, and the tracer has none that work beside this one. The C library makes its
        // allocator usable after a fork; a lock of the standard library that another thread held
        // all the same would stop the child, which then misses its deadline.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => serve(&theirs),
            pid => Ok(Self {
                pid,
                stream: ours,
                files: HashSet::new(),
            }),
        }
    }

    /// Whether it holds so much that a new one should take its place.
    fn is_worn(&self) -> bool {
        self.files.len() > MAX_FILES
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the pid is that of our own child, which was not waited for yet.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// The life of the child: answers requests until the parent is gone.
fn serve(stream: &UnixStream) -> ! {
    // A panic must neither unwind into the parent's frames nor be printed as the parent's.
    std::panic::set_hook(Box::new(|_| exit(101)));
    confine(stream.as_raw_fd());
    // SAFETY: `confine` made descriptor 0 a copy of the stream, and nothing else owns it.
    let mut stream = unsafe { UnixStream::from_raw_fd(0) };
    let native = Native::default();
    while let Ok(request) = receive::<Request>(&mut stream, None) {
        let reply = native.symbolize(&request.path, &request.offsets, request.dwarf);
        if send(&mut stream, &reply).is_err() {
            break;
        }
    }
    exit(0)
}

fn exit(status: i32) -> ! {
    // SAFETY: ends the process without running anything that belongs to the parent.
    unsafe { libc::_exit(status) }
}

/// Leaves the child with the stream as descriptor 0 and nothing else of the parent's: an
/// inherited descriptor would keep probes attached if the parent died. Limits are best effort.
fn confine(stream: i32) {
    let limit = |resource, value: u64| {
        let limit = libc::rlimit {
            rlim_cur: value,
            rlim_max: value,
        };
        // SAFETY: `limit` is a valid rlimit for the time of the call.
        unsafe { libc::setrlimit(resource, &raw const limit) };
    };
    // SAFETY: these calls take and change descriptors and signal dispositions of this process
    // only, and the pointer is to a NUL-terminated constant.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            // The parent ends the child, after the names for its last output were read.
            libc::signal(signal, libc::SIG_IGN);
        }
        // What `ps` shows.
        libc::prctl(libc::PR_SET_NAME, c"tracer-symbols".as_ptr());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
        if libc::dup2(stream, 0) < 0 || libc::dup2(null, 1) < 0 || libc::dup2(null, 2) < 0 {
            exit(102);
        }
        if libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) != 0 {
            // Before Linux 5.9.
            (3..65536).for_each(|fd| {
                libc::close(fd);
            });
        }
    }
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_DATA, memory_limit());
    // If memory runs out all the same, this is the process to end.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// A quarter of the machine's memory, within bounds.
fn memory_limit() -> u64 {
    // SAFETY: asks for two constants.
    let (pages, size) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    let memory = u64::try_from(pages).unwrap_or(0) * u64::try_from(size).unwrap_or(0);
    (memory / 4).clamp(512 << 20, MAX_MEMORY)
}

/// Writes a length of 4 bytes and the message.
fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&len.to_le_bytes())?;
    stream.write_all(&bytes)
}

/// Reads what [`send`] wrote. The sender is not trusted to be honest, nor to be alive.
fn receive<T: DeserializeOwned>(
    stream: &mut UnixStream,
    deadline: Option<Instant>,
) -> io::Result<T> {
    let mut len = [0; 4];
    read_exact(stream, &mut len, deadline)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len];
    read_exact(stream, &mut bytes, deadline)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

fn read_exact(
    stream: &mut UnixStream,
    mut buf: &mut [u8],
    deadline: Option<Instant>,
) -> io::Result<()> {
    while !buf.is_empty() {
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            // A timeout of zero would mean none.
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        }
        match stream.read(buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => buf = &mut buf[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if deadline.is_some_and(|d| Instant::now() > d) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}
