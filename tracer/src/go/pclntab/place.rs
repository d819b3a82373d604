//! What a walk of a stack must know of an address: the calls there, the size of the frame, and
//! where the arguments lie.
//!
//! Encodings: `runtime.funcdata`, `runtime.pcdatavalue`, `runtime.printArgs` (runtime/symtab.go and
//! traceback.go) and internal/abi/symtab.go, equal in Go 1.19 to 1.27.

use crate::go::binary::BinaryError;

use super::inline::Call;
use super::lines::Steps;
use super::table::{Pclntab, Record};

/// `abi.PCDATA_ArgLiveIndex`.
const LIVE_INDEX: u32 = 3;
/// `abi.FUNCDATA_ArgInfo` and `abi.FUNCDATA_ArgLiveInfo`.
const ARGUMENTS: u8 = 5;
const LIVENESS: u8 = 6;
/// `abi.FuncFlagTopFrame` and `abi.FuncFlagSPWrite`.
const TOP_FRAME: u8 = 1;
pub(super) const WRITES_SP: u8 = 2;
/// Longest description of arguments (`abi.TraceArgsMaxLen`), in bytes.
const MAX_ARGUMENTS: usize = (5 * 3 + 2) * 10 + 1;
/// Bits of liveness that a description can ask for, in bytes.
const MAX_LIVENESS: usize = 8;

/// An address in Go text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// First instruction of the function, a link-time address.
    pub entry: u64,
    /// Bytes of the stack that the function uses at this instruction, without the return address
    /// that a call pushes on amd64. `None` in functions that are not Go's.
    pub frame_size: Option<u32>,
    /// The stack ends here.
    pub is_top: bool,
    /// The function moves to another stack: callers are unknown.
    pub writes_sp: bool,
    /// The calls under way, innermost first; the function itself is the last.
    pub calls: Vec<Call>,
    /// How a traceback shows the function's arguments; `None` when it shows none.
    pub arguments: Option<Vec<Argument>>,
}

/// A part of an argument list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A value of 1 to 8 bytes, so far above the end of the frame. It may be stale where it is not
    /// live.
    Value { offset: u8, size: u8, live: bool },
    /// `{`: a structure or the like begins.
    Open,
    /// `}`
    Close,
    /// `...`: there are more.
    More,
    /// `_`: too far away to say.
    TooFar,
}

impl Pclntab {
    /// What is at the link-time address `pc`; `None` outside Go text. A return address belongs to
    /// the call before it, which is where calls and lines are looked up.
    ///
    /// # Errors
    /// When the executable cannot be read or is damaged there.
    pub fn place(&self, pc: u64, is_return: bool) -> Result<Option<Place>, BinaryError> {
        let Some(function) = self.function_at(pc)? else {
            return Ok(None);
        };
        let record = self.record(&function)?;
        let at = match is_return && pc > record.entry {
            true => pc - 1,
            false => pc,
        };
        let mut steps = Steps::default();
        let size = match record.stack_values {
            0 => None,
            values => self.value_at(values, &record, pc, &mut steps)?,
        };
        let (calls, outermost) = self.calls(&record, at)?;
        // Go 1.19 asks what is live at the inlined call (`gentraceback`, runtime/traceback.go), later
        // releases where the function really is.
        let live_at = match self.header.has_start_line {
            true => at,
            false => outermost,
        };
        Ok(Some(Place {
            entry: record.entry,
            frame_size: size.and_then(|size| u32::try_from(size).ok()),
            is_top: record.flags & TOP_FRAME != 0,
            writes_sp: record.flags & WRITES_SP != 0,
            calls,
            arguments: self.arguments(&record, live_at, &mut steps)?,
        }))
    }

    /// `abi.FuncID` of a function.
    ///
    /// # Errors
    /// As [`Pclntab::place`].
    pub fn kind(&self, function: &super::Function) -> Result<u8, BinaryError> {
        Ok(self.record(function)?.kind)
    }

