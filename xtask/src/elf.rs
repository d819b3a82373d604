//! The few facts xtask needs of an ELF file (64-bit little-endian; System V gABI, elf.h).

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};

const EM_BPF: u16 = 247;
const SHT_SYMTAB: u32 = 2;
const STT_FUNC: u8 = 2;
const STB_GLOBAL: u8 = 1;
const PT_INTERP: u32 = 3;

/// What a BPF object holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BpfSummary {
    /// Names of the global functions outside `.text`, sorted: one for each program.
    pub(crate) programs: Vec<String>,
    /// Whether a `.BTF` section is present.
    pub(crate) has_btf: bool,
}

/// Reads what `object` holds.
///
/// # Errors
/// It is no BPF object or its tables point outside of it.
pub(crate) fn bpf_summary(object: &[u8]) -> Result<BpfSummary> {
    let elf = Elf::new(object)?;
    if elf.u16_at(18)? != EM_BPF {
        bail!("ELF file is for machine {}, not BPF", elf.u16_at(18)?);
    }
    let sections = elf.sections()?;
    let symtab = sections.iter().find(|section| section.kind == SHT_SYMTAB);
    let programs = symtab.map_or_else(|| Ok(Vec::new()), |table| elf.programs(table, &sections))?;
    Ok(BpfSummary {
        programs,
        has_btf: sections.iter().any(|section| section.name == ".BTF"),
    })
}

/// Whether the program header table asks for a dynamic loader.
///
/// # Errors
/// `file` is no 64-bit ELF file.
pub(crate) fn has_interpreter(file: &[u8]) -> Result<bool> {
    let elf = Elf::new(file)?;
    let (start, size, count) = (elf.u64_at(32)?, elf.u16_at(54)?, elf.u16_at(56)?);
    for index in 0..u64::from(count) {
        let at = start
            .checked_add(index * u64::from(size))
            .ok_or_else(|| anyhow!("overflow"))?;
        if elf.u32_at(at)? == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Section {
    name: String,
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

struct Elf<'a>(&'a [u8]);

impl<'a> Elf<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
            bail!("not a 64-bit little-endian ELF file");
        }
        Ok(Self(bytes))
    }

    fn bytes_at<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        let start = usize::try_from(at)?;
        let end = start
            .checked_add(N)
            .ok_or_else(|| anyhow!("offset {at:#x} overflows"))?;
        let bytes = self.0.get(start..end);
        Ok(bytes
            .ok_or_else(|| anyhow!("offset {at:#x} is outside of the file"))?
            .try_into()?)
    }

    fn u16_at(&self, at: u64) -> Result<u16> {
        Ok(u16::from_le_bytes(self.bytes_at(at)?))
    }

    fn u32_at(&self, at: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes_at(at)?))
    }

    fn u64_at(&self, at: u64) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes_at(at)?))
    }

    fn name_at(&self, table: u64, offset: u32) -> Result<String> {
        let start = usize::try_from(table.saturating_add(u64::from(offset)))?;
        let bytes = self
            .0
            .get(start..)
            .ok_or_else(|| anyhow!("a name is outside of the file"))?;
        let end = bytes
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    fn sections(&self) -> Result<Vec<Section>> {
        let (start, size, count) = (self.u64_at(40)?, self.u16_at(58)?, self.u16_at(60)?);
        let header = |index: u16| start.saturating_add(u64::from(index) * u64::from(size));
        let names = self.u64_at(header(self.u16_at(62)?).saturating_add(24))?;
        (0..count)
            .map(|index| {
                let at = header(index);
                Ok(Section {
                    name: self.name_at(names, self.u32_at(at)?)?,
                    kind: self.u32_at(at.saturating_add(4))?,
                    offset: self.u64_at(at.saturating_add(24))?,
                    size: self.u64_at(at.saturating_add(32))?,
                    link: self.u32_at(at.saturating_add(40))?,
                })
            })
            .collect()
    }

    fn programs(&self, table: &Section, sections: &[Section]) -> Result<Vec<String>> {
        let names = sections
            .get(table.link as usize)
            .map_or(0, |section| section.offset);
        let mut found = BTreeSet::new();
        // sizeof(Elf64_Sym) is 24: st_name, st_info, st_other, st_shndx, st_value, st_size.
        for at in (table.offset..table.offset.saturating_add(table.size)).step_by(24) {
            let [info, _, low, high] = self.bytes_at(at.saturating_add(4))?;
            let home = sections.get(usize::from(u16::from_le_bytes([low, high])));
            let outside_text = home.is_some_and(|section| section.name != ".text");
            if info == STB_GLOBAL << 4 | STT_FUNC && outside_text {
                found.insert(self.name_at(names, self.u32_at(at)?)?);
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_binary_itself_is_dynamically_linked() {
        let own = std::fs::read(std::env::current_exe().expect("own path")).expect("own bytes");
        assert!(has_interpreter(&own).expect("an ELF file"));
        assert!(
            bpf_summary(&own)
                .expect_err("x86-64")
                .to_string()
                .ends_with("not BPF")
        );
    }

    #[test]
    fn cut_files_are_errors() {
        assert!(has_interpreter(b"").is_err());
        assert!(bpf_summary(b"\x7fELF\x02\x01\x01").is_err());
        let own = std::fs::read(std::env::current_exe().expect("own path")).expect("own bytes");
        for cut in [16, 40, 63, 100] {
            assert!(bpf_summary(&own[..cut]).is_err(), "cut at {cut}");
        }
    }
}
