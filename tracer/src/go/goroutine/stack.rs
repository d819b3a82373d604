//! Walking the stack of a goroutine that stands still, by the sizes of frames that the function
//! table has (`runtime.unwinder`, runtime/traceback.go).

use std::cell::RefCell;
use std::rc::Rc;

use super::code::Code;
use crate::go::binary::Arch;
use crate::go::memory::{Memory, MemoryError};
use crate::go::pclntab::{Argument, Place};

/// Frames of a stack that are followed.
const MAX_FRAMES: usize = 100_000;
/// Bytes of a stack that are copied at once.
const PIECE: u64 = 16 << 10;
/// Functions whose caller was interrupted, not calling (`isInjectedCall`).
const INJECTED: [&str; 3] = [
    "runtime.sigpanic",
    "runtime.asyncPreempt",
    "runtime.debugCallV2",
];

const CALLBACK: &str = "runtime.cgocallback";

/// A function's frame.
#[derive(Clone, Debug)]
pub struct StackFrame {
    pub place: Rc<Place>,
    /// Live address: where it is, or where it will go on.
    pub pc: u64,
    /// First address of the stack that is its caller's.
    pub end: u64,
    /// The values of [`Place::arguments`], in their order.
    pub values: Vec<u64>,
}

/// A walk.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) frames: Vec<StackFrame>,
    /// Why it went no further, if it did not reach the end.
    pub(super) cut: Option<&'static str>,
}

/// Memory of a stack, copied piece by piece upwards.
struct Bytes<'a, M> {
    memory: &'a M,
    end: u64,
    piece: RefCell<(u64, Vec<u8>)>,
}

impl<'a, M: Memory> Bytes<'a, M> {
    fn new(memory: &'a M, end: u64) -> Self {
        Self {
            memory,
            end,
            piece: RefCell::default(),
        }
    }

    /// The word at an address of the stack.
    fn word(&self, address: u64) -> Result<Option<u64>, MemoryError> {
        let Some(last) = address.checked_add(8).filter(|last| *last <= self.end) else {
            return Ok(None);
        };
        let mut piece = self.piece.borrow_mut();
        let holds = piece.0 <= address && last <= piece.0 + piece.1.len() as u64;
        if !holds {
            piece.0 = address;
            piece.1.resize((self.end - address).min(PIECE) as usize, 0);
            self.memory.read(address, &mut piece.1)?;
        }
        let at = (address - piece.0) as usize;
        let word = piece.1.get(at..at + 8).and_then(|w| w.first_chunk());
        Ok(word.map(|w| u64::from_le_bytes(*w)))
    }
}

/// A stack that was copied as a whole.
#[derive(Debug)]
pub(super) struct Copied<'a> {
    pub(super) address: u64,
    pub(super) bytes: &'a [u8],
}

impl Memory for Copied<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let unmapped = MemoryError::Unmapped {
            addr,
            len: buf.len(),
        };
        let start = addr
            .checked_sub(self.address)
            .and_then(|at| usize::try_from(at).ok());
        let found = start.and_then(|at| self.bytes.get(at..at.checked_add(buf.len())?));
        buf.copy_from_slice(found.ok_or(unmapped)?);
        Ok(())
    }
}

/// Walks from a program counter and stack pointer on a stack between two addresses. The program
/// counter is a return address unless the goroutine was interrupted there.
pub(super) fn walk(
    memory: &impl Memory,
    code: &Code,
    (mut pc, mut sp): (u64, u64),
    (low, high): (u64, u64),
    mut is_return: bool,
) -> Result<Walk, MemoryError> {
    let mut walk = Walk::default();
    let on_stack = |sp: u64| (low..high).contains(&sp) && sp.is_multiple_of(8);
    if !on_stack(sp) {
        walk.cut = Some("the stack pointer is outside the stack");
        return Ok(walk);
    }
    let stack = Bytes::new(memory, high);
    let mut is_innermost = true;
    loop {
        let Some(place) = code.place(pc, is_return) else {
            walk.cut = Some("an address outside the Go code");
            return Ok(walk);
        };
        let Some(size) = place.frame_size else {
            walk.cut = Some("a function that is not Go's");
            return Ok(walk);
        };
        let Some(frame) = frame(code.arch(), sp, u64::from(size)).filter(|f| f.end <= high) else {
            walk.cut = Some("a frame larger than the stack");
            return Ok(walk);
        };
        let values = values(&stack, &place, frame.arguments)?;
        let name = place.calls.last().map(|call| call.frame.function.as_str());
        let injected = name.is_some_and(|name| INJECTED.contains(&name));
        // What enters a system call has told where it was before it moved, and C code's callback
        // keeps its frame on both stacks.
        let moved = place.writes_sp && !is_innermost && name != Some(CALLBACK);
        let ends = place.is_top || moved;
        walk.frames.push(StackFrame {
            place,
            pc,
            end: frame.end,
            values,
        });
        if ends || frame.end == high {
            return Ok(walk);
        }
        if walk.frames.len() >= MAX_FRAMES {
            walk.cut = Some("more frames than are followed");
            return Ok(walk);
        }
        match stack.word(frame.return_address)? {
            Some(0) => return Ok(walk),
            Some(caller) if (caller, frame.end) != (pc, sp) => pc = caller,
            _ => {
                walk.cut = Some("a frame that leads nowhere");
                return Ok(walk);
            }
        }
        sp = frame.end;
        is_return = !injected;
        is_innermost = false;
    }
}

/// Where the parts of a frame lie.
struct Frame {
    return_address: u64,
    end: u64,
    arguments: u64,
}

/// amd64: the call pushed the return address above the frame. arm64: the frame begins with it, and
/// eight bytes (`sys.MinFrameSize`) of the caller's lie before the arguments.
fn frame(arch: Arch, sp: u64, size: u64) -> Option<Frame> {
    let end = sp.checked_add(size)?;
    Some(match arch {
        Arch::Amd64 => Frame {
            return_address: end,
            end: end.checked_add(8)?,
            arguments: end.checked_add(8)?,
        },
        Arch::Arm64 => Frame {
            return_address: sp,
            end,
            arguments: end.checked_add(8)?,
        },
    })
}

/// The values of a frame's arguments; 0 for one that lies outside the stack.
fn values<M: Memory>(
    stack: &Bytes<'_, M>,
    place: &Place,
    arguments: u64,
) -> Result<Vec<u64>, MemoryError> {
    let list = place.arguments.iter().flatten();
    list.filter_map(|argument| match argument {
        Argument::Value { offset, size, .. } => Some((*offset, *size)),
        _ => None,
    })
    .map(|(offset, size)| {
        // Eight bytes are there even when the last ones are not part of the value: a return
        // address or another frame follows.
        let word = stack.word(arguments.wrapping_add(u64::from(offset)))?;
        let unused = 64 - 8 * u32::from(size.clamp(1, 8));
        Ok(word.unwrap_or(0) << unused >> unused)
    })
    .collect()
}
