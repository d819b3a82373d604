//! Reading the memory of a target: the one trait the Go readers see, and the live process behind it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A read of target memory that could not be done in full.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// No page of the target covers the whole range.
    #[error("{len} bytes at {addr:#x} are not mapped in the target")]
    Unmapped {
        /// First address of the range.
        addr: u64,
        /// Length of the range in bytes.
        len: usize,
    },
    /// The target has exited.
    #[error("process {pid} has exited; attach to a live process")]
    Gone {
        /// The process that was read.
        pid: u32,
    },
    /// The kernel refused the read.
    #[error("may not read the memory of process {pid}; run as root or with CAP_SYS_PTRACE")]
    Denied {
        /// The process that was read.
        pid: u32,
    },
    /// Any other failure of the system call.
    #[error("reading {addr:#x} of process {pid}: {source}")]
    Io {
        /// The process that was read.
        pid: u32,
        /// First address of the range.
        addr: u64,
        /// The system's answer.
        source: io::Error,
    },
}

/// The address space of a target, little-endian, 64-bit.
///
/// A read fills the whole buffer or fails; after a failure the buffer's contents are unspecified.
/// The target runs on while it is read: two reads are two moments.
pub trait Memory {
    /// Fills `buf` from the target's bytes at `addr`.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError>;

    /// Reads several ranges, given as address and length in bytes, at about the cost of one: what
    /// they hold, one after the other in `bytes`, and for each whether it could be read. What could
    /// not holds zeros.
    ///
    /// # Errors
    /// When nothing of the target can be read any more.
    fn read_each(
        &self,
        ranges: &[(u64, usize)],
        bytes: &mut Vec<u8>,
    ) -> Result<Vec<bool>, MemoryError> {
        bytes.clear();
        let mut read = Vec::with_capacity(ranges.len());
        for &(addr, len) in ranges {
            read.push(append(self, addr, len, bytes)?);
        }
        Ok(read)
    }

    /// The byte at `addr`.
    fn read_u8(&self, addr: u64) -> Result<u8, MemoryError> {
        let mut buf = [0; 1];
        self.read(addr, &mut buf)?;
        Ok(buf[0])
    }

    /// The 32-bit word at `addr`.
    fn read_u32(&self, addr: u64) -> Result<u32, MemoryError> {
        let mut buf = [0; 4];
        self.read(addr, &mut buf)?;
        Ok(u32::from_le_bytes(buf))
    }

    /// The 64-bit word at `addr`.
    fn read_u64(&self, addr: u64) -> Result<u64, MemoryError> {
        let mut buf = [0; 8];
        self.read(addr, &mut buf)?;
        Ok(u64::from_le_bytes(buf))
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        (**self).read(addr, buf)
    }

    fn read_each(
        &self,
        ranges: &[(u64, usize)],
        bytes: &mut Vec<u8>,
    ) -> Result<Vec<bool>, MemoryError> {
        (**self).read_each(ranges, bytes)
    }
}

