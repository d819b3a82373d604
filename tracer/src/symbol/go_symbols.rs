//! Names from the function table of Go executables.

use crate::event::{FrameSymbol, SymbolOrigin};
use crate::go::{Binary, BinaryError, pclntab::Frame, pclntab::Pclntab};
use crate::process::MappedFile;

/// The function table of one executable and what relates its addresses to the file.
#[derive(Debug)]
pub(super) struct GoFile {
    binary: Binary,
    table: Pclntab,
}

impl GoFile {
    /// Opens the function table of a file; `None` when it is no Go executable or its table is of
    /// a kind not known.
    pub(super) fn open(file: &MappedFile) -> Option<Self> {
        let opened = Binary::open(&file.proc_path()).and_then(|binary| {
            let table = binary.pclntab()?;
            Ok(Self { binary, table })
        });
        match opened {
            Ok(file) => Some(file),
            Err(BinaryError::NotGo) => None,
            Err(error) => {
                log::debug!("Go functions of {}: {error}", file.path);
                None
            }
        }
    }

    /// Names an address given as an offset in the file, innermost first; empty when the table
    /// does not cover it.
    pub(super) fn symbolize(&self, file_offset: u64) -> Vec<FrameSymbol> {
        let Some(pc) = self.binary.elf().offset_to_vaddr(file_offset) else {
            return Vec::new();
        };
        let frames = self.table.symbolize(pc).unwrap_or_default();
        // The linker marks where C code lies with functions that have no name.
        if frames.iter().any(|f| f.function.is_empty()) {
            return Vec::new();
        }
        let function = self.table.function_at(pc).ok().flatten();
        let offset = function.map_or(0, |f| pc.saturating_sub(f.entry));
        frames.into_iter().map(|f| symbol(f, offset)).collect()
    }
}

fn symbol(frame: Frame, offset: u64) -> FrameSymbol {
    FrameSymbol {
        function: frame.function,
        offset: if frame.inlined { 0 } else { offset },
        file: frame.file,
        line: (frame.line != 0).then_some(frame.line),
        inlined: frame.inlined,
        origin: SymbolOrigin::Go,
    }
}
