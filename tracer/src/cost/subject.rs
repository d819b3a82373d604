//! The child process that prices are measured on.
//!
//! It is forked before anything else runs in the tracer, is pinned to one CPU and does nothing
//! but the work it is told to time. It ends with the pipe it is told through.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What the child does, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Work {
    /// `getppid`.
    Syscall = 1,
    /// `faccessat` of a short path that does not exist.
    ShortPath,
    /// The same with [`LONG_PATH`] bytes.
    LongPath,
    /// A byte to a second process and back: each leaves the CPU once, under [`FRAMES`] frames.
    Switches,
    /// Looks at the clock, to see how long it is interrupted.
    Spin,
    /// A call of [`emulated`].
    Emulated,
    /// A call of [`stepped`].
    Stepped,
}

impl Work {
    const ALL: [Self; 7] = [
        Self::Syscall,
        Self::ShortPath,
        Self::LongPath,
        Self::Switches,
        Self::Spin,
        Self::Emulated,
        Self::Stepped,
    ];

    /// Operations between two looks at the clock.
    const fn chunk(self) -> u32 {
        match self {
            Self::Syscall | Self::ShortPath => 100,
            Self::LongPath | Self::Emulated => 40,
            Self::Switches | Self::Stepped | Self::Spin => 10,
        }
    }
}

/// Bytes of the short path.
pub(super) const SHORT_PATH: usize = 16;
/// Bytes of the long path.
pub(super) const LONG_PATH: usize = 1040;
/// User frames under which [`Work::Switches`] leaves the CPU.
const FRAMES: usize = 16;

/// Chunks that are timed at most.
const CHUNKS: usize = 48;
/// Fewer say nothing.
const MIN_CHUNKS: usize = 8;
/// Longest time for one measurement, ns.
const WINDOW_NS: u64 = 6_000_000;
/// Time that interruptions are watched for, ns.
const SPIN_NS: u64 = 12_000_000;
/// Shorter breaks are no interrupts, ns.
const BREAK_NS: u64 = 700;

/// The child, and its partner in [`Work::Switches`]. Both end when this is dropped.
#[derive(Debug)]
pub(super) struct Subject {
    pids: [libc::pid_t; 2],
    command: Option<File>,
    done: File,
    result: *mut AtomicU64,
}

impl Subject {
    /// Forks both.
    ///
    /// # Errors
    /// When there are too many processes or files.
    pub(super) fn start() -> io::Result<Self> {
        let result = shared_word()?;
        let (there, back) = (pipe()?, pipe()?);
        let (command, done) = (pipe()?, pipe()?);
        let lines = Lines {
            command: command.0.as_raw_fd(),
            done: done.1.as_raw_fd(),
            there: [there.0.as_raw_fd(), there.1.as_raw_fd()],
            back: [back.0.as_raw_fd(), back.1.as_raw_fd()],
        };
        let cpu = current_cpu();
        let partner = fork(|| {
            // SAFETY: closes our copies, so that the ends of the others are seen.
            unsafe {
                libc::close(lines.there[1]);
                libc::close(command.1.as_raw_fd());
            }
            pin(cpu);
            echo(lines);
        })?;
        let child = fork(|| {
            // SAFETY: as above.
            unsafe { libc::close(command.1.as_raw_fd()) };
            pin(cpu);
            // SAFETY: the word is mapped, shared and lives as long as the process.
            serve(lines, unsafe { &*result });
        });
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                end(partner);
                return Err(error);
            }
        };
        Ok(Self {
            pids: [child, partner],
            command: Some(command.1),
            done: done.0,
            result,
        })
    }

    /// Both process ids; the first does the work.
    pub(super) fn pids(&self) -> [u32; 2] {
        self.pids.map(libc::pid_t::cast_unsigned)
    }

    /// Does `work` for some ms and returns ns per operation, for [`Work::Spin`] per interruption;
    /// `None` when the machine was too busy to tell.
    ///
    /// # Errors
    /// When the child is gone, or has not come to its end by `deadline`: then nothing more can be
    /// asked of it.
    pub(super) fn run(&mut self, work: Work, deadline: Instant) -> io::Result<Option<f64>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.command
            .as_mut()
            .ok_or_else(gone)?
            .write_all(&[work as u8])?;
        if !is_readable(&self.done, deadline) {
            self.command = None;
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.done.read_exact(&mut [0])?;
        // SAFETY: the word stays mapped until drop.
        let hundredths = unsafe { &*self.result }.load(Ordering::Acquire);
        Ok((hundredths != 0).then(|| hundredths as f64 / 100.0))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.command = None;
        self.pids.into_iter().for_each(end);
        // SAFETY: mapped in `start` with this size, and both other users are gone.
        unsafe { libc::munmap(self.result.cast(), size_of::<AtomicU64>()) };
    }
}

