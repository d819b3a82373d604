//! What an `execve` was given, from the kernel's own copy: the caller's memory is gone when the
//! call returns.

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel_str as read_str_raw, bpf_probe_read_user as read_user_raw,
};
use tracer_common::{
    event::{EventHeader, ExecArguments, Kind, MAX_EXEC_STRINGS},
    probe::ProbeId,
};

use crate::{
    constants::{binprm_argc, binprm_envc, binprm_filename, binprm_interp},
    count,
    emit::{self, bounded},
    maps::{SCRATCH, slot},
    task::Task,
};

const FIXED: u64 = size_of::<ExecArguments>() as u64;
/// `PATH_MAX`, with the NUL.
const PATH_MAX: u32 = 4096;

/// The `struct linux_binprm` of an `execve` (include/linux/binfmts.h).
#[derive(Clone, Copy)]
struct Binprm(*const u8);

impl Binprm {
    #[inline(always)]
    fn field<T: Copy>(self, offset: u32) -> T {
        // SAFETY: the pointer is a BTF-typed `struct linux_binprm *` and the offset that of a field
        // of this type in the running kernel; the kernel handles a fault.
        unsafe { self.0.add(offset as usize).cast::<T>().read_volatile() }
    }
}

/// Sends what the program that `task` begins was given.
#[inline(always)]
pub fn send(task: Task, old_tid: u32, binprm: *const u8) {
    let binprm = Binprm(binprm);
    let Some(scratch) = SCRATCH.get_ptr_mut(slot::EXEC) else {
        return;
    };
    let record = scratch.cast::<u8>();
    let filename = binprm.field::<u64>(binprm_filename());
    // SAFETY: the path lies between the fixed part and the strings, far below the buffer's size.
    let got = unsafe {
        read_str_raw(
            record.add(FIXED as usize).cast(),
            PATH_MAX,
            filename as *const _,
        )
    };
    if got <= 0 {
        return count::fault(ProbeId::Exec);
    }
    let path_len = bounded::<0x1fff>(got as u64 - 1);
    let at = bounded::<0x3fff>(FIXED + (path_len + 7) / 8 * 8);
    let strings_len = strings(task, record, at);
    let len = at + strings_len;
    let fixed = ExecArguments {
        header: EventHeader {
            len: len as u32,
            ..emit::header(Kind::ExecArguments, 0)
        },
        old_tid,
        interpreted: u32::from(binprm.field::<u64>(binprm_interp()) != filename),
        argc: binprm.field(binprm_argc()),
        envc: binprm.field(binprm_envc()),
        path_len: path_len as u32,
        strings_len: strings_len as u32,
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { record.cast::<ExecArguments>().write(fixed) };
    emit::output(ProbeId::Exec, record, len);
}

/// Copies the argument strings, which the kernel has just put there, and returns their length.
#[inline(always)]
fn strings(task: Task, record: *mut u8, at: u64) -> u64 {
    let Some((start, end)) = task.argument_area() else {
        return 0;
    };
    let mut len = end.wrapping_sub(start);
    if len > MAX_EXEC_STRINGS as u64 {
        len = MAX_EXEC_STRINGS as u64;
    }
    let len = bounded::<{ MAX_EXEC_STRINGS as u64 }>(len);
    // SAFETY: `at` and `len` are at most 0x3fff each, their sum is below the buffer's size.
    let failed = unsafe {
        read_user_raw(
            record.add(at as usize).cast(),
            len as u32,
            start as *const _,
        )
    };
    if failed != 0 {
        count::fault(ProbeId::Exec);
        return 0;
    }
    len
}
