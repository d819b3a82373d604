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

use super::syscall_count;
use crate::{
    count, emit, filter,
    maps::{OFF_CPU_PENDING, RUNNABLE, TARGETS},
    task::Task,
};

/// Arguments: parent, child.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent = Task::from_ptr(ctx.arg(0));
    let child = Task::from_ptr(ctx.arg(1));
    let flags = filter::raw_flags(parent.tgid());
    if flags == 0 {
        return 0;
    }
    let child_tgid = child.tgid();
    if flags & target::FOLLOW != 0 && TARGETS.insert(child_tgid, flags, 0).is_err() {
        count::full(ProbeId::Fork);
        warn!(
            &ctx,
            "too many processes: child {} is not followed", child_tgid
        );
    }
    if flags & target::AWAIT_EXEC != 0 {
        return 0;
    }
    count::hit(ProbeId::Fork);
    let record = Fork {
        header: emit::header(Kind::Fork, size_of::<Fork>()),
        child_tgid,
        child_tid: child.tid(),
        comm: child.comm(),
    };
    emit::submit(ProbeId::Fork, record);
    0
}

/// Arguments: task, old tid, `struct linux_binprm *`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let task = Task::from_ptr(ctx.arg(0));
    let tgid = task.tgid();
    let flags = filter::raw_flags(tgid);
    if flags == 0 {
        return 0;
    }
    // A launched command counts from its program on where no probe saw its `execve` begin.
    if flags & target::AWAIT_EXEC != 0 {
        let _ = TARGETS.insert(tgid, flags & !target::AWAIT_EXEC, 0);
    }
    count::hit(ProbeId::Exec);
    let record = Exec {
        header: emit::header(Kind::Exec, size_of::<Exec>()),
        old_tid: ctx.arg::<u64>(1) as u32,
        reserved: 0,
        comm: task.comm(),
    };
    emit::submit(ProbeId::Exec, record);
    0
}

/// Argument: task.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn process_exit(ctx: BtfTracePointContext) -> i32 {
    let task = Task::from_ptr(ctx.arg(0));
    let (tgid, tid) = (task.tgid(), task.tid());
    let flags = filter::raw_flags(tgid);
    if flags == 0 {
        return 0;
    }
    syscall_count::forget(bpf_get_current_pid_tgid());
    let _ = OFF_CPU_PENDING.remove(tid);
    let _ = RUNNABLE.remove(tid);
    let group_dead = task.group_dead();
    count::hit(ProbeId::Exit);
    let record = Exit {
        header: emit::header(Kind::Exit, size_of::<Exit>()),
        status: task.exit_code(),
        group_dead: u32::from(group_dead),
        comm: task.comm(),
    };
    emit::submit(ProbeId::Exit, record);
    if group_dead {
        filter::forget(tgid);
    }
    0
}
