//! Who ends the waits off the CPU.

use aya_ebpf::{
    bindings::BPF_F_USER_STACK, helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{
    probe::ProbeId,
    stats::{OffCpuKey, OffCpuTime, WakerKey, WokenKey},
};

use super::off_cpu;
use crate::{
    constants::want_user_stack,
    count, filter,
    maps::{OFF_CPU_PENDING, WAKERS, WOKEN, Waker},
    task::Task,
};

const NOBODY: WakerKey = WakerKey {
    tgid: 0,
    tid: 0,
    kernel_stack: -1,
    user_stack: -1,
    comm: [0; 16],
};

/// Runs in the waker, unlike the tracepoint `sched_wakeup`, which another CPU may come by.
/// Argument: the task that is to be made runnable.
#[btf_tracepoint(function = "sched_waking")]
pub fn off_cpu_waker(ctx: BtfTracePointContext) -> i32 {
    let task = Task::from_ptr(ctx.arg(0));
    if !filter::is_target(task.tgid()) {
        count::foreign(ProbeId::OffCpuWaker);
        return 0;
    }
    let tid = task.tid();
    let Some(pending) = OFF_CPU_PENDING.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: words of a preallocated entry; the thread is off the CPU or they are not used.
    let (out_ns, woken_ns) = unsafe { ((*pending).out_ns, (*pending).woken_ns) };
    if out_ns == 0 || woken_ns != 0 || woken_from(tid, out_ns).is_some() {
        return 0;
    }
    count::hit(ProbeId::OffCpuWaker);
    let id = bpf_get_current_pid_tgid();
    let waker = Waker {
        key: WakerKey {
            tgid: (id >> 32) as u32,
            tid: id as u32,
            kernel_stack: off_cpu::stack(&ctx, 0),
            user_stack: if want_user_stack() != 0 {
                off_cpu::stack(&ctx, BPF_F_USER_STACK)
            } else {
                -1
            },
            comm: Task::current().comm(),
        },
        out_ns,
    };
    if WAKERS.insert(tid, waker, 0).is_err() {
        count::full(ProbeId::OffCpuWaker);
    }
    0
}

/// Who woke a thread from the wait that began at `out_ns`.
#[inline(always)]
fn woken_from(tid: u32, out_ns: u64) -> Option<WakerKey> {
    let waker = WAKERS.get_ptr(tid)?;
    // SAFETY: a preallocated entry: at worst it is another wait's, which the time tells.
    let waker = unsafe { &*waker };
    if waker.out_ns == out_ns {
        Some(waker.key)
    } else {
        None
    }
}

/// Adds a wait that has ended, under who ended it.
#[inline(always)]
pub(super) fn add(key: &OffCpuKey, out_ns: u64, time: OffCpuTime) {
    let woken = WokenKey {
        sleeper: *key,
        waker: woken_from(key.tid, out_ns).unwrap_or(NOBODY),
    };
    off_cpu::add(&WOKEN, &woken, time);
}
