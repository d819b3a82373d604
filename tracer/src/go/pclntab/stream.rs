//! Sequential reading of varints out of an executable, in small buffered pieces.

use crate::go::binary::BinaryError;
use crate::go::binary::source::Source;

const PIECE: usize = 128;

/// A cursor over the bytes of a file.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    source: &'a Source,
    next: u64,
    piece: [u8; PIECE],
    at: usize,
    len: usize,
}

impl<'a> Stream<'a> {
    pub(super) fn new(source: &'a Source, offset: u64) -> Self {
        Self {
            source,
            next: offset,
            piece: [0; PIECE],
            at: 0,
            len: 0,
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, BinaryError> {
        if self.at == self.len {
            self.len = self.source.read_some(self.next, &mut self.piece)?;
            self.at = 0;
            if self.len == 0 {
                return Err(BinaryError::Truncated { at: self.next });
            }
            self.next += self.len as u64;
        }
        let byte = self.piece[self.at];
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned varint of at most 32 bits, as `runtime.readvarint` reads it.
    pub(super) fn varint(&mut self) -> Result<u32, BinaryError> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BinaryError::Malformed {
            what: "a varint of a pc-value table",
            at: self.next,
        })
    }
}
