//! Constants that the user side sets before loading. The verifier then sees known values and
//! removes what they switch off.

use tracer_common::capture::phase;

use crate::emit::bounded;

/// Declares `.rodata` constants with an accessor each. The read is volatile because the compiler
/// would otherwise fold the initial value.
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident / $get:ident: $type:ty = $initial:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            static $name: $type = $initial;

            $(#[$doc])*
            #[inline(always)]
            pub fn $get() -> $type {
                // SAFETY: the static is initialized and never written while programs run.
                unsafe { core::ptr::read_volatile(&raw const $name) }
            }
        )*
    };
}

constants! {
    /// The only target, or 0 when the target map decides.
    TARGET_TGID / target_tgid: u32 = 0;
    /// 1 when every process but [`own_tgid`] is a target.
    TARGET_ALL / target_all: u32 = 0;
    /// The tracer itself.
    OWN_TGID / own_tgid: u32 = 0;
    /// Number of the `execve` syscall, which ends `AWAIT_EXEC`.
    NR_EXECVE / nr_execve: u32 = 59;
    /// Number of the `rt_sigreturn` syscall, whose exit carries no number.
    NR_RT_SIGRETURN / nr_rt_sigreturn: u32 = 15;
    /// 1 when every syscall is traced and the set need not be asked.
    TRACE_EVERY / trace_every: u32 = 0;
    /// Bytes of strings and buffers to copy.
    STRING_LIMIT / string_limit: u32 = 32;
    /// 1 when records carry goroutine ids.
    WANT_GOID / want_goid: u32 = 0;
    /// 1 when samples are counted by who made the goroutine that runs.
    WANT_CREATOR / want_creator: u32 = 0;
    /// 1 when samples have kernel stacks.
    WANT_KERNEL_STACK / want_kernel_stack: u32 = 1;
    /// 1 when samples have user stacks.
    WANT_USER_STACK / want_user_stack: u32 = 1;
    /// 1 when each syscall comes with the stack of its caller.
    WANT_CALL_STACK / want_call_stack: u32 = 0;
    /// 1 when each syscall that lasts long comes with the stack of its caller.
    WANT_SLOW_STACK / want_slow_stack: u32 = 0;
    /// 1 when the kernel has the helper `bpf_get_current_task_btf`.
    HAS_TYPED_TASK / has_typed_task: u32 = 0;
    /// 1 when waits are told apart by who ended them.
    WANT_WAKERS / want_wakers: u32 = 0;
    /// 1 when switches also tell how long threads are on the CPU.
    WANT_ON_CPU / want_on_cpu: u32 = 0;
    /// 1 when ends of threads tell where their user code was.
    WANT_LAST_PLACE / want_last_place: u32 = 0;
    /// Waits off the CPU that are shorter until they are ended are left out, in ns.
    MIN_BLOCK_NS / min_block_ns: u64 = 0;
    /// As above, those that are longer.
    MAX_BLOCK_NS / max_block_ns: u64 = u64::MAX;
    /// CPUs whose slots may hold a syscall in flight.
    CPUS / cpus: u32 = 1;
    /// `task_struct.pid`
    TASK_PID / task_pid: u32 = 0;
    /// `task_struct.tgid`
    TASK_TGID / task_tgid: u32 = 0;
    /// `task_struct.comm`
    TASK_COMM / task_comm: u32 = 0;
    /// `task_struct.__state` (`state` before 5.14)
    TASK_STATE / task_state: u32 = 0;
    /// `task_struct.exit_code`
    TASK_EXIT_CODE / task_exit_code: u32 = 0;
    /// `task_struct.signal`
    TASK_SIGNAL / task_signal: u32 = 0;
    /// `task_struct.flags`
    TASK_FLAGS / task_flags: u32 = 0;
    /// `task_struct.blocked`
    TASK_BLOCKED / task_blocked: u32 = 0;
    /// `task_struct.seccomp.mode`
    TASK_SECCOMP_MODE / task_seccomp_mode: u32 = 0;
    /// `task_struct.mm`
    TASK_MM / task_mm: u32 = 0;
    /// `task_struct.stack`
    TASK_STACK / task_stack: u32 = 0;
    /// Where the user registers are on a task's kernel stack, in bytes from its lowest address; 0
    /// when a helper tells where they are.
    REGISTERS_ON_STACK / registers_on_stack: u32 = 0;
    /// `mm_struct.arg_start`
    MM_ARG_START / mm_arg_start: u32 = 0;
    /// `mm_struct.arg_end`
    MM_ARG_END / mm_arg_end: u32 = 0;
    /// `linux_binprm.filename`
    BINPRM_FILENAME / binprm_filename: u32 = 0;
    /// `linux_binprm.interp`
    BINPRM_INTERP / binprm_interp: u32 = 0;
    /// `linux_binprm.argc`
    BINPRM_ARGC / binprm_argc: u32 = 0;
    /// `linux_binprm.envc`
    BINPRM_ENVC / binprm_envc: u32 = 0;
    /// `signal_struct.flags`
    SIGNAL_FLAGS / signal_flags: u32 = 0;
    /// `signal_struct.group_exit_code`
    SIGNAL_GROUP_EXIT_CODE / signal_group_exit_code: u32 = 0;
    /// `signal_struct.live`
    SIGNAL_LIVE / signal_live: u32 = 0;
    /// `task_struct.thread.fsbase` (x86) or `.thread.uw.tp_value` (arm64)
    TASK_THREAD_POINTER / task_thread_pointer: u32 = 0;
    /// `task_struct.thread_info.status` (x86)
    #[cfg(bpf_target_arch = "x86_64")]
    TASK_TI_STATUS / task_ti_status: u32 = 0;
}

