//! Where the threads are that run goroutines.

use super::descriptor::Descriptor;

/// Tells where a running goroutine is.
pub trait RunningThreads: std::fmt::Debug {
    /// Where its thread executes on its stack; `None` when it does not, or that is not known.
    fn look(&self, goroutine: &Descriptor) -> Option<Interrupted>;
}

/// A goroutine in the middle of what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interrupted {
    /// The next instruction.
    pub pc: u64,
    pub sp: u64,
    /// The stack from there upwards at the same moment; empty when memory has it as it was.
    pub stack: Vec<u8>,
}

/// Threads that all stand still.
#[derive(Clone, Debug, Default)]
pub struct StoppedThreads {
    /// Program counters and stack pointers.
    pub threads: Vec<(u64, u64)>,
}

impl RunningThreads for StoppedThreads {
    /// The thread whose stack pointer is on the goroutine's stack is the one that runs it.
    fn look(&self, goroutine: &Descriptor) -> Option<Interrupted> {
        let (low, high) = goroutine.stack;
        let mut threads = self.threads.iter();
        let &(pc, sp) = threads.find(|(_, sp)| (low..high).contains(sp))?;
        Some(Interrupted {
            pc,
            sp,
            stack: Vec::new(),
        })
    }
}
