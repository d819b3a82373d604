//! Counts and times the targets' syscalls in maps; sends nothing.
//!
//! The time of entry waits in a slot of the CPU rather than of the thread: looking it up costs a
//! few ns where a hash or task storage costs tens. A thread that blocks may find, on its return,
//! that another thread's call took the slot (its entry was then moved to a hash) or that it runs
//! on another CPU (its entry is then still in that CPU's slot). Both are slow paths of calls that
//! were slow anyway.

use core::intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg};

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{capture::MAX_SYSCALLS, histogram, probe::ProbeId, stats::LatencyStats};

use super::syscall::{Registers, begins};
use crate::{
    constants::{cpus, is_birth, nr_rt_sigreturn, traces_syscall},
    count, filter,
    maps::{IN_FLIGHT, InFlight, SPILLED, SYSCALL_STATS},
};

/// Owner of a slot whose entry is being moved.
const MOVING: u64 = u64::MAX;
/// CPUs that are searched for a migrated caller's slot.
const MAX_CPUS: u32 = 1024;

#[btf_tracepoint(function = "sys_enter")]
pub fn syscall_count_enter(ctx: BtfTracePointContext) -> i32 {
    on_enter(ctx.arg::<u64>(1) as u32);
    0
}

/// A call of the running thread begins.
#[inline(always)]
pub fn on_enter(nr: u32) {
    let id = bpf_get_current_pid_tgid();
    if !begins((id >> 32) as u32, nr) {
        count::foreign(ProbeId::SyscallCountEnter);
        return;
    }
    if !traces_syscall(nr) {
        count::skipped(ProbeId::SyscallCountEnter);
        return;
    }
    count::hit(ProbeId::SyscallCountEnter);
    // SAFETY: the helper has no preconditions.
    let Some(slot) = IN_FLIGHT.get_ptr_mut(unsafe { bpf_get_smp_processor_id() } as u32) else {
        return;
    };
    // SAFETY: `slot` is this CPU's; only a search from another CPU writes its `owner` besides.
    unsafe {
        let owner = (*slot).owner;
        if owner != 0 && owner != id {
            spill(slot, owner);
        }
        (*slot).nr = u64::from(nr);
        (*slot).enter_ns = bpf_ktime_get_ns();
        (*slot).owner = id;
    }
}

/// Moves another thread's entry to the hash, unless that thread takes it first.
///
/// # Safety
/// `slot` must be this CPU's.
#[inline(always)]
unsafe fn spill(slot: *mut InFlight, owner: u64) {
    // SAFETY: the slot is valid; the exchange decides between this CPU and a searching one.
    unsafe {
        let (_, won) =
            atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(&raw mut (*slot).owner, owner, MOVING);
        if won && SPILLED.insert(owner, &*slot, 0).is_err() {
            count::full(ProbeId::SyscallCountEnter);
        }
    }
}

#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_count_exit(ctx: BtfTracePointContext) -> i32 {
    let registers = || Registers::from_ptr(ctx.arg::<*const u64>(0));
    on_exit(ctx.arg::<i64>(1), registers);
    0
}

/// A call of the running thread ends with `ret`.
#[inline(always)]
pub fn on_exit(ret: i64, registers: impl Fn() -> Registers) {
    let id = bpf_get_current_pid_tgid();
    // SAFETY: the helper has no preconditions.
    let Some(slot) = IN_FLIGHT.get_ptr_mut(unsafe { bpf_get_smp_processor_id() } as u32) else {
        return;
    };
    // SAFETY: as in `on_enter`. Only targets get into a slot, so no filter is needed.
    unsafe {
        if (*slot).owner == id {
            let (nr, enter_ns) = ((*slot).nr as u32, (*slot).enter_ns);
            (*slot).owner = 0;
            record(nr, Some(enter_ns), ret);
            return;
        }
    }
    exit_elsewhere(id, ret, registers);
}

