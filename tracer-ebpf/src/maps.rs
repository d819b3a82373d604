//! Every map. The loader shrinks those that a session does not use.
//!
//! Hashes are preallocated: allocation on demand fails now and then in the places where probes run,
//! and a measurement would be lost.

use aya_ebpf::{
    btf_maps,
    macros::{btf_map, map},
    maps::{Array, HashMap, PerCpuArray, RingBuf, StackTrace},
};
use tracer_common::{
    capture::{CaptureRules, MAX_SYSCALLS},
    config::{GoOffsets, GoScheduler, GoWaiting, OwnCode, ReadPlan},
    event::Signal,
    goroutine_assist::{GoAssistKey, GoAssistPending, GoAssistTime},
    goroutine_handoff::GoHandoffKey,
    goroutine_wait::{GoWaitKey, GoWaitPending, GoWaitStack, GoWaitTime, GoroutineKey},
    probe::{ProbeCounters, ProbeId},
    stats::{
        GoCreator, GoCreatorKey, GoNewborn, GoNewbornKey, GoStopState, GoStopThread, LatencyStats,
        OffCpuKey, OffCpuPending, OffCpuTime, RunQueueStats, ThreadTime, WakerKey, WokenKey,
    },
    unwind::{MAX_CHUNKS, NODES_IN_CHUNK, Node, UnwindProcess, UnwoundStack},
};

/// Bytes in which a record is built before it is sent. The kernel allows per-CPU values no larger.
pub const SCRATCH_LEN: usize = 32 * 1024;

/// Room for one record.
#[repr(C, align(8))]
pub struct Scratch(pub [u8; SCRATCH_LEN]);

/// A record under construction, and the call it is about. It lives in a map so that the functions
/// that extend it can be verified each on its own.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Progress {
    /// Bytes that are filled.
    pub len: u64,
    /// Captures.
    pub count: u32,
    /// 1 when something did not fit.
    pub cut: u32,
    /// Bytes that the buffers of an `iovec` array may still hold.
    pub left: u64,
    /// Bytes of a buffer of an `iovec` array to copy.
    pub limit: u64,
    /// The probe that counts faults.
    pub probe: u32,
    /// One of [`tracer_common::capture::phase`].
    pub phase: u32,
    /// The rules to run, a bit each.
    pub only: u32,
    /// [`tracer_common::capture::status::LATE`] when these are rules for the entry at exit, or 0.
    pub late: u32,
    /// The rule that runs, or [`MAX_RULES`](tracer_common::capture::MAX_RULES) for one that the
    /// exit does not run again.
    pub rule: u32,
    /// Rules that could not read something, a bit each.
    pub cold: u32,
    /// The return value, 0 at entry.
    pub ret: u64,
    pub args: [u64; 6],
    /// Makes an index of three bits safe.
    pub pad: [u64; 2],
}

/// A syscall that a thread is in.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct InFlight {
    /// `bpf_get_current_pid_tgid` of the thread, 0 when free.
    pub owner: u64,
    pub enter_ns: u64,
    pub nr: u64,
    /// A cache line each, so that CPUs do not slow each other.
    pub pad: [u64; 5],
}

/// When a thread entered the call that it is in.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CallBegan {
    /// `bpf_get_current_pid_tgid` of the thread.
    pub owner: u64,
    pub ns: u64,
}

/// Who woke a thread, from which wait.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Waker {
    pub key: WakerKey,
    /// When that wait began.
    pub out_ns: u64,
}

/// When a thread became runnable.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Runnable {
    /// 0 when it is not waiting for a CPU.
    pub since_ns: u64,
    /// The number of the CPU where it ran last, plus 1; 0 when that was not seen.
    pub last_cpu: u32,
    /// One of [`whereabouts`].
    pub whereabouts: u32,
}

/// Where the last switch that was told left a thread.
pub mod whereabouts {
    /// No switch of it was told yet.
    pub const UNKNOWN: u32 = 0;
    pub const ON_CPU: u32 = 1;
    pub const OFF_CPU: u32 = 2;
}

