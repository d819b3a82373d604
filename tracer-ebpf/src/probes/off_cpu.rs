//! Where threads leave the CPU, for how long, and how long they then wait to run.

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_F_USER_STACK,
    helpers::{
        bpf_ktime_get_ns,
        generated::{bpf_get_prandom_u32, bpf_get_stackid},
    },
    macros::btf_tracepoint,
    maps::HashMap,
    programs::BtfTracePointContext,
};
use tracer_common::{
    probe::ProbeId,
    stats::{BEFORE_RUN, MORE_STACKS_BIT, OffCpuKey, OffCpuPending, OffCpuTime, UNWOUND_BIT},
};

use super::{on_cpu, waker};
use crate::{
    constants::{
        max_block_ns, min_block_ns, want_kernel_stack, want_on_cpu, want_user_stack, want_wakers,
    },
    count, filter,
    maps::{
        MORE_STACKS, OFF_CPU, OFF_CPU_PENDING, OFF_CPU_SKIP, STACKS, SWITCHED, UNWOUND_STACKS,
        switched as of, walk,
    },
    task::Task,
    unwind,
};

/// User stacks along frame pointers.
#[btf_tracepoint(function = "sched_switch")]
pub fn off_cpu_switch(ctx: BtfTracePointContext) -> i32 {
    switch(&ctx, |_| stack(&ctx, BPF_F_USER_STACK).into())
}

/// User stacks with unwind tables, where the process has any.
#[btf_tracepoint(function = "sched_switch")]
pub fn off_cpu_switch_unwind(ctx: BtfTracePointContext) -> i32 {
    switch(&ctx, |tgid| {
        with_tables(tgid).unwrap_or_else(|| stack(&ctx, BPF_F_USER_STACK).into())
    })
}

/// A user stack's id, as in [`OffCpuKey`].
struct UserStack {
    id: i32,
    high: u32,
}

impl From<i32> for UserStack {
    #[inline(always)]
    fn from(id: i32) -> Self {
        Self { id, high: 0 }
    }
}

#[inline(always)]
fn with_tables(tgid: u32) -> Option<UserStack> {
    let walked = unwind::walk(walk::OFF_CPU, tgid)?;
    // SAFETY: this CPU's slot of the map.
    let walked = unsafe { &*walked };
    let (low, high) = (walked.hash as u32, (walked.hash >> 32) as u32);
    let id = low & (UNWOUND_BIT - 1) | UNWOUND_BIT;
    let key = u64::from(high) << 32 | u64::from(id);
    if UNWOUND_STACKS.get_ptr(key).is_none()
        && UNWOUND_STACKS.insert(key, &walked.stack, 0).is_err()
    {
        count::stack_lost(ProbeId::OffCpuSwitch);
        return Some(NO_ROOM.into());
    }
    Some(UserStack {
        id: id as i32,
        high,
    })
}

/// Arguments: preempted, previous task (the current one), next task.
#[inline(always)]
fn switch(ctx: &BtfTracePointContext, user_stack: impl FnOnce(u32) -> UserStack) -> i32 {
    // Read once: a switch is measured as a whole or not at all.
    let skip = skip();
    if skip == NOTHING {
        return 0;
    }
    let prev = Task::from_ptr(ctx.arg(1));
    let next = Task::from_ptr(ctx.arg(2));
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let before = switched(of::OFF_CPU, now);
    let next_tgid = next.tgid();
    let to_target = filter::is_target(next_tgid);
    let all_time = want_on_cpu() != 0;
    if to_target {
        begins_to_run(next.tid(), now);
        if all_time {
            on_cpu::begins(next_tgid, next, now);
        }
    }
    let tgid = prev.tgid();
    if filter::is_target(tgid) {
        if let Some(began) = began_untold(prev.tid(), before, now) {
            count::unpaired(ProbeId::OffCpuSwitch);
            begins_to_run(prev.tid(), began);
            if all_time {
                on_cpu::begins(tgid, prev, began);
            }
        }
        if all_time {
            on_cpu::stops(tgid, prev, now);
        }
        if prev.is_dead() {
            // Its last switch: it never comes back, and would keep its room.
            let _ = OFF_CPU_PENDING.remove(prev.tid());
            return 0;
        }
        let weight = weight(skip);
        if weight == 0 {
            count::skipped(ProbeId::OffCpuSwitch);
        } else {
            count::hit(ProbeId::OffCpuSwitch);
            leaves(ctx, tgid, prev, now, weight, user_stack);
        }
    } else if !to_target {
        count::foreign(ProbeId::OffCpuSwitch);
    }
    0
}

