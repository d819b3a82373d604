//! Threads that lose their P because they block, and goroutines that come back to none.
//!
//! A thread in a system call keeps its P until another one needs it: the runtime's monitor (`sysmon`)
//! takes it from calls that last (`retake`), and who knows beforehand that a call lasts gives it up
//! (`entersyscallblock`). All pass it on by `handoffp`. Who comes back and finds no P that is free is
//! queued by `exitsyscall0` (`exitsyscallNoP` since Go 1.26). All of them run on the scheduler's stack.

use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST, helpers::bpf_get_current_pid_tgid, macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{config::GoScheduler, goroutine_handoff::GoHandoffKey, probe::ProbeId};

use super::go_stop::scheduler;
use crate::{
    count,
    emit::opaque,
    go_call::{FIRST_PAGE, arguments, caller, current_g, half_word, word},
    go_wait_stack,
    maps::GO_HANDOFFS,
};

/// Ms that are looked at to find the one that a P was taken from; those made last come first.
const MAX_THREADS: u64 = 64;

/// In `runtime.handoffp(pp)`, after its stack check.
#[uprobe]
pub fn go_handoff(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoHandoff);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(scheduler) = scheduler(tgid) else {
        return 0;
    };
    let [p, ..] = arguments(&ctx);
    let mut g = word(word(current_g(&ctx), scheduler.g_m), scheduler.m_curg);
    if g < FIRST_PAGE {
        g = deprived(u64::from(tgid), p);
    }
    let stack = syscall_stack(scheduler, g);
    let (caller, _) = caller(&ctx);
    add(ProbeId::GoHandoff, tgid, caller, stack);
    0
}

/// The goroutine in a system call whose thread had the P at the address `p`; 0 when it is not found. A
/// function of its own for the verifier.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn deprived(tgid: u64, p: u64) -> u64 {
    let Some(scheduler) = scheduler(tgid as u32) else {
        return 0;
    };
    let mut m = word(scheduler.allm, 0);
    for index in 0..MAX_THREADS {
        if m < FIRST_PAGE {
            break;
        }
        if word(m, scheduler.m_oldp) == p && word(m, scheduler.m_p) == 0 && is_last(scheduler, m, p)
        {
            return word(m, scheduler.m_curg);
        }
        m = word(m, scheduler.m_alllink);
        if opaque(index) >= MAX_THREADS {
            break;
        }
    }
    0
}

/// Others may have had the P before and still be in their calls: each notes the P's number of calls, to
/// which who takes it adds one.
#[inline(always)]
fn is_last(scheduler: &GoScheduler, m: u64, p: u64) -> bool {
    let calls = half_word(p, scheduler.p_syscalltick);
    scheduler.m_syscalltick == GoScheduler::NONE
        || half_word(m, scheduler.m_syscalltick).wrapping_add(1) == calls
}

/// The stack on which a goroutine entered its system call, as far as the release notes it: before Go
/// 1.23 only the innermost function.
#[inline(always)]
fn syscall_stack(scheduler: &GoScheduler, g: u64) -> u64 {
    let pc = word(g, scheduler.g_syscallpc);
    if pc < FIRST_PAGE {
        return 0;
    }
    let frame = match scheduler.g_syscallbp {
        GoScheduler::NONE => 0,
        offset => word(g, offset),
    };
    store(ProbeId::GoHandoff, pc, frame)
}

/// In `runtime.exitsyscall0(gp)` or `runtime.exitsyscallNoP(gp)`, after its stack check: the goroutine
/// has left its stack by `mcall`.
#[uprobe]
pub fn go_no_processor(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoNoProcessor);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(scheduler) = scheduler(tgid) else {
        return 0;
    };
    let [g, ..] = arguments(&ctx);
    let pc = word(g, scheduler.g_sched_pc);
    let stack = store(ProbeId::GoNoProcessor, pc, word(g, scheduler.g_sched_bp));
    add(ProbeId::GoNoProcessor, tgid, 0, stack);
    0
}

#[inline(always)]
fn store(probe: ProbeId, pc: u64, frame: u64) -> u64 {
    let stack = go_wait_stack::store(pc, frame);
    if stack == 0 {
        count::stack_lost(probe);
    }
    stack
}

#[inline(always)]
fn add(probe: ProbeId, tgid: u32, caller: u64, stack: u64) {
    let key = GoHandoffKey {
        stack,
        caller,
        tgid,
        reserved: 0,
    };
    if increase(&key) || GO_HANDOFFS.insert(key, 1, u64::from(BPF_NOEXIST)).is_ok() {
        return;
    }
    // Another thread may have been faster.
    if !increase(&key) {
        count::full(probe);
    }
}

#[inline(always)]
fn increase(key: &GoHandoffKey) -> bool {
    let Some(count) = GO_HANDOFFS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: a word of the map's element, which is aligned and stays there.
    unsafe { atomic_xadd::<u64, u64, { Relaxed }>(count, 1) };
    true
}
