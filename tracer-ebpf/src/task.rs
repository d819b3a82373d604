//! Fields of `task_struct`, at the offsets of the running kernel.

use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel, bpf_probe_read_kernel_buf};

use crate::constants;

/// A `task_struct`.
#[derive(Clone, Copy)]
pub struct Task {
    ptr: *const u8,
    /// The verifier knows its type: fields are plain loads, whose faults the kernel handles.
    typed: bool,
}

impl Task {
    /// A task that a BTF tracepoint passed.
    #[inline(always)]
    pub const fn from_ptr(ptr: *const u8) -> Self {
        Self { ptr, typed: true }
    }

    /// The running task.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        let ptr = unsafe { bpf_get_current_task() } as *const u8;
        Self { ptr, typed: false }
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the offset is that of a field of this type in the running kernel.
        let field = unsafe { self.ptr.add(offset as usize).cast::<T>() };
        if self.typed {
            // SAFETY: as above. Volatile, so that the load is this one and no wider.
            Some(unsafe { field.read_volatile() })
        } else {
            // SAFETY: the helper checks the address.
            unsafe { bpf_probe_read_kernel(field) }.ok()
        }
    }

    /// Thread id.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        self.read(constants::task_pid()).unwrap_or(0)
    }

    /// Process id.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.read(constants::task_tgid()).unwrap_or(0)
    }

    /// `__state`: 0 is runnable.
    #[inline(always)]
    pub fn state(self) -> u32 {
        self.read(constants::task_state()).unwrap_or(0)
    }

    /// Exit status as `wait4` reports it.
    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        self.read(constants::task_exit_code()).unwrap_or(0)
    }

    /// Whether no thread of the process is left alive.
    #[inline(always)]
    pub fn group_dead(self) -> bool {
        let Some(signal) = self.read::<*const u8>(constants::task_signal()) else {
            return false;
        };
        let signal = Self {
            ptr: signal,
            typed: self.typed,
        };
        signal.read::<i32>(constants::signal_live()) == Some(0)
    }

    /// The thread pointer: `fs` base on x86, `tpidr_el0` on arm64.
    #[inline(always)]
    pub fn thread_pointer(self) -> u64 {
        self.read(constants::task_thread_pointer()).unwrap_or(0)
    }

    /// Whether the current syscall came through the 32-bit entry (`TS_COMPAT`,
    /// arch/x86/include/asm/thread_info.h).
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn is_compat(self) -> bool {
        self.read::<u32>(constants::task_ti_status()).unwrap_or(0) & 2 != 0
    }

    /// Name of the thread.
    #[inline(always)]
    pub fn comm(self) -> [u8; 16] {
        let mut comm = [0; 16];
        // SAFETY: the helper checks the address.
        let source = unsafe { self.ptr.add(constants::task_comm() as usize) };
        // SAFETY: as above.
        if unsafe { bpf_probe_read_kernel_buf(source, &mut comm) }.is_err() {
            return [0; 16];
        }
        comm
    }
}
