//! Goroutines that mark for the garbage collector because they allocate: who does, where, and for how
//! long.
//!
//! The runtime takes the time at the beginning and at the end of the work itself and adds the
//! difference to `gcController.assistTime` (`gcAssistAlloc1`, runtime/mgcmark.go). The programs run
//! right before it asks the clock, on the system stack, which the goroutine does not leave meanwhile:
//! so both come to the same sum, and the thread tells which beginning an end belongs to.
//!
//! A goroutine that finds no work to do waits until others have done enough (`gcParkAssist`); it may
//! go on on another thread.

use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{
    config::GoScheduler,
    goroutine_assist::{GoAssistKey, GoAssistPending, GoAssistTime},
    goroutine_wait::GoroutineKey,
    probe::ProbeId,
};

use super::go_stop::scheduler;
use crate::{
    count,
    go_call::{current_g, frame, word},
    go_wait_stack,
    maps::{GO_ASSIST_PENDING, GO_ASSIST_SUMS, GO_ASSIST_WAITING, GO_ASSISTS},
};

/// In `runtime.gcAssistAlloc1(gp, scanWork)`, where it asks for the time for the first time.
#[uprobe]
pub fn go_assist(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoAssist);
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    let Some(scheduler) = scheduler(tgid) else {
        return 0;
    };
    let g = word(word(current_g(&ctx), scheduler.g_m), scheduler.m_curg);
    let key = key(&ctx, scheduler, tgid, g, ProbeId::GoAssist);
    begin(id, key);
    0
}

/// Who does it, and where: in a function that has set up its frame.
#[inline(always)]
fn key(
    ctx: &ProbeContext,
    scheduler: &GoScheduler,
    tgid: u32,
    g: u64,
    probe: ProbeId,
) -> GoAssistKey {
    let frame = frame(ctx);
    let stack = go_wait_stack::store(word(frame, 8), word(frame, 0));
    if stack == 0 {
        count::stack_lost(probe);
    }
    GoAssistKey {
        stack,
        creator: word(g, scheduler.g_gopc),
        goid: word(g, scheduler.g_goid),
        tgid,
        reserved: 0,
    }
}

/// Writing in place costs less than inserting. The time comes last: what was done before is not part
/// of it.
#[inline(always)]
fn begin(id: u64, key: GoAssistKey) {
    if let Some(pending) = GO_ASSIST_PENDING.get_ptr_mut(id) {
        // SAFETY: it is of the thread that runs here; the helper has no preconditions.
        unsafe {
            (&raw mut (*pending).key).write(key);
            (&raw mut (*pending).since_ns).write(bpf_ktime_get_ns());
        }
        return;
    }
    let pending = GoAssistPending {
        key,
        // SAFETY: the helper has no preconditions.
        since_ns: unsafe { bpf_ktime_get_ns() },
    };
    if GO_ASSIST_PENDING.insert(id, pending, 0).is_err() {
        count::full(ProbeId::GoAssist);
    }
}

/// In `runtime.gcAssistAlloc1`, where it asks for the time again.
#[uprobe]
pub fn go_assisted(_ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoAssisted);
    let id = bpf_get_current_pid_tgid();
    let Some(pending) = GO_ASSIST_PENDING.get_ptr_mut(id) else {
        count::unpaired(ProbeId::GoAssisted);
        return 0;
    };
    // SAFETY: it is of the thread that runs here.
    let pending = unsafe { &mut *pending };
    let since_ns = pending.since_ns;
    if since_ns == 0 {
        count::unpaired(ProbeId::GoAssisted);
        return 0;
    }
    pending.since_ns = 0;
    let time_ns = now.saturating_sub(since_ns);
    if let Some(sum) = GO_ASSIST_SUMS.get_ptr_mut((id >> 32) as u32) {
        add_to(sum, What::Work, time_ns);
    }
    add_all(ProbeId::GoAssisted, What::Work, pending.key, time_ns);
    0
}

