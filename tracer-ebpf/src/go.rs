//! The goroutine that the running thread executes.

use aya_ebpf::{
    bindings::bpf_pidns_info,
    helpers::{bpf_probe_read_user, generated::bpf_get_ns_current_pid_tgid},
};
use tracer_common::config::GoOffsets;

use crate::{
    constants::want_goid, go_stack, maps::GO_TARGETS, probes::syscall::Registers, task::Task,
};

/// On whose behalf a thread runs.
#[derive(Clone, Copy)]
pub struct Goroutine {
    /// 0 when there is none: not a Go process, a thread that Go did not make, or the scheduler
    /// itself.
    pub id: u64,
    /// [`GoOffsets::own_code`].
    pub own_code: u32,
}

/// The goroutine of the running thread.
#[inline(always)]
pub fn goroutine(tgid: u32, tid: u32, registers: Registers) -> Goroutine {
    const NONE: Goroutine = Goroutine { id: 0, own_code: 0 };
    if want_goid() == 0 {
        return NONE;
    }
    // SAFETY: entries are written once before the programs are attached, or at exec.
    let Some(offsets) = (unsafe { GO_TARGETS.get(tgid) }) else {
        return NONE;
    };
    Goroutine {
        id: current(offsets, tid, registers).unwrap_or(0),
        own_code: offsets.own_code,
    }
}

/// Who made the goroutine of the running thread (`g.gopc`); 0 where it runs none, or it is not known.
#[inline(always)]
pub fn creator(tgid: u32, tid: u32, registers: Registers) -> u64 {
    // SAFETY: as above.
    let Some(offsets) = (unsafe { GO_TARGETS.get(tgid) }) else {
        return 0;
    };
    running(offsets, tid, registers)
        .and_then(|g| read(g, offsets.g_gopc))
        .unwrap_or(0)
}

/// The goroutine of the running thread: of that itself, or on the scheduler's stack the one that it
/// runs for. `m.procid` is asked as in [`current`].
#[inline(always)]
fn running(offsets: &GoOffsets, tid: u32, registers: Registers) -> Option<u64> {
    let g = thread_g(offsets, registers)?;
    let goid = read(g, offsets.g_goid)?;
    if goid != 0 && offsets.doubtful == 0 {
        return Some(g);
    }
    let m = read(g, offsets.g_m)?;
    let procid = read(m, offsets.m_procid)?;
    if procid != u64::from(tid) && Some(procid) != tid_inside(offsets) {
        return None;
    }
    if goid != 0 {
        return Some(g);
    }
    read(m, offsets.m_curg).filter(|&g| g != 0)
}

/// The fewest reads that do: each costs some 100 ns where they are dear. `g0` (the
/// scheduler's stack) and `gsignal` have no id, since no `go` statement made them (runtime/proc.go,
/// `malg`); on them the goroutine is `m.curg`, and `m.procid` must be this thread: in threads that
/// C code made, the slot holds zero or a stale `g0`.
#[inline(always)]
fn current(offsets: &GoOffsets, tid: u32, registers: Registers) -> Option<u64> {
    if let Some(goid) = go_stack::owner(offsets.g_goid, registers.go_g(), registers.stack_pointer())
    {
        return Some(goid);
    }
    let g = thread_g(offsets, registers)?;
    let goid = read(g, offsets.g_goid)?;
    if goid != 0 && offsets.doubtful == 0 {
        return Some(goid);
    }
    let m = read(g, offsets.g_m)?;
    let procid = read(m, offsets.m_procid)?;
    if procid != u64::from(tid) && Some(procid) != tid_inside(offsets) {
        return None;
    }
    if goid != 0 {
        return Some(goid);
    }
    read(read(m, offsets.m_curg)?, offsets.g_goid)
}

/// What the runtime keeps for the thread: in thread-local storage.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn thread_g(offsets: &GoOffsets, _: Registers) -> Option<u64> {
    thread_local_g(offsets)
}

/// What the runtime keeps for the thread: in a register, and with cgo in thread-local storage too,
/// which alone holds while C code runs.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn thread_g(offsets: &GoOffsets, registers: Registers) -> Option<u64> {
    if offsets.tls_g == GoOffsets::IN_REGISTER {
        return Some(registers.go_g());
    }
    thread_local_g(offsets)
}

#[inline(always)]
fn thread_local_g(offsets: &GoOffsets) -> Option<u64> {
    let thread_pointer = Task::current().thread_pointer();
    read(thread_pointer.wrapping_add(offsets.tls_g as u64), 0)
}

/// The thread's id as the process itself sees it, in the pid namespace of a container.
#[inline(always)]
fn tid_inside(offsets: &GoOffsets) -> Option<u64> {
    let mut ids = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: `ids` is valid for its size.
    let failed = unsafe {
        bpf_get_ns_current_pid_tgid(
            offsets.pid_ns_dev,
            offsets.pid_ns_ino,
            &raw mut ids,
            size_of::<bpf_pidns_info>() as u32,
        )
    };
    (failed == 0).then_some(u64::from(ids.pid))
}

#[inline(always)]
fn read(base: u64, offset: u32) -> Option<u64> {
    if base == 0 && offset != 0 {
        return None;
    }
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(base.wrapping_add(u64::from(offset)) as *const u64) }.ok()
}