/// A walk along a user stack with unwind tables: see [`crate::unwind`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Walk {
    /// What the next step starts from.
    pub pc: u64,
    pub stack_pointer: u64,
    pub frame_pointer: u64,
    /// 1 when `pc` is where a call returns to: the call is before it.
    pub is_return: u64,
    /// 1 when the last step was out of code that is known to keep frame pointers.
    pub in_go: u64,
    /// The mapping that was used last, and its table.
    pub start: u64,
    pub len: u64,
    pub bias: u64,
    pub first_row: u64,
    pub rows: u64,
    /// 1 when all of its functions that call keep frame pointers.
    pub keeps_pointers: u64,
    /// Its handler of signals, [`tracer_common::unwind::UnwindMapping::handler`].
    pub handler: u64,
    pub handler_len: u64,
    /// Those of the process.
    pub first_mapping: u64,
    pub mappings: u64,
    /// Of all frames so far.
    pub hash: u64,
    /// The thread's user registers, `struct pt_regs`.
    pub registers: [u64; REGISTERS],
    pub stack: UnwoundStack,
}

/// Words of `struct pt_regs` that are copied: up to the stack segment on x86_64
/// (arch/x86/include/uapi/asm/ptrace.h).
pub const REGISTERS: usize = 21;

/// Walks under way: samples interrupt the other programs.
#[map]
pub static WALKS: PerCpuArray<Walk> = PerCpuArray::with_max_entries(walk::COUNT, 0);

/// Whose walk it is.
pub mod walk {
    pub const SAMPLE: u32 = 0;
    pub const OFF_CPU: u32 = 1;
    pub const CALL: u32 = 2;
    pub const COUNT: u32 = 3;
}

/// Nodes of unwind tables, which the user side adds.
pub type Chunk = btf_maps::Array<Node, { NODES_IN_CHUNK as usize }>;

/// Unwind tables and mappings: see [`tracer_common::unwind`].
#[btf_map]
pub static UNWIND_CHUNKS: btf_maps::ArrayOfMaps<Chunk, { MAX_CHUNKS as usize }> =
    btf_maps::ArrayOfMaps::new();

/// Where the mappings of a process are, by tgid.
#[map]
pub static UNWIND_PROCESSES: HashMap<u32, UnwindProcess> = HashMap::with_max_entries(4096, 0);

/// Stacks of [`OFF_CPU`] that were walked with unwind tables, by
/// [`OffCpuKey::unwound`].
#[map]
pub static UNWOUND_STACKS: HashMap<u64, UnwoundStack> = HashMap::with_max_entries(8192, 0);

/// Processes to trace: tgid to flags of [`tracer_common::config::target`].
#[map]
pub static TARGETS: HashMap<u32, u32> = HashMap::with_max_entries(16384, 0);

/// 1 when the only target has ended: its pid may come to be another process's.
#[map]
pub static TARGET_GONE: Array<u32> = Array::with_max_entries(1, 0);

/// Where goroutines are found, by tgid.
#[map]
pub static GO_TARGETS: HashMap<u32, GoOffsets> = HashMap::with_max_entries(256, 0);

/// Where walks along the stacks of goroutines may end, by [`GoOffsets::own_code`].
#[map]
pub static GO_OWN_CODE: Array<OwnCode> = Array::with_max_entries(OwnCode::PLACES, 0);

/// What the end-of-cycle probe copies, by tgid.
#[map]
pub static GO_GC_PLANS: HashMap<u32, ReadPlan> = HashMap::with_max_entries(256, 0);

/// Where the scheduler of a Go process is, by tgid.
#[map]
pub static GO_SCHEDULERS: HashMap<u32, GoScheduler> = HashMap::with_max_entries(64, 0);

/// Stops of the world, by tgid. The user side inserts all entries.
#[map]
pub static GO_STOPS: HashMap<u32, GoStopState> = HashMap::with_max_entries(64, 0);

/// Samples by who made the goroutine that ran. A program has some hundred `go` statements.
#[map]
pub static GO_CREATOR_SAMPLES: HashMap<GoCreatorKey, u64> = HashMap::with_max_entries(1024, 0);

/// What waits of goroutines need, by tgid.
#[map]
pub static GO_WAITING: HashMap<u32, GoWaiting> = HashMap::with_max_entries(64, 0);

/// Goroutines that wait, and those that have waited.
#[map]
pub static GO_WAIT_PENDING: HashMap<GoroutineKey, GoWaitPending> =
    HashMap::with_max_entries(1 << 17, 0);