/// Waits for something to read.
fn is_readable(file: &File, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut poll = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one entry, valid for the time of the call.
    unsafe { libc::poll(&raw mut poll, 1, ms) == 1 }
}

/// Ends a child of ours and takes its status.
fn end(pid: libc::pid_t) {
    // SAFETY: our own child, which nobody has waited for.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

/// Descriptors of the children.
#[derive(Clone, Copy)]
struct Lines {
    command: RawFd,
    done: RawFd,
    there: [RawFd; 2],
    back: [RawFd; 2],
}

fn shared_word() -> io::Result<*mut AtomicU64> {
    // SAFETY: a new anonymous mapping.
    let word = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<AtomicU64>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if word == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(word.cast())
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

/// Forks; the child runs `body` and ends.
fn fork(body: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: the children neither allocate nor take locks: system calls and arithmetic only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: async-signal-safe calls. The tracer's handlers must not run here, and the
            // terminal's Ctrl-C is for the tracer, which then ends these.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::signal(libc::SIGINT, libc::SIG_IGN);
                libc::signal(libc::SIGTERM, libc::SIG_DFL);
            }
            body();
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid),
    }
}

fn current_cpu() -> Option<usize> {
    // SAFETY: no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// Stays on one CPU. Without leave to, the figures are noisier.
fn pin(cpu: Option<usize>) {
    let Some(cpu) = cpu.filter(|&cpu| cpu < libc::CPU_SETSIZE as usize) else {
        return;
    };
    // SAFETY: a set of plain bits, and `cpu` is below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// The partner: sends back what it gets.
fn echo(lines: Lines) {
    let mut byte = 0u8;
    while read_under_frames(lines.there[0], &mut byte) == 1 {
        // SAFETY: one byte from a valid place.
        unsafe { libc::write(lines.back[1], (&raw const byte).cast(), 1) };
    }
}

/// The child: does what it is told until nobody can tell it more.
fn serve(lines: Lines, result: &AtomicU64) {
    let mut order = 0u8;
    loop {
        // SAFETY: one byte to a valid place.
        if unsafe { libc::read(lines.command, (&raw mut order).cast(), 1) } != 1 {
            return;
        }
        let work = Work::ALL.into_iter().find(|&w| w as u8 == order);
        let hundredths = match work {
            Some(Work::Spin) => interruptions(),
            Some(work) => timed(work.chunk(), || operation(work, lines)),
            None => 0,
        };
        result.store(hundredths, Ordering::Release);
        // SAFETY: one byte from a valid place.
        unsafe { libc::write(lines.done, (&raw const order).cast(), 1) };
    }
}

fn operation(work: Work, lines: Lines) {
    match work {
        Work::Syscall => {
            // SAFETY: no arguments.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        Work::ShortPath => access(&path::<{ SHORT_PATH + 1 }>()),
        Work::LongPath => access(&path::<{ LONG_PATH + 1 }>()),
        Work::Switches => {
            let mut byte = 0u8;
            // SAFETY: one byte from a valid place.
            unsafe { libc::write(lines.there[1], (&raw const byte).cast(), 1) };
            read_under_frames(lines.back[0], &mut byte);
        }
        Work::Emulated => emulated(),
        Work::Stepped => stepped(),
        Work::Spin => {}
    }
}

/// A path of `N` - 1 bytes, the first part of which does not exist, with its NUL.
const fn path<const N: usize>() -> [u8; N] {
    let mut path = [b'0'; N];
    let mut i = 0;
    while i < N {
        path[i] = b'/';
        i += 8;
    }
    path[N - 1] = 0;
    path
}

fn access(path: &[u8]) {
    // SAFETY: `path` ends with a NUL.
    unsafe {
        libc::syscall(
            libc::SYS_faccessat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::F_OK,
        )
    };
}

/// The time of one `operation` in hundredths of a ns: a tenth of the chunks took less. 0 when too
/// few chunks were possible.
fn timed(per_chunk: u32, operation: impl Fn()) -> u64 {
    let mut chunks = [0u64; CHUNKS];
    let mut count = 0;
    let begin = clock_ns();
    let mut before = begin;
    // The first chunk warms the caches.
    for turn in 0..=CHUNKS {
        for _ in 0..per_chunk {
            operation();
        }
        let now = clock_ns();
        if turn > 0 {
            chunks[count] = now.wrapping_sub(before);
            count += 1;
        }
        before = now;
        if count >= MIN_CHUNKS && now.wrapping_sub(begin) > WINDOW_NS {
            break;
        }
    }
    let chunks = &mut chunks[..count];
    chunks.sort_unstable();
    chunks[count / 10] * 100 / u64::from(per_chunk)
}

/// The usual length of an interruption in hundredths of a ns; 0 when there were hardly any.
fn interruptions() -> u64 {
    let mut breaks = [0u64; 128];
    let mut count = 0;
    let begin = clock_ns();
    let mut before = begin;
    while before.wrapping_sub(begin) < SPIN_NS && count < breaks.len() {
        let now = clock_ns();
        if now.wrapping_sub(before) > BREAK_NS {
            breaks[count] = now.wrapping_sub(before);
            count += 1;
        }
        before = now;
    }
    let breaks = &mut breaks[..count];
    breaks.sort_unstable();
    if count < MIN_CHUNKS {
        return 0;
    }
    breaks[count / 2] * 100
}

fn clock_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// `read(fd, byte, 1)` under [`FRAMES`] frames. Frame records are what a program with frame pointers
/// has on its stack: the address of the caller's record, then the return address. The kernel
/// follows them, whoever wrote them (`perf_callchain_user`, arch/x86/events/core.c).
fn read_under_frames(fd: RawFd, byte: &mut u8) -> isize {
    let mut frames = [[0usize; 2]; FRAMES + 1];
    for i in 0..FRAMES {
        frames[i] = [
            (&raw const frames[i + 1]) as usize,
            site(Work::Emulated) + i,
        ];
    }
    read_with_frame_pointer(frames.as_ptr().cast(), fd, byte)
}

#[cfg(target_arch = "x86_64")]
fn read_with_frame_pointer(frames: *const usize, fd: RawFd, byte: &mut u8) -> isize {
    let got;
    // SAFETY: the system call writes one byte to a valid place; the frame pointer is put back
    // before anything uses it.
    unsafe {
        std::arch::asm!(
            "push rbp",
            "mov rbp, {frames}",
            "syscall",
            "pop rbp",
            frames = in(reg) frames,
            inlateout("rax") libc::SYS_read as isize => got,
            in("rdi") fd as isize,
            in("rsi") &raw mut *byte,
            in("rdx") 1usize,
            out("rcx") _,
            out("r11") _,
        );
    }
    got
}

#[cfg(target_arch = "aarch64")]
fn read_with_frame_pointer(frames: *const usize, fd: RawFd, byte: &mut u8) -> isize {
    let got;
    // SAFETY: as on x86-64.
    unsafe {
        std::arch::asm!(
            "stp x29, x30, [sp, #-16]!",
            "mov x29, {frames}",
            "svc #0",
            "ldp x29, x30, [sp], #16",
            frames = in(reg) frames,
            in("x8") libc::SYS_read as isize,
            inlateout("x0") fd as isize => got,
            in("x1") &raw mut *byte,
            in("x2") 1usize,
        );
    }
    got
}

/// A function that begins as those do that the tracer probes, with an instruction that the kernel
/// emulates.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn emulated() {
    std::arch::naked_asm!("push rbp", "pop rbp", "ret")
}

/// As Go's functions begin behind their stack check before Go 1.21: single-stepped.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn stepped() {
    std::arch::naked_asm!("sub rsp, 24", "add rsp, 24", "ret")
}

/// As on x86-64. The kernel emulates no stores.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn emulated() {
    std::arch::naked_asm!("nop", "ret")
}

