//! Streams every syscall of the targets: one record at entry, one at exit.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{
    capture::phase,
    config::target,
    event::{EventHeader, Kind, SyscallEnter, SyscallExit, syscall_flag},
    probe::ProbeId,
};

#[cfg(bpf_target_arch = "x86_64")]
use crate::constants;
use crate::{
    cold,
    constants::{
        has_captures, is_birth, nr_execve, nr_rt_sigreturn, traces_syscall, want_call_stack,
        want_slow_stack,
    },
    count, emit, filter, go,
    go_stack::Place,
    maps::{TARGETS, slot},
    memory::Captures,
    probes::sample,
    slow,
    task::Task,
};

/// Result of an interrupted call that goes on (include/linux/errno.h): it has told how much is left.
const ERESTART_RESTARTBLOCK: i64 = -516;

/// Register state at the kernel's syscall entry.
#[derive(Clone, Copy)]
pub struct Registers(*const u64);

impl Registers {
    #[inline(always)]
    pub fn from_ptr(ptr: *const u64) -> Self {
        Self(ptr)
    }

    /// Those of the running thread (Linux 5.15).
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helpers have no preconditions for the running task.
        Self(unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as *const u64)
    }

    /// Word `index` of `struct pt_regs`.
    #[inline(always)]
    fn word(self, index: usize) -> u64 {
        // SAFETY: the pointer is a BTF-typed `struct pt_regs *`; the kernel handles a fault.
        unsafe { core::ptr::read_volatile(self.0.add(index)) }
    }

    /// The six arguments: rdi, rsi, rdx, r10, r8, r9, which the kernel preserves up to the exit.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn args(self) -> [u64; 6] {
        [
            self.word(14),
            self.word(13),
            self.word(12),
            self.word(7),
            self.word(9),
            self.word(8),
        ]
    }

    /// The six arguments: orig_x0 (x0 holds the return value at exit), x1 to x5.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn args(self) -> [u64; 6] {
        [
            self.word(34),
            self.word(1),
            self.word(2),
            self.word(3),
            self.word(4),
            self.word(5),
        ]
    }

    /// The syscall number: orig_rax. -1 after `rt_sigreturn`.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn nr(self) -> u32 {
        self.word(15) as u32
    }

    /// The syscall number: `syscallno`, the low half of the word after orig_x0. -1 after
    /// `rt_sigreturn`.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn nr(self) -> u32 {
        // SAFETY: as in `word`; the verifier allows a load of exactly this member.
        unsafe { core::ptr::read_volatile(self.0.add(35).cast::<u32>()) }
    }

    /// The address after the instruction that made the call: rip.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn instruction_pointer(self) -> u64 {
        self.word(16)
    }

    /// The address after the instruction that made the call: pc.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn instruction_pointer(self) -> u64 {
        self.word(32)
    }

    /// The link register: x30.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn link(self) -> u64 {
        self.word(30)
    }

    /// The frame pointer: rbp, x29.
    #[inline(always)]
    pub fn frame_pointer(self) -> u64 {
        self.word(if cfg!(bpf_target_arch = "x86_64") {
            4
        } else {
            29
        })
    }

    /// The stack pointer.
    #[inline(always)]
    pub fn stack_pointer(self) -> u64 {
        self.word(if cfg!(bpf_target_arch = "x86_64") {
            19
        } else {
            31
        })
    }

    /// Where the caller is, and on which stack.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    fn place(self) -> Place {
        Place {
            pc: self.word(16),
            stack_pointer: self.stack_pointer(),
            frame_pointer: self.word(4),
            link: 0,
        }
    }

    /// Where the caller is, and on which stack.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    fn place(self) -> Place {
        Place {
            pc: self.word(32),
            stack_pointer: self.stack_pointer(),
            frame_pointer: self.word(29),
            link: self.word(30),
        }
    }

    /// The goroutine of Go code: register 14 (`ABIInternal`, src/cmd/compile/abi-internal.md).
    /// Other code keeps anything there.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    pub fn go_g(self) -> u64 {
        self.word(1)
    }

    /// The goroutine of Go code: register 28.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    pub fn go_g(self) -> u64 {
        self.word(28)
    }

    /// Whether the call came through the 32-bit entry.
    #[cfg(bpf_target_arch = "x86_64")]
    #[inline(always)]
    fn is_compat(self) -> bool {
        constants::task_ti_status() != 0 && Task::current().is_compat()
    }

    /// Whether the call came from 32-bit code: bit `PSR_MODE32_BIT` of `pstate`
    /// (arch/arm64/include/uapi/asm/ptrace.h).
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    fn is_compat(self) -> bool {
        self.word(33) & 0x10 != 0
    }
}

