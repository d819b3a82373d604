//! Software events of the kernel and their buffers. Layouts and numbers are those of
//! include/uapi/linux/perf_event.h.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

const TYPE_SOFTWARE: u32 = 1;
/// `PERF_FLAG_FD_CLOEXEC`
const FLAG_FD_CLOEXEC: libc::c_ulong = 8;
/// Where `struct perf_event_mmap_page` has `data_head` and `data_tail`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// An event and its buffer.
#[derive(Debug)]
pub(super) struct PerfRing {
    base: NonNull<u8>,
    page: usize,
    /// Pages of data.
    pages: usize,
    event: OwnedFd,
}

impl PerfRing {
    /// Opens an event of a thread, or of all with -1, on a CPU, or on any with -1, with so many
    /// pages of data: a power of two.
    ///
    /// # Errors
    /// The kernel's, when it gives no such events or no room for them.
    pub(super) fn open(attr: &PerfAttr, tid: i32, cpu: i32, pages: usize) -> io::Result<Self> {
        let event = open_event(attr, tid, cpu)?;
        // SAFETY: the call has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).map_err(|_| io::Error::last_os_error())?;
        let length = page * (pages + 1);
        // SAFETY: a new mapping of a descriptor that is open; the kernel chooses its place.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            base,
            page,
            pages,
            event,
        })
    }

    /// Waits until there is a record, `milliseconds` at most.
    pub(super) fn wait(&self, milliseconds: i32) {
        let mut ready = libc::pollfd {
            fd: self.event.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one element, as is said. An error is no record.
        unsafe { libc::poll(&raw mut ready, 1, milliseconds) };
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both words lie in the first page, aligned to 8 bytes, and live as long as `self`;
        // the kernel writes them as a whole.
        unsafe { self.base.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Copies the next record, if there is one.
    pub(super) fn next(&self, record: &mut Vec<u8>) -> bool {
        const HEADER: u64 = 8;
        let size = self.page * self.pages;
        let head = self.word(DATA_HEAD).load(Ordering::Acquire);
        let tail = self.word(DATA_TAIL).load(Ordering::Relaxed);
        if head.wrapping_sub(tail) < HEADER {
            return false;
        }
        record.clear();
        self.copy(tail, HEADER as usize, size, record);
        let length = u64::from(u16::from_ne_bytes([record[6], record[7]]));
        if length < HEADER || length > head.wrapping_sub(tail) {
            // No record: take nothing more of what is there.
            self.word(DATA_TAIL).store(head, Ordering::Release);
            return false;
        }
        self.copy(tail + HEADER, (length - HEADER) as usize, size, record);
        fence(Ordering::SeqCst);
        self.word(DATA_TAIL).store(tail + length, Ordering::Release);
        true
    }

    /// Appends `length` bytes from position `at` of the data on, which begins anew at its end.
    fn copy(&self, at: u64, length: usize, size: usize, into: &mut Vec<u8>) {
        let start = (at % size as u64) as usize;
        let first = length.min(size - start);
        for (from, part) in [(start, first), (0, length - first)] {
            // SAFETY: `from + part` is at most `size`, the bytes that follow the first page; the
            // kernel does not write what lies between tail and head.
            let bytes = unsafe {
                std::slice::from_raw_parts(self.base.as_ptr().add(self.page + from), part)
            };
            into.extend_from_slice(bytes);
        }
    }
}

impl Drop for PerfRing {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `open` made; nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.page * (self.pages + 1)) };
    }
}

/// `struct perf_event_attr`, `PERF_ATTR_SIZE_VER5`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct PerfAttr {
    pub(super) kind: u32,
    pub(super) size: u32,
    pub(super) config: u64,
    pub(super) sample_period: u64,
    pub(super) sample_type: u64,
    pub(super) read_format: u64,
    pub(super) bits: u64,
    pub(super) wakeup_events: u32,
    pub(super) bp_type: u32,
    pub(super) config1: u64,
    pub(super) config2: u64,
    pub(super) branch_sample_type: u64,
    pub(super) sample_regs_user: u64,
    pub(super) sample_stack_user: u32,
    pub(super) clockid: i32,
    pub(super) sample_regs_intr: u64,
    pub(super) aux_watermark: u32,
    pub(super) sample_max_stack: u16,
    pub(super) reserved: u16,
}

impl Default for PerfAttr {
    /// A software event.
    fn default() -> Self {
        Self {
            kind: TYPE_SOFTWARE,
            size: size_of::<Self>() as u32,
            config: 0,
            sample_period: 0,
            sample_type: 0,
            read_format: 0,
            bits: 0,
            wakeup_events: 0,
            bp_type: 0,
            config1: 0,
            config2: 0,
            branch_sample_type: 0,
            sample_regs_user: 0,
            sample_stack_user: 0,
            clockid: 0,
            sample_regs_intr: 0,
            aux_watermark: 0,
            sample_max_stack: 0,
            reserved: 0,
        }
    }
}

fn open_event(attr: &PerfAttr, tid: i32, cpu: i32) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is as long as its size says, and outlives the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attr),
            tid,
            cpu,
            -1_i32,
            FLAG_FD_CLOEXEC,
        )
    };
    match i32::try_from(fd) {
        // SAFETY: a descriptor that was just made, and belongs to nobody else.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
