//! Records on the ring buffer.

use core::fmt;

use crate::stats::GoStopped;

/// What a record is. The numbers are part of the format and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kind {
    SyscallEnter = 1,
    SyscallExit = 2,
    Signal = 3,
    Fork = 4,
    Exec = 5,
    Exit = 6,
    Sample = 7,
    GoGcTrigger = 8,
    GoGcCycle = 9,
    ExecArguments = 10,
    Lost = 11,
    GoStop = 12,
    GoStarted = 13,
}

impl Kind {
    /// All kinds, for tests that walk them.
    pub const ALL: [Self; 13] = [
        Self::SyscallEnter,
        Self::SyscallExit,
        Self::Signal,
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Sample,
        Self::GoGcTrigger,
        Self::GoGcCycle,
        Self::ExecArguments,
        Self::Lost,
        Self::GoStop,
        Self::GoStarted,
    ];
}

/// A kind number this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub u16);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown event kind {}", self.0)
    }
}

impl core::error::Error for UnknownKind {}

impl TryFrom<u16> for Kind {
    type Error = UnknownKind;

    fn try_from(number: u16) -> Result<Self, UnknownKind> {
        let mut i = 0;
        while i < Self::ALL.len() {
            if Self::ALL[i] as u16 == number {
                return Ok(Self::ALL[i]);
            }
            i += 1;
        }
        Err(UnknownKind(number))
    }
}

/// Starts every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct EventHeader {
    /// A [`Kind`].
    pub kind: u16,
    /// CPU the probe ran on.
    pub cpu: u16,
    /// Length of the whole record in bytes, this header included.
    pub len: u32,
    /// `CLOCK_MONOTONIC` in ns (`bpf_ktime_get_ns`).
    pub time_ns: u64,
    /// Thread group id in the initial pid namespace: what user space calls a pid.
    pub tgid: u32,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Goroutine id, 0 when there is none or it was not asked for.
    pub goid: u64,
}

crate::wire_type!(EventHeader, size 32, {
    kind @ 0, cpu @ 2, len @ 4, time_ns @ 8, tgid @ 16, tid @ 20, goid @ 24,
});

/// A syscall was entered. Captures follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SyscallEnter {
    pub header: EventHeader,
    pub nr: u32,
    /// Number of captures that follow.
    pub captures: u16,
    /// Bits of [`syscall_flag`].
    pub flags: u16,
    pub args: [u64; 6],
}

crate::wire_type!(SyscallEnter, size 88, {
    header @ 0, nr @ 32, captures @ 36, flags @ 38, args @ 40,
});

/// A syscall returned. Captures follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SyscallExit {
    pub header: EventHeader,
    pub nr: u32,
    /// Number of captures that follow.
    pub captures: u16,
    /// Bits of [`syscall_flag`].
    pub flags: u16,
    /// The return value; -4095 to -1 are error numbers.
    pub ret: i64,
}

crate::wire_type!(SyscallExit, size 48, {
    header @ 0, nr @ 32, captures @ 36, flags @ 38, ret @ 40,
});

/// Bits of the `flags` of syscall records.
pub mod syscall_flag {
    /// The record had no room for all captures.
    pub const CAPTURES_CUT: u16 = 1;
    /// The call came through the 32-bit entry: numbers and arguments are those of that ABI.
    pub const COMPAT: u16 = 2;
}

/// A signal is delivered to a thread (`signal:signal_deliver`), or sent and dropped at once
/// (`signal:signal_generate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Signal {
    pub header: EventHeader,
    pub signo: u32,
    /// Bits of [`signal_flag`].
    pub flags: u32,
    /// The first bytes of the kernel's `siginfo`, laid out as `siginfo_t`.
    pub info: [u8; 48],
}

crate::wire_type!(Signal, size 88, { header @ 0, signo @ 32, flags @ 36, info @ 40 });

/// Bits of [`Signal::flags`].
pub mod signal_flag {
    /// `info` could be read.
    pub const HAS_INFO: u32 = 1;
    /// The target ignores the signal: it was dropped when it was sent.
    pub const IGNORED: u32 = 2;
}