#[btf_tracepoint(function = "sys_enter")]
pub fn syscall_enter(ctx: BtfTracePointContext) -> i32 {
    on_sys_enter::<false>(&ctx)
}

/// As [`syscall_enter`], with stacks by unwind tables.
#[btf_tracepoint(function = "sys_enter")]
pub fn syscall_enter_unwind(ctx: BtfTracePointContext) -> i32 {
    on_sys_enter::<true>(&ctx)
}

#[inline(always)]
fn on_sys_enter<const TABLES: bool>(ctx: &BtfTracePointContext) -> i32 {
    let registers = || Registers::from_ptr(ctx.arg::<*const u64>(0));
    on_enter::<TABLES>(ctx.as_ptr(), ctx.arg::<u64>(1) as u32, registers);
    0
}

/// A call of the running thread begins; `ctx` is the program's. With `TABLES`, its user stack is
/// walked by unwind tables.
#[inline(always)]
pub fn on_enter<const TABLES: bool>(ctx: *mut c_void, nr: u32, registers: impl Fn() -> Registers) {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    if !begins(tgid, nr) {
        count::foreign(ProbeId::SyscallEnter);
        return;
    }
    if !traces_syscall(nr) {
        count::skipped(ProbeId::SyscallEnter);
        return;
    }
    count::hit(ProbeId::SyscallEnter);
    let registers = registers();
    // A new program has no stack of the call that began it.
    if want_call_stack() != 0 || want_slow_stack() != 0 && nr == nr_execve() {
        sample::call_stack::<TABLES>(ProbeId::SyscallEnter, ctx, registers);
    }
    if want_slow_stack() != 0 {
        slow::begins();
    }
    enter(tgid, id as u32, nr, registers);
}

/// Whether the process counts, from this call on if it is the `execve` that was waited for.
#[inline(always)]
pub fn begins(tgid: u32, nr: u32) -> bool {
    let flags = filter::raw_flags(tgid);
    if flags & target::AWAIT_EXEC == 0 {
        return flags != 0;
    }
    if nr != nr_execve() {
        return false;
    }
    let _ = TARGETS.insert(tgid, flags & !target::AWAIT_EXEC, 0);
    true
}

#[inline(always)]
fn enter(tgid: u32, tid: u32, nr: u32, registers: Registers) {
    let mut args = registers.args();
    if nr == nr_rt_sigreturn() {
        args[0] = registers.stack_pointer();
    }
    let probe = ProbeId::SyscallEnter;
    let goroutine = go::goroutine(tgid, tid, registers);
    let goid = goroutine.id;
    let bare = SyscallEnter {
        header: EventHeader {
            goid,
            ..emit::header(Kind::SyscallEnter, size_of::<SyscallEnter>())
        },
        nr,
        captures: 0,
        flags: flags(registers),
        args,
    };
    let mut remembered = 0;
    let copies = has_captures(nr, phase::ENTER);
    let sent = if copies || goid != 0 {
        let slot = slot::ENTER;
        let Some(captures) = Captures::begin(probe, slot, size_of::<SyscallEnter>()) else {
            return;
        };
        if goid != 0 {
            captures.stack(registers.place(), goroutine.own_code);
        }
        if copies {
            captures.run(nr, &args, 0, phase::ENTER);
        }
        let progress = *captures.progress();
        remembered = progress.cold & cold::RULES;
        let mut record = bare;
        record.header.len = progress.len as u32;
        record.captures = progress.count as u16;
        record.flags |= cut(progress.cut);
        // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
        unsafe { captures.record().cast::<SyscallEnter>().write(record) };
        emit::try_output(probe, captures.record(), progress.len)
    } else {
        emit::try_submit(probe, bare)
    };
    if !sent {
        emit::lost(probe);
        remembered = cold::ENTRY_LOST;
    }
    if remembered != 0 {
        cold::remember(tid, nr, remembered);
    }
}