/// Notes that this CPU switches now, and returns when it did so last, in ns. Each program that asks
/// has its own note.
#[inline(always)]
pub(super) fn switched(program: u32, now: u64) -> u64 {
    let Some(last) = SWITCHED.get_ptr_mut(program) else {
        return 0;
    };
    // SAFETY: this CPU's slot of the map.
    unsafe { last.replace(now) }
}

/// When a thread that leaves the CPU began to run, if no event told that. Linux 6.18 was seen to
/// tell of no switch away from some tasks. Whom it switched to is then found on the CPU, after the
/// last switch that was told there.
#[inline(always)]
fn began_untold(tid: u32, before: u64, now: u64) -> Option<u64> {
    let pending = OFF_CPU_PENDING.get_ptr(tid)?;
    // SAFETY: the thread is on this CPU and on no other.
    let pending = unsafe { &*pending };
    // Who was there before the run may have run from its beginning on.
    if pending.out_ns == 0 || pending.key.user_stack == BEFORE_RUN {
        return None;
    }
    let earliest = pending.out_ns.max(pending.woken_ns);
    Some(before.max(earliest).min(now))
}

/// How many switches this one stands for; 0 when it is passed over. Chance decides, so that no
/// rhythm of the target's is missed.
#[inline(always)]
fn weight(skip: u32) -> u64 {
    if skip == 0 {
        return 1;
    }
    // SAFETY: the helper has no preconditions.
    if unsafe { bpf_get_prandom_u32() } & skip != 0 {
        return 0;
    }
    u64::from(skip) + 1
}

/// Value of [`OFF_CPU_SKIP`] while nothing is measured.
pub(super) const NOTHING: u32 = u32::MAX;

#[inline(always)]
pub(super) fn skip() -> u32 {
    match OFF_CPU_SKIP.get(0) {
        Some(skip) => *skip,
        None => 0,
    }
}

#[inline(always)]
fn leaves(
    ctx: &BtfTracePointContext,
    tgid: u32,
    task: Task,
    now: u64,
    weight: u64,
    user_stack: impl FnOnce(u32) -> UserStack,
) {
    let preempted = ctx.arg::<u64>(0) as u8 != 0;
    let state = if preempted { 0 } else { task.state() };
    let tid = task.tid();
    let user = if want_user_stack() != 0 {
        user_stack(tgid)
    } else {
        UserStack { id: -1, high: 0 }
    };
    let key = OffCpuKey {
        tgid,
        tid,
        kernel_stack: if want_kernel_stack() != 0 {
            stack(ctx, 0)
        } else {
            -1
        },
        user_stack: user.id,
        state,
        user_stack_high: user.high,
        comm: task.comm(),
    };
    // A task that stays runnable waits for a CPU from now on.
    let woken_ns = if state == 0 { now } else { 0 };
    let pending = OffCpuPending {
        key,
        out_ns: now,
        woken_ns,
        weight,
    };
    // Writing in place costs less than inserting.
    if let Some(slot) = OFF_CPU_PENDING.get_ptr_mut(tid) {
        // SAFETY: the thread is leaving this CPU and is on no other.
        unsafe { *slot = pending };
    } else if OFF_CPU_PENDING.insert(tid, pending, 0).is_err() {
        count::full(ProbeId::OffCpuSwitch);
    }
}

