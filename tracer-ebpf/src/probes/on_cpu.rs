//! How long threads are on the CPU, to the ns: told by the program that times their waits.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{
    probe::ProbeId,
    stats::{OffCpuKey, OffCpuPending, ThreadTime},
};

use super::off_cpu::{NOTHING, skip};
use crate::{
    count, filter,
    maps::{OFF_CPU_PENDING, ON_CPU},
    task::Task,
};

/// A thread gets a CPU. `now` is that of the end of its wait: nothing is between the two.
#[inline(always)]
pub fn begins(tgid: u32, task: Task, now: u64) {
    if let Some(time) = time_of(tgid, task, now) {
        // Should it have left a CPU without an event, it counts as running meanwhile.
        if time.since_ns == 0 || time.unseen != 0 {
            time.since_ns = now;
        }
        seen(time, now);
    }
}

/// A thread leaves its CPU. `now` is that of the beginning of its wait.
#[inline(always)]
pub fn stops(tgid: u32, task: Task, now: u64) {
    if let Some(time) = time_of(tgid, task, now) {
        leaves(time, now);
    }
}

/// Adds the time since it was given the CPU; since the run began, when it has had it all the time.
#[inline(always)]
fn leaves(time: &mut ThreadTime, now: u64) {
    if time.since_ns != 0 {
        time.cpu_ns += now.wrapping_sub(time.since_ns);
        time.since_ns = 0;
    }
    seen(time, now);
}

/// What a thread does after its exit still counts, as far as it is seen: its process may be no
/// target any more.
#[inline(always)]
fn seen(time: &mut ThreadTime, now: u64) {
    time.unseen = 0;
    if time.end_ns != 0 {
        time.end_ns = now;
    }
}

/// The entry of a thread, a new one where there is none.
#[inline(always)]
fn time_of<'a>(tgid: u32, task: Task, now: u64) -> Option<&'a mut ThreadTime> {
    let tid = task.tid();
    if let Some(time) = ON_CPU.get_ptr_mut(tid) {
        // SAFETY: the key is the thread, which is switched on one CPU at a time.
        return Some(unsafe { &mut *time });
    }
    insert(tgid, task, now);
    // SAFETY: as above.
    Some(unsafe { &mut *ON_CPU.get_ptr_mut(tid)? })
}

#[inline(always)]
fn insert(tgid: u32, task: Task, now: u64) {
    let time = ThreadTime {
        tgid,
        unseen: 0,
        comm: task.comm(),
        begin_ns: now,
        end_ns: 0,
        since_ns: 0,
        cpu_ns: 0,
    };
    if ON_CPU.insert(task.tid(), time, 0).is_err() {
        count::full(ProbeId::OnCpuNew);
    }
}

/// A thread begins by waiting for a CPU. Argument: the new task.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn on_cpu_new(ctx: BtfTracePointContext) -> i32 {
    if skip() == NOTHING {
        return 0;
    }
    let task = Task::from_ptr(ctx.arg(0));
    let tgid = task.tgid();
    if !filter::is_target(tgid) {
        return 0;
    }
    count::hit(ProbeId::OnCpuNew);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    insert(tgid, task, now);
    let tid = task.tid();
    let key = OffCpuKey {
        tgid,
        tid,
        kernel_stack: -1,
        user_stack: -1,
        state: 0,
        user_stack_high: 0,
        comm: task.comm(),
    };
    let pending = OffCpuPending {
        key,
        out_ns: now,
        woken_ns: now,
        weight: 1,
    };
    if OFF_CPU_PENDING.insert(tid, pending, 0).is_err() {
        count::full(ProbeId::OnCpuNew);
    }
    0
}

/// The running thread, `task`, ends, and may not be seen again. Its name is what it was last.
#[inline(always)]
pub fn ends(task: Task) {
    let Some(time) = ON_CPU.get_ptr_mut(task.tid()) else {
        return;
    };
    // SAFETY: the key is the running thread.
    let time = unsafe { &mut *time };
    if time.end_ns == 0 && skip() != NOTHING {
        // SAFETY: the helper has no preconditions.
        let now = unsafe { bpf_ktime_get_ns() };
        leaves(time, now);
        time.since_ns = now;
        time.end_ns = now;
        time.comm = task.comm();
    }
}
