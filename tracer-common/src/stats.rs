//! Results that BPF programs aggregate in maps.

use crate::config::MAX_PROCESSORS;
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

/// [`OffCpuKey::user_stack`] of a thread that was off the CPU when the run began: how it came to
/// that was not seen. No errno.
pub const BEFORE_RUN: i32 = i32::MIN;

/// A thread off the CPU, or the last time it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OffCpuPending {
    pub key: OffCpuKey,
    /// When it left the CPU; 0 when it is on one.
    pub out_ns: u64,
    /// 0 until woken.
    pub woken_ns: u64,
    /// Switches it stands for.
    pub weight: u64,
}

crate::wire_type!(OffCpuPending, size 64, { key @ 0, out_ns @ 40, woken_ns @ 48, weight @ 56 });

/// Who made a thread runnable. All zero when that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct WakerKey {
    pub tgid: u32,
    pub tid: u32,
    /// As in [`OffCpuKey`]. In an interrupt it is the stack of that, on top of what it interrupted.
    pub kernel_stack: i32,
    pub user_stack: i32,
    pub comm: [u8; 16],
}

crate::wire_type!(WakerKey, size 32, {
    tgid @ 0, tid @ 4, kernel_stack @ 8, user_stack @ 12, comm @ 16,
});

/// Where a thread was off the CPU, and who ended that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct WokenKey {
    pub sleeper: OffCpuKey,
    pub waker: WakerKey,
}

crate::wire_type!(WokenKey, size 72, { sleeper @ 0, waker @ 40 });

/// Time of one thread on the CPU, exactly. Times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ThreadTime {
    pub tgid: u32,
    /// 1 until the thread is first seen to be switched: only then is it known whether it ran.
    pub unseen: u32,
    pub comm: [u8; 16],
    /// When the run began, or the thread.
    pub begin_ns: u64,
    /// When it ended, or was last seen after that; 0 while it lives.
    pub end_ns: u64,
    /// When it was last given a CPU; 0 while it has none.
    pub since_ns: u64,
    /// Until then.
    pub cpu_ns: u64,
}

crate::wire_type!(ThreadTime, size 56, {
    tgid @ 0, unseen @ 4, comm @ 8, begin_ns @ 24, end_ns @ 32, since_ns @ 40, cpu_ns @ 48,
});

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
/// A stop of the world under way in a Go process. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GoStopState {
    /// 0 while the world runs.
    pub began_ns: u64,
    /// When the thread that stops it last came back to a CPU from waiting.
    pub woke_ns: u64,
    /// Stops so far: tells sums of this one from others'.
    pub number: u32,
    /// Thread that stops the world.
    pub stopper: u32,
    /// `stwReason`, or [`GoStopState::NO_REASON`].
    pub reason: u32,
    /// Ps that there are.
    pub processors: u32,
    /// By number of the P.
    pub by_processor: [GoStopped; MAX_PROCESSORS],
}

impl GoStopState {
    /// The release does not say.
    pub const NO_REASON: u32 = u32::MAX;
}

impl Default for GoStopState {
    fn default() -> Self {
        Self {
            began_ns: 0,
            woke_ns: 0,
            number: 0,
            stopper: 0,
            reason: Self::NO_REASON,
            processors: 0,
            by_processor: [GoStopped::default(); MAX_PROCESSORS],
        }
    }
}

crate::wire_type!(GoStopState, size 4640, {
    began_ns @ 0, woke_ns @ 8, number @ 16, stopper @ 20, reason @ 24, processors @ 28,
    by_processor @ 32,
});

/// What one P does while the world is being stopped. Times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoStopped {
    /// Address and id of the goroutine that it ran when the stop began, 0 when none.
    pub g: u64,
    pub goid: u64,
    /// When it stopped by itself, 0 when it has not been seen to.
    pub stopped_ns: u64,
    /// Of its thread since the stop began: time in which it could have run,
    pub runnable_ns: u64,
    /// in which a page was fetched for it,
    pub fault_ns: u64,
    /// and in which it slept in a syscall.
    pub syscall_ns: u64,
    /// Thread that ran it when it stopped.
    pub tid: u32,
    /// The last such syscall.
    pub syscall: u32,
    /// `p.schedtick` when the stop began.
    pub tick: u32,
    /// 1 when another goroutine came to run after that.
    pub moved_on: u32,
    /// Off the CPU and back without the kernel telling when it came back.
    pub untold_ns: u64,
}

crate::wire_type!(GoStopped, size 72, {
    g @ 0, goid @ 8, stopped_ns @ 16, runnable_ns @ 24, fault_ns @ 32, syscall_ns @ 40, tid @ 48,
    syscall @ 52, tick @ 56, moved_on @ 60, untold_ns @ 64,
});

/// Where a thread was off the CPU while the world was being stopped. Times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoStopThread {
    /// When it left the CPU, 0 while it is on one.
    pub out_ns: u64,
    /// Sums of the stop with this number.
    pub runnable_ns: u64,
    pub fault_ns: u64,
    pub syscall_ns: u64,
    pub number: u32,
    /// How it left: one of [`left`].
    pub left: u32,
    pub syscall: u32,
    pub reserved: u32,
}

crate::wire_type!(GoStopThread, size 48, {
    out_ns @ 0, runnable_ns @ 8, fault_ns @ 16, syscall_ns @ 24, number @ 32, left @ 36,
    syscall @ 40, reserved @ 44,
});

/// How a thread left the CPU.
pub mod left {
    /// It could have gone on.
    pub const RUNNABLE: u32 = 0;
    /// It waits in an exception: for a page.
    pub const FAULT: u32 = 1;
    pub const SYSCALL: u32 = 2;
}

/// A `go` statement of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoCreatorKey {
    pub tgid: u32,
    pub reserved: u32,
    /// Where its call returns to (`g.gopc`).
    pub created_at: u64,
}

crate::wire_type!(GoCreatorKey, size 16, { tgid @ 0, reserved @ 4, created_at @ 8 });

/// Goroutines that a `go` statement made. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GoCreator {
    pub created: u64,
    pub ended: u64,
    /// From being made to running for the first time: sum, longest, and by
    /// [`bucket`](crate::histogram::bucket).
    pub wait_ns: u64,
    pub max_ns: u64,
    pub buckets: [u64; BUCKETS],
}

crate::wire_type!(GoCreator, size 1312, {
    created @ 0, ended @ 8, wait_ns @ 16, max_ns @ 24, buckets @ 32,
});

/// A goroutine of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoNewbornKey {
    pub tgid: u32,
    pub reserved: u32,
    /// Address of its record (`*g`).
    pub g: u64,
}

crate::wire_type!(GoNewbornKey, size 16, { tgid @ 0, reserved @ 4, g @ 8 });

/// A goroutine that has not run yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoNewborn {
    /// When it was made, ns.
    pub made_ns: u64,
    /// As [`GoCreatorKey::created_at`].
    pub created_at: u64,
}

crate::wire_type!(GoNewborn, size 16, { made_ns @ 0, created_at @ 8 });
