//! How long runnable threads wait for a CPU.

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{probe::ProbeId, stats::RunQueueStats};

use super::{off_cpu::switched, syscall_count::add_latency};
use crate::{
    count, filter,
    maps::{RUN_QUEUE, RUNNABLE, Runnable, ZERO_RUN_QUEUE, switched as of, whereabouts},
    task::Task,
};

/// Arguments: preempted, previous task, next task.
#[btf_tracepoint(function = "sched_switch")]
pub fn run_queue_switch(ctx: BtfTracePointContext) -> i32 {
    let prev = Task::from_ptr(ctx.arg(1));
    let next = Task::from_ptr(ctx.arg(2));
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let before = switched(of::RUN_QUEUE, now);
    let tgid = prev.tgid();
    let from_target = filter::is_target(tgid);
    if from_target {
        count::hit(ProbeId::RunQueueSwitch);
        leaves(&ctx, tgid, prev, before, now);
    }
    let tgid = next.tgid();
    if filter::is_target(tgid) {
        begins_to_run(tgid, next, now);
    } else if !from_target {
        count::foreign(ProbeId::RunQueueSwitch);
    }
    0
}

/// `before` is when this CPU switched last, as far as the kernel told.
#[inline(always)]
fn leaves(ctx: &BtfTracePointContext, tgid: u32, task: Task, before: u64, now: u64) {
    let Some(stats) = stats_of(tgid, task) else {
        return;
    };
    let tid = task.tid();
    let waits = ctx.arg::<u64>(0) as u8 == 0 && task.state() != 0;
    let since_ns = if waits { 0 } else { now };
    let known = RUNNABLE.get_ptr_mut(tid);
    if let Some(runnable) = known {
        // SAFETY: the thread is on this CPU and on no other.
        let runnable = unsafe { &mut *runnable };
        began_untold(stats, runnable, before, now);
        // It may also have been woken before it slept.
        runnable.since_ns = since_ns;
        runnable.whereabouts = whereabouts::OFF_CPU;
    }
    if waits {
        stats.voluntary += 1;
        // A thread may have been preempted after it told its end, and been put back.
        if task.is_dead() {
            let _ = RUNNABLE.remove(tid);
        }
        return;
    }
    stats.involuntary += 1;
    if known.is_none() {
        let runnable = Runnable {
            since_ns,
            last_cpu: this_cpu(),
            whereabouts: whereabouts::OFF_CPU,
        };
        insert(tid, runnable, ProbeId::RunQueueSwitch);
    }
}

/// A thread that was off the CPU leaves one: Linux 6.18 was seen to tell of no switch away from some
/// tasks, nor then to whom it switches. It began to run after the last switch that was told there.
#[inline(always)]
fn began_untold(stats: &mut RunQueueStats, runnable: &mut Runnable, before: u64, now: u64) {
    if runnable.whereabouts != whereabouts::OFF_CPU {
        return;
    }
    count::unpaired(ProbeId::RunQueueSwitch);
    runs(stats, runnable, before.max(runnable.since_ns).min(now));
}

#[inline(always)]
fn begins_to_run(tgid: u32, task: Task, now: u64) {
    let Some(runnable) = RUNNABLE.get_ptr_mut(task.tid()) else {
        return;
    };
    let Some(stats) = stats_of(tgid, task) else {
        return;
    };
    // SAFETY: only this CPU switches to the thread now.
    let runnable = unsafe { &mut *runnable };
    left_untold(stats, runnable);
    runs(stats, runnable, now);
}

/// A thread that was on a CPU gets one: of its switch away the kernel did not tell (see
/// [`began_untold`]). Who was not woken since had been preempted.
#[inline(always)]
fn left_untold(stats: &mut RunQueueStats, runnable: &Runnable) {
    if runnable.whereabouts != whereabouts::ON_CPU {
        return;
    }
    count::unpaired(ProbeId::RunQueueSwitch);
    if runnable.since_ns != 0 {
        stats.voluntary += 1;
    } else {
        stats.involuntary += 1;
    }
}

/// The thread has this CPU from `began` on.
#[inline(always)]
fn runs(stats: &mut RunQueueStats, runnable: &mut Runnable, began: u64) {
    let cpu = this_cpu();
    if runnable.last_cpu != 0 && runnable.last_cpu != cpu {
        stats.migrations += 1;
    }
    runnable.last_cpu = cpu;
    runnable.whereabouts = whereabouts::ON_CPU;
    if runnable.since_ns == 0 {
        return;
    }
    stats.latency.count += 1;
    // The clock of the CPU that woke it may be ahead by a little.
    let waited = began.saturating_sub(runnable.since_ns);
    add_latency(&mut stats.latency, waited);
    runnable.since_ns = 0;
}

/// As in [`Runnable::last_cpu`].
#[inline(always)]
fn this_cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    (unsafe { bpf_get_smp_processor_id() } as u32).wrapping_add(1)
}

#[inline(always)]
fn insert(tid: u32, runnable: Runnable, probe: ProbeId) {
    if RUNNABLE.insert(tid, runnable, 0).is_err() {
        count::full(probe);
    }
}

#[inline(always)]
fn stats_of<'a>(tgid: u32, task: Task) -> Option<&'a mut RunQueueStats> {
    let tid = task.tid();
    if let Some(stats) = RUN_QUEUE.get_ptr_mut(tid) {
        // SAFETY: the key is the thread, which is switched on one CPU at a time.
        return Some(unsafe { &mut *stats });
    }
    let zero = ZERO_RUN_QUEUE.get(0)?;
    if RUN_QUEUE.insert(tid, zero, 0).is_err() {
        count::full(ProbeId::RunQueueSwitch);
        return None;
    }
    // SAFETY: as above.
    let stats = unsafe { &mut *RUN_QUEUE.get_ptr_mut(tid)? };
    stats.tgid = tgid;
    stats.comm = task.comm();
    Some(stats)
}

/// Argument: the task that is made runnable.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn run_queue_wakeup(ctx: BtfTracePointContext) -> i32 {
    woken(Task::from_ptr(ctx.arg(0)), whereabouts::UNKNOWN);
    0
}

/// Argument: the task that is made runnable for the first time.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn run_queue_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(Task::from_ptr(ctx.arg(0)), whereabouts::OFF_CPU);
    0
}

/// Who is about to sleep but still runs may be woken, too: that begins no wait, unless its switch
/// away is one of those of which the kernel does not tell. `whereabouts` is that of a thread of
/// which nothing is known.
#[inline(always)]
fn woken(task: Task, whereabouts: u32) {
    if !filter::is_target(task.tgid()) {
        return;
    }
    count::hit(ProbeId::RunQueueWakeup);
    let tid = task.tid();
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(runnable) = RUNNABLE.get_ptr_mut(tid) {
        // SAFETY: a word that is written whole; a second wakeup changes nothing.
        unsafe {
            if (*runnable).since_ns == 0 {
                (*runnable).since_ns = now;
            }
        }
        return;
    }
    let runnable = Runnable {
        since_ns: now,
        last_cpu: 0,
        whereabouts,
    };
    insert(tid, runnable, ProbeId::RunQueueWakeup);
}
