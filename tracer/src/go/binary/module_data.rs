//! `runtime.firstmoduledata`: where the linker put text, data and the function tables.
//!
//! Word positions are those of `type moduledata` in runtime/symtab.go; read in the sources of
//! 1.19, 1.21, 1.24, 1.26 and 1.27. 1.20 inserted the two coverage words, 1.27 three words for
//! types and itabs.

use std::collections::BTreeMap;

use super::elf::Elf;
use super::error::BinaryError;
use crate::go::pclntab::Header;

const WORDS: usize = 48;

/// Address ranges of the main module, link-time addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleData {
    /// Address of the structure itself.
    pub addr: u64,
    /// Start of Go text; function offsets count from here. Not the start of `.text` under cgo.
    pub text: u64,
    /// End of Go text.
    pub etext: u64,
    /// Lowest address of Go data (`noptrdata`, `data`, `bss`, `noptrbss`).
    pub data_start: u64,
    /// End of Go data.
    pub data_end: u64,
    /// Base of `funcdata` offsets (`go.func.*`); `None` when the release's layout is unknown.
    pub gofunc: Option<u64>,
}

impl ModuleData {
    /// Finds the module record that points at the function table `header`.
    pub(super) fn find(
        elf: &Elf,
        header: &Header,
        minor: Option<u16>,
    ) -> Result<Option<Self>, BinaryError> {
        let mut candidates: Vec<u64> = elf.section(".go.module").iter().map(|s| s.addr).collect();
        candidates.extend(pointers_to(elf, header.addr)?);
        for addr in candidates {
            let words = read_words(elf, addr)?;
            if words[0] == header.addr && words[1] == header.addr.wrapping_add(header.names) {
                return Ok(Self::from_words(addr, &words, header, minor));
            }
        }
        Ok(None)
    }

    fn from_words(
        addr: u64,
        words: &[u64; WORDS],
        header: &Header,
        minor: Option<u16>,
    ) -> Option<Self> {
        let ranges = &words[24..32];
        let sound = |range: &[u64]| range[0] <= range[1];
        if !words[22..32].chunks_exact(2).all(sound) {
            return None;
        }
        let gofunc = match minor {
            Some(27..) => Some(43),
            Some(20..27) => Some(40),
            Some(18..20) => Some(38),
            Some(_) => None,
            None if header.has_start_line => None,
            None => Some(38),
        };
        Some(Self {
            addr,
            text: words[22],
            etext: words[23],
            data_start: ranges.iter().copied().filter(|&at| at != 0).min()?,
            data_end: ranges.iter().copied().max()?,
            gofunc: gofunc.map(|index: usize| words[index]),
        })
    }
}

/// Addresses of aligned words that hold `target`, in the file or by relative relocation.
fn pointers_to(elf: &Elf, target: u64) -> Result<Vec<u64>, BinaryError> {
    let mut found = Vec::new();
    if elf.pie {
        elf.relative_relocations(|addr, addend| {
            if addend == target && found.len() < 16 {
                found.push(addr);
            }
            None::<()>
        })?;
    }
    for load in elf.loads() {
        let (offset, vaddr) = (load.offset, load.vaddr);
        elf.source.scan(offset, load.file_size, |at, bytes| {
            let words = bytes.chunks_exact(8).enumerate();
            let hits = words.filter(|(_, word)| *word == target.to_le_bytes());
            for (index, _) in hits.take(16_usize.saturating_sub(found.len())) {
                found.push(vaddr.wrapping_add(at - offset + index as u64 * 8));
            }
            None::<()>
        })?;
    }
    Ok(found)
}

/// The words at `addr` as the loader leaves them (base 0): file bytes, then relocations.
fn read_words(elf: &Elf, addr: u64) -> Result<[u64; WORDS], BinaryError> {
    let mut words = [0; WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        if elf
            .read_vaddr(addr.wrapping_add(index as u64 * 8), &mut bytes)
            .is_ok()
        {
            *word = u64::from_le_bytes(bytes);
        }
    }
    if elf.pie {
        let mut moved = BTreeMap::new();
        elf.relative_relocations(|at, addend| {
            if let Some(inside) = at.checked_sub(addr)
                && inside < (WORDS * 8) as u64
            {
                moved.insert(inside / 8, addend);
            }
            None::<()>
        })?;
        for (index, addend) in moved {
            words[index as usize] = addend;
        }
    }
    Ok(words)
}
