//! Which words of a frame hold pointers that are still of use: what the GC goes by.
//!
//! Encodings: `runtime.stackmap`, `runtime.stackObjectRecord` (runtime/symtab.go and stack.go) and
//! internal/abi/symtab.go, equal in Go 1.19 to 1.27.

use crate::go::binary::BinaryError;

use super::lines::Steps;
use super::table::{Pclntab, Record};

/// `abi.PCDATA_StackMapIndex`.
const MAP_INDEX: u32 = 1;
/// `abi.FUNCDATA_ArgsPointerMaps`, `abi.FUNCDATA_LocalsPointerMaps`, `abi.FUNCDATA_StackObjects`.
const ARGUMENTS: u8 = 0;
const LOCALS: u8 = 1;
const OBJECTS: u8 = 2;
/// Words of a frame that a map may tell of, and objects of one.
const MAX_BITS: u32 = 1 << 20;
const MAX_OBJECTS: u64 = 1 << 12;
/// Bytes of a `stackObjectRecord`.
const OBJECT_SIZE: u64 = 16;

/// The pointers of a frame at one instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointerMap {
    /// A bit for each word below the locals' end; the last is that of the uppermost.
    pub locals: Option<Bits>,
    /// A bit for each word from the arguments' start on.
    pub arguments: Option<Bits>,
    /// Variables whose address was taken, from the locals' end, or when not negative from the
    /// arguments' start: offset and size in bytes. Whether they are of use is not known.
    pub objects: Vec<(i32, u32)>,
}

/// So many bits, the lowest of each byte first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub count: u32,
    bytes: Vec<u8>,
}

impl Bits {
    /// A bit; false outside.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        let byte = self.bytes.get(index as usize / 8).copied().unwrap_or(0);
        index < self.count && byte >> (index % 8) & 1 != 0
    }
}

impl Pclntab {
    /// The pointers of the frame whose function is at the link-time address `pc`; `None` where the
    /// function tells of none, which is so of assembly.
    ///
    /// # Errors
    /// When the executable cannot be read or is damaged there.
    pub fn pointers(&self, pc: u64, is_return: bool) -> Result<Option<PointerMap>, BinaryError> {
        let Some(function) = self.function_at(pc)? else {
            return Ok(None);
        };
        let record = self.record(&function)?;
        if record.pcdata_count <= MAP_INDEX {
            return Ok(None);
        }
        let at = match is_return && pc > record.entry {
            true => pc - 1,
            false => pc,
        };
        let values = record.tail.saturating_add(u64::from(MAP_INDEX) * 4);
        let values = self.source.read_u32(values)?;
        let index = self.value_at(values, &record, at, &mut Steps::default())?;
        // `getStackMap` takes the first map where there is no call.
        let index = u32::try_from(index.unwrap_or(-1)).unwrap_or(0);
        Ok(Some(PointerMap {
            locals: self.bits(&record, LOCALS, index)?,
            arguments: self.bits(&record, ARGUMENTS, index)?,
            objects: self.objects(&record)?,
        }))
    }

    /// Bitmap `index` of a `stackmap`: their number, the bits of each, then one after the other.
    fn bits(&self, record: &Record, kind: u8, index: u32) -> Result<Option<Bits>, BinaryError> {
        let Some(at) = self.funcdata(record, kind)? else {
            return Ok(None);
        };
        let (maps, count) = (
            self.source.read_u32(at)?,
            self.source.read_u32(at.saturating_add(4))?,
        );
        if index >= maps || count > MAX_BITS {
            return Ok(None);
        }
        let len = u64::from(count.div_ceil(8));
        let start = at.saturating_add(8 + len * u64::from(index));
        let mut bytes = vec![0; len as usize];
        self.source.read(start, &mut bytes)?;
        Ok(Some(Bits { count, bytes }))
    }

    /// The address-taken variables: their number as a word, then `stackObjectRecord`s.
    fn objects(&self, record: &Record) -> Result<Vec<(i32, u32)>, BinaryError> {
        let Some(at) = self.funcdata(record, OBJECTS)? else {
            return Ok(Vec::new());
        };
        let mut count = [0; 8];
        self.source.read(at, &mut count)?;
        let count = u64::from_le_bytes(count).min(MAX_OBJECTS);
        let object = |index: u64| {
            let at = at.saturating_add(8 + index * OBJECT_SIZE);
            let offset = self.source.read_u32(at)?.cast_signed();
            Ok((offset, self.source.read_u32(at.saturating_add(4))?))
        };
        (0..count).map(object).collect()
    }
}
