//! The memory of a process that is no more.

use super::file::CoreFile;
use super::notes::CoreMapping;
use crate::go::binary::{Binary, BinaryError, Source};
use crate::go::memory::{Memory, MemoryError};

/// What the core holds, and what it leaves out because the executable has it: the kernel does not
/// dump pages of files that the process did not write to.
#[derive(Debug)]
pub struct CoreMemory {
    core: CoreFile,
    program: Source,
    /// Where the executable was mapped, by address.
    mappings: Vec<CoreMapping>,
}

impl CoreMemory {
    /// The memory of `core`, whose process ran `binary`, which was called `path` then.
    #[must_use]
    pub fn new(core: CoreFile, binary: &Binary, path: &str) -> Self {
        let of_program = core.mappings().iter().filter(|m| m.path == path);
        let mut mappings: Vec<CoreMapping> = of_program.cloned().collect();
        mappings.sort_unstable_by_key(|mapping| mapping.start);
        Self {
            core,
            program: binary.elf().source.clone(),
            mappings,
        }
    }

    /// The memory of `core` alone: what it leaves out is as if it had not been mapped.
    #[must_use]
    pub fn without_program(core: CoreFile) -> Self {
        Self {
            core,
            program: Source::from_bytes(Vec::new()),
            mappings: Vec::new(),
        }
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> &CoreFile {
        &self.core
    }

    /// The source and offset of the byte at an address, and the first address behind that is
    /// elsewhere.
    fn find(&self, addr: u64) -> Option<(&Source, u64, u64)> {
        let segments = &self.core.segments;
        let before = segments.partition_point(|segment| segment.start <= addr);
        let segment = before.checked_sub(1).map(|index| &segments[index]);
        if let Some(segment) = segment.filter(|segment| addr < segment.end) {
            let offset = segment.offset.saturating_add(addr - segment.start);
            return Some((&self.core.source, offset, segment.end));
        }
        let next = segments.get(before).map_or(u64::MAX, |next| next.start);
        let before = self
            .mappings
            .partition_point(|mapping| mapping.start <= addr);
        let mapping = &self.mappings[before.checked_sub(1)?];
        (addr < mapping.end).then(|| {
            let offset = mapping.offset.saturating_add(addr - mapping.start);
            (&self.program, offset, mapping.end.min(next))
        })
    }
}

impl Memory for CoreMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let len = buf.len();
        let unmapped = || MemoryError::Unmapped { addr, len };
        let mut done = 0;
        while done < len {
            let at = addr.checked_add(done as u64).ok_or_else(unmapped)?;
            let (source, offset, end) = self.find(at).ok_or_else(unmapped)?;
            let here = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(len - done);
            match source.read(offset, &mut buf[done..done + here]) {
                Ok(()) => done += here,
                Err(BinaryError::Io(source)) => {
                    let pid = self.core.pid().unwrap_or(0);
                    return Err(MemoryError::Io { pid, addr, source });
                }
                Err(_) => return Err(unmapped()),
            }
        }
        Ok(())
    }
}
