//! Takes the stacks of whatever target runs when a timer or counter fires, and of a target that
//! enters the kernel.

use core::ffi::c_void;
use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_USER_STACK, BPF_NOEXIST},
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_stack, bpf_probe_read_kernel},
    },
    macros::perf_event,
    programs::PerfEventContext,
};
use tracer_common::{
    event::{EventHeader, Kind, MAX_STACK, Sample, sample_flag},
    probe::ProbeId,
    stats::GoCreatorKey,
    unwind::{MAX_FRAMES, unwound},
};

use super::syscall::Registers;
use crate::{
    caller,
    constants::{want_creator, want_kernel_stack, want_user_stack},
    count,
    emit::{self, bounded},
    filter, go,
    maps::{GO_CREATOR_SAMPLES, SAMPLE_SCRATCH, Walk, walk},
    task::Task,
    unwind,
};

/// At least [`STACK_BYTES`]; one less than a power of two.
const STACK_MASK: u64 = 0x3ff;
const STACK_BYTES: u32 = MAX_STACK as u32 * 8;
/// As [`STACK_MASK`], of stacks walked with unwind tables.
const UNWOUND_MASK: u64 = MAX_FRAMES as u64 * 8 * 2 - 1;
const FIXED: u64 = size_of::<Sample>() as u64;
/// Entry of the scratch map for stacks of syscalls.
const CALL_STACK: u32 = 1;

/// User stacks along frame pointers.
#[perf_event]
pub fn sample(ctx: PerfEventContext) -> u32 {
    take(&ctx, |record, at, _| along_pointers(&ctx, record, at))
}

/// User stacks with unwind tables, where the process has any.
#[perf_event]
pub fn sample_unwind(ctx: PerfEventContext) -> u32 {
    take(&ctx, |record, at, tgid| {
        with_tables(record, at, tgid).unwrap_or_else(|| along_pointers(&ctx, record, at))
    })
}

/// A user stack in a record.
struct UserStack {
    /// Bytes.
    len: u64,
    /// Bits of [`sample_flag`].
    flags: u32,
}

#[inline(always)]
fn along_pointers(ctx: &PerfEventContext, record: *mut u8, at: u64) -> UserStack {
    let len = stack(ctx.as_ptr(), record, at, u64::from(BPF_F_USER_STACK));
    let flags = match len {
        0 => sample_flag::NO_USER_STACK,
        _ if len == u64::from(STACK_BYTES) => sample_flag::TRUNCATED,
        _ => 0,
    };
    UserStack { len, flags }
}

#[inline(always)]
fn with_tables(record: *mut u8, at: u64, tgid: u32) -> Option<UserStack> {
    let walked = unwind::walk(walk::SAMPLE, tgid)?;
    copy(walked, record, at)
}

/// Copies the frames of a walk to a record.
#[inline(always)]
fn copy(walked: *const Walk, record: *mut u8, at: u64) -> Option<UserStack> {
    // SAFETY: this CPU's slot of the map.
    let stack = unsafe { &(*walked).stack };
    let len = bounded::<UNWOUND_MASK>(u64::from(stack.len) * 8);
    let at = bounded::<0x7ff>(at);
    // SAFETY: `at` and the length stay far below the scratch buffer's size.
    let failed = unsafe {
        let to = record.add(at as usize).cast();
        bpf_probe_read_kernel(to, len as u32, (&raw const stack.frames).cast())
    };
    if failed != 0 || len == 0 {
        return None;
    }
    Some(UserStack {
        len,
        flags: flags_of(stack.flags),
    })
}

/// In the sample's bits.
#[inline(always)]
fn flags_of(walked: u32) -> u32 {
    if walked & unwound::TRUNCATED != 0 {
        return sample_flag::TRUNCATED;
    }
    // What was guessed may have ended at the root by chance.
    match walked & (unwound::ROOT | unwound::GUESSED) {
        unwound::ROOT => sample_flag::ROOT,
        _ if walked & unwound::BROKEN != 0 => sample_flag::LOST,
        0 => 0,
        _ => sample_flag::GUESSED,
    }
}