/// The slow path: the entry was moved, or made on another CPU, or not seen.
#[inline(always)]
fn exit_elsewhere(id: u64, ret: i64, registers: impl Fn() -> Registers) {
    if !filter::is_target((id >> 32) as u32) {
        return;
    }
    let found = take_spilled(id)
        .or_else(|| take_from_slots(id))
        .or_else(|| take_spilled(id));
    if let Some((nr, enter_ns)) = found {
        record(nr, Some(enter_ns), ret);
        return;
    }
    unseen(ret, registers);
}

/// An exit whose entry was not seen.
#[inline(always)]
pub fn unseen(ret: i64, registers: impl Fn() -> Registers) {
    let nr = match registers().nr() {
        u32::MAX => nr_rt_sigreturn(),
        nr => nr,
    };
    if traces_syscall(nr) && !is_birth(nr, ret) {
        count::unpaired(ProbeId::SyscallCountExit);
        record(nr, None, ret);
    }
}

#[inline(always)]
fn take_spilled(id: u64) -> Option<(u32, u64)> {
    // SAFETY: only this thread removes its own entry.
    let entry = unsafe { SPILLED.get(id) }?;
    let taken = (entry.nr as u32, entry.enter_ns);
    let _ = SPILLED.remove(id);
    Some(taken)
}

#[inline(always)]
fn take_from_slots(id: u64) -> Option<(u32, u64)> {
    let mut cpu = 0;
    while cpu < MAX_CPUS {
        if cpu >= cpus() {
            break;
        }
        let slot = IN_FLIGHT.get_ptr_mut(cpu)?;
        // SAFETY: the slot is valid. If its CPU moves the entry meanwhile, the exchange fails and
        // what was read is not used.
        unsafe {
            if (*slot).owner == id {
                let taken = ((*slot).nr as u32, (*slot).enter_ns);
                let (_, won) =
                    atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(&raw mut (*slot).owner, id, 0);
                return if won { Some(taken) } else { None };
            }
        }
        cpu += 1;
    }
    None
}

/// Forgets the call that a thread was in when it ended.
#[inline(always)]
pub fn forget(id: u64) {
    let _ = SPILLED.remove(id);
    // SAFETY: the helper has no preconditions.
    if let Some(slot) = IN_FLIGHT.get_ptr_mut(unsafe { bpf_get_smp_processor_id() } as u32) {
        // SAFETY: as in `on_exit`.
        unsafe {
            if (*slot).owner == id {
                (*slot).owner = 0;
            }
        }
    }
}

/// Adds a call that ended, with its duration when that is known.
#[inline(always)]
pub fn record(nr: u32, enter_ns: Option<u64>, ret: i64) {
    let slot = if nr < MAX_SYSCALLS { nr } else { MAX_SYSCALLS };
    let Some(stats) = SYSCALL_STATS.get_ptr_mut(slot) else {
        return;
    };
    // SAFETY: this CPU's slot; no other program writes it.
    let stats = unsafe { &mut *stats };
    stats.count += 1;
    if (-4095..0).contains(&ret) {
        stats.errors += 1;
    }
    if let Some(enter_ns) = enter_ns {
        // SAFETY: the helper has no preconditions.
        add_latency(stats, unsafe { bpf_ktime_get_ns() }.wrapping_sub(enter_ns));
    }
}

/// Adds a duration in ns; `count` is the caller's.
#[inline(always)]
pub fn add_latency(stats: &mut LatencyStats, ns: u64) {
    stats.total_ns += ns;
    let ns = if ns == 0 { 1 } else { ns };
    if ns > stats.max_ns {
        stats.max_ns = ns;
    }
    if stats.min_ns == 0 || ns < stats.min_ns {
        stats.min_ns = ns;
    }
    let bucket = histogram::bucket(ns);
    if bucket < histogram::BUCKETS {
        // SAFETY: checked in the line above; an index expression would leave a panic path.
        unsafe { *stats.buckets.get_unchecked_mut(bucket) += 1 };
    }
}