    fn arguments(
        &self,
        record: &Record,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<Option<Vec<Argument>>, BinaryError> {
        let Some(at) = self.funcdata(record, ARGUMENTS)? else {
            return Ok(None);
        };
        let mut bytes = [0; MAX_ARGUMENTS];
        let len = self.source.read_some(at, &mut bytes)?;
        let liveness = self.liveness(record, pc, steps)?;
        Ok(Some(arguments(&bytes[..len], &liveness)))
    }

    /// Which arguments are live at `pc`.
    fn liveness(
        &self,
        record: &Record,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<Liveness, BinaryError> {
        let Some(at) = self.funcdata(record, LIVENESS)? else {
            return Ok(Liveness::default());
        };
        let mut first = [0];
        self.source.read(at, &mut first)?;
        let mut liveness = Liveness {
            from: first[0],
            bits: None,
        };
        if record.pcdata_count <= LIVE_INDEX {
            return Ok(liveness);
        }
        let values = record.tail + u64::from(LIVE_INDEX) * 4;
        let values = self.source.read_u32(values)?;
        let index = self.value_at(values, record, pc, steps)?;
        if let Some(index @ 1..) = index {
            let mut bits = [0; MAX_LIVENESS];
            let at = at.saturating_add(u64::from(index.cast_unsigned()));
            self.source.read_some(at, &mut bits)?;
            liveness.bits = Some(bits);
        }
        Ok(liveness)
    }

    /// File offset of a function's data of a kind.
    pub(super) fn funcdata(&self, record: &Record, kind: u8) -> Result<Option<u64>, BinaryError> {
        let Some(base) = self.funcdata_base.filter(|_| kind < record.funcdata_count) else {
            return Ok(None);
        };
        let slot = u64::from(record.pcdata_count) + u64::from(kind);
        let offset = self.source.read_u32(record.tail.saturating_add(slot * 4))?;
        Ok((offset != u32::MAX).then(|| base.saturating_add(u64::from(offset))))
    }
}

/// Which slots hold what was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Liveness {
    /// What lies below is always live.
    from: u8,
    /// A bit for each slot from there on; all are live without.
    bits: Option<[u8; MAX_LIVENESS]>,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            from: u8::MAX,
            bits: None,
        }
    }
}

impl Liveness {
    fn is_live(&self, offset: u8, slot: usize) -> bool {
        let Some(bits) = self.bits.filter(|_| offset >= self.from) else {
            return true;
        };
        bits.get(slot / 8)
            .is_none_or(|byte| byte >> (slot % 8) & 1 != 0)
    }
}

/// Bytes are pairs of offset and size, but from 0xfb on signs.
fn arguments(bytes: &[u8], liveness: &Liveness) -> Vec<Argument> {
    let mut bytes = bytes.iter().copied();
    let (mut list, mut slot) = (Vec::new(), 0);
    while let Some(byte) = bytes.next() {
        list.push(match byte {
            0xff => break,
            0xfe => Argument::Open,
            0xfd => Argument::Close,
            0xfc => Argument::More,
            0xfb => Argument::TooFar,
            offset => {
                let Some(size @ 1..=8) = bytes.next() else {
                    break;
                };
                let live = liveness.is_live(offset, slot);
                slot += usize::from(offset >= liveness.from);
                Argument::Value { offset, size, live }
            }
        });
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_lists_are_decoded_as_the_runtime_does() {
        let value = |offset, size| Argument::Value {
            offset,
            size,
            live: true,
        };
        let bytes = [0, 8, 0xfe, 8, 4, 0xfd, 0xfb, 0xfc, 0xff, 1, 1];
        assert_eq!(
            arguments(&bytes, &Liveness::default()),
            [
                value(0, 8),
                Argument::Open,
                value(8, 4),
                Argument::Close,
                Argument::TooFar,
                Argument::More
            ]
        );
        assert_eq!(arguments(&[0, 9, 0xff], &Liveness::default()), []);
        assert_eq!(arguments(&[0], &Liveness::default()), []);
    }

    #[test]
    fn slots_that_are_not_live_are_marked() {
        let liveness = Liveness {
            from: 8,
            bits: Some([0b10, 0, 0, 0, 0, 0, 0, 0]),
        };
        let list = arguments(&[0, 8, 8, 8, 16, 8, 0xff], &liveness);
        let live = |a: &Argument| matches!(a, Argument::Value { live: true, .. });
        let live: Vec<bool> = list.iter().map(live).collect();
        assert_eq!(live, [true, false, true]);
    }
}
