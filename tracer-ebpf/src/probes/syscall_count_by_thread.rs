//! As [`super::syscall_count`], for kernels whose programs cannot compare and exchange (before
//! Linux 5.12).
//!
//! The time of entry waits in a hash by thread. Nobody but the thread touches its entry, so no
//! exchange is needed; two look-ups in the hash make each call somewhat dearer. The kernel checks
//! each program on its own: these two hold no instruction that it does not know.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::probe::ProbeId;

use super::syscall::{Registers, begins};
use super::syscall_count::{record, unseen};
use crate::{
    constants::traces_syscall,
    count, filter,
    maps::{InFlight, SPILLED},
};

#[btf_tracepoint(function = "sys_enter")]
pub fn syscall_count_enter_by_thread(ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    let nr = ctx.arg::<u64>(1) as u32;
    if !begins((id >> 32) as u32, nr) {
        count::foreign(ProbeId::SyscallCountEnter);
        return 0;
    }
    if !traces_syscall(nr) {
        count::skipped(ProbeId::SyscallCountEnter);
        return 0;
    }
    count::hit(ProbeId::SyscallCountEnter);
    // SAFETY: the helper has no preconditions.
    let enter_ns = unsafe { bpf_ktime_get_ns() };
    let nr = u64::from(nr);
    // Writing in place costs less than inserting.
    if let Some(entry) = SPILLED.get_ptr_mut(id) {
        // SAFETY: the entry is this thread's.
        unsafe {
            (*entry).nr = nr;
            (*entry).enter_ns = enter_ns;
            (*entry).owner = id;
        }
        return 0;
    }
    let entry = InFlight {
        owner: id,
        enter_ns,
        nr,
        pad: [0; 5],
    };
    if SPILLED.insert(id, entry, 0).is_err() {
        count::full(ProbeId::SyscallCountEnter);
    }
    0
}

#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_count_exit_by_thread(ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    if !filter::is_target((id >> 32) as u32) {
        return 0;
    }
    if let Some(entry) = SPILLED.get_ptr_mut(id) {
        // SAFETY: the entry is this thread's.
        unsafe {
            if (*entry).owner == id {
                (*entry).owner = 0;
                record(
                    (*entry).nr as u32,
                    Some((*entry).enter_ns),
                    ctx.arg::<i64>(1),
                );
                return 0;
            }
        }
    }
    unseen(ctx.arg::<i64>(1), || {
        Registers::from_ptr(ctx.arg::<*const u64>(0))
    });
    0
}