/// Id of the current stack. Negative when it could not be stored: counted, except for the missing
/// user stack of a kernel thread (`EFAULT`).
#[inline(always)]
pub(super) fn stack(ctx: &BtfTracePointContext, flags: u32) -> i32 {
    // SAFETY: a BTF tracepoint context and a stack map, as the helper requires.
    let id = unsafe {
        bpf_get_stackid(
            ctx.as_ptr(),
            (&raw const STACKS).cast_mut().cast(),
            u64::from(flags),
        )
    } as i32;
    if id != EEXIST {
        if id < 0 && id != EFAULT {
            count::stack_lost(ProbeId::OffCpuSwitch);
        }
        return id;
    }
    // SAFETY: as above.
    let id = unsafe {
        bpf_get_stackid(
            ctx.as_ptr(),
            (&raw const MORE_STACKS).cast_mut().cast(),
            u64::from(flags),
        )
    } as i32;
    if id < 0 {
        count::stack_lost(ProbeId::OffCpuSwitch);
        return id;
    }
    id | MORE_STACKS_BIT as i32
}

/// `-ENOMEM`: a map is full.
const NO_ROOM: i32 = -12;
/// Another stack has the slot.
const EEXIST: i32 = -17;
const EFAULT: i32 = -14;

#[inline(always)]
fn begins_to_run(tid: u32, now: u64) {
    let Some(pending) = OFF_CPU_PENDING.get_ptr_mut(tid) else {
        return;
    };
    // SAFETY: only this CPU switches to the thread now.
    let pending = unsafe { &mut *pending };
    if pending.out_ns == 0 {
        return;
    }
    let (key, out_ns, weight) = (pending.key, pending.out_ns, pending.weight);
    // A wakeup on another CPU may read the clock before the switch does, and write after it.
    let woken = match pending.woken_ns {
        0 => now,
        woken => woken.max(out_ns).min(now),
    };
    pending.out_ns = 0;
    let blocked_ns = woken.saturating_sub(out_ns);
    if blocked_ns < min_block_ns() || blocked_ns > max_block_ns() {
        return;
    }
    let time = OffCpuTime {
        count: weight,
        blocked_ns: blocked_ns * weight,
        runnable_ns: now.saturating_sub(woken) * weight,
        max_ns: now.saturating_sub(out_ns),
    };
    if want_wakers() != 0 {
        waker::add(&key, out_ns, time);
    } else {
        add(&OFF_CPU, &key, time);
    }
}

/// Adds to what a map has under a key, which names the thread.
#[inline(always)]
pub(super) fn add<K>(map: &HashMap<K, OffCpuTime>, key: &K, time: OffCpuTime) {
    if let Some(sum) = map.get_ptr_mut(key) {
        // SAFETY: the key names the thread, which is on one CPU at a time.
        let sum = unsafe { &mut *sum };
        sum.count += time.count;
        sum.blocked_ns += time.blocked_ns;
        sum.runnable_ns += time.runnable_ns;
        if time.max_ns > sum.max_ns {
            sum.max_ns = time.max_ns;
        }
        return;
    }
    if map.insert(key, time, 0).is_err() {
        count::full(ProbeId::OffCpuSwitch);
    }
}

/// Argument: the task that is made runnable.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn off_cpu_wakeup(ctx: BtfTracePointContext) -> i32 {
    let task = Task::from_ptr(ctx.arg(0));
    if !filter::is_target(task.tgid()) {
        return 0;
    }
    count::hit(ProbeId::OffCpuWakeup);
    if let Some(pending) = OFF_CPU_PENDING.get_ptr_mut(task.tid()) {
        // SAFETY: the thread is off the CPU; a second wakeup does not find 0.
        unsafe {
            if (*pending).woken_ns == 0 {
                (*pending).woken_ns = bpf_ktime_get_ns();
            }
        }
    }
    0
}