/// A task was created; the header is the parent's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    pub header: EventHeader,
    pub child_tgid: u32,
    pub child_tid: u32,
    pub comm: [u8; 16],
}

crate::wire_type!(Fork, size 56, { header @ 0, child_tgid @ 32, child_tid @ 36, comm @ 40 });

/// A process replaced its program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exec {
    pub header: EventHeader,
    /// Thread id of the caller before it took the leader's.
    pub old_tid: u32,
    pub reserved: u32,
    pub comm: [u8; 16],
}

crate::wire_type!(Exec, size 56, { header @ 0, old_tid @ 32, reserved @ 36, comm @ 40 });

/// What an `execve` was given, as the kernel copied it, where its entry could not read all of
/// that. The path's bytes follow, padded to 8 bytes, then those of the new program's argument
/// strings, each with its NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ExecArguments {
    pub header: EventHeader,
    /// Thread id of the caller before it took the leader's.
    pub old_tid: u32,
    /// 1 when the kernel runs an interpreter in the place of the file: then the first of the
    /// arguments are the interpreter's, and the caller's first is not among them.
    pub interpreted: u32,
    /// Arguments of the new program.
    pub argc: u32,
    /// Variables in its environment.
    pub envc: u32,
    /// Bytes of the path.
    pub path_len: u32,
    /// Bytes of the strings that follow: at most [`MAX_EXEC_STRINGS`] of them.
    pub strings_len: u32,
}

crate::wire_type!(ExecArguments, size 56, {
    header @ 0, old_tid @ 32, interpreted @ 36, argc @ 40, envc @ 44, path_len @ 48,
    strings_len @ 52,
});

/// Bytes of the argument strings in an [`ExecArguments`].
pub const MAX_EXEC_STRINGS: usize = 16 * 1024 - 1;

/// Records that the ring buffer did not take on a CPU, before this one fitted in. The header is
/// that of the thread that then ran, but for the time, which is that of the first record lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lost {
    pub header: EventHeader,
    /// The probe, a number of [`ProbeId`](crate::probe::ProbeId).
    pub probe: u32,
    pub reserved: u32,
    /// Records; both halves of a call are one.
    pub count: u64,
}

crate::wire_type!(Lost, size 48, { header @ 0, probe @ 32, reserved @ 36, count @ 40 });

/// A task ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    pub header: EventHeader,
    /// As `wait4` reports it (`task_struct.exit_code`).
    pub status: u32,
    /// 1 when it was the last thread of its process.
    pub group_dead: u32,
    pub comm: [u8; 16],
    /// Program counter and stack pointer with which the thread left user code for the last time; 0
    /// when nobody asked.
    pub pc: u64,
    pub sp: u64,
}

crate::wire_type!(Exit, size 72, {
    header @ 0, status @ 32, group_dead @ 36, comm @ 40, pc @ 56, sp @ 64,
});

/// Frames in one stack of a sample that the kernel walks: its own limit
/// (`kernel.perf_event_max_stack`). Those walked with unwind tables have up to
/// [`MAX_FRAMES`](crate::unwind::MAX_FRAMES).
pub const MAX_STACK: usize = 127;

/// An on-CPU sample. `kernel_len` then `user_len` addresses of 8 bytes follow, innermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sample {
    pub header: EventHeader,
    pub kernel_len: u16,
    pub user_len: u16,
    /// Bits of [`sample_flag`].
    pub flags: u32,
    pub comm: [u8; 16],
}

crate::wire_type!(Sample, size 56, {
    header @ 0, kernel_len @ 32, user_len @ 34, flags @ 36, comm @ 40,
});

/// Bits of [`Sample::flags`].
pub mod sample_flag {
    /// The user stack could not be read.
    pub const NO_USER_STACK: u32 = 1;
    /// A stack was as long as the limit: its root may be missing.
    pub const TRUNCATED: u32 = 2;
    /// The user stack is whole: its last frame is that with which the thread began.
    pub const ROOT: u32 = 4;
    /// The user stack ends early, at something that is no frame.
    pub const LOST: u32 = 8;
    /// Part of the user stack was found by following frame pointers in code that may keep none.
    pub const GUESSED: u32 = 16;
}

