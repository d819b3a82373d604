//! Where goroutines were that ran when their process ended.

use super::descriptor::Descriptor;
use super::thread::{Interrupted, RunningThreads};
use crate::go::binary::Arch;
use crate::go::layout::Layout;
use crate::go::memory::Memory;

/// Bytes of a signal stack that are searched; the runtime's are 32 KiB (`mpreinit`,
/// runtime/os_linux.go), C code's may be larger.
const MAX_SIGNAL_STACK: u64 = 64 << 10;

/// Words of `struct ucontext` as the kernel puts it onto a signal stack, and of the signal's number
/// behind it (arch/x86/include/asm/sigframe.h, include/uapi/asm-generic/ucontext.h and
/// arch/x86/include/uapi/asm/sigcontext.h).
const UC_STACK: usize = 2;
const UC_SP: usize = 20;
const UC_PC: usize = 21;
const UC_SIGNO: usize = 38;

/// The threads of a process that has ended, whose memory is still there.
#[derive(Debug)]
pub struct EndedThreads<'a, M> {
    memory: &'a M,
    layout: &'static Layout,
    /// Program counters and stack pointers with which they left user code for the last time.
    places: &'a [(u64, u64)],
}

/// What a signal interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalFrame {
    /// Its number.
    pub signo: u32,
    pub pc: u64,
    pub sp: u64,
}

impl<'a, M: Memory> EndedThreads<'a, M> {
    /// Threads that were last at these program counters and stack pointers.
    #[must_use]
    pub fn new(memory: &'a M, layout: &'static Layout, places: &'a [(u64, u64)]) -> Self {
        Self {
            memory,
            layout,
            places,
        }
    }

    /// The thread whose stack pointer is in a stack.
    fn on(&self, (low, high): (u64, u64)) -> Option<(u64, u64)> {
        let mut places = self.places.iter();
        places.find(|(_, sp)| (low..high).contains(sp)).copied()
    }

    /// The stack of one of the runtime's own goroutines of a thread (`*m`), at an offset there.
    fn stack_of(&self, m: u64, field: u32) -> Option<(u64, u64)> {
        let word = |at: u64, field: u32| {
            let at = at.checked_add(u64::from(field))?;
            self.memory.read_u64(at).ok()
        };
        let g = word(m, field).filter(|g| *g != 0)?;
        Some((
            word(g, self.layout.g.stack_lo)?,
            word(g, self.layout.g.stack_hi)?,
        ))
    }

    /// What the signal interrupted that a thread (`*m`) was handling when it ended.
    #[must_use]
    pub fn signal_frame(&self, m: u64) -> Option<SignalFrame> {
        // Other architectures lay the frame out otherwise.
        (self.layout.arch == Arch::Amd64).then_some(())?;
        let stack = self.stack_of(m, self.layout.m.gsignal)?;
        let (_, sp) = self.on(stack)?;
        let len = stack
            .1
            .checked_sub(sp)
            .filter(|len| *len <= MAX_SIGNAL_STACK)?;
        let mut bytes = vec![0; len as usize / 8 * 8];
        self.memory.read(sp, &mut bytes).ok()?;
        let words: Vec<u64> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|w| u64::from_le_bytes(*w))
            .collect();
        find_frame(&words, stack)
    }

    /// Where a goroutine was whose thread ran on the scheduler's stack on its behalf
    /// (`systemstack`): the runtime has noted it, and forgets it when the goroutine goes on
    /// (`gogo` and `systemstack` zero `g.sched.sp`).
    fn on_system_stack(&self, goroutine: &Descriptor) -> Option<(u64, u64)> {
        let (pc, sp) = goroutine.stopped_at;
        let (low, high) = goroutine.stack;
        (low..high).contains(&sp).then_some(())?;
        self.on(self.stack_of(goroutine.thread, self.layout.m.g0)?)?;
        Some((pc, sp))
    }

    fn in_signal(&self, goroutine: &Descriptor) -> Option<(u64, u64)> {
        let frame = self.signal_frame(goroutine.thread)?;
        let (low, high) = goroutine.stack;
        (low..high)
            .contains(&frame.sp)
            .then_some((frame.pc, frame.sp))
    }
}

impl<M: Memory + std::fmt::Debug> RunningThreads for EndedThreads<'_, M> {
    fn look(&self, goroutine: &Descriptor) -> Option<Interrupted> {
        let (pc, sp) = self
            .on(goroutine.stack)
            .or_else(|| self.on_system_stack(goroutine))
            .or_else(|| self.in_signal(goroutine))?;
        Some(Interrupted {
            pc,
            sp,
            stack: Vec::new(),
        })
    }
}

/// The `ucontext` in the words of a signal stack: it names that stack. Of amd64 alone.
fn find_frame(words: &[u64], (low, high): (u64, u64)) -> Option<SignalFrame> {
    let is_here = |at: usize| {
        let word = |index: usize| words.get(at + UC_STACK + index).copied();
        word(0) == Some(low) && word(2) == high.checked_sub(low)
    };
    let at = (0..words.len()).find(|&at| is_here(at))?;
    let word = |index: usize| words.get(at + index).copied();
    Some(SignalFrame {
        signo: word(UC_SIGNO)? as u32,
        pc: word(UC_PC)?,
        sp: word(UC_SP)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_known_by_the_stack_that_it_names() {
        let stack = (0x10_000, 0x18_000);
        let mut words = vec![7; 64];
        words[5 + UC_STACK] = 0x10_000;
        words[5 + UC_STACK + 2] = 0x8000;
        words[5 + UC_PC] = 0x40_1000;
        words[5 + UC_SP] = 0xc000;
        words[5 + UC_SIGNO] = (9 << 32) | 3;
        let frame = SignalFrame {
            signo: 3,
            pc: 0x40_1000,
            sp: 0xc000,
        };
        assert_eq!(find_frame(&words, stack), Some(frame));
        assert_eq!(find_frame(&words[..43], stack), None, "cut off");
        words[5 + UC_STACK + 2] = 0x4000;
        assert_eq!(find_frame(&words, stack), None, "another stack");
        assert_eq!(find_frame(&[], stack), None);
    }
}
