//! pc-value tables: file, line and inline index at an address.

use crate::go::binary::BinaryError;

use super::stream::Stream;
use super::table::{MAX_NAME, Pclntab, Record};

/// Steps read for one address, in all tables together. The runtime's largest generated functions
/// have some ten thousand in a table.
const MAX_STEPS: u32 = 1 << 20;

/// Steps that may still be read for an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps(u32);

impl Default for Steps {
    fn default() -> Self {
        Self(MAX_STEPS)
    }
}

impl Pclntab {
    /// The value at `pc` of the table at `offset` of the function `record`; `None` where the table
    /// is absent or says nothing.
    ///
    /// Encoding (`runtime.step`): pairs of a zig-zag value delta and a pc delta in quanta; a zero
    /// value delta after the first pair ends the table. Values begin at -1.
    pub(super) fn value_at(
        &self,
        offset: u32,
        record: &Record,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<Option<i32>, BinaryError> {
        if offset == 0 {
            return Ok(None);
        }
        let at = self.header.offset + self.header.values + u64::from(offset);
        let mut stream = Stream::new(&self.source, at);
        let (mut value, mut until) = (-1_i32, record.entry);
        for step in 0.. {
            let Some(left) = steps.0.checked_sub(1) else {
                break;
            };
            steps.0 = left;
            let delta = stream.varint()?;
            if delta == 0 && step > 0 {
                return Ok(None);
            }
            value = value.wrapping_add((delta >> 1).cast_signed() ^ -(delta & 1).cast_signed());
            let quanta = u64::from(stream.varint()?);
            until = until.wrapping_add(quanta * u64::from(self.header.quantum));
            if pc < until {
                return Ok(Some(value));
            }
        }
        Err(BinaryError::Malformed {
            what: "a pc-value table without an end",
            at,
        })
    }

    /// File and line of the instruction at `pc`, innermost inlined call included.
    pub(super) fn file_line(
        &self,
        record: &Record,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<(Option<String>, u32), BinaryError> {
        let line = self.value_at(record.line_values, record, pc, steps)?;
        let file = match self.value_at(record.file_values, record, pc, steps)? {
            Some(index) => self.file_name(record, index)?,
            None => None,
        };
        Ok((
            file,
            line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        ))
    }

    fn file_name(&self, record: &Record, index: i32) -> Result<Option<String>, BinaryError> {
        let Ok(index) = u64::try_from(index) else {
            return Ok(None);
        };
        let slot = u64::from(record.unit) + index;
        let at = self.header.units + slot * 4;
        if at + 4 > self.header.files {
            return Err(BinaryError::Malformed {
                what: "a file index",
                at: record.tail,
            });
        }
        let offset = self.source.read_u32(self.header.offset + at)?;
        if offset == u32::MAX {
            return Ok(None);
        }
        let at = self.header.offset + self.header.files + u64::from(offset);
        let name = self.source.read_cstr(at, MAX_NAME)?;
        Ok(Some(String::from_utf8_lossy(&name).into_owned()))
    }
}
