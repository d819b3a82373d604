//! Streams every syscall of the targets: one record at entry, one at exit.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, bpf_probe_read_kernel_buf},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{
    capture::phase,
    config::target,
    event::{EventHeader, Kind, Signal, SyscallEnter, SyscallExit, syscall_flag},
    probe::ProbeId,
};

#[cfg(bpf_target_arch = "x86_64")]
use crate::{constants, task::Task};
use crate::{
    constants::{is_birth, nr_execve, nr_rt_sigreturn, traces_syscall, want_call_stack},
    count, emit, filter, go,
    maps::{TARGETS, slot},
    memory::Captures,
    probes::sample,
};

/// Register state at the kernel's syscall entry.
#[derive(Clone, Copy)]
pub struct Registers(*const u64);

impl Registers {
    #[inline(always)]
    pub fn from_ptr(ptr: *const u64) -> Self {
        Self(ptr)
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
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    let nr = ctx.arg::<u64>(1) as u32;
    if !begins(tgid, nr) {
        count::foreign(ProbeId::SyscallEnter);
        return 0;
    }
    if !traces_syscall(nr) {
        count::skipped(ProbeId::SyscallEnter);
        return 0;
    }
    count::hit(ProbeId::SyscallEnter);
    if want_call_stack() != 0 {
        sample::call_stack(ctx.as_ptr());
    }
    let registers = Registers::from_ptr(ctx.arg::<*const u64>(0));
    enter(tgid, id as u32, nr, registers);
    0
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
    let args = registers.args();
    let probe = ProbeId::SyscallEnter;
    let Some(captures) = Captures::begin(probe, slot::ENTER, size_of::<SyscallEnter>()) else {
        return;
    };
    let header = emit::header(Kind::SyscallEnter, 0);
    captures.run(nr, &args, 0, phase::ENTER);
    let progress = *captures.progress();
    let fixed = SyscallEnter {
        header: EventHeader {
            len: progress.len as u32,
            goid: go::goid(tgid, tid, registers),
            ..header
        },
        nr,
        captures: progress.count as u16,
        flags: flags(progress.cut, registers),
        args,
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { captures.record().cast::<SyscallEnter>().write(fixed) };
    emit::output(probe, captures.record(), progress.len);
}

#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_exit(ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    if !filter::is_target(tgid) {
        return 0;
    }
    let registers = Registers::from_ptr(ctx.arg::<*const u64>(0));
    let nr = match registers.nr() {
        u32::MAX => nr_rt_sigreturn(),
        nr => nr,
    };
    if !traces_syscall(nr) || is_birth(nr, ctx.arg::<i64>(1)) {
        return 0;
    }
    count::hit(ProbeId::SyscallExit);
    exit(tgid, id as u32, nr, registers, ctx.arg::<i64>(1));
    0
}

#[inline(always)]
fn exit(tgid: u32, tid: u32, nr: u32, registers: Registers, ret: i64) {
    let probe = ProbeId::SyscallExit;
    let Some(captures) = Captures::begin(probe, slot::EXIT, size_of::<SyscallExit>()) else {
        return;
    };
    let header = emit::header(Kind::SyscallExit, 0);
    if ret >= 0 {
        captures.run(nr, &registers.args(), ret, phase::EXIT);
    }
    let progress = *captures.progress();
    let fixed = SyscallExit {
        header: EventHeader {
            len: progress.len as u32,
            goid: go::goid(tgid, tid, registers),
            ..header
        },
        nr,
        captures: progress.count as u16,
        flags: flags(progress.cut, registers),
        ret,
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { captures.record().cast::<SyscallExit>().write(fixed) };
    emit::output(probe, captures.record(), progress.len);
}

#[inline(always)]
fn flags(cut: u32, registers: Registers) -> u16 {
    let mut flags = 0;
    if cut != 0 {
        flags |= syscall_flag::CAPTURES_CUT;
    }
    if registers.is_compat() {
        flags |= syscall_flag::COMPAT;
    }
    flags
}

/// Arguments: signal number, `struct kernel_siginfo *`, `struct k_sigaction *`.
#[btf_tracepoint(function = "signal_deliver")]
pub fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    if !filter::is_target(tgid) {
        return 0;
    }
    count::hit(ProbeId::Signal);
    let mut info = [0u8; 48];
    // SAFETY: the helper checks the address.
    let read = unsafe { bpf_probe_read_kernel_buf(ctx.arg::<*const u8>(1), &mut info) };
    let record = Signal {
        header: emit::header(Kind::Signal, size_of::<Signal>()),
        signo: ctx.arg::<u64>(0) as u32,
        has_info: u32::from(read.is_ok()),
        info,
    };
    emit::submit(ProbeId::Signal, record);
    0
}