#[inline(always)]
fn take(ctx: &PerfEventContext, user_stack: impl FnOnce(*mut u8, u64, u32) -> UserStack) -> u32 {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    if !filter::is_target(tgid) {
        count::foreign(ProbeId::Sample);
        return 0;
    }
    let Some(scratch) = SAMPLE_SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    count::hit(ProbeId::Sample);
    if want_creator() != 0 {
        count_creator(tgid);
    }
    let record = scratch.cast::<u8>();
    let mut flags = 0;
    let mut len = FIXED;
    let kernel = if want_kernel_stack() != 0 {
        stack(ctx.as_ptr(), record, len, 0)
    } else {
        0
    };
    len += kernel;
    if kernel == u64::from(STACK_BYTES) {
        flags |= sample_flag::TRUNCATED;
    }
    let mut user = 0;
    if want_user_stack() != 0 {
        let stack = user_stack(record, len, tgid);
        user = stack.len;
        flags |= stack.flags;
    }
    len += user;
    let fixed = Sample {
        header: EventHeader {
            len: len as u32,
            ..emit::header(Kind::Sample, 0)
        },
        kernel_len: (kernel / 8) as u16,
        user_len: (user / 8) as u16,
        flags,
        comm: Task::current().comm(),
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { record.cast::<Sample>().write(fixed) };
    emit::output(ProbeId::Sample, record, len);
    0
}

/// Adds a sample to those of who made the goroutine that runs.
#[inline(always)]
fn count_creator(tgid: u32) {
    let tid = bpf_get_current_pid_tgid() as u32;
    let key = GoCreatorKey {
        created_at: go::creator(tgid, tid, Registers::current()),
        tgid,
        reserved: 0,
    };
    if let Some(samples) = GO_CREATOR_SAMPLES.get_ptr_mut(key) {
        // SAFETY: a word of the map's element, added to atomically.
        unsafe { atomic_xadd::<u64, u64, { Relaxed }>(samples, 1) };
    } else if GO_CREATOR_SAMPLES
        .insert(key, 1, u64::from(BPF_NOEXIST))
        .is_err()
    {
        count::full(ProbeId::Sample);
    }
}

/// Sends the user stack of a thread that is in the kernel for a call, as a sample: with `TABLES` by
/// unwind tables where the process has any. Functions that make system calls set up no frame, which
/// tables know of; the chain of frames, and what is guessed of it, does not.
#[inline(always)]
pub fn call_stack<const TABLES: bool>(probe: ProbeId, ctx: *mut c_void, registers: Registers) {
    let Some(scratch) = SAMPLE_SCRATCH.get_ptr_mut(CALL_STACK) else {
        return;
    };
    let record = scratch.cast::<u8>();
    let by_tables = if TABLES { call_by_tables(record) } else { None };
    let stack = match by_tables {
        Some(stack) => stack,
        None => call_along_pointers(ctx, registers, record),
    };
    let len = FIXED + stack.len;
    let fixed = Sample {
        header: EventHeader {
            len: len as u32,
            ..emit::header(Kind::Sample, 0)
        },
        kernel_len: 0,
        user_len: (stack.len / 8) as u16,
        flags: stack.flags,
        comm: Task::current().comm(),
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { record.cast::<Sample>().write(fixed) };
    emit::output(probe, record, len);
}

#[inline(always)]
fn call_by_tables(record: *mut u8) -> Option<UserStack> {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let walked = unwind::walk(walk::CALL, tgid)?;
    // SAFETY: this CPU's slot of the map.
    let flags = unsafe { (*walked).stack.flags };
    match flags & unwound::LEAF_BY_POINTERS {
        0 => copy(walked, record, FIXED),
        _ => None,
    }
}

/// The chain of frames lacks the one function that matters most: the caller of that which makes the
/// system call, since that one sets up no frame. It is put in its place.
#[inline(always)]
fn call_along_pointers(ctx: *mut c_void, registers: Registers, record: *mut u8) -> UserStack {
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    let callers = unsafe {
        let frames = record.add(FIXED as usize).cast::<u64>();
        frames.write(registers.instruction_pointer());
        caller::write(registers, frames.add(1))
    };
    // Without the innermost, which was written.
    let rest = u64::from(BPF_F_USER_STACK) | 1;
    let written = 8 + 8 * bounded::<3>(callers);
    let most = STACK_BYTES - 8 * (1 + caller::MOST as u32);
    let len = written + stack_of(ctx, record, FIXED + written, most, rest);
    let mut flags = 0;
    if len >= u64::from(most) {
        flags |= sample_flag::TRUNCATED;
    }
    UserStack { len, flags }
}

/// Writes a stack at `at` and returns its length in bytes, 0 when there is none.
#[inline(always)]
fn stack(ctx: *mut c_void, record: *mut u8, at: u64, flags: u64) -> u64 {
    stack_of(ctx, record, at, STACK_BYTES, flags)
}

/// As [`stack`], of `most` bytes.
#[inline(always)]
fn stack_of(ctx: *mut c_void, record: *mut u8, at: u64, most: u32, flags: u64) -> u64 {
    let at = bounded::<0x7ff>(at);
    // SAFETY: `at` and the length stay far below the scratch buffer's size.
    let got = unsafe { bpf_get_stack(ctx, record.add(at as usize).cast(), most, flags) };
    if got <= 0 {
        0
    } else {
        bounded::<STACK_MASK>(got as u64)
    }
}
