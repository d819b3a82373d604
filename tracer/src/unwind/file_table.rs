//! The table of one ELF file, and how its addresses relate to mappings.

use std::ops::Range;
use std::time::{Duration, Instant};

use gimli::{BaseAddresses, EhFrameHdr, LittleEndian};

use super::go_code::GoCode;
use super::rows::{Limits, MAX_FILE_ROWS, Rows};
use crate::go::{Arch, Binary, BinaryError, Elf, Segment, Source};
use crate::process::{MappedFile, Mapping};

/// Bytes of `.eh_frame` that are read: that of a browser has some 15 MiB.
const MAX_SECTION: u64 = 64 << 20;
/// Bytes of notes that are read.
const MAX_NOTES: u64 = 4096;
/// Time for one file.
const TIME: Duration = Duration::from_secs(5);
/// `PT_NOTE`, `PT_GNU_EH_FRAME` and `SHT_NOBITS` (elf(5)).
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const SHT_NOBITS: u32 = 8;
/// `NT_GNU_BUILD_ID` (elf(5)).
const BUILD_ID: u32 = 3;

/// Why a file has no table.
#[derive(Debug, thiserror::Error)]
pub enum FileTableError {
    #[error(transparent)]
    Elf(#[from] BinaryError),
    #[error("not for x86-64; its stacks follow frame pointers")]
    Machine,
    #[error("no .eh_frame; its stacks follow frame pointers")]
    Nothing,
}

/// The table of a file.
#[derive(Clone, Debug)]
pub struct FileTable {
    pub rows: Rows,
    loads: Vec<Segment>,
    /// All functions that call keep frame pointers.
    pub keeps_pointers: bool,
    /// Go's handler of signals: link-time addresses; empty where there is none.
    pub(super) handler: Range<u64>,
}

/// A file that was looked at, before its table is read.
#[derive(Debug)]
pub(super) struct OpenedFile {
    elf: Elf,
    go: Option<GoCode>,
}

impl OpenedFile {
    /// Opens a file behind a mapping.
    pub(super) fn open(file: &MappedFile) -> Result<Self, FileTableError> {
        let opened = std::fs::File::open(file.proc_path()).map_err(BinaryError::Io)?;
        let elf = Elf::parse(Source::from_file(opened)?)?;
        let binary = Binary::open(&file.proc_path()).ok();
        let go = binary.as_ref().and_then(GoCode::of);
        Ok(Self { elf, go })
    }

    /// Takes a file held in memory, as the vDSO.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, FileTableError> {
        let binary = Binary::parse(bytes.clone()).ok();
        Ok(Self {
            elf: Elf::parse(Source::from_bytes(bytes))?,
            go: binary.as_ref().and_then(GoCode::of),
        })
    }

    /// The build id, if the file has one of a usual length.
    pub(super) fn build_id(&self) -> Option<Vec<u8>> {
        build_id_in(&self.elf)
    }

    /// Reads the table.
    pub(super) fn table(&self) -> Result<FileTable, FileTableError> {
        if self.elf.arch != Arch::Amd64 {
            return Err(FileTableError::Machine);
        }
        let limits = Limits {
            rows: MAX_FILE_ROWS / 2,
            until: Instant::now() + TIME,
        };
        let (section, address) = self.section().unwrap_or_default();
        let go = self.go.as_ref();
        let spans = go.map(|go| go.spans(limits)).unwrap_or_default();
        let text: Vec<Range<u64>> = go.map(|go| go.text.clone()).into_iter().collect();
        let rows = Rows::read(&section, address, spans, &text, limits);
        if rows.rows.is_empty() {
            return Err(FileTableError::Nothing);
        }
        Ok(FileTable {
            keeps_pointers: go.is_some() && section.is_empty(),
            handler: go.map(GoCode::handler).unwrap_or_default(),
            rows,
            loads: self.elf.loads().copied().collect(),
        })
    }

