//! The probes of [`super::syscall`], [`super::syscall_count`] and [`super::process`] for kernels
//! that let a program on a tracepoint be preempted.
//!
//! There, while a thread is preempted in a program, the kernel leaves out the program's runs for
//! all other threads of the CPU. It keeps preemption off in programs that it runs for a perf event
//! on the tracepoint, so that these miss nothing; each run costs some tens of ns more. Such a
//! program gets the event's fields in the place of the tracepoint's arguments: their offsets are
//! those of `events/CATEGORY/NAME/format` in tracefs, the same on all architectures.

use aya_ebpf::{EbpfContext, macros::tracepoint, programs::TracePointContext};

use super::{process, syscall, syscall::Registers, syscall_count};
use crate::task::Task;

/// `id` of `raw_syscalls/sys_enter` and `sys_exit`.
const NR: usize = 8;
/// `ret` of `raw_syscalls/sys_exit`.
const RET: usize = 16;
/// `old_pid` of `sched/sched_process_exec`.
const OLD_TID: usize = 16;

/// A field of the event.
#[inline(always)]
fn field<T: Copy>(ctx: &TracePointContext, offset: usize) -> T {
    // SAFETY: the verifier checks that the field is within the event.
    unsafe {
        ctx.as_ptr()
            .cast::<u8>()
            .add(offset)
            .cast::<T>()
            .read_volatile()
    }
}

#[tracepoint]
pub fn syscall_enter_steady(ctx: TracePointContext) -> u32 {
    on_enter::<false>(&ctx)
}

#[tracepoint]
pub fn syscall_enter_steady_unwind(ctx: TracePointContext) -> u32 {
    on_enter::<true>(&ctx)
}

#[inline(always)]
fn on_enter<const TABLES: bool>(ctx: &TracePointContext) -> u32 {
    let nr = field::<u64>(ctx, NR) as u32;
    syscall::on_enter::<TABLES>(ctx.as_ptr(), nr, Registers::current);
    0
}

#[tracepoint]
pub fn syscall_exit_steady(ctx: TracePointContext) -> u32 {
    on_exit::<false>(&ctx)
}

#[tracepoint]
pub fn syscall_exit_steady_unwind(ctx: TracePointContext) -> u32 {
    on_exit::<true>(&ctx)
}

#[inline(always)]
fn on_exit<const TABLES: bool>(ctx: &TracePointContext) -> u32 {
    let ret = field::<i64>(ctx, RET);
    syscall::on_exit::<TABLES>(ctx.as_ptr(), ret, Registers::current);
    0
}

#[tracepoint]
pub fn syscall_count_enter_steady(ctx: TracePointContext) -> u32 {
    syscall_count::on_enter(field::<u64>(&ctx, NR) as u32);
    0
}

#[tracepoint]
pub fn syscall_count_exit_steady(ctx: TracePointContext) -> u32 {
    syscall_count::on_exit(field::<i64>(&ctx, RET), Registers::current);
    0
}

#[tracepoint]
pub fn process_exec_steady(ctx: TracePointContext) -> u32 {
    process::on_exec(Task::current(), field::<u32>(&ctx, OLD_TID));
    0
}

#[tracepoint]
pub fn process_exit_steady(_: TracePointContext) -> u32 {
    process::on_exit(Task::current());
    0
}
