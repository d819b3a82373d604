//! What a goroutine does.

use std::fmt;

/// `g.atomicstatus` without `_Gscan` (runtime/runtime2.go).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(u32);

/// The GC looks at the stack, which stands still meanwhile.
const SCAN: u32 = 0x1000;

impl Status {
    pub const IDLE: Self = Self(0);
    pub const RUNNABLE: Self = Self(1);
    pub const RUNNING: Self = Self(2);
    pub const SYSCALL: Self = Self(3);
    pub const WAITING: Self = Self(4);
    pub const DEAD: Self = Self(6);
    pub const COPY_STACK: Self = Self(8);
    pub const PREEMPTED: Self = Self(9);
    /// Go 1.26.
    pub const LEAKED: Self = Self(10);
    /// Kept for a thread that C code made; Go 1.26.
    pub const DEAD_EXTRA: Self = Self(11);

    /// The status in a word of memory, and whether the GC looks at the stack.
    #[must_use]
    pub const fn of_word(word: u32) -> (Self, bool) {
        (Self(word & !SCAN), word & SCAN != 0)
    }

    /// Whether there is a goroutine at all: descriptors of ended ones are kept for new ones.
    #[must_use]
    pub fn is_alive(self) -> bool {
        ![Self::IDLE, Self::DEAD, Self::DEAD_EXTRA].contains(&self)
    }

    /// As a traceback names it (`gStatusStrings`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IDLE => "idle",
            Self::RUNNABLE => "runnable",
            Self::RUNNING => "running",
            Self::SYSCALL => "syscall",
            Self::WAITING => "waiting",
            Self::DEAD => "dead",
            Self::COPY_STACK => "copystack",
            Self::PREEMPTED => "preempted",
            Self::LEAKED => "leaked",
            Self::DEAD_EXTRA => "waiting for cgo callback",
            _ => "???",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_bit_is_told_apart() {
        assert_eq!(Status::of_word(0x1004), (Status::WAITING, true));
        assert_eq!(Status::of_word(2), (Status::RUNNING, false));
        assert_eq!(Status::of_word(5).0.name(), "???");
        assert!(Status::SYSCALL.is_alive() && !Status::DEAD.is_alive());
    }
}
