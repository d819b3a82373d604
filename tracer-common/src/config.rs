//! What the user side tells the BPF programs, besides constants in `.rodata`.

use crate::event::MAX_RANGES;

/// Flags of a process in the target map.
pub mod target {
    /// Trace it.
    pub const TRACE: u32 = 1;
    /// Not before its next `execve`: it is still our own child preparing.
    pub const AWAIT_EXEC: u32 = 2;
    /// Its children become targets when they are forked.
    pub const FOLLOW: u32 = 4;
}

/// Where to find the goroutine in a Go process. Offsets in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoOffsets {
    /// Of the `g` pointer from the thread pointer, negative on amd64; or
    /// [`GoOffsets::IN_REGISTER`].
    pub tls_g: i64,
    pub g_m: u32,
    pub g_goid: u32,
    /// 1 when `tls_g` is assumed: then every use of it compares `m.procid` with the thread.
    pub doubtful: u32,
    /// Place of its [`OwnCode`], 0 when there is none.
    pub own_code: u32,
    pub m_curg: u32,
    pub m_procid: u32,
    /// Device and inode of the process's pid namespace, in which the runtime counts its threads:
    /// `stat` of `/proc/PID/ns/pid`, the device as the kernel writes it (`MKDEV`).
    pub pid_ns_dev: u64,
    pub pid_ns_ino: u64,
    pub g_gopc: u32,
    pub reserved: u32,
}

impl GoOffsets {
    /// Value of `tls_g` for a program that keeps its `g` in a register alone: x28 on arm64, where
    /// the runtime writes the thread-local slot only with cgo (runtime/tls_arm64.s, `save_g`).
    pub const IN_REGISTER: i64 = i64::MIN;
}

crate::wire_type!(GoOffsets, size 56, {
    tls_g @ 0, g_m @ 8, g_goid @ 12, doubtful @ 16, own_code @ 20, m_curg @ 24, m_procid @ 28,
    pid_ns_dev @ 32, pid_ns_ino @ 40, g_gopc @ 48, reserved @ 52,
});

/// Where the code of a Go program lies that is not the standard library's: a walk along the stack
/// ends at the first frame there. The text is divided into buckets of equal size; one counts if all
/// functions in it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct OwnCode {
    /// Address of the first bucket in the process.
    pub start: u64,
    /// A bucket has `1 << shift` bytes.
    pub shift: u32,
    pub reserved: u32,
    /// A bit for each bucket, the lowest first.
    pub buckets: [u64; Self::WORDS],
}

impl OwnCode {
    /// Processes of which it can be known, and one place for those of which it is not.
    pub const PLACES: u32 = 257;
    pub const WORDS: usize = 64;
    pub const BUCKETS: u64 = 64 * Self::WORDS as u64;
    /// No code at all.
    pub const NONE: Self = Self {
        start: 0,
        shift: 0,
        reserved: 0,
        buckets: [0; Self::WORDS],
    };
}

crate::wire_type!(OwnCode, size 528, { start @ 0, shift @ 8, reserved @ 12, buckets @ 16 });

/// A range of target memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Range {
    pub addr: u64,
    /// Bytes, at most [`crate::event::MAX_RANGE_LEN`].
    pub len: u32,
    pub reserved: u32,
}

crate::wire_type!(Range, size 16, { addr @ 0, len @ 8, reserved @ 12 });

/// Ranges that one probe copies from one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ReadPlan {
    pub ranges: [Range; MAX_RANGES],
    pub count: u64,
}

crate::wire_type!(ReadPlan, size 136, { ranges @ 0, count @ 128 });

/// Processors (Ps) of a Go process that a stop of the world is followed on; what those beyond do is
/// not known. A power of two.
pub const MAX_PROCESSORS: usize = 64;

/// Where the scheduler of a Go process is. Offsets in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoScheduler {
    /// Live address of `runtime.allp`, a slice.
    pub allp: u64,
    /// Bits of [`go_stop`].
    pub flags: u32,
    pub g_m: u32,
    pub g_goid: u32,
    pub g_status: u32,
    pub g_sched_pc: u32,
    pub g_sched_bp: u32,
    pub m_p: u32,
    pub m_curg: u32,
    pub p_id: u32,
    pub p_m: u32,
    pub p_schedtick: u32,
    pub g_gopc: u32,
    /// Live address of `runtime.allm`, a pointer.
    pub allm: u64,
    pub m_alllink: u32,
    pub m_oldp: u32,
    pub g_syscallpc: u32,
    /// [`GoScheduler::NONE`] where the release has none (before Go 1.23).
    pub g_syscallbp: u32,
    /// [`GoScheduler::NONE`] where it is not known.
    pub m_syscalltick: u32,
    pub p_syscalltick: u32,
}

impl GoScheduler {
    /// No such field.
    pub const NONE: u32 = u32::MAX;
}

crate::wire_type!(GoScheduler, size 88, {
    allp @ 0, flags @ 8, g_m @ 12, g_goid @ 16, g_status @ 20, g_sched_pc @ 24, g_sched_bp @ 28,
    m_p @ 32, m_curg @ 36, p_id @ 40, p_m @ 44, p_schedtick @ 48, g_gopc @ 52, allm @ 56,
    m_alllink @ 64, m_oldp @ 68, g_syscallpc @ 72, g_syscallbp @ 76,
    m_syscalltick @ 80, p_syscalltick @ 84,
});

/// What the functions that stop and start the world are told, by release.
pub mod go_stop {
    /// `stopTheWorldWithSema(reason)`: Go 1.21.
    pub const REASON: u32 = 1;
    /// `startTheWorldWithSema(now, {reason, started})`: Go 1.22.
    pub const STARTED: u32 = 2;
    /// The same with `finished` as the third of the structure: Go 1.23.
    pub const FINISHED: u32 = 4;
}

/// What the probes of waits of goroutines must know of a Go process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoWaiting {
    /// Time before counts for nothing, ns of the monotonic clock; or [`GoWaiting::NOT_YET`],
    /// [`GoWaiting::OVER`].
    pub begin_ns: u64,
    /// Offset of `g.gopc` in bytes.
    pub g_gopc: u32,
    pub reserved: u32,
}

impl GoWaiting {
    /// No wait counts, but goroutines are followed.
    pub const NOT_YET: u64 = u64::MAX;
    /// All stands still as it is.
    pub const OVER: u64 = u64::MAX - 1;
}

crate::wire_type!(GoWaiting, size 16, { begin_ns @ 0, g_gopc @ 8, reserved @ 12 });
