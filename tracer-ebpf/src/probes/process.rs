//! Births, new programs and deaths of tasks.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use aya_log_ebpf::warn;
use tracer_common::{
    config::target,
    event::{Exec, Exit, Fork, Kind},
    probe::ProbeId,
};

use super::{exec_arguments, on_cpu, syscall_count};
use crate::{
    cold,
    constants::want_last_place,
    count, emit, filter,
    maps::{FATAL, OFF_CPU_PENDING, RUNNABLE, TARGETS},
    task::Task,
    unwind,
};

/// Arguments: parent, child.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent = Task::from_ptr(ctx.arg(0));
    on_fork(&ctx, parent.tgid(), Task::from_ptr(ctx.arg(1)));
    0
}

/// The child's first way onto a run queue, where its parent brings it with interrupts off.
/// Argument: the child.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn process_fork_at_wakeup(ctx: BtfTracePointContext) -> i32 {
    let parent = (bpf_get_current_pid_tgid() >> 32) as u32;
    on_fork(&ctx, parent, Task::from_ptr(ctx.arg(0)));
    0
}

#[inline(always)]
fn on_fork(ctx: &BtfTracePointContext, parent: u32, child: Task) {
    let flags = filter::raw_flags(parent);
    if flags == 0 {
        return;
    }
    let child_tgid = child.tgid();
    if flags & target::FOLLOW != 0 && TARGETS.insert(child_tgid, flags, 0).is_err() {
        count::full(ProbeId::Fork);
        warn!(
            ctx,
            "too many processes: child {} is not followed", child_tgid
        );
    }
    if flags & target::AWAIT_EXEC != 0 {
        return;
    }
    if child_tgid != parent {
        unwind::inherit(parent, child_tgid);
    }
    count::hit(ProbeId::Fork);
    let record = Fork {
        header: emit::header(Kind::Fork, size_of::<Fork>()),
        child_tgid,
        child_tid: child.tid(),
        comm: child.comm(),
    };
    emit::submit(ProbeId::Fork, record);
}

/// Arguments: task, old tid, `struct linux_binprm *`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let (task, old_tid) = (Task::from_ptr(ctx.arg(0)), ctx.arg::<u64>(1) as u32);
    on_exec(task, old_tid);
    read_arguments(&ctx, task, old_tid);
    0
}

/// As [`process_exec`], only what no event of perf has: beside its
/// [`steady`](super::steady::process_exec_steady) form.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec_arguments(ctx: BtfTracePointContext) -> i32 {
    let (task, old_tid) = (Task::from_ptr(ctx.arg(0)), ctx.arg::<u64>(1) as u32);
    read_arguments(&ctx, task, old_tid);
    0
}

/// Reads the arguments of an `execve` that were not in memory when it began.
#[inline(always)]
fn read_arguments(ctx: &BtfTracePointContext, task: Task, old_tid: u32) {
    if filter::is_target(task.tgid()) && cold::take_any(old_tid) & cold::RULES != 0 {
        exec_arguments::send(task, old_tid, ctx.arg(2));
    }
}

/// The running thread, `task`, which was `old_tid` so far, has a new program.
#[inline(always)]
pub fn on_exec(task: Task, old_tid: u32) {
    let tgid = task.tgid();
    let flags = filter::raw_flags(tgid);
    if flags == 0 {
        return;
    }
    // A launched command counts from its program on where no probe saw its `execve` begin.
    if flags & target::AWAIT_EXEC != 0 {
        let _ = TARGETS.insert(tgid, flags & !target::AWAIT_EXEC, 0);
    }
    unwind::forget(tgid);
    count::hit(ProbeId::Exec);
    let record = Exec {
        header: emit::header(Kind::Exec, size_of::<Exec>()),
        old_tid,
        reserved: 0,
        comm: task.comm(),
    };
    emit::submit(ProbeId::Exec, record);
}

/// Argument: task.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn process_exit(ctx: BtfTracePointContext) -> i32 {
    on_exit(Task::from_ptr(ctx.arg(0)));
    0
}

/// The running thread, `task`, ends.
#[inline(always)]
pub fn on_exit(task: Task) {
    let (tgid, tid) = (task.tgid(), task.tid());
    let flags = filter::raw_flags(tgid);
    if flags == 0 {
        return;
    }
    syscall_count::forget(bpf_get_current_pid_tgid());
    on_cpu::ends(task);
    let _ = OFF_CPU_PENDING.remove(tid);
    let _ = RUNNABLE.remove(tid);
    let group_dead = task.group_dead();
    count::hit(ProbeId::Exit);
    let (pc, sp) = last_place();
    let record = Exit {
        header: emit::header(Kind::Exit, size_of::<Exit>()),
        status: task.exit_code(),
        group_dead: u32::from(group_dead),
        comm: task.comm(),
        pc,
        sp,
    };
    emit::submit(ProbeId::Exit, record);
    if group_dead {
        filter::forget(tgid);
        unwind::forget(tgid);
        let _ = FATAL.remove(tgid);
    }
}

/// Where the running thread's user code was when it entered the kernel for the last time.
#[inline(always)]
fn last_place() -> (u64, u64) {
    match want_last_place() {
        0 => (0, 0),
        _ => Task::user_place(),
    }
}