/// Numbers of the syscalls that return twice: `clone`, `fork`, `vfork`, `clone3`. `u32::MAX` where
/// an architecture lacks one.
#[unsafe(no_mangle)]
static NR_FORKS: [u32; 4] = [u32::MAX; 4];

/// Whether an exit is a new task's side of the call that made it: that call is the parent's.
#[inline(always)]
pub fn is_birth(nr: u32, ret: i64) -> bool {
    let forks = (&raw const NR_FORKS).cast::<u32>();
    // SAFETY: there are four words; see `constants!` for why the reads are volatile.
    let is = |i| unsafe { core::ptr::read_volatile(forks.add(i)) } == nr;
    ret == 0 && (is(0) || is(1) || is(2) || is(3))
}

/// Syscalls to trace: bit `nr % 64` of word `nr / 64`; a last bit in word 8 stands for all numbers
/// beyond.
#[unsafe(no_mangle)]
static SYSCALLS: [u64; 9] = [u64::MAX; 9];

/// Whether a syscall is to be traced.
#[inline(always)]
pub fn traces_syscall(nr: u32) -> bool {
    if trace_every() != 0 {
        return true;
    }
    let words = (&raw const SYSCALLS).cast::<u64>();
    if nr >= tracer_common::capture::MAX_SYSCALLS {
        // SAFETY: there are nine words; see `constants!` for why the read is volatile.
        return unsafe { core::ptr::read_volatile(words.add(8)) } & 1 != 0;
    }
    let word = bounded::<7>(u64::from(nr / 64));
    // SAFETY: as above.
    let bits = unsafe { core::ptr::read_volatile(words.add(word as usize)) };
    bits >> (nr % 64) & 1 != 0
}

/// Syscalls with rules for their entry, and for their exit: bit `nr % 64` of word `nr / 64`.
#[unsafe(no_mangle)]
static CAPTURES_AT_ENTRY: [u64; 8] = [u64::MAX; 8];
#[unsafe(no_mangle)]
static CAPTURES_AT_EXIT: [u64; 8] = [u64::MAX; 8];

/// Whether a syscall has rules for a phase. Those without, which are the cheapest calls, need no
/// buffer to build their record in.
#[inline(always)]
pub fn has_captures(nr: u32, phase: u8) -> bool {
    let words = match phase {
        phase::ENTER => &raw const CAPTURES_AT_ENTRY,
        _ => &raw const CAPTURES_AT_EXIT,
    };
    let word = bounded::<7>(u64::from(nr / 64));
    // SAFETY: there are eight words; see `constants!` for why the read is volatile.
    let bits = unsafe { core::ptr::read_volatile(words.cast::<u64>().add(word as usize)) };
    nr < tracer_common::capture::MAX_SYSCALLS && bits >> (nr % 64) & 1 != 0
}
