//! Takes the stacks of whatever target runs when a timer or counter fires, and of a target that
//! enters the kernel.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_F_USER_STACK,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_stack},
    macros::perf_event,
    programs::PerfEventContext,
};
use tracer_common::{
    event::{EventHeader, Kind, MAX_STACK, Sample, sample_flag},
    probe::ProbeId,
};

use super::syscall::Registers;
use crate::{
    caller,
    constants::{want_kernel_stack, want_user_stack},
    count,
    emit::{self, bounded},
    filter,
    maps::SAMPLE_SCRATCH,
    task::Task,
};

/// At least [`STACK_BYTES`]; one less than a power of two.
const STACK_MASK: u64 = 0x3ff;
const STACK_BYTES: u32 = MAX_STACK as u32 * 8;
const FIXED: u64 = size_of::<Sample>() as u64;
/// Entry of the scratch map for stacks of syscalls.
const CALL_STACK: u32 = 1;

#[perf_event]
pub fn sample(ctx: PerfEventContext) -> u32 {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    if !filter::is_target(tgid) {
        count::foreign(ProbeId::Sample);
        return 0;
    }
    let Some(scratch) = SAMPLE_SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    count::hit(ProbeId::Sample);
    let record = scratch.cast::<u8>();
    let mut flags = 0;
    let mut len = FIXED;
    let kernel = if want_kernel_stack() != 0 {
        stack(ctx.as_ptr(), record, len, 0)
    } else {
        0
    };
    len += kernel;
    let user = if want_user_stack() != 0 {
        stack(ctx.as_ptr(), record, len, u64::from(BPF_F_USER_STACK))
    } else {
        0
    };
    len += user;
    if want_user_stack() != 0 && user == 0 {
        flags |= sample_flag::NO_USER_STACK;
    }
    if kernel == u64::from(STACK_BYTES) || user == u64::from(STACK_BYTES) {
        flags |= sample_flag::TRUNCATED;
    }
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

/// Sends the user stack of a thread that is in the kernel for a call, as a sample.
///
/// Functions that make system calls set up no frame, and so the chain of frames lacks the one
/// function that matters most: their caller. It is put in its place.
#[inline(always)]
pub fn call_stack(probe: ProbeId, ctx: *mut c_void, registers: Registers) {
    let Some(scratch) = SAMPLE_SCRATCH.get_ptr_mut(CALL_STACK) else {
        return;
    };
    let record = scratch.cast::<u8>();
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
    let user = written + stack_of(ctx, record, FIXED + written, most, rest);
    let mut flags = 0;
    if user >= u64::from(most) {
        flags |= sample_flag::TRUNCATED;
    }
    let len = FIXED + user;
    let fixed = Sample {
        header: EventHeader {
            len: len as u32,
            ..emit::header(Kind::Sample, 0)
        },
        kernel_len: 0,
        user_len: (user / 8) as u16,
        flags,
        comm: Task::current().comm(),
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { record.cast::<Sample>().write(fixed) };
    emit::output(probe, record, len);
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
