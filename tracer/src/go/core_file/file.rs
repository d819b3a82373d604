//! A core file: its segments and notes.

use std::fs::File;
use std::path::Path;

use super::error::CoreError;
use super::notes::{CoreMapping, CoreThread, Notes};
use crate::go::binary::{Arch, Source, u16_at, u32_at, u64_at};

/// `ET_CORE`, `PT_LOAD`, `PT_NOTE`, `PN_XNUM` (include/uapi/linux/elf.h).
const CORE: u16 = 4;
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const MANY: u16 = 0xffff;
/// `EM_X86_64` and `EM_AARCH64`.
const AMD64: u16 = 62;
const ARM64: u16 = 183;
/// Size of a program header.
const HEADER: u64 = 56;
/// Segments that are taken: some more than `vm.max_map_count` allows anywhere.
const MAX_SEGMENTS: u64 = 1 << 22;
/// Bytes of notes that are taken: some hundred for each thread and mapping.
const MAX_NOTES: u64 = 256 << 20;

/// An opened core.
#[derive(Debug)]
pub struct CoreFile {
    pub(super) source: Source,
    pub(super) arch: Arch,
    /// By address.
    pub(super) segments: Vec<CoreSegment>,
    notes: Notes,
    /// Bytes that its headers tell of and the file has not.
    pub missing: u64,
}

/// Memory that is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CoreSegment {
    pub(super) start: u64,
    /// As far as the file has it.
    pub(super) end: u64,
    pub(super) offset: u64,
}

impl CoreFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is no core, or its tables are damaged.
    pub fn open(path: &Path) -> Result<Self, CoreError> {
        Self::from_source(Source::from_file(File::open(path)?)?)
    }

    /// Reads a core held in memory.
    ///
    /// # Errors
    /// As [`CoreFile::open`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, CoreError> {
        Self::from_source(Source::from_bytes(bytes))
    }

    fn from_source(source: Source) -> Result<Self, CoreError> {
        let mut head = [0; 64];
        source.read(0, &mut head).map_err(|_| CoreError::NotCore)?;
        // 64-bit, little-endian, ET_CORE.
        if !head.starts_with(b"\x7fELF\x02\x01") || u16_at(&head, 16) != CORE {
            return Err(CoreError::NotCore);
        }
        let arch = match u16_at(&head, 18) {
            AMD64 => Arch::Amd64,
            ARM64 => Arch::Arm64,
            machine => return Err(CoreError::Machine(machine)),
        };
        let mut core = Self {
            source,
            arch,
            segments: Vec::new(),
            notes: Notes::default(),
            missing: 0,
        };
        core.read_segments(&head)?;
        Ok(core)
    }

    fn read_segments(&mut self, head: &[u8; 64]) -> Result<(), CoreError> {
        const TABLE: CoreError = CoreError::Damaged("its list of segments");
        let (table, sections) = (u64_at(head, 32), u64_at(head, 40));
        let count = match u16_at(head, 56) {
            // The number stands in `sh_info` of the first section.
            MANY => u64::from(self.source.read_u32(sections.saturating_add(44))?),
            count => u64::from(count),
        };
        if u64::from(u16_at(head, 54)) != HEADER || count > MAX_SEGMENTS {
            return Err(TABLE);
        }
        let mut entry = [0; HEADER as usize];
        for index in 0..count {
            let at = table.saturating_add(index * HEADER);
            self.source.read(at, &mut entry).map_err(|_| TABLE)?;
            let (offset, start, size) = (u64_at(&entry, 8), u64_at(&entry, 16), u64_at(&entry, 32));
            match u32_at(&entry, 0) {
                LOAD => self.add_memory(offset, start, size),
                NOTE => self.add_notes(offset, size)?,
                _ => {}
            }
        }
        self.segments.sort_unstable_by_key(|segment| segment.start);
        Ok(())
    }

    fn add_memory(&mut self, offset: u64, start: u64, size: u64) {
        let there = size.min(self.source.len().saturating_sub(offset));
        self.missing = self.missing.saturating_add(size - there);
        if there > 0 {
            self.segments.push(CoreSegment {
                start,
                end: start.saturating_add(there),
                offset,
            });
        }
    }

    fn add_notes(&mut self, offset: u64, size: u64) -> Result<(), CoreError> {
        if size > MAX_NOTES {
            return Err(CoreError::Damaged("the size of its notes"));
        }
        let there = size.min(self.source.len().saturating_sub(offset));
        self.missing = self.missing.saturating_add(size - there);
        if there == 0 {
            return Ok(());
        }
        let mut bytes = vec![0; there as usize];
        self.source.read(offset, &mut bytes)?;
        self.notes.add(&bytes, self.arch)
    }

    /// Architecture of the process.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The process, as it saw itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.notes.pid
    }

    /// Name of its first thread.
    #[must_use]
    pub fn comm(&self) -> &str {
        &self.notes.comm
    }

    /// Its threads: the one that the signal hit comes first.
    #[must_use]
    pub fn threads(&self) -> &[CoreThread] {
        &self.notes.threads
    }

    /// Files that were mapped.
    #[must_use]
    pub fn mappings(&self) -> &[CoreMapping] {
        &self.notes.mappings
    }

    /// The mapping of the executable that holds its headers or its first instruction.
    ///
    /// # Errors
    /// When the core does not tell.
    pub fn program(&self) -> Result<&CoreMapping, CoreError> {
        let holds = |at: &u64| {
            let mut mappings = self.mappings().iter();
            mappings.find(|mapping| (mapping.start..mapping.end).contains(at))
        };
        self.notes
            .inside
            .iter()
            .find_map(holds)
            .ok_or(CoreError::NoProgram)
    }
}