/// Waits that have ended.
#[map]
pub static GO_WAITS: HashMap<GoWaitKey, GoWaitTime> = HashMap::with_max_entries(1 << 14, 0);

/// Stacks of both, of [`GO_ASSISTS`] and of [`GO_HANDOFFS`], by [`GoWaitStack::id`].
#[map]
pub static GO_WAIT_STACKS: HashMap<u64, GoWaitStack> = HashMap::with_max_entries(1 << 14, 0);

/// A walk along the stack of a goroutine that is about to wait.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct GoWaitWalk {
    /// 1 while a thread uses it: programs of user probes may be preempted (`bpf_prog_run_array_uprobe`
    /// since Linux 6.0 keeps them on their CPU only).
    pub busy: u64,
    /// The frame that the next step is to read.
    pub frame: u64,
    /// Address of the piece of the stack in `piece`, and its bytes.
    pub base: u64,
    pub len: u64,
    /// Of all frames so far.
    pub hash: u64,
    pub stack: GoWaitStack,
    pub piece: [u64; crate::go_wait_stack::PIECE_WORDS],
}

/// By CPU, for one thread at a time: see [`GoWaitWalk::busy`].
#[map]
pub static GO_WAIT_WALK: PerCpuArray<GoWaitWalk> = PerCpuArray::with_max_entries(1, 0);

/// Assists that threads are in, by `bpf_get_current_pid_tgid`, and the last ones of others.
#[map]
pub static GO_ASSIST_PENDING: HashMap<u64, GoAssistPending> = HashMap::with_max_entries(1 << 14, 0);

/// Waits for others to do it that goroutines are in, and the last ones.
#[map]
pub static GO_ASSIST_WAITING: HashMap<GoroutineKey, GoAssistPending> =
    HashMap::with_max_entries(1 << 14, 0);

/// Assists by who did them, with stacks in [`GO_WAIT_STACKS`].
#[map]
pub static GO_ASSISTS: HashMap<GoAssistKey, GoAssistTime> = HashMap::with_max_entries(1 << 14, 0);

/// All of them, by tgid. The user side inserts all entries.
#[map]
pub static GO_ASSIST_SUMS: HashMap<u32, GoAssistTime> = HashMap::with_max_entries(64, 0);

/// How often threads lost their P, by why and where, with stacks in [`GO_WAIT_STACKS`].
#[map]
pub static GO_HANDOFFS: HashMap<GoHandoffKey, u64> = HashMap::with_max_entries(4096, 0);

/// Threads of Go processes, by tid, for stops of the world.
#[map]
pub static GO_STOP_THREADS: HashMap<u32, GoStopThread> = HashMap::with_max_entries(32768, 0);

/// Goroutines by the `go` statement that made them.
#[map]
pub static GO_CREATORS: HashMap<GoCreatorKey, GoCreator> = HashMap::with_max_entries(1024, 0);

/// An all-zero value to insert: it is too large for a program's stack.
#[map]
pub static ZERO_GO_CREATOR: Array<GoCreator> = Array::with_max_entries(1, 0);

/// Goroutines that have not run yet.
#[map]
pub static GO_NEWBORNS: HashMap<GoNewbornKey, GoNewborn> = HashMap::with_max_entries(65536, 0);

/// All records.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What each probe did.
#[map]
pub static COUNTERS: PerCpuArray<ProbeCounters> =
    PerCpuArray::with_max_entries(ProbeId::COUNT as u32, 0);

/// Records of syscalls under construction, by [`slot`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(slot::COUNT, 0);

/// Progress of the record in [`SCRATCH`].
#[map]
pub static PROGRESS: PerCpuArray<Progress> = PerCpuArray::with_max_entries(slot::COUNT, 0);

/// Each program has a buffer of its own: newer kernels (7.2 does so) let a thread be preempted in a
/// program on the way into or out of a syscall, and another program run on that CPU meanwhile. The
/// same program does not: the kernel leaves that run out, and counts it.
pub mod slot {
    pub const ENTER: u32 = 0;
    pub const EXIT: u32 = 1;
    pub const EXEC: u32 = 2;
    pub const COUNT: u32 = 3;
}

