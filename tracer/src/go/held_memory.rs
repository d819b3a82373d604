//! Memory of a process that may be dead by now.

use std::io;

use super::memory::{Memory, MemoryError};
use crate::process::MemoryHold;

/// The memory of a process as it is, or as it was at its end.
#[derive(Debug)]
pub struct HeldMemory {
    pid: u32,
    hold: MemoryHold,
}

impl HeldMemory {
    /// The memory of process `pid` that is held.
    #[must_use]
    pub fn new(pid: u32, hold: MemoryHold) -> Self {
        Self { pid, hold }
    }

    /// What keeps it.
    #[must_use]
    pub fn hold(&self) -> &MemoryHold {
        &self.hold
    }
}

impl Memory for HeldMemory {
    /// [`MemoryError::Gone`] once it is let go.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        self.hold.read(addr, buf).map_err(|source| {
            let pid = self.pid;
            match source.raw_os_error() {
                // The second is for addresses that are negative as offsets of a file.
                Some(libc::EIO | libc::EINVAL) => MemoryError::Unmapped { addr, len },
                None if source.kind() == io::ErrorKind::UnexpectedEof => MemoryError::Gone { pid },
                _ => MemoryError::Io { pid, addr, source },
            }
        })
    }
}
