//! The table itself: functions by index and by address.

use crate::go::binary::elf::{Elf, u32_at};
use crate::go::binary::source::Source;
use crate::go::binary::{BinaryError, ModuleData};

use super::header::Header;

/// Longest symbol name read; generic instantiations of Go reach some kilobytes.
pub(super) const MAX_NAME: usize = 1 << 16;

/// The function table of one executable. Reads on demand; holds no copy of the table.
#[derive(Clone, Debug)]
pub struct Pclntab {
    pub(super) source: Source,
    pub(super) header: Header,
    pub(super) text: u64,
    /// File offset of `runtime.moduledata.gofunc`, from which funcdata counts.
    pub(super) funcdata_base: Option<u64>,
}

/// One function, at link-time addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// First instruction.
    pub entry: u64,
    /// End: the next function's first instruction, padding included.
    pub end: u64,
    /// File offset of the function's record.
    pub(super) record: u64,
}

/// The fixed part of a function record (`runtime._func`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) entry: u64,
    pub(super) name: u32,
    pub(super) stack_values: u32,
    pub(super) file_values: u32,
    pub(super) line_values: u32,
    pub(super) pcdata_count: u32,
    pub(super) unit: u32,
    /// `abi.FuncID`.
    pub(super) kind: u8,
    /// `abi.FuncFlag`.
    pub(super) flags: u8,
    pub(super) funcdata_count: u8,
    /// File offset of the pcdata array that follows.
    pub(super) tail: u64,
}

impl Pclntab {
    pub(in crate::go) fn new(
        elf: &Elf,
        header: Header,
        module: Option<&ModuleData>,
    ) -> Result<Self, BinaryError> {
        let text = module.map_or(header.text, |module| module.text);
        if text == 0 {
            return Err(BinaryError::Unsupported {
                what: "a Go executable whose start of text could not be found".to_owned(),
            });
        }
        let gofunc = module.and_then(|module| module.gofunc);
        Ok(Self {
            source: elf.source.clone(),
            header,
            text,
            funcdata_base: gofunc.and_then(|addr| elf.vaddr_to_offset(addr)),
        })
    }

    /// Number of functions, among them the placeholders C code leaves under cgo.
    pub fn len(&self) -> usize {
        self.header.functions as usize
    }

    /// Never: a table without functions is not accepted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Link-time address that function offsets count from.
    pub fn text(&self) -> u64 {
        self.text
    }

    /// Link-time addresses of all functions.
    pub(in crate::go) fn entries(&self) -> Result<std::ops::Range<u64>, BinaryError> {
        let at = |index| {
            Ok(self
                .text
                .wrapping_add(u64::from(self.index_word(index, 0)?)))
        };
        Ok(at(0)?..at(self.header.functions)?)
    }

    /// The function that holds the link-time address `pc`; `None` outside Go text.
    pub fn function_at(&self, pc: u64) -> Result<Option<Function>, BinaryError> {
        let Some(target) = pc
            .checked_sub(self.text)
            .and_then(|at| u32::try_from(at).ok())
        else {
            return Ok(None);
        };
        if target >= self.index_word(self.header.functions, 0)? {
            return Ok(None);
        }
        // Invariant: entry(low) <= target < entry(high).
        let (mut low, mut high) = (0, self.header.functions);
        if target < self.index_word(0, 0)? {
            return Ok(None);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.index_word(middle, 0)? <= target {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.function(low).map(Some)
    }

    /// The function at position `index` of the table, in address order.
    pub(in crate::go) fn function(&self, index: u32) -> Result<Function, BinaryError> {
        let entry = u64::from(self.index_word(index, 0)?);
        let end = u64::from(self.index_word(index + 1, 0)?);
        Ok(Function {
            entry: self.text.wrapping_add(entry),
            end: self.text.wrapping_add(end.max(entry)),
            record: self.record_offset(self.index_word(index, 1)?),
        })
    }

    /// The symbol name, `runtime.(*gcControllerState).startCycle`.
    pub fn name(&self, function: &Function) -> Result<String, BinaryError> {
        let record = self.record(function)?;
        self.name_at(record.name)
    }

    pub(in crate::go) fn name_at(&self, offset: u32) -> Result<String, BinaryError> {
        let at = self.header.offset + self.header.names + u64::from(offset);
        let name = self.source.read_cstr(at, MAX_NAME)?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    pub(super) fn record(&self, function: &Function) -> Result<Record, BinaryError> {
        // `startLine` was added in Go 1.20 after `cuOffset`.
        let size = if self.header.has_start_line { 44 } else { 40 };
        let mut bytes = [0; 44];
        self.source.read(function.record, &mut bytes[..size])?;
        Ok(Record {
            entry: function.entry,
            name: u32_at(&bytes, 4),
            stack_values: u32_at(&bytes, 16),
            file_values: u32_at(&bytes, 20),
            line_values: u32_at(&bytes, 24),
            pcdata_count: u32_at(&bytes, 28),
            unit: u32_at(&bytes, 32),
            kind: bytes[size - 4],
            flags: bytes[size - 3],
            funcdata_count: bytes[size - 1],
            tail: function.record + size as u64,
        })
    }

    pub(super) fn record_offset(&self, offset: u32) -> u64 {
        self.header.offset + self.header.index + u64::from(offset)
    }

    /// Word 0 (entry offset) or 1 (record offset) of an index entry. The entry after the last
    /// has word 0 only: the end of text.
    fn index_word(&self, index: u32, word: u64) -> Result<u32, BinaryError> {
        let at = self.header.offset + self.header.index + u64::from(index) * 8 + word * 4;
        self.source.read_u32(at)
    }
}