    /// `.eh_frame` and its link-time address: by its section, or where sections were removed by the
    /// segment of its index.
    fn section(&self) -> Option<(Vec<u8>, u64)> {
        if let Some(found) = self.elf.section(".eh_frame") {
            if found.kind == SHT_NOBITS || found.size > MAX_SECTION {
                return None;
            }
            return Some((self.read(found.offset, found.size)?, found.addr));
        }
        let is_index = |s: &&Segment| s.kind == PT_GNU_EH_FRAME;
        let index = self.elf.segments.iter().find(is_index)?;
        let bytes = self.read(index.offset, index.file_size.min(MAX_SECTION))?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(index.vaddr);
        let header = EhFrameHdr::new(&bytes, LittleEndian)
            .parse(&bases, 8)
            .ok()?;
        let address = header.eh_frame_ptr().direct().ok()?;
        let load = self.elf.loads().find(|load| {
            let inside = address.checked_sub(load.vaddr);
            inside.is_some_and(|inside| inside < load.file_size)
        })?;
        let inside = address - load.vaddr;
        let len = (load.file_size - inside).min(MAX_SECTION);
        Some((self.read(load.offset.checked_add(inside)?, len)?, address))
    }

    fn read(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        // A length is believed only up to the end of the file.
        if at.checked_add(len)? > self.elf.source.len() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.elf.source.read(at, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// The build id of the ELF file at a path, if it has one of a usual length.
#[must_use]
pub fn build_id(path: &std::path::Path) -> Option<Vec<u8>> {
    let source = Source::from_file(std::fs::File::open(path).ok()?).ok()?;
    build_id_in(&Elf::parse(source).ok()?)
}

fn build_id_in(elf: &Elf) -> Option<Vec<u8>> {
    let notes = elf.segments.iter().filter(|s| s.kind == PT_NOTE);
    notes.take(8).find_map(|segment| {
        let mut bytes = vec![0; segment.file_size.min(MAX_NOTES) as usize];
        elf.source.read(segment.offset, &mut bytes).ok()?;
        build_id_of(&bytes)
    })
}

impl FileTable {
    /// Reads the table of an ELF file held in memory, and its build id.
    ///
    /// # Errors
    /// It is no ELF file for x86-64, or has neither `.eh_frame` nor Go code.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<(Self, Option<Vec<u8>>), FileTableError> {
        let file = OpenedFile::from_bytes(bytes)?;
        Ok((file.table()?, file.build_id()))
    }

    /// Where the handler of signals is, as an address of the table, and its bytes; zeros where there
    /// is none.
    pub(super) fn handler_place(&self) -> (u32, u32) {
        let Range { start, end } = self.handler;
        let place = start.checked_sub(self.rows.base);
        let place = place.and_then(|place| u32::try_from(place).ok());
        let len = end.checked_sub(start);
        let len = len.and_then(|len| u32::try_from(len).ok());
        place.zip(len).unwrap_or_default()
    }

    /// What, subtracted from addresses of a mapping of the file, gives those of the table. `None`
    /// when the mapping is of no segment.
    #[must_use]
    pub fn bias(&self, mapping: &Mapping) -> Option<u64> {
        let load = self.loads.iter().find(|load| {
            // Mappings begin at pages.
            let first = load.offset & !0xfff;
            (first..load.offset.saturating_add(load.file_size)).contains(&mapping.offset)
                && load.flags & object::elf::PF_X != 0
        })?;
        let linked = load
            .vaddr
            .wrapping_add(mapping.offset.wrapping_sub(load.offset));
        let from_base = linked.wrapping_sub(self.rows.base);
        Some(mapping.start.wrapping_sub(from_base))
    }
}

/// Finds the build id among notes: each is three words (name's length, content's length, kind), then
/// both, padded to 4 bytes (elf(5), "Notes").
fn build_id_of(notes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = notes;
    loop {
        let (head, tail) = rest.split_at_checked(12)?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let padded = |len: u32| usize::try_from(len).ok()?.checked_next_multiple_of(4);
        let (name, tail) = tail.split_at_checked(padded(word(0))?)?;
        let content_len = word(4);
        if word(8) == BUILD_ID && name == b"GNU\0" && (8..=64).contains(&content_len) {
            return tail.get(..content_len as usize).map(<[u8]>::to_vec);
        }
        rest = tail.get(padded(content_len)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_build_id_is_found_behind_other_notes() {
        let mut notes = Vec::new();
        for (name, kind, content) in [
            (&b"GNU\0"[..], 5_u32, &[1_u8; 16][..]),
            (b"Go\0\0", 4, &[2; 3]),
            (b"GNU\0", 3, &[7; 20]),
        ] {
            notes.extend((name.len() as u32).to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(build_id_of(&notes), Some(vec![7; 20]));
        notes.truncate(notes.len() - 1);
        assert_eq!(build_id_of(&notes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_build_id_or_one(notes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = build_id_of(&notes);
        }
    }
}