/// In `runtime.gcParkAssist()`, where it calls `gopark`: on the goroutine's stack.
#[uprobe]
pub fn go_assist_wait(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoAssistWait);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(scheduler) = scheduler(tgid) else {
        return 0;
    };
    let g = current_g(&ctx);
    let pending = GoAssistPending {
        key: key(&ctx, scheduler, tgid, g, ProbeId::GoAssistWait),
        since_ns: now,
    };
    let goroutine = goroutine(tgid, g);
    if let Some(known) = GO_ASSIST_WAITING.get_ptr_mut(goroutine) {
        // SAFETY: it is of the goroutine that runs here.
        unsafe { known.write(pending) };
    } else if GO_ASSIST_WAITING.insert(goroutine, pending, 0).is_err() {
        count::full(ProbeId::GoAssistWait);
    }
    0
}

/// In `runtime.gcParkAssist()`, where that call returns to.
#[uprobe]
pub fn go_assist_resumed(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoAssistResumed);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(pending) = GO_ASSIST_WAITING.get_ptr_mut(goroutine(tgid, current_g(&ctx))) else {
        count::unpaired(ProbeId::GoAssistResumed);
        return 0;
    };
    // SAFETY: it is of the goroutine that runs here.
    let pending = unsafe { &mut *pending };
    let since_ns = pending.since_ns;
    if since_ns == 0 {
        count::unpaired(ProbeId::GoAssistResumed);
        return 0;
    }
    pending.since_ns = 0;
    let time_ns = now.saturating_sub(since_ns);
    add_all(ProbeId::GoAssistResumed, What::Wait, pending.key, time_ns);
    0
}

#[inline(always)]
fn goroutine(tgid: u32, g: u64) -> GoroutineKey {
    GoroutineKey {
        g,
        tgid,
        reserved: 0,
    }
}

/// What a time is added to.
#[derive(Clone, Copy)]
enum What {
    Work,
    Wait,
}

/// Sums are kept, whoever they are of.
#[inline(always)]
fn add_all(probe: ProbeId, what: What, mut key: GoAssistKey, time_ns: u64) {
    if add(&key, what, time_ns) {
        return;
    }
    key.goid = 0;
    if !add(&key, what, time_ns) {
        count::full(probe);
    }
}

/// Whether there was room.
#[inline(always)]
fn add(key: &GoAssistKey, what: What, time_ns: u64) -> bool {
    if let Some(sum) = GO_ASSISTS.get_ptr_mut(key) {
        add_to(sum, what, time_ns);
        return true;
    }
    let mut first = GoAssistTime::default();
    add_to(&raw mut first, what, time_ns);
    if GO_ASSISTS
        .insert(key, first, u64::from(BPF_NOEXIST))
        .is_ok()
    {
        return true;
    }
    // Another thread may have been faster.
    match GO_ASSISTS.get_ptr_mut(key) {
        Some(sum) => {
            add_to(sum, what, time_ns);
            true
        }
        None => false,
    }
}

#[inline(always)]
fn add_to(sum: *mut GoAssistTime, what: What, time_ns: u64) {
    // SAFETY: words of the map's element, of which only the addresses are taken.
    let (count, total, max) = unsafe {
        match what {
            What::Work => (
                &raw mut (*sum).count,
                &raw mut (*sum).total_ns,
                &raw mut (*sum).max_ns,
            ),
            What::Wait => (
                &raw mut (*sum).waits,
                &raw mut (*sum).wait_ns,
                &raw mut (*sum).max_wait_ns,
            ),
        }
    };
    // SAFETY: they stay there and are added to atomically; the longest may miss another one.
    unsafe {
        atomic_xadd::<u64, u64, { Relaxed }>(count, 1);
        atomic_xadd::<u64, u64, { Relaxed }>(total, time_ns);
        if time_ns > *max {
            *max = time_ns;
        }
    }
}