/// Appends a range, or as many zeros: says which.
fn append(
    memory: &(impl Memory + ?Sized),
    addr: u64,
    len: usize,
    bytes: &mut Vec<u8>,
) -> Result<bool, MemoryError> {
    let at = bytes.len();
    bytes.resize(at + len, 0);
    match memory.read(addr, &mut bytes[at..]) {
        Ok(()) => Ok(true),
        Err(MemoryError::Unmapped { .. }) => {
            bytes[at..].fill(0);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The memory of a live process.
///
/// Reads go through `process_vm_readv(2)`; where that is refused (seccomp profiles of containers
/// often forbid it) through `/proc/PID/mem`. Neither stops the target.
#[derive(Debug)]
pub struct ProcessMemory {
    pid: u32,
    mem: Option<File>,
}

impl ProcessMemory {
    /// The memory of process `pid`, as numbered in the caller's pid namespace.
    ///
    /// Never fails: access is checked by the kernel at each read. The `/proc/PID/mem` handle is
    /// opened now so that a later reuse of the pid cannot be mistaken for the target there.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            mem: File::open(format!("/proc/{pid}/mem")).ok(),
        }
    }

    /// The process this memory belongs to.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn read_vm(&self, addr: u64, buf: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec {
            iov_base: buf.as_mut_ptr().cast(),
            iov_len: buf.len(),
        };
        let remote = libc::iovec {
            iov_base: addr as *mut libc::c_void,
            iov_len: buf.len(),
        };
        // SAFETY: `local` describes `buf`, which is writable for its whole length and outlives the
        // call; `remote` is an address of the other process that the kernel checks itself.
        let count = unsafe {
            libc::process_vm_readv(
                self.pid.cast_signed(),
                &raw const local,
                1,
                &raw const remote,
                1,
                0,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Reads the first of `ranges`, as many as the kernel reads without an error: how many of them
    /// are whole.
    fn read_first(&self, ranges: &[(u64, usize)], buf: &mut [u8]) -> usize {
        let local = libc::iovec {
            iov_base: buf.as_mut_ptr().cast(),
            iov_len: buf.len(),
        };
        let remote: Vec<libc::iovec> = ranges
            .iter()
            .map(|&(addr, len)| libc::iovec {
                iov_base: addr as *mut libc::c_void,
                iov_len: len,
            })
            .collect();
        // SAFETY: as in `read_vm`; `remote` has as many elements as it says.
        let count = unsafe {
            libc::process_vm_readv(
                self.pid.cast_signed(),
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        let mut left = usize::try_from(count).unwrap_or(0);
        let whole = ranges.iter().take_while(|(_, len)| {
            let fits = *len <= left;
            left = left.saturating_sub(*len);
            fits
        });
        whole.count()
    }

    fn read_file(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        match &self.mem {
            Some(mem) => mem.read_exact_at(buf, addr),
            None => Err(io::Error::from_raw_os_error(libc::EPERM)),
        }
    }

    fn error(&self, addr: u64, len: usize, source: io::Error) -> MemoryError {
        let pid = self.pid;
        match source.raw_os_error() {
            Some(libc::ESRCH) => MemoryError::Gone { pid },
            Some(libc::EPERM | libc::EACCES) => MemoryError::Denied { pid },
            Some(libc::EFAULT | libc::EIO) => MemoryError::Unmapped { addr, len },
            None if source.kind() == io::ErrorKind::UnexpectedEof => {
                MemoryError::Unmapped { addr, len }
            }
            _ => MemoryError::Io { pid, addr, source },
        }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        if buf.is_empty() {
            return Ok(());
        }
        match self.read_vm(addr, buf) {
            Ok(count) if count == buf.len() => Ok(()),
            Ok(_) => Err(MemoryError::Unmapped {
                addr,
                len: buf.len(),
            }),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => self
                .read_file(addr, buf)
                .map_err(|error| self.error(addr, buf.len(), error)),
            Err(error) => Err(self.error(addr, buf.len(), error)),
        }
    }

    fn read_each(
        &self,
        ranges: &[(u64, usize)],
        bytes: &mut Vec<u8>,
    ) -> Result<Vec<bool>, MemoryError> {
        bytes.clear();
        let mut read = Vec::with_capacity(ranges.len());
        while let Some(rest) = ranges.get(read.len()..).filter(|rest| !rest.is_empty()) {
            let batch = &rest[..rest.len().min(MAX_RANGES)];
            let at = bytes.len();
            let size: usize = batch.iter().map(|(_, len)| len).sum();
            bytes.resize(at + size, 0);
            let whole = self.read_first(batch, &mut bytes[at..]);
            let size: usize = batch[..whole].iter().map(|(_, len)| len).sum();
            bytes.truncate(at + size);
            read.resize(read.len() + whole, true);
            // The one that could not be read in the batch tells why.
            if let Some(&(addr, len)) = batch.get(whole) {
                read.push(append(self, addr, len, bytes)?);
            }
        }
        Ok(read)
    }
}

/// Ranges that the kernel reads in one call (`UIO_MAXIOV`, include/uapi/linux/uio.h).
const MAX_RANGES: usize = 1024;

/// Memory made of byte ranges already copied: a recording, or what a probe captured.
#[derive(Clone, Debug, Default)]
pub struct RangeMemory {
    ranges: Vec<(u64, Vec<u8>)>,
}

impl RangeMemory {
    /// Memory with nothing mapped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `bytes` at `addr`. Where ranges overlap, the one mapped first is read.
    pub fn map(&mut self, addr: u64, bytes: Vec<u8>) {
        self.ranges.push((addr, bytes));
    }

    fn find(&self, addr: u64, len: usize) -> Option<&[u8]> {
        self.ranges.iter().find_map(|(base, bytes)| {
            let start = usize::try_from(addr.checked_sub(*base)?).ok()?;
            bytes.get(start..start.checked_add(len)?)
        })
    }
}

impl Memory for RangeMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let bytes = self.find(addr, buf.len()).ok_or(MemoryError::Unmapped {
            addr,
            len: buf.len(),
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_own_memory_and_reports_holes() {
        let memory = ProcessMemory::new(std::process::id());
        let value = 0x1122_3344_5566_7788_u64;
        let addr = (&raw const value) as u64;
        assert_eq!(memory.read_u64(addr).expect("own stack"), value);
        assert_eq!(memory.read_u32(addr).expect("own stack"), 0x5566_7788);
        assert!(matches!(
            memory.read_u64(8),
            Err(MemoryError::Unmapped { addr: 8, len: 8 })
        ));
        assert!(matches!(
            memory.read_u64(u64::MAX - 3),
            Err(MemoryError::Unmapped { .. })
        ));
    }

    #[test]
    fn many_ranges_are_read_around_holes() {
        let memory = ProcessMemory::new(std::process::id());
        let values: Vec<u64> = (0..3000).collect();
        let mut ranges: Vec<(u64, usize)> = values
            .iter()
            .map(|value| ((std::ptr::from_ref(value)) as u64, 8))
            .collect();
        ranges[1] = (8, 8);
        ranges[2999] = (u64::MAX - 3, 8);
        let mut bytes = Vec::new();
        let read = memory.read_each(&ranges, &mut bytes).expect("ourselves");
        let holes: Vec<usize> = (0..3000).filter(|&i| !read[i]).collect();
        assert_eq!((read.len(), holes), (3000, vec![1, 2999]));
        let words = bytes.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w));
        let words: Vec<u64> = words.collect();
        assert_eq!(words.len(), 3000);
        assert_eq!((words[0], words[1], words[2998]), (0, 0, 2998));
    }

    #[test]
    fn proc_mem_agrees_with_the_system_call() {
        let memory = ProcessMemory::new(std::process::id());
        let value = [7_u8; 32];
        let mut copy = [0; 32];
        memory
            .read_file(value.as_ptr() as u64, &mut copy)
            .expect("/proc/self/mem");
        assert_eq!(copy, value);
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        let memory = ProcessMemory::new(0x3fff_fff0);
        assert!(matches!(
            memory.read_u64(0x1000),
            Err(MemoryError::Gone { .. })
        ));
    }

    #[test]
    fn ranges_answer_only_inside() {
        let mut memory = RangeMemory::new();
        memory.map(0x1000, vec![1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(memory.read_u8(0x1008).expect("mapped"), 9);
        assert_eq!(
            memory.read_u64(0x1001).expect("mapped"),
            0x0908_0706_0504_0302
        );
        assert!(memory.read_u64(0x1002).is_err());
        assert!(memory.read_u8(0xfff).is_err());
    }
}
