//! The parts of ELF64 a Go executable needs: segments, sections, relative relocations, symbols.
//!
//! Field offsets are those of `elf(5)` (`Elf64_Ehdr`, `Elf64_Phdr`, `Elf64_Shdr`, `Elf64_Sym`,
//! `Elf64_Rela`, `Elf64_Dyn`). Every count is bounded by its 16-bit field or by the file length.

use std::collections::BTreeMap;

use object::elf;

use super::error::BinaryError;
use super::source::Source;

/// Loadable segments looked at. Linkers make fewer than ten; each may be searched from its
/// beginning to its end, and a file made to harm can have thousands that cover all of it.
const MAX_LOADS: usize = 32;

/// Instruction set of an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64, little-endian.
    Arm64,
}

/// One loadable or dynamic segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// `PT_LOAD`, `PT_DYNAMIC`, ….
    pub kind: u32,
    /// `PF_R | PF_W | PF_X`.
    pub flags: u32,
    /// File offset of the first byte.
    pub offset: u64,
    /// Link-time address of the first byte.
    pub vaddr: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory; those beyond `file_size` are zero.
    pub mem_size: u64,
}

/// One section header.
#[derive(Clone, Debug)]
pub struct Section {
    /// Name, empty when the name table is damaged.
    pub name: String,
    /// `SHT_PROGBITS`, ….
    pub kind: u32,
    /// Link-time address, 0 if not loaded.
    pub addr: u64,
    /// File offset.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Index of the string table for symbol tables.
    pub link: u32,
}

/// Headers of an ELF64 file over its bytes.
#[derive(Clone, Debug)]
pub struct Elf {
    /// The bytes of the file.
    pub source: Source,
    /// Instruction set.
    pub arch: Arch,
    /// Position-independent (`ET_DYN`).
    pub pie: bool,
    /// Segments in file order.
    pub segments: Vec<Segment>,
    /// Sections in file order; empty when the section table was removed.
    pub sections: Vec<Section>,
}

/// Address and size of a data or function symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Link-time address.
    pub addr: u64,
    /// Size in bytes, 0 if not recorded.
    pub size: u64,
}

impl Elf {
    /// Reads the headers.
    pub fn parse(source: Source) -> Result<Self, BinaryError> {
        let mut head = [0; 64];
        if source.len() < 4 || source.read(0, &mut head[..4]).is_err() || head[..4] != elf::ELFMAG {
            return Err(BinaryError::NotElf);
        }
        source.read(0, &mut head)?;
        let arch = check_identity(&head)?;
        let kind = u16_at(&head, 16);
        let pie = match kind {
            elf::ET_EXEC => false,
            elf::ET_DYN => true,
            _ => {
                return Err(unsupported(
                    "only executables are read, not object or core files",
                ));
            }
        };
        let segments = read_segments(&source, &head)?;
        // A damaged or missing section table costs convenience only: segments carry the program.
        let sections = read_sections(&source, &head).unwrap_or_default();
        Ok(Self {
            source,
            arch,
            pie,
            segments,
            sections,
        })
    }

    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// `PT_LOAD` segments in file order, at most 32.
    pub fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(|segment| segment.kind == elf::PT_LOAD)
            .take(MAX_LOADS)
    }

    /// File offset of a link-time address; `None` outside the file-backed part of every segment.
    pub fn vaddr_to_offset(&self, vaddr: u64) -> Option<u64> {
        self.loads().find_map(|load| {
            let inside = vaddr.checked_sub(load.vaddr)?;
            (inside < load.file_size).then(|| load.offset.checked_add(inside))?
        })
    }

    /// Link-time address of a file offset; `None` for bytes that are not loaded.
    pub fn offset_to_vaddr(&self, offset: u64) -> Option<u64> {
        self.loads().find_map(|load| {
            let inside = offset.checked_sub(load.offset)?;
            (inside < load.file_size).then(|| load.vaddr.checked_add(inside))?
        })
    }

    /// Fills `buf` with the file's bytes for the link-time address `vaddr`.
    pub fn read_vaddr(&self, vaddr: u64, buf: &mut [u8]) -> Result<(), BinaryError> {
        let offset = self.vaddr_to_offset(vaddr).ok_or(BinaryError::Malformed {
            what: "an address outside the file",
            at: vaddr,
        })?;
        self.source.read(offset, buf)
    }

    /// Relative relocations (`R_X86_64_RELATIVE`, `R_AARCH64_RELATIVE`) as (address, addend), in
    /// file order; stops when `visit` returns a value.
    pub fn relative_relocations<T>(
        &self,
        mut visit: impl FnMut(u64, u64) -> Option<T>,
    ) -> Result<Option<T>, BinaryError> {
        let Some((offset, size)) = self.rela_table() else {
            return Ok(None);
        };
        let wanted = match self.arch {
            Arch::Amd64 => elf::R_X86_64_RELATIVE,
            Arch::Arm64 => elf::R_AARCH64_RELATIVE,
        };
        let mut pending = Vec::new();
        self.source.scan(offset, size, |_, bytes| {
            pending.extend_from_slice(bytes);
            let whole = pending.len() - pending.len() % 24;
            let found = pending[..whole].chunks_exact(24).find_map(|entry| {
                let kind = u64_at(entry, 8) as u32;
                (kind == wanted).then(|| visit(u64_at(entry, 0), u64_at(entry, 16)))?
            });
            pending.drain(..whole);
            found
        })
    }

    /// (file offset, size) of `DT_RELA`; from the dynamic segment, which stripping keeps.
    fn rela_table(&self) -> Option<(u64, u64)> {
        let dynamic = self
            .segments
            .iter()
            .find(|segment| segment.kind == elf::PT_DYNAMIC)?;
        let mut table = None;
        let mut size = None;
        // A dynamic section holds some tens of entries.
        for index in 0..(dynamic.file_size / 16).min(4096) {
            let at = dynamic.offset.checked_add(index * 16)?;
            let value = self.source.read_u64(at.checked_add(8)?).ok()?;
            match self.source.read_u64(at).ok()? {
                0 => break,
                tag if tag == elf::DT_RELA as u64 => table = Some(value),
                tag if tag == elf::DT_RELASZ as u64 => size = Some(value),
                _ => {}
            }
        }
        Some((self.vaddr_to_offset(table?)?, size?.min(self.source.len())))
    }

    /// Addresses of the named symbols in `.symtab`; absent names are absent from the answer.
    ///
    /// One pass over the table whatever the number of names. Empty for stripped files.
    pub fn symbols(&self, names: &[&str]) -> Result<BTreeMap<String, Symbol>, BinaryError> {
        let mut found = BTreeMap::new();
        let Some(table) = self.section(".symtab") else {
            return Ok(found);
        };
        let Some(strings) = self.sections.get(table.link as usize) else {
            return Ok(found);
        };
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let mut entry = [0; 24];
        let mut text = vec![0; longest + 1];
        for index in 0..table.size.min(self.source.len()) / 24 {
            self.source
                .read(table.offset.saturating_add(index * 24), &mut entry)?;
            let at = strings.offset.saturating_add(u64::from(u32_at(&entry, 0)));
            let count = self.source.read_some(at, &mut text)?;
            let end = text[..count].iter().position(|&byte| byte == 0);
            let name = end.map_or(&[][..], |end| &text[..end]);
            if let Some(name) = names.iter().find(|wanted| wanted.as_bytes() == name) {
                let symbol = Symbol {
                    addr: u64_at(&entry, 8),
                    size: u64_at(&entry, 16),
                };
                found.entry((*name).to_owned()).or_insert(symbol);
            }
        }
        Ok(found)
    }
}