/// As Go's functions begin behind their stack check.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn stepped() {
    std::arch::naked_asm!("str x30, [sp, #-16]!", "ldr x30, [sp], #16", "ret")
}

/// Address of the instruction to probe for [`Work::Emulated`] or [`Work::Stepped`].
pub(super) fn site(work: Work) -> usize {
    match work {
        Work::Stepped => stepped as *const () as usize,
        _ => emulated as *const () as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + std::time::Duration::from_secs(60)
    }

    #[test]
    fn paths_have_the_promised_lengths() {
        let long = path::<{ LONG_PATH + 1 }>();
        assert_eq!(long.iter().position(|&b| b == 0), Some(LONG_PATH));
        assert_eq!(&path::<{ SHORT_PATH + 1 }>(), b"/0000000/0000000\0");
    }

    #[test]
    fn the_child_does_its_work_and_ends() {
        let mut subject = Subject::start().expect("forked");
        let [child, partner] = subject.pids();
        for work in [
            Work::Syscall,
            Work::ShortPath,
            Work::LongPath,
            Work::Switches,
        ] {
            let ns = subject.run(work, soon()).expect("alive").expect("timed");
            assert!(ns > 1.0 && ns < 10_000_000.0, "{work:?}: {ns} ns");
        }
        for work in [Work::Emulated, Work::Stepped, Work::Spin] {
            subject.run(work, soon()).expect("alive");
        }
        drop(subject);
        for pid in [child, partner] {
            // SAFETY: no signal is sent.
            let there = unsafe { libc::kill(pid.cast_signed(), 0) };
            assert_eq!(there, -1, "{pid} is left");
        }
    }
}
