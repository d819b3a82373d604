//! Signals as the target meets them: delivered, fatal, or dropped because they are ignored.
//!
//! A fatal signal that leaves no core is never delivered: the kernel carries it out as SIGKILL
//! (`complete_signal`, kernel/signal.c). It is noted when it is sent and told when its thread takes
//! that SIGKILL.

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_ktime_get_ns,
        bpf_probe_read_kernel_buf,
    },
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_common::{
    event::{EventHeader, Kind, Signal, signal_flag},
    probe::ProbeId,
};

use crate::{
    count,
    emit::{self, opaque},
    filter,
    maps::FATAL,
    task::Task,
};

const SIGKILL: u32 = 9;
/// Results of `signal_generate` (include/trace/events/signal.h).
const DELIVERED: u32 = 0;
const IGNORED: u32 = 1;

/// Arguments: signal number, `struct kernel_siginfo *`, `struct k_sigaction *`.
#[btf_tracepoint(function = "signal_deliver")]
pub fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    if !filter::is_target(tgid) {
        return 0;
    }
    count::hit(ProbeId::Signal);
    let signo = ctx.arg::<u64>(0) as u32;
    if signo == SIGKILL {
        fatal(tgid, id as u32);
        return 0;
    }
    let (info, flags) = info(signo, ctx.arg(1));
    let record = Signal {
        header: emit::header(Kind::Signal, size_of::<Signal>()),
        signo,
        flags,
        info,
    };
    emit::submit(ProbeId::Signal, record);
    0
}

/// Tells the signal that the kernel carries out, if it was one and this is its thread.
#[inline(always)]
fn fatal(tgid: u32, tid: u32) {
    // SAFETY: an entry is written once, before the thread it is about can get here.
    let Some(signal) = (unsafe { FATAL.get(tgid) }) else {
        return;
    };
    let mut record = *signal;
    let of = record.header.tid;
    // One of several threads gets it: the one that removes it.
    if of != 0 && of != tid || FATAL.remove(tgid).is_err() {
        return;
    }
    record.header = emit::header(Kind::Signal, size_of::<Signal>());
    emit::submit(ProbeId::Signal, record);
}

/// Arguments: signal number, `struct kernel_siginfo *`, the task, whether it is for the whole
/// process, and what became of it.
#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    let task = Task::from_ptr(ctx.arg(2));
    let tgid = task.tgid();
    if !filter::is_target(tgid) {
        count::foreign(ProbeId::SignalGenerate);
        return 0;
    }
    count::hit(ProbeId::SignalGenerate);
    let signo = ctx.arg::<u64>(0) as u32;
    let dies_of = task.dies_of();
    match ctx.arg::<u64>(4) as u32 {
        DELIVERED if signo != SIGKILL && dies_of == Some(signo) => {
            let elsewhere = task.is_exiting() || task.blocks(signo);
            let tid = if elsewhere { 0 } else { task.tid() };
            let record = sent(tgid, tid, signo, ctx.arg(1), 0);
            if FATAL.insert(tgid, record, 0).is_err() {
                count::full(ProbeId::SignalGenerate);
            }
        }
        // A process that ends drops all signals.
        IGNORED if dies_of.is_none() && !task.is_exiting() => {
            let flags = signal_flag::IGNORED;
            let record = sent(tgid, task.tid(), signo, ctx.arg(1), flags);
            emit::submit(ProbeId::SignalGenerate, record);
        }
        _ => {}
    }
    0
}

/// A signal to another thread.
#[inline(always)]
fn sent(tgid: u32, tid: u32, signo: u32, source: u64, flags: u32) -> Signal {
    let (info, has_info) = info(signo, source);
    Signal {
        header: EventHeader {
            tgid,
            tid,
            // SAFETY: the helper has no preconditions.
            time_ns: unsafe { bpf_ktime_get_ns() },
            ..emit::header(Kind::Signal, size_of::<Signal>())
        },
        signo,
        flags: flags | has_info,
        info,
    }
}

/// The first bytes of the `siginfo` that the target gets, and the flag for that. The kernel keeps
/// none for signals without any (`SEND_SIG_NOINFO`: from the running process; `SEND_SIG_PRIV`: from
/// itself).
#[inline(always)]
fn info(signo: u32, source: u64) -> ([u8; 48], u32) {
    const SEND_SIG_PRIV: u64 = 1;
    const SI_KERNEL: u64 = 0x80;
    // The verifier takes an argument for a pointer that is not NULL, and removes what is done for
    // one that is: the comparisons are with other numbers, out of the compiler's sight.
    if opaque(source) > SEND_SIG_PRIV {
        let mut info = [0; 48];
        // SAFETY: the helper checks the address.
        let read = unsafe { bpf_probe_read_kernel_buf(source as *const u8, &mut info) };
        return (
            info,
            if read.is_ok() {
                signal_flag::HAS_INFO
            } else {
                0
            },
        );
    }
    let mut words = [u64::from(signo), 0, 0, 0, 0, 0];
    if opaque(source) == SEND_SIG_PRIV {
        words[1] = SI_KERNEL;
    } else {
        let pid = bpf_get_current_pid_tgid() >> 32;
        words[2] = bpf_get_current_uid_gid() << 32 | pid;
    }
    // SAFETY: both are 48 bytes without padding, and every pattern is valid.
    let info = unsafe { core::mem::transmute::<[u64; 6], [u8; 48]>(words) };
    (info, signal_flag::HAS_INFO)
}