fn check_identity(head: &[u8; 64]) -> Result<Arch, BinaryError> {
    if head[4] != elf::ELFCLASS64 {
        return Err(unsupported("32-bit ELF"));
    }
    if head[5] != elf::ELFDATA2LSB {
        return Err(unsupported("big-endian ELF"));
    }
    match u16_at(head, 18) {
        elf::EM_X86_64 => Ok(Arch::Amd64),
        elf::EM_AARCH64 => Ok(Arch::Arm64),
        machine => Err(unsupported(&format!(
            "ELF machine {machine}; only amd64 and arm64 are known"
        ))),
    }
}

fn read_segments(source: &Source, head: &[u8; 64]) -> Result<Vec<Segment>, BinaryError> {
    let (table, size, count) = (u64_at(head, 32), u16_at(head, 54), u16_at(head, 56));
    if count > 0 && size < 56 {
        return Err(BinaryError::Malformed {
            what: "program header size",
            at: 54,
        });
    }
    let mut segments = Vec::new();
    let mut entry = [0; 56];
    for index in 0..count {
        source.read(
            table.saturating_add(u64::from(index) * u64::from(size)),
            &mut entry,
        )?;
        segments.push(Segment {
            kind: u32_at(&entry, 0),
            flags: u32_at(&entry, 4),
            offset: u64_at(&entry, 8),
            vaddr: u64_at(&entry, 16),
            file_size: u64_at(&entry, 32),
            mem_size: u64_at(&entry, 40),
        });
    }
    Ok(segments)
}

fn read_sections(source: &Source, head: &[u8; 64]) -> Result<Vec<Section>, BinaryError> {
    let (table, size, count) = (u64_at(head, 40), u16_at(head, 58), u16_at(head, 60));
    let names_index = usize::from(u16_at(head, 62));
    if table == 0 || count == 0 || size < 64 {
        return Ok(Vec::new());
    }
    let mut sections = Vec::new();
    let mut name_offsets = Vec::new();
    let mut entry = [0; 64];
    for index in 0..count {
        source.read(
            table.saturating_add(u64::from(index) * u64::from(size)),
            &mut entry,
        )?;
        name_offsets.push(u64::from(u32_at(&entry, 0)));
        sections.push(Section {
            name: String::new(),
            kind: u32_at(&entry, 4),
            addr: u64_at(&entry, 16),
            offset: u64_at(&entry, 24),
            size: u64_at(&entry, 32),
            link: u32_at(&entry, 40),
        });
    }
    let Some(names) = sections.get(names_index).map(|section| section.offset) else {
        return Ok(sections);
    };
    for (section, offset) in sections.iter_mut().zip(name_offsets) {
        let name = source
            .read_cstr(names.saturating_add(offset), 256)
            .unwrap_or_default();
        section.name = String::from_utf8_lossy(&name).into_owned();
    }
    Ok(sections)
}

fn unsupported(what: &str) -> BinaryError {
    BinaryError::Unsupported {
        what: what.to_owned(),
    }
}

/// The little-endian word at `at`; callers index buffers of a fixed size that holds it.
pub(in crate::go) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// As [`u16_at`], 32 bits.
pub(in crate::go) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// As [`u16_at`], 64 bits.
pub(in crate::go) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