#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_exit(ctx: BtfTracePointContext) -> i32 {
    on_sys_exit::<false>(&ctx)
}

/// As [`syscall_exit`], with stacks by unwind tables.
#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_exit_unwind(ctx: BtfTracePointContext) -> i32 {
    on_sys_exit::<true>(&ctx)
}

#[inline(always)]
fn on_sys_exit<const TABLES: bool>(ctx: &BtfTracePointContext) -> i32 {
    let registers = || Registers::from_ptr(ctx.arg::<*const u64>(0));
    on_exit::<TABLES>(ctx.as_ptr(), ctx.arg::<i64>(1), registers);
    0
}

/// A call of the running thread ends with `ret`; for the rest see [`on_enter`].
#[inline(always)]
pub fn on_exit<const TABLES: bool>(ctx: *mut c_void, ret: i64, registers: impl Fn() -> Registers) {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    if !filter::is_target(tgid) {
        return;
    }
    let registers = registers();
    let nr = match registers.nr() {
        u32::MAX => nr_rt_sigreturn(),
        nr => nr,
    };
    if !traces_syscall(nr) || is_birth(nr, ret) {
        return;
    }
    count::hit(ProbeId::SyscallExit);
    // The stack of a new program is not that of the caller, which was sent at the entry.
    if want_slow_stack() != 0 && !(nr == nr_execve() && ret == 0) && slow::was() {
        sample::call_stack::<TABLES>(ProbeId::SyscallExit, ctx, registers);
    }
    exit(id as u32, nr, registers, ret);
}

#[inline(always)]
fn exit(tid: u32, nr: u32, registers: Registers, ret: i64) {
    let probe = ProbeId::SyscallExit;
    let entry = cold::take(tid, nr);
    let bare = SyscallExit {
        // The goroutine is that of the entry: the thread has run no Go code since.
        header: emit::header(Kind::SyscallExit, size_of::<SyscallExit>()),
        nr,
        captures: 0,
        flags: flags(registers),
        ret,
    };
    let returned = ret >= 0 || ret == ERESTART_RESTARTBLOCK;
    let at_exit = returned && has_captures(nr, phase::EXIT);
    // The memory of a successful `execve` is that of the new program.
    let again = entry & cold::RULES != 0 && !(nr == nr_execve() && ret == 0);
    // What seccomp lets fail never had an entry.
    let unseen = !again && (-4095..0).contains(&ret) && Task::current().is_confined();
    let sent = if at_exit || again || unseen {
        let slot = slot::EXIT;
        let Some(captures) = Captures::begin(probe, slot, size_of::<SyscallExit>()) else {
            return;
        };
        if at_exit {
            captures.run(nr, &registers.args(), ret, phase::EXIT);
        }
        if again {
            captures.run_again(nr, &registers.args(), entry & cold::RULES);
        }
        if unseen {
            captures.run_unseen(nr, &registers.args());
        }
        let progress = *captures.progress();
        let mut record = bare;
        record.header.len = progress.len as u32;
        record.captures = progress.count as u16;
        record.flags |= cut(progress.cut);
        // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
        unsafe { captures.record().cast::<SyscallExit>().write(record) };
        emit::try_output(probe, captures.record(), progress.len)
    } else {
        emit::try_submit(probe, bare)
    };
    // Both halves lost are one call lost.
    if !sent && entry & cold::ENTRY_LOST == 0 {
        emit::lost(probe);
    }
}

#[inline(always)]
fn flags(registers: Registers) -> u16 {
    if registers.is_compat() {
        syscall_flag::COMPAT
    } else {
        0
    }
}

#[inline(always)]
fn cut(cut: u32) -> u16 {
    if cut != 0 {
        syscall_flag::CAPTURES_CUT
    } else {
        0
    }
}
