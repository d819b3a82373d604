//! The opened executable: what it is, and how its addresses relate to file and process.

use std::fs::File;
use std::path::Path;

use object::elf;

use super::build_info::BuildInfo;
use super::build_version::build_version;
use super::elf::{Arch, Elf, Symbol};
use super::error::BinaryError;
use super::module_data::ModuleData;
use super::source::Source;
use crate::go::pclntab::{Header, Pclntab};
use crate::go::version::Release;

/// A Go executable.
///
/// All addresses are link-time addresses unless called live; a live address is the link-time
/// address plus [`Binary::load_bias`].
#[derive(Clone, Debug)]
pub struct Binary {
    elf: Elf,
    build_info: Option<BuildInfo>,
    header: Option<Header>,
    module: Option<ModuleData>,
}

impl Binary {
    /// Opens an executable file. `/proc/PID/exe` is the right path for a live process: it reaches
    /// the file that runs even when it was deleted or lies in another mount namespace.
    ///
    /// The file is not copied: some tens of kilobytes are read here, tables on demand.
    pub fn open(path: &Path) -> Result<Self, BinaryError> {
        let file = File::open(path).map_err(BinaryError::Io)?;
        Self::from_source(Source::from_file(file)?)
    }

    /// Reads an executable held in memory.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BinaryError> {
        Self::from_source(Source::from_bytes(bytes))
    }

    fn from_source(source: Source) -> Result<Self, BinaryError> {
        let elf = Elf::parse(source)?;
        let build_info = BuildInfo::find(&elf)?;
        let header = Header::find(&elf)?;
        if build_info.is_none() && header.is_none() {
            return Err(BinaryError::NotGo);
        }
        let mut binary = Self {
            elf,
            build_info,
            header,
            module: None,
        };
        binary.find_module()?;
        if binary.build_info.is_none() {
            // A table that is damaged there still serves without the release.
            let version = build_version(&binary).unwrap_or_default();
            binary.build_info = version.map(BuildInfo::of_version);
            binary.find_module()?;
        }
        Ok(binary)
    }

    /// What is known of the module depends on the release.
    fn find_module(&mut self) -> Result<(), BinaryError> {
        let minor = self.release().map(|release| release.minor);
        self.module = match &self.header {
            Some(header) => ModuleData::find(&self.elf, header, minor)?,
            None => None,
        };
        Ok(())
    }

    /// Headers of the file.
    pub fn elf(&self) -> &Elf {
        &self.elf
    }

    /// Instruction set.
    pub fn arch(&self) -> Arch {
        self.elf.arch
    }

    /// Position-independent.
    pub fn is_pie(&self) -> bool {
        self.elf.pie
    }

    /// What the linker recorded, or where that was removed the version that the runtime has of
    /// itself; `None` when there is neither.
    pub fn build_info(&self) -> Option<&BuildInfo> {
        self.build_info.as_ref()
    }

    /// The Go release, when recorded.
    pub fn release(&self) -> Option<Release> {
        self.build_info.as_ref()?.release
    }

    /// The main module's address ranges; `None` when the record could not be found.
    pub fn module(&self) -> Option<&ModuleData> {
        self.module.as_ref()
    }

    /// The function table.
    pub fn pclntab(&self) -> Result<Pclntab, BinaryError> {
        let header = self.header.ok_or_else(|| BinaryError::Unsupported {
            what: "a Go executable without a readable pclntab of Go 1.18 or later".to_owned(),
        })?;
        Pclntab::new(&self.elf, header, self.module.as_ref())
    }

    /// Addresses of ELF symbols; empty for stripped files. One pass for all names.
    pub fn symbols(
        &self,
        names: &[&str],
    ) -> Result<std::collections::BTreeMap<String, Symbol>, BinaryError> {
        self.elf.symbols(names)
    }

    /// File offset of a link-time address: what `perf_event_open(2)` wants for a uprobe.
    pub fn vaddr_to_file_offset(&self, vaddr: u64) -> Option<u64> {
        self.elf.vaddr_to_offset(vaddr)
    }

    /// Bytes of the file at a link-time address.
    pub fn read_vaddr(&self, vaddr: u64, buf: &mut [u8]) -> Result<(), BinaryError> {
        self.elf.read_vaddr(vaddr, buf)
    }

    /// What to add to link-time addresses to get live ones.
    ///
    /// `mapped_at` is the address and `file_offset` the offset of any mapping of this file in
    /// `/proc/PID/maps`. Always 0 for executables that are not position-independent. Go's own
    /// PIEs link at 0x400000, not 0, so the bias is not the mapping's address.
    ///
    /// `None` when no segment holds that file offset.
    pub fn load_bias(&self, mapped_at: u64, file_offset: u64) -> Option<u64> {
        const PAGE: u64 = 0xfff;
        if !self.elf.pie {
            return Some(0);
        }
        // Segments share pages at their borders: prefer the one that starts in this page.
        let holds = |start: u64, size: u64| {
            start & !PAGE <= file_offset && file_offset < start.saturating_add(size)
        };
        let load = self
            .elf
            .loads()
            .find(|load| load.offset & !PAGE == file_offset)
            .or_else(|| {
                self.elf
                    .loads()
                    .find(|load| holds(load.offset, load.file_size))
            })?;
        let linked = (load.vaddr & !PAGE).wrapping_add(file_offset - (load.offset & !PAGE));
        Some(mapped_at.wrapping_sub(linked))
    }

    /// Whether a link-time address lies in an executable segment.
    pub fn is_text(&self, vaddr: u64) -> bool {
        self.elf
            .loads()
            .filter(|load| load.flags & elf::PF_X != 0)
            .any(|load| {
                vaddr
                    .checked_sub(load.vaddr)
                    .is_some_and(|inside| inside < load.file_size)
            })
    }
}
