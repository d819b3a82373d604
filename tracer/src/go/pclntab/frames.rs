//! The sizes of all frames of an executable, in one pass.

use crate::go::binary::BinaryError;

use super::lines::steps;
use super::place::WRITES_SP;
use super::table::{Function, Pclntab};

/// Steps read of one function; the largest generated ones have some ten thousand.
const MAX_STEPS: usize = 1 << 20;

/// How much of the stack a function uses while it is in a range of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Link-time addresses: the first instruction, and one past the last.
    pub start: u64,
    pub end: u64,
    /// In bytes, without the return address that a call pushes on amd64.
    pub bytes: u32,
}

/// The frame of a function, by instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    pub function: Function,
    /// The function moves to another stack: where it has done so is not known.
    pub writes_sp: bool,
    /// In order of addresses; empty for functions that are not Go's.
    pub sizes: Vec<FrameSize>,
}

impl Pclntab {
    /// The frames of the function at position `index` of the table, which is in order of addresses;
    /// `None` behind the last.
    ///
    /// # Errors
    /// When the executable cannot be read or is damaged there.
    pub fn frames(&self, index: u32) -> Result<Option<Frames>, BinaryError> {
        if index >= self.header.functions {
            return Ok(None);
        }
        let function = self.function(index)?;
        let record = self.record(&function)?;
        let mut sizes = Vec::new();
        if record.stack_values != 0 {
            let mut start = record.entry;
            for step in steps(self, record.stack_values, &record).take(MAX_STEPS) {
                let (value, end) = step?;
                if let Ok(bytes) = u32::try_from(value)
                    && start < end
                {
                    sizes.push(FrameSize { start, end, bytes });
                }
                start = end;
            }
        }
        Ok(Some(Frames {
            function,
            writes_sp: record.flags & WRITES_SP != 0,
            sizes,
        }))
    }
}
