//! Results that BPF programs aggregate in maps.

use crate::histogram::BUCKETS;

/// Latency statistics of one kind of thing on one CPU. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LatencyStats {
    pub count: u64,
    pub errors: u64,
    pub total_ns: u64,
    /// 0 means not set: a measured 0 is stored as 1.
    pub min_ns: u64,
    pub max_ns: u64,
    pub buckets: [u64; BUCKETS],
}

crate::wire_type!(LatencyStats, size 1320, {
    count @ 0, errors @ 8, total_ns @ 16, min_ns @ 24, max_ns @ 32, buckets @ 40,
});

/// Set in the id of a stack that is in the second stack map.
pub const MORE_STACKS_BIT: u32 = 1 << 20;

/// Set in [`OffCpuKey::user_stack`] of a stack that was walked with unwind tables: that and
/// [`OffCpuKey::user_stack_high`] are its key.
pub const UNWOUND_BIT: u32 = 1 << 30;

/// Where and how a thread was off the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct OffCpuKey {
    pub tgid: u32,
    pub tid: u32,
    /// Id in a stack map ([`MORE_STACKS_BIT`]), negative errno when there is none.
    pub kernel_stack: i32,
    /// Id in a stack map ([`MORE_STACKS_BIT`], [`UNWOUND_BIT`]), negative errno when there is none.
    pub user_stack: i32,
    /// `task_struct.__state` at the switch; 0 is preempted while runnable.
    pub state: u32,
    pub user_stack_high: u32,
    pub comm: [u8; 16],
}

crate::wire_type!(OffCpuKey, size 40, {
    tgid @ 0, tid @ 4, kernel_stack @ 8, user_stack @ 12, state @ 16, user_stack_high @ 20,
    comm @ 24,
});

impl OffCpuKey {
    /// Key of the user stack among those that were walked with unwind tables.
    #[inline(always)]
    #[must_use]
    pub const fn unwound(&self) -> Option<u64> {
        if self.user_stack < 0 || self.user_stack as u32 & UNWOUND_BIT == 0 {
            return None;
        }
        Some((self.user_stack_high as u64) << 32 | self.user_stack as u64)
    }
}

/// Time off the CPU, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OffCpuTime {
    pub count: u64,
    /// From leaving the CPU to being woken (for preemption: 0).
    pub blocked_ns: u64,
    /// From being woken (or preempted) to running.
    pub runnable_ns: u64,
    /// Longest single time off the CPU.
    pub max_ns: u64,
}

crate::wire_type!(OffCpuTime, size 32, {
    count @ 0, blocked_ns @ 8, runnable_ns @ 16, max_ns @ 24,
});

/// Scheduling of one thread. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RunQueueStats {
    pub tgid: u32,
    pub reserved: u32,
    pub comm: [u8; 16],
    /// Switches away while it could have gone on running.
    pub involuntary: u64,
    /// Switches away to wait.
    pub voluntary: u64,
    /// Times it began to run on another CPU than before.
    pub migrations: u64,
    /// From runnable to running.
    pub latency: LatencyStats,
}

crate::wire_type!(RunQueueStats, size 1368, {
    tgid @ 0, reserved @ 4, comm @ 8, involuntary @ 24, voluntary @ 32, migrations @ 40,
    latency @ 48,
});
