//! How long goroutines wait, for what, and where: from when one parks until it runs again.
//!
//! Whoever made it runnable is not asked: the network poller and the garbage collector do that without
//! a call that could be probed alone, and each goroutine that runs is seen when it does. A wait is
//! added to the sum of its stack here, so that the tracer has nothing to read while it goes on.

use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{
    config::GoWaiting,
    goroutine_wait::{GoWaitKey, GoWaitPending, GoWaitTime, GoroutineKey},
    probe::ProbeId,
};

use crate::{
    count,
    go_call::{arguments, caller, current_g, word},
    go_wait_stack,
    maps::{GO_WAIT_PENDING, GO_WAITING, GO_WAITS},
};

#[inline(always)]
fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

#[inline(always)]
fn waiting<'a>(tgid: u32) -> Option<&'a GoWaiting> {
    // SAFETY: two words, of which an older value does no harm.
    let waiting = unsafe { GO_WAITING.get(tgid) }?;
    (waiting.begin_ns != GoWaiting::OVER).then_some(waiting)
}

#[inline(always)]
fn goroutine(tgid: u32, g: u64) -> GoroutineKey {
    GoroutineKey {
        g,
        tgid,
        reserved: 0,
    }
}

/// In `runtime.gopark(unlockf, lock, reason, …)`, after its stack check: on the goroutine's stack.
#[uprobe]
pub fn go_park(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let tgid = tgid();
    let Some(waiting) = waiting(tgid) else {
        return 0;
    };
    count::hit(ProbeId::GoPark);
    let g = current_g(&ctx);
    let [_, _, reason, _] = arguments(&ctx);
    let (first, frame) = caller(&ctx);
    let stack = go_wait_stack::store(first, frame);
    if stack == 0 {
        count::stack_lost(ProbeId::GoPark);
    }
    let pending = GoWaitPending {
        key: GoWaitKey {
            stack,
            creator: word(g, waiting.g_gopc),
            tgid,
            reason: reason as u8 as u32,
        },
        since_ns: now,
    };
    note(goroutine(tgid, g), pending);
    0
}

/// In `runtime.execute(gp, …)`, after its stack check: a goroutine is about to run.
#[uprobe]
pub fn go_execute(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let tgid = tgid();
    let Some(waiting) = waiting(tgid) else {
        return 0;
    };
    count::hit(ProbeId::GoExecute);
    let [g, ..] = arguments(&ctx);
    let key = goroutine(tgid, g);
    let Some(pending) = GO_WAIT_PENDING.get_ptr_mut(key) else {
        // What a look from outside has seen of it is no longer so.
        note(key, GoWaitPending::default());
        return 0;
    };
    // SAFETY: one thread runs the goroutine.
    let pending = unsafe { &mut *pending };
    let mut since = pending.since_ns;
    if since == 0 {
        return 0;
    }
    pending.since_ns = 0;
    if since < waiting.begin_ns {
        since = waiting.begin_ns;
    }
    if since <= now {
        add(&pending.key, now - since);
    }
    0
}

/// Writing in place costs less than inserting.
#[inline(always)]
fn note(key: GoroutineKey, pending: GoWaitPending) {
    if let Some(known) = GO_WAIT_PENDING.get_ptr_mut(key) {
        // SAFETY: it is of the goroutine that runs here.
        unsafe { known.write(pending) };
    } else if GO_WAIT_PENDING.insert(key, pending, 0).is_err() {
        count::full(ProbeId::GoPark);
    }
}

/// Goroutines with the same stack may begin to run on several CPUs in the same moment.
#[inline(always)]
fn add(key: &GoWaitKey, waited_ns: u64) {
    if add_to_known(key, waited_ns) {
        return;
    }
    let first = GoWaitTime {
        count: 1,
        total_ns: waited_ns,
        max_ns: waited_ns,
    };
    let inserted = GO_WAITS.insert(key, first, u64::from(BPF_NOEXIST));
    if inserted.is_err() && !add_to_known(key, waited_ns) {
        count::full(ProbeId::GoExecute);
    }
}

#[inline(always)]
fn add_to_known(key: &GoWaitKey, waited_ns: u64) -> bool {
    let Some(sum) = GO_WAITS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: words of the map's element, added to atomically; the longest may miss another one.
    unsafe {
        atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*sum).count, 1);
        atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*sum).total_ns, waited_ns);
        if waited_ns > (*sum).max_ns {
            (*sum).max_ns = waited_ns;
        }
    }
    true
}
