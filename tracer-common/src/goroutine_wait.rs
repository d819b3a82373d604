//! Waits of goroutines, as BPF programs add them up.

/// Frames of a goroutine's stack that are kept.
pub const MAX_WAIT_FRAMES: usize = 64;

/// A goroutine, by where its runtime keeps it: the address of its `g`, which another one gets when it
/// has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoroutineKey {
    pub g: u64,
    pub tgid: u32,
    pub reserved: u32,
}

crate::wire_type!(GoroutineKey, size 16, { g @ 0, tgid @ 8, reserved @ 12 });

/// What goroutines wait for, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoWaitKey {
    /// Of the stack: see [`mixed`]; 0 when it could not be stored.
    pub stack: u64,
    /// `g.gopc`: where the `go` statement's call returns to.
    pub creator: u64,
    pub tgid: u32,
    /// `waitReason` of the release (runtime/runtime2.go).
    pub reason: u32,
}

crate::wire_type!(GoWaitKey, size 24, { stack @ 0, creator @ 8, tgid @ 16, reason @ 20 });

/// A goroutine that waits, or its last wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoWaitPending {
    pub key: GoWaitKey,
    /// When it began to wait, ns of the monotonic clock; 0 when it runs.
    pub since_ns: u64,
}

crate::wire_type!(GoWaitPending, size 32, { key @ 0, since_ns @ 24 });

/// Waits that have ended. Times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoWaitTime {
    pub count: u64,
    pub total_ns: u64,
    /// Of two that end in the same moment the longer one may be missed.
    pub max_ns: u64,
}

crate::wire_type!(GoWaitTime, size 24, { count @ 0, total_ns @ 8, max_ns @ 16 });

/// The stack of a goroutine that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GoWaitStack {
    /// Frames.
    pub len: u32,
    /// 1 when there are more.
    pub truncated: u32,
    /// Innermost first: all are return addresses. Those beyond `len` are another stack's.
    pub frames: [u64; MAX_WAIT_FRAMES],
}

crate::wire_type!(GoWaitStack, size 520, { len @ 0, truncated @ 4, frames @ 8 });

impl GoWaitStack {
    /// Of addresses, innermost first.
    #[must_use]
    pub fn of(addresses: &[u64]) -> Self {
        let len = addresses.len().min(MAX_WAIT_FRAMES);
        let mut frames = [0; MAX_WAIT_FRAMES];
        frames[..len].copy_from_slice(&addresses[..len]);
        Self {
            len: len as u32,
            truncated: u32::from(addresses.len() > len),
            frames,
        }
    }

    /// The key of the stack, never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        let frames = self.frames.iter().take(self.len as usize);
        frames.fold(0, |hash, &pc| mixed(hash, pc)) | 1
    }
}

/// The hash of a stack and one more address. The key of a stack has the lowest bit set besides.
#[inline(always)]
#[must_use]
pub const fn mixed(hash: u64, pc: u64) -> u64 {
    // 2^64 divided by the golden ratio spreads the bits.
    let mixed = (hash ^ pc).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_stacks_keep_their_innermost_frames() {
        let addresses: [u64; 99] = core::array::from_fn(|at| at as u64 + 1);
        let stack = GoWaitStack::of(&addresses);
        assert_eq!((stack.len, stack.truncated), (64, 1));
        assert_eq!(stack.frames[..], addresses[..64]);
        assert_eq!(stack.id(), GoWaitStack::of(&addresses[..64]).id());
        assert_ne!(stack.id(), GoWaitStack::of(&addresses[1..]).id());
        assert_ne!(GoWaitStack::of(&[]).id(), 0);
    }
}