/// A Go garbage collection cycle begins, with the world stopped
/// (`runtime.(*gcControllerState).startCycle`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoGcTrigger {
    pub header: EventHeader,
    /// `gcTriggerKind`: 0 heap size, 1 time, 2 forced (runtime/mgc.go).
    pub trigger: u64,
}

crate::wire_type!(GoGcTrigger, size 40, { header @ 0, trigger @ 32 });

/// Ranges of target memory copied at one moment.
pub const MAX_RANGES: usize = 8;
/// Longest range in bytes.
pub const MAX_RANGE_LEN: usize = 512;

/// A Go garbage collection cycle ended (`runtime.freeStackSpans`). The ranges' bytes follow, each
/// padded to 8 bytes, in the order of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoGcCycle {
    pub header: EventHeader,
    /// Ranges that follow.
    pub ranges: u32,
    /// Bit n is set when range n could not be read and is zero.
    pub failed: u32,
    /// Length of each range in bytes.
    pub lens: [u16; MAX_RANGES],
    /// Assists of the process so far, or [`GoGcCycle::NO_ASSISTS`].
    pub assists: u64,
    /// Their time, ns.
    pub assist_ns: u64,
}

impl GoGcCycle {
    /// They are not measured.
    pub const NO_ASSISTS: u64 = u64::MAX;
}

crate::wire_type!(GoGcCycle, size 72, {
    header @ 0, ranges @ 32, failed @ 36, lens @ 40, assists @ 56, assist_ns @ 64,
});

/// Room for the bytes of all ranges; a power of two.
pub const GC_BYTES: usize = 4096;

/// A [`GoGcCycle`] as it is written: the stated length tells how much of it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GoGcRecord {
    pub cycle: GoGcCycle,
    pub bytes: [u8; GC_BYTES],
}

crate::wire_type!(GoGcRecord, size 4168, { cycle @ 0, bytes @ 72 });

/// Most frames of a goroutine's stack in a [`GoStop`]; a power of two.
pub const MAX_STOP_FRAMES: usize = 32;

/// A Go process stopped the world and is about to start it again (`startTheWorldWithSema`). Times
/// in ns, 0 when not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GoStop {
    pub header: EventHeader,
    /// When `stopTheWorldWithSema` was called.
    pub began_ns: u64,
    /// What the runtime itself takes for the beginning and the end of stopping.
    pub started_ns: u64,
    pub finished_ns: u64,
    /// When the thread that stops the world last came back to a CPU from waiting.
    pub woke_ns: u64,
    /// `stwReason`, or [`GoStopState::NO_REASON`](crate::stats::GoStopState::NO_REASON).
    pub reason: u32,
    /// Ps that there are.
    pub processors: u32,
    /// Ps that were seen to stop by themselves.
    pub seen: u32,
    /// The last of these, [`GoStop::NOBODY`] when there is none.
    pub last: u32,
    /// What it did.
    pub delay: GoStopped,
    /// `g.atomicstatus` of its goroutine now.
    pub status: u32,
    /// Addresses in `stack`: where the goroutine goes on, then return addresses.
    pub frames: u32,
    pub stack: [u64; MAX_STOP_FRAMES],
}

impl GoStop {
    /// Value of `last` for no P.
    pub const NOBODY: u32 = u32::MAX;
}

crate::wire_type!(GoStop, size 416, {
    header @ 0, began_ns @ 32, started_ns @ 40, finished_ns @ 48, woke_ns @ 56, reason @ 64,
    processors @ 68, seen @ 72, last @ 76, delay @ 80, status @ 152, frames @ 156, stack @ 160,
});

/// All Ps of a Go process run again (`startTheWorldWithSema` calls `wakep`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoStarted {
    pub header: EventHeader,
}

crate::wire_type!(GoStarted, size 32, { header @ 0 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_distinct_numbers_and_survive_the_round_trip() {
        for (i, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(Kind::try_from(*kind as u16), Ok(*kind));
            assert_eq!(*kind as usize, i + 1, "numbers are dense; append new kinds");
        }
        assert_eq!(Kind::try_from(0), Err(UnknownKind(0)));
        assert_eq!(Kind::try_from(14), Err(UnknownKind(14)));
    }
}