/// Samples under construction: these interrupt the other programs, so stacks of syscalls, which are
/// samples too, have an entry of their own.
#[map]
pub static SAMPLE_SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// Places in [`COLD`]; a power of two.
pub const COLD_THREADS: u32 = 8192;

/// Calls under way of which the exit must know something, by the last bits of the thread's id: see
/// [`crate::cold`].
#[map]
pub static COLD: Array<u64> = Array::with_max_entries(COLD_THREADS, 0);

/// Places in [`CALL_BEGAN`]; a power of two.
pub const CALL_THREADS: u32 = 8192;

/// When calls under way began, by the last bits of the thread's id: see [`crate::slow`].
#[map]
pub static CALL_BEGAN: Array<CallBegan> = Array::with_max_entries(CALL_THREADS, 0);

/// Calls that last at least so many ns come with a stack.
#[map]
pub static SLOW_CALL: Array<u64> = Array::with_max_entries(1, 0);

/// Fatal signals that were sent and not yet carried out, by tgid.
#[map]
pub static FATAL: HashMap<u32, Signal> = HashMap::with_max_entries(1024, 0);

/// What to copy, by syscall number.
#[map]
pub static CAPTURE_RULES: Array<CaptureRules> = Array::with_max_entries(MAX_SYSCALLS, 0);

/// Syscall statistics by number; the last slot takes numbers beyond.
#[map]
pub static SYSCALL_STATS: PerCpuArray<LatencyStats> =
    PerCpuArray::with_max_entries(MAX_SYSCALLS + 1, 0);

/// The syscall that each CPU's last caller is in, by CPU.
#[map]
pub static IN_FLIGHT: Array<InFlight> = Array::with_max_entries(1, 0);

/// Syscalls that had to leave their CPU's slot because another thread entered one there. Where
/// programs cannot exchange atomically: those of all threads, kept until the thread ends.
#[map]
pub static SPILLED: HashMap<u64, InFlight> = HashMap::with_max_entries(16384, 0);

/// Stacks of [`OFF_CPU`].
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(16384, 0);

/// Stacks whose slot in [`STACKS`] another stack has.
#[map]
pub static MORE_STACKS: StackTrace = StackTrace::with_max_entries(4096, 0);

/// Threads off the CPU, by tid.
#[map]
pub static OFF_CPU_PENDING: HashMap<u32, OffCpuPending> = HashMap::with_max_entries(32768, 0);

/// When each CPU switched last, as far as the kernel told, in ns; for each of the programs that ask
/// ([`switched`]), which all run at the same switch.
#[map]
pub static SWITCHED: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);

/// Indices of [`SWITCHED`].
pub mod switched {
    pub const OFF_CPU: u32 = 0;
    pub const RUN_QUEUE: u32 = 1;
}

/// Of how many switches off the CPU one is measured, less 1; a power of two less 1. `u32::MAX` while
/// nothing is measured, neither on the CPU nor off it.
#[map]
pub static OFF_CPU_SKIP: Array<u32> = Array::with_max_entries(1, 0);

/// Time off the CPU.
#[map]
pub static OFF_CPU: HashMap<OffCpuKey, OffCpuTime> = HashMap::with_max_entries(32768, 0);

/// The last to wake each thread, by its tid.
#[map]
pub static WAKERS: HashMap<u32, Waker> = HashMap::with_max_entries(32768, 0);

/// Time off the CPU where wakers are asked for.
#[map]
pub static WOKEN: HashMap<WokenKey, OffCpuTime> = HashMap::with_max_entries(32768, 0);

/// Time on the CPU, by tid.
#[map]
pub static ON_CPU: HashMap<u32, ThreadTime> = HashMap::with_max_entries(32768, 0);

/// Threads waiting for a CPU, by tid.
#[map]
pub static RUNNABLE: HashMap<u32, Runnable> = HashMap::with_max_entries(32768, 0);

/// Scheduling statistics by tid.
#[map]
pub static RUN_QUEUE: HashMap<u32, RunQueueStats> = HashMap::with_max_entries(4096, 0);

/// An all-zero value to insert: it is too large for a program's stack.
#[map]
pub static ZERO_RUN_QUEUE: Array<RunQueueStats> = Array::with_max_entries(1, 0);
