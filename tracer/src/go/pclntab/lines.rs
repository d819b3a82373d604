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

/// The steps of the table at `offset` of the function `record`: a value, and the link-time address up
/// to which it holds. Without an end where the table has none.
///
/// Encoding (`runtime.step`): pairs of a zig-zag value delta and a pc delta in quanta; a zero value
/// delta after the first pair ends the table. Values begin at -1.
pub(super) fn steps<'a>(
    table: &'a Pclntab,
    offset: u32,
    record: &Record,
) -> impl Iterator<Item = Result<(i32, u64), BinaryError>> + use<'a> {
    let at = table.header.offset + table.header.values + u64::from(offset);
    let mut stream = Stream::new(&table.source, at);
    let quantum = u64::from(table.header.quantum);
    let (mut value, mut until) = (-1_i32, record.entry);
    let mut is_first = true;
    let mut step = move || -> Result<Option<(i32, u64)>, BinaryError> {
        let delta = stream.varint()?;
        if delta == 0 && !std::mem::take(&mut is_first) {
            return Ok(None);
        }
        is_first = false;
        value = value.wrapping_add((delta >> 1).cast_signed() ^ -(delta & 1).cast_signed());
        until = until.wrapping_add(u64::from(stream.varint()?) * quantum);
        Ok(Some((value, until)))
    };
    std::iter::from_fn(move || step().transpose())
}

impl Pclntab {
    /// The value at `pc` of the table at `offset` of the function `record`; `None` where the table
    /// is absent or says nothing.
    pub(super) fn value_at(
        &self,
        offset: u32,
        record: &Record,
        pc: u64,
        steps_left: &mut Steps,
    ) -> Result<Option<i32>, BinaryError> {
        if offset == 0 {
            return Ok(None);
        }
        for step in steps(self, offset, record) {
            let Some(left) = steps_left.0.checked_sub(1) else {
                return Err(BinaryError::Malformed {
                    what: "a pc-value table without an end",
                    at: self.header.offset + self.header.values + u64::from(offset),
                });
            };
            steps_left.0 = left;
            let (value, until) = step?;
            if pc < until {
                return Ok(Some(value));
            }
        }
        Ok(None)
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
