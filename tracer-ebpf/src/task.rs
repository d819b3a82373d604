//! Fields of `task_struct`, at the offsets of the running kernel.

use aya_ebpf::helpers::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_probe_read_kernel,
    bpf_probe_read_kernel_buf, bpf_task_pt_regs,
    generated::bpf_probe_read_kernel as read_kernel_raw,
};

use crate::constants;

/// `SIGNAL_GROUP_EXIT` (include/linux/sched/signal.h).
const SIGNAL_GROUP_EXIT: u32 = 4;
/// `TASK_DEAD` (include/linux/sched.h).
const TASK_DEAD: u32 = 0x80;
/// `PF_EXITING` (include/linux/sched.h).
const PF_EXITING: u32 = 4;

/// Words of `struct pt_regs` (arch/x86/include/asm/ptrace.h).
#[cfg(bpf_target_arch = "x86_64")]
const PC_WORD: u64 = 16;
#[cfg(bpf_target_arch = "x86_64")]
const SP_WORD: u64 = 19;
/// Words of `struct user_pt_regs` (arch/arm64/include/uapi/asm/ptrace.h).
#[cfg(bpf_target_arch = "aarch64")]
const PC_WORD: u64 = 32;
#[cfg(bpf_target_arch = "aarch64")]
const SP_WORD: u64 = 31;

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
        if constants::has_typed_task() != 0 {
            // SAFETY: the helper has no preconditions.
            let ptr = unsafe { bpf_get_current_task_btf() };
            return Self::from_ptr(ptr.cast_const().cast());
        }
        // SAFETY: the helper has no preconditions.
        let ptr = unsafe { bpf_get_current_task() } as *const u8;
        Self { ptr, typed: false }
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: u32) -> Option<T> {
        // SAFETY: the offset is that of a field of this type in the running kernel.
        let field = unsafe { self.ptr.add(offset as usize).cast::<T>() };
        if self.typed {
            // SAFETY: the verifier has checked type and offset, and the kernel handles a fault.
            // Volatile, so that the load is this one and no wider.
            Some(unsafe { field.read_volatile() })
        } else {
            // SAFETY: the helper checks the address.
            unsafe { bpf_probe_read_kernel(field) }.ok()
        }
    }

    /// As [`Task::read`], and zero where it fails. What is not there has a value all the way, so that
    /// the compiler has no reason to go on with a register that nobody set.
    #[inline(always)]
    fn word<T: Copy + Default>(self, offset: u32) -> T {
        // SAFETY: as in `read`.
        let field = unsafe { self.ptr.add(offset as usize).cast::<T>() };
        if self.typed {
            // SAFETY: as in `read`.
            return unsafe { field.read_volatile() };
        }
        let mut value = T::default();
        // SAFETY: the helper checks the address, and fills with zeros what it cannot read.
        unsafe {
            let to = (&raw mut value).cast();
            read_kernel_raw(to, size_of::<T>() as u32, field.cast());
        }
        value
    }

    /// Whether a filter of seccomp, or its strict mode, stands before its calls.
    #[inline(always)]
    pub fn is_confined(self) -> bool {
        self.word::<u32>(constants::task_seccomp_mode()) != 0
    }

    /// Thread id.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        self.word(constants::task_pid())
    }

    /// Process id.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.word(constants::task_tgid())
    }

    /// `__state`: 0 is runnable.
    #[inline(always)]
    pub fn state(self) -> u32 {
        self.word(constants::task_state())
    }

    /// Whether this is its last switch off the CPU.
    #[inline(always)]
    pub fn is_dead(self) -> bool {
        self.state() & TASK_DEAD != 0
    }

    /// Exit status as `wait4` reports it.
    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        self.word(constants::task_exit_code())
    }

    /// Whether no thread of the process is left alive.
    #[inline(always)]
    pub fn group_dead(self) -> bool {
        self.signal(constants::signal_live()) == Some(0)
    }

    /// A field of the process's `signal_struct`.
    #[inline(always)]
    fn signal(self, offset: u32) -> Option<u32> {
        self.pointed(constants::task_signal())?.read(offset)
    }

    /// What a field points to.
    #[inline(always)]
    fn pointed(self, offset: u32) -> Option<Self> {
        let ptr = self.read::<*const u8>(offset)?;
        Some(Self { ptr, ..self })
    }

    /// The signal that ends the process, 0 when it ends for another reason. `None` when it goes on.
    #[inline(always)]
    pub fn dies_of(self) -> Option<u32> {
        if self.signal(constants::signal_flags())? & SIGNAL_GROUP_EXIT == 0 {
            return None;
        }
        Some(self.signal(constants::signal_group_exit_code())? & 0x7f)
    }

    /// Whether the thread is past its last instruction.
    #[inline(always)]
    pub fn is_exiting(self) -> bool {
        self.word::<u32>(constants::task_flags()) & PF_EXITING != 0
    }

    /// Whether the thread blocks a signal.
    #[inline(always)]
    pub fn blocks(self, signo: u32) -> bool {
        let blocked = self.word::<u64>(constants::task_blocked());
        blocked >> (signo.wrapping_sub(1) & 63) & 1 != 0
    }

    /// Where the arguments of the program lie, from and to.
    #[inline(always)]
    pub fn argument_area(self) -> Option<(u64, u64)> {
        let mm = self.pointed(constants::task_mm())?;
        let start = mm.read(constants::mm_arg_start())?;
        Some((start, mm.read(constants::mm_arg_end())?))
    }

    /// Address of the registers with which the running task entered the kernel from user space. A
    /// task that has never been there has none, and anything may be there.
    #[inline(always)]
    pub fn user_registers() -> u64 {
        let on_stack = constants::registers_on_stack();
        if on_stack == 0 {
            // SAFETY: the helpers have no preconditions for the running task.
            return unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64;
        }
        let stack = Self::current().read::<u64>(constants::task_stack());
        stack.unwrap_or(0).wrapping_add(u64::from(on_stack))
    }

    /// Program counter and stack pointer with which the running task entered the kernel; zeros when
    /// they cannot be read.
    #[inline(always)]
    pub fn user_place() -> (u64, u64) {
        let registers = Self::user_registers();
        let word = |index: u64| -> u64 {
            let at = registers.wrapping_add(index * 8) as *const u64;
            // SAFETY: the helper checks the address.
            unsafe { bpf_probe_read_kernel(at) }.unwrap_or(0)
        };
        (word(PC_WORD), word(SP_WORD))
    }

    /// The thread pointer: `fs` base on x86, `tpidr_el0` on arm64.
    #[inline(always)]
    pub fn thread_pointer(self) -> u64 {
        self.word(constants::task_thread_pointer())
    }

    /// Whether the current syscall came through the 32-bit entry (`TS_COMPAT`,
    /// arch/x86/include/asm/thread_info.h).
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn is_compat(self) -> bool {
        self.word::<u32>(constants::task_ti_status()) & 2 != 0
    }

    /// Name of the thread.
    #[inline(always)]
    pub fn comm(self) -> [u8; 16] {
        let mut comm = [0; 16];
        // SAFETY: the offset is that of `comm` in the running kernel.
        let source = unsafe { self.ptr.add(constants::task_comm() as usize) };
        // SAFETY: the helper checks the address and writes no more than `comm` has room for.
        if unsafe { bpf_probe_read_kernel_buf(source, &mut comm) }.is_err() {
            return [0; 16];
        }
        comm
    }
}
