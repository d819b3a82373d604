//! Finding and checking the table's header.

use object::elf;

use crate::go::binary::BinaryError;
use crate::go::binary::elf::{Arch, Elf, Segment, u32_at, u64_at};

const MAGIC_1_18: u32 = 0xffff_fff0;
const MAGIC_1_20: u32 = 0xffff_fff1;
const SIZE: usize = 72;

/// The header of a function table. Offsets are relative to the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Link-time address of the header.
    pub addr: u64,
    /// File offset of the header.
    pub offset: u64,
    /// Records carry the line of the `func` keyword and the 16-byte inline tree (Go 1.20).
    pub has_start_line: bool,
    /// Instruction size quantum: 1 on amd64, 4 on arm64.
    pub quantum: u8,
    /// Number of functions.
    pub functions: u32,
    /// Start of text as the linker wrote it; 0 since Go 1.26 and in position-independent files.
    pub text: u64,
    /// Offset of the function names.
    pub names: u64,
    /// Offset of the per-unit file tables.
    pub units: u64,
    /// Offset of the file names.
    pub files: u64,
    /// Offset of the pc-value tables.
    pub values: u64,
    /// Offset of the function index.
    pub index: u64,
}

impl Header {
    /// Finds the table by section name, else by its header's bytes.
    pub(in crate::go) fn find(elf: &Elf) -> Result<Option<Self>, BinaryError> {
        for name in [".gopclntab", ".data.rel.ro.gopclntab"] {
            if let Some(section) = elf.section(name)
                && let Some(header) = Self::parse(elf, section.offset)
            {
                return Ok(Some(header));
            }
        }
        // External linkers fold the table into `.data.rel.ro` of position-independent files, and
        // some packers drop the section table. Data first: text is large and never holds it.
        let (text, data): (Vec<&Segment>, Vec<&Segment>) =
            elf.loads().partition(|load| load.flags & elf::PF_X != 0);
        for load in data.into_iter().chain(text) {
            if let Some(header) = Self::scan(elf, load.offset, load.file_size)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn scan(elf: &Elf, offset: u64, size: u64) -> Result<Option<Self>, BinaryError> {
        let heads = [MAGIC_1_18, MAGIC_1_20].map(|magic| head_word(elf.arch, magic));
        elf.source.scan(offset, size, |at, bytes| {
            let words = bytes.chunks_exact(8).enumerate();
            let mut hits = words.filter(|(_, word)| heads.contains(&u64_at(word, 0)));
            hits.find_map(|(index, _)| Self::parse(elf, at + index as u64 * 8))
        })
    }

    fn parse(elf: &Elf, offset: u64) -> Option<Self> {
        let mut bytes = [0; SIZE];
        elf.source.read(offset, &mut bytes).ok()?;
        let magic = u32_at(&bytes, 0);
        if ![MAGIC_1_18, MAGIC_1_20].contains(&magic)
            || u64_at(&bytes, 0) != head_word(elf.arch, magic)
        {
            return None;
        }
        let header = Self {
            addr: elf.offset_to_vaddr(offset)?,
            offset,
            has_start_line: magic == MAGIC_1_20,
            quantum: bytes[6],
            functions: u32::try_from(u64_at(&bytes, 8)).ok()?,
            text: u64_at(&bytes, 24),
            names: u64_at(&bytes, 32),
            units: u64_at(&bytes, 40),
            files: u64_at(&bytes, 48),
            values: u64_at(&bytes, 56),
            index: u64_at(&bytes, 64),
        };
        header
            .plausible(elf.source.len() - offset)
            .then_some(header)
    }

    /// Parts lie in the order the linker writes them, and the index fits the file.
    fn plausible(&self, room: u64) -> bool {
        let parts = [
            SIZE as u64,
            self.names,
            self.units,
            self.files,
            self.values,
            self.index,
        ];
        let index_size = u64::from(self.functions) * 8 + 4;
        parts.is_sorted()
            && self.functions > 0
            && self
                .index
                .checked_add(index_size)
                .is_some_and(|end| end <= room)
    }
}

/// The first eight bytes of a header: magic, two zeros, quantum, pointer size.
fn head_word(arch: Arch, magic: u32) -> u64 {
    let quantum = match arch {
        Arch::Amd64 => 1,
        Arch::Arm64 => 4,
    };
    u64::from(magic) | quantum << 48 | 8 << 56
}
