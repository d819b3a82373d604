//! Who may have a lock. Go does not record it; but who has one must give it back, and so keeps its
//! address among the pointers of its stack, unless the lock is a global variable or part of
//! something whose address is kept instead.

use std::collections::{HashMap, HashSet};

use crate::go::binary::Arch;
use crate::go::goroutine::{Code, Goroutine, Stack, StackFrame};
use crate::go::memory::{Memory, MemoryError};

/// Bytes of a stack that are looked through, from its innermost end.
const MAX_STACK: u64 = 256 << 10;
/// Goroutines that are noted for one address.
const MAX_REFERENCES: usize = 1 << 10;

/// For each address, the goroutines whose stacks refer to it by a pointer that is of use still:
/// indices into the list, ascending.
pub(super) fn references(
    memory: &impl Memory,
    code: &Code,
    goroutines: &[Goroutine],
    addresses: &HashSet<u64>,
) -> Result<HashMap<u64, Vec<usize>>, MemoryError> {
    let mut all: HashMap<u64, Vec<usize>> = HashMap::new();
    if addresses.is_empty() {
        return Ok(all);
    }
    for (index, goroutine) in goroutines.iter().enumerate() {
        let Some(stack) = StackCopy::of(memory, goroutine)? else {
            continue;
        };
        for address in stack.pointers(code, addresses) {
            let list = all.entry(address).or_default();
            if list.last() != Some(&index) && list.len() < MAX_REFERENCES {
                list.push(index);
            }
        }
    }
    Ok(all)
}

/// The innermost part of a stack, and its frames.
struct StackCopy<'a> {
    start: u64,
    words: Vec<u64>,
    frames: &'a [StackFrame],
}

impl<'a> StackCopy<'a> {
    fn of(memory: &impl Memory, goroutine: &'a Goroutine) -> Result<Option<Self>, MemoryError> {
        let Stack::Frames { frames, .. } = &goroutine.stack else {
            return Ok(None);
        };
        let start = goroutine.descriptor.stopped_at.1;
        let end = frames.last().map_or(start, |frame| frame.end);
        let len = end.saturating_sub(start).min(MAX_STACK) & !7;
        let mut bytes = vec![0; len as usize];
        match memory.read(start, &mut bytes) {
            Ok(()) => {}
            // It moved away since.
            Err(MemoryError::Unmapped { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let words = bytes.as_chunks().0.iter();
        Ok(Some(Self {
            start,
            words: words.map(|word| u64::from_le_bytes(*word)).collect(),
            frames,
        }))
    }

    /// The pointers among `addresses`, with repetitions.
    fn pointers(&self, code: &Code, addresses: &HashSet<u64>) -> Vec<u64> {
        let mut found = Vec::new();
        let mut from = self.start;
        let mut callee = None;
        for frame in self.frames {
            // Words are compared first: that is quick, and most frames have none.
            for at in (from..frame.end).step_by(8) {
                let word = self.word(at).filter(|word| addresses.contains(word));
                if let Some(word) = word
                    && (is_local(code, frame, at) || is_argument(code, callee, at))
                {
                    found.push(word);
                }
            }
            from = frame.end;
            callee = Some(frame);
        }
        found
    }

    fn word(&self, at: u64) -> Option<u64> {
        let index = at.checked_sub(self.start)? / 8;
        self.words.get(usize::try_from(index).ok()?).copied()
    }
}

/// Whether the word at an address of a frame is a variable that is of use still, and a pointer.
fn is_local(code: &Code, frame: &StackFrame, at: u64) -> bool {
    let Some(map) = code.pointers(frame.pc, true) else {
        return false;
    };
    // `stkframe.varp`: below the return address, where the call pushes one, and the frame pointer.
    let locals_end = frame.end.wrapping_sub(match code.arch() {
        Arch::Amd64 => 16,
        Arch::Arm64 => 8,
    });
    let words = locals_end.saturating_sub(at) / 8;
    let is_pointer = map.locals.is_some_and(|bits| {
        let index = u64::from(bits.count).checked_sub(words);
        index.is_some_and(|index| u32::try_from(index).is_ok_and(|i| bits.has(i)))
    });
    let in_object = map.objects.iter().any(|&(offset, size)| {
        let start = locals_end.wrapping_add_signed(i64::from(offset));
        offset < 0 && (start..start.saturating_add(u64::from(size))).contains(&at)
    });
    is_pointer || in_object
}

/// Whether it is an argument of the function that the frame's own calls, which lies in the frame of
/// the caller (`stkframe.argp`).
fn is_argument(code: &Code, callee: Option<&StackFrame>, at: u64) -> bool {
    let Some(callee) = callee else {
        return false;
    };
    let start = callee.end.wrapping_add(match code.arch() {
        Arch::Amd64 => 0,
        Arch::Arm64 => 8,
    });
    let index = at.checked_sub(start).map(|bytes| bytes / 8);
    let bits = code.pointers(callee.pc, true).and_then(|map| map.arguments);
    let both = index.and_then(|i| u32::try_from(i).ok()).zip(bits);
    both.is_some_and(|(index, bits)| bits.has(index))
}
