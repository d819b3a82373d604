//! How long runnable threads wait for a CPU.

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{probe::ProbeId, stats::RunQueueStats};

use super::syscall_count::add_latency;
use crate::{
    count, filter,
    maps::{RUN_QUEUE, RUNNABLE, Runnable, ZERO_RUN_QUEUE},
    task::Task,
};

/// Arguments: preempted, previous task, next task.
#[btf_tracepoint(function = "sched_switch")]
pub fn run_queue_switch(ctx: BtfTracePointContext) -> i32 {
    let prev = Task::from_ptr(ctx.arg(1));
    let next = Task::from_ptr(ctx.arg(2));
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let tgid = prev.tgid();
    let from_target = filter::is_target(tgid);
    if from_target {
        count::hit(ProbeId::RunQueueSwitch);
        leaves(&ctx, tgid, prev, now);
    }
    let tgid = next.tgid();
    if filter::is_target(tgid) {
        begins_to_run(tgid, next, now);
    } else if !from_target {
        count::foreign(ProbeId::RunQueueSwitch);
    }
    0
}

#[inline(always)]
fn leaves(ctx: &BtfTracePointContext, tgid: u32, task: Task, now: u64) {
    let Some(stats) = stats_of(tgid, task) else {
        return;
    };
    if ctx.arg::<u64>(0) as u8 == 0 && task.state() != 0 {
        stats.voluntary += 1;
        // A thread may have been preempted after it told its end, and been put back.
        if task.is_dead() {
            let _ = RUNNABLE.remove(task.tid());
        }
        return;
    }
    stats.involuntary += 1;
    becomes_runnable(task.tid(), now, ProbeId::RunQueueSwitch);
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
    // SAFETY: the helper has no preconditions.
    let cpu = u64::from(unsafe { bpf_get_smp_processor_id() } as u32) + 1;
    if runnable.last_cpu != 0 && runnable.last_cpu != cpu {
        stats.migrations += 1;
    }
    runnable.last_cpu = cpu;
    if runnable.since_ns == 0 {
        return;
    }
    stats.latency.count += 1;
    add_latency(&mut stats.latency, now.wrapping_sub(runnable.since_ns));
    runnable.since_ns = 0;
}

#[inline(always)]
fn becomes_runnable(tid: u32, now: u64, probe: ProbeId) {
    if let Some(runnable) = RUNNABLE.get_ptr_mut(tid) {
        // SAFETY: the thread is not running; a second wakeup changes nothing.
        unsafe {
            if (*runnable).since_ns == 0 {
                (*runnable).since_ns = now;
            }
        }
        return;
    }
    if RUNNABLE
        .insert(
            tid,
            Runnable {
                since_ns: now,
                last_cpu: 0,
            },
            0,
        )
        .is_err()
    {
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
    woken(Task::from_ptr(ctx.arg(0)));
    0
}

/// Argument: the task that is made runnable for the first time.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn run_queue_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(Task::from_ptr(ctx.arg(0)));
    0
}

#[inline(always)]
fn woken(task: Task) {
    if !filter::is_target(task.tgid()) {
        return;
    }
    count::hit(ProbeId::RunQueueWakeup);
    // SAFETY: the helper has no preconditions.
    becomes_runnable(
        task.tid(),
        unsafe { bpf_ktime_get_ns() },
        ProbeId::RunQueueWakeup,
    );
}
