//! The shape of a row: for each runtime structure, where its fields lie. Their names in the runtime
//! are in `fields.txt`.

use crate::go::binary::Arch;
use crate::go::version::Release;

/// Offsets of one release on one architecture, bytes from the start of each structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Release the offsets were read from.
    pub release: Release,
    /// Architecture they hold on.
    pub arch: Arch,
    /// Goroutines.
    pub g: G,
    /// Threads.
    pub m: M,
    /// Scheduling contexts.
    pub p: P,
    /// The scheduler.
    pub sched: Sched,
    /// The GC pacer.
    pub controller: Controller,
    /// The GC cycle.
    pub work: Work,
    /// Memory statistics.
    pub stats: Stats,
    /// Places in queues.
    pub sudog: Sudog,
    /// Channels.
    pub chan: Chan,
    /// Descriptors that the network poller watches.
    pub poll: PollDesc,
    /// Panics under way.
    pub panic: Panic,
    /// The heap.
    pub heap: Heap,
    /// Stacks in the heap profile.
    pub bucket: Bucket,
    /// What it counts for each.
    pub record: Record,
}

/// `runtime.g`: one goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct G {
    /// Lowest address of the stack.
    pub stack_lo: u32,
    /// End of the stack.
    pub stack_hi: u32,
    /// Thread that runs it, or 0.
    pub m: u32,
    /// Saved stack pointer of a parked goroutine.
    pub sched_sp: u32,
    /// Saved program counter.
    pub sched_pc: u32,
    /// Saved frame pointer.
    pub sched_bp: u32,
    /// Stack pointer at the system call, in `_Gsyscall`.
    pub syscallsp: u32,
    /// Program counter at the system call.
    pub syscallpc: u32,
    /// Frame pointer at the system call; Go 1.23.
    pub syscallbp: Option<u32>,
    /// State, `u32`; bit 0x1000 is `_Gscan`.
    pub atomicstatus: u32,
    /// Goroutine number, `u64`.
    pub goid: u32,
    /// Start of the wait as the last GC saw it, ns of the monotonic clock.
    pub waitsince: u32,
    /// Wait reason, `u8`.
    pub waitreason: u32,
    /// Thread it is locked to, or 0.
    pub lockedm: u32,
    /// Number of the creating goroutine; Go 1.21.
    pub parent_goid: Option<u32>,
    /// Address of the `go` statement.
    pub gopc: u32,
    /// First function.
    pub startpc: u32,
    /// `u8`, one up whenever it stops running.
    pub tracking_seq: u32,
    /// First of the queues it waits in (`*sudog`), along `waitlink`; of semaphores since Go 1.26.
    pub waiting: u32,
    /// Profiler labels, or 0.
    pub labels: u32,
}

/// `runtime.m`: one OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct M {
    /// Scheduling stack (`*g`).
    pub g0: u32,
    /// Thread id, `u64`.
    pub procid: u32,
    /// Signal-handling goroutine (`*g`).
    pub gsignal: u32,
    /// Running user goroutine (`*g`), or 0.
    pub curg: u32,
    /// Attached P, or 0.
    pub p: u32,
    /// Number, `i64`.
    pub id: u32,
    /// `i32`.
    pub mallocing: u32,
    /// `i32`.
    pub throwing: u32,
    /// Reason preemption is off, a string.
    pub preemptoff: u32,
    /// `i32`.
    pub locks: u32,
    /// `i32`.
    pub dying: u32,
    /// Looks for work, `bool`.
    pub spinning: u32,
    /// Blocked on a note, `bool`.
    pub blocked: u32,
    /// Next thread of `allm`.
    pub alllink: u32,
    /// Goroutine locked to it, or 0.
    pub lockedg: u32,
    /// Stack pointer during a vDSO call.
    pub vdso_sp: u32,
    /// Program counter during a vDSO call.
    pub vdso_pc: u32,
}

/// `runtime.p`: one scheduling context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct P {
    /// Number, `i32`.
    pub id: u32,
    /// `u32`: 0 idle, 1 running, 2 syscall (before Go 1.26), 3 gcstop, 4 dead.
    pub status: u32,
    /// `u32`, one up per scheduler call.
    pub schedtick: u32,
    /// `u32`, one up per system call.
    pub syscalltick: u32,
    /// Attached thread, or 0.
    pub m: u32,
    /// `u32`.
    pub runqhead: u32,
    /// `u32`; length of the local queue is tail less head.
    pub runqtail: u32,
    /// Ring of 256 `*g`.
    pub runq: u32,
    /// Goroutine to run next, or 0.
    pub runnext: u32,
    /// Dead goroutines kept, `i32`.
    pub g_free_n: u32,
    /// Timers, `u32`.
    pub timers_len: u32,
    /// `u64`; Go 1.26.
    pub goroutines_created: Option<u32>,
}

/// `runtime.schedt`: the scheduler (`runtime.sched`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sched {
    /// Last goroutine number handed to a P, `u64`.
    pub goidgen: u32,
    /// Time of the last network poll, ns.
    pub lastpoll: u32,
    /// Idle threads, `i32`.
    pub nmidle: u32,
    /// Idle locked threads, `i32`.
    pub nmidlelocked: u32,
    /// Threads ever created, `i64`.
    pub mnext: u32,
    /// `i32`.
    pub maxmcount: u32,
    /// System threads, `i32`.
    pub nmsys: u32,
    /// Threads freed, `i64`.
    pub nmfreed: u32,
    /// System goroutines, `i32`.
    pub ngsys: u32,
    /// Idle Ps, `i32`.
    pub npidle: u32,
    /// `i32`.
    pub nmspinning: u32,
    /// `u32`; Go 1.20.
    pub needspinning: Option<u32>,
    /// Length of the global queue, `i32`.
    pub runqsize: u32,
    /// `bool`-like, `u32` before Go 1.20.
    pub gcwaiting: u32,
    /// `i32`.
    pub stopwait: u32,
    /// `bool`-like.
    pub sysmonwait: u32,
    /// Run-queue latency, a `timeHistogram`.
    pub time_to_run: u32,
    /// `i64` ns.
    pub idle_time: Option<u32>,
    /// `i64` ns.
    pub total_mutex_wait_time: Option<u32>,
    /// `timeHistogram`; Go 1.22.
    pub stw_stopping_time_gc: Option<u32>,
    /// `timeHistogram`; Go 1.22.
    pub stw_stopping_time_other: Option<u32>,
    /// `timeHistogram`; Go 1.22.
    pub stw_total_time_gc: Option<u32>,
    /// `timeHistogram`; Go 1.22.
    pub stw_total_time_other: Option<u32>,
    /// `u64`; Go 1.26.
    pub goroutines_created: Option<u32>,
}

/// `runtime.gcControllerState`: the GC pacer (`runtime.gcController`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    /// GOGC, `i32`.
    pub gc_percent: u32,
    /// GOMEMLIMIT, `i64` bytes.
    pub memory_limit: u32,
    /// Heap size at the trigger, bytes.
    pub triggered: u32,
    /// Goal of the cycle, bytes.
    pub last_heap_goal: u32,
    /// Live heap, bytes.
    pub heap_live: u32,
    /// Scannable heap, bytes.
    pub heap_scan: u32,
    /// Stack bytes scanned last cycle.
    pub last_stack_scan: u32,
    /// Stack bytes in use at most; gctrace showed them as stacks before Go 1.20.
    pub max_stack_scan: u32,
    /// Scannable globals, bytes.
    pub globals_scan: u32,
    /// Heap marked last cycle, bytes.
    pub heap_marked: u32,
    /// `i64`.
    pub bg_scan_credit: u32,
    /// Assists this cycle, ns.
    pub assist_time: u32,
    /// Dedicated workers this cycle, ns.
    pub dedicated_mark_time: u32,
    /// Fractional workers this cycle, ns.
    pub fractional_mark_time: u32,
    /// Idle workers this cycle, ns.
    pub idle_mark_time: u32,
    /// ns of the monotonic clock.
    pub mark_start_time: u32,
    /// Bytes.
    pub heap_in_use: u32,
    /// Bytes.
    pub heap_released: u32,
    /// Bytes.
    pub heap_free: u32,
    /// Bytes.
    pub mapped_ready: u32,
    /// Bytes of objects, since the start.
    pub total_alloc: u32,
    /// Bytes of objects that the sweeper freed, since the start.
    pub total_free: u32,
    /// Smallest heap that is worth a cycle, bytes.
    pub heap_minimum: u32,
    /// Heap growth to expect during a cycle, bytes.
    pub runway: u32,
    /// Goal by GOGC alone, bytes.
    pub gc_percent_heap_goal: u32,
}

/// `runtime.workType`: the current GC cycle (`runtime.work`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// `gcMode`, `i64`.
    pub mode: u32,
    /// Cycle asked for by `runtime.GC`, `bool`.
    pub user_forced: u32,
    /// Cycles begun, `u32`.
    pub cycles: u32,
    /// Ps at the start, `i32`.
    pub stwprocs: u32,
    /// Ps, `i32`.
    pub maxprocs: u32,
    /// Start of sweep termination, ns of the monotonic clock.
    pub t_sweep_term: u32,
    /// Start of marking.
    pub t_mark: u32,
    /// Start of mark termination.
    pub t_mark_term: u32,
    /// End of the cycle.
    pub t_end: u32,
    /// Stop-the-world time of the cycle, ns.
    pub pause_ns: u32,
    /// Live heap at the start, bytes.
    pub heap0: u32,
    /// Live heap at mark termination, bytes.
    pub heap1: u32,
    /// Bytes marked.
    pub heap2: u32,
    /// Bytes.
    pub initial_heap_live: u32,
}

/// `runtime.mstats`: memory statistics (`runtime.memstats`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// ns since 1970, `u64`.
    pub last_gc_unix: u32,
    /// `u64`.
    pub pause_total_ns: u32,
    /// Ring of 256 `u64`.
    pub pause_ns: u32,
    /// Ring of 256 `u64`, ns since 1970.
    pub pause_end: u32,
    /// Cycles completed, `u32`.
    pub numgc: u32,
    /// `u32`.
    pub numforcedgc: u32,
    /// Share of CPU in GC, `f64`.
    pub gc_cpu_fraction: u32,
    /// ns of the monotonic clock.
    pub last_gc_nanotime: u32,
    /// Bytes.
    pub last_heap_in_use: u32,
    /// Bytes got from the system, `u64`: stacks of threads.
    pub stacks_sys: u32,
    /// Records of spans.
    pub mspan_sys: u32,
    /// Caches of Ps.
    pub mcache_sys: u32,
    /// Buckets of profiles.
    pub buckhash_sys: u32,
    /// The collector's records.
    pub gc_misc_sys: u32,
    /// Anything else.
    pub other_sys: u32,
    /// The first of 3 `heapStatsDelta`, whose sum counts.
    pub heap_stats: u32,
    /// Size of one.
    pub heap_stats_bytes: u32,
    /// In it: stacks of goroutines, `i64` bytes.
    pub in_stacks: u32,
    /// In it: buffers of the collector, `i64` bytes.
    pub in_work_bufs: u32,
    /// In it: bitmaps, `i64` bytes; until Go 1.24.
    pub in_ptr_scalar_bits: Option<u32>,
}

/// `runtime.sudog`: a goroutine in the queue of a channel or semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sudog {
    /// Who waits (`*g`).
    pub g: u32,
    /// Next of a channel's queue; of a semaphore's tree, the one on the right.
    pub next: u32,
    /// Previous of a channel's queue; of a semaphore's tree, the one on the left.
    pub prev: u32,
    /// Of a semaphore its address; since Go 1.26 the word that hides it from the GC.
    pub elem: u32,
    /// Next queue of the same goroutine, or next goroutine of the same semaphore.
    pub waitlink: u32,
    /// Channel (`*hchan`), or 0; since Go 1.26 the word that hides it from the GC.
    pub c: u32,
}

/// `runtime.hchan`: a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chan {
    /// Values in the buffer, `u64`.
    pub qcount: u32,
    /// Size of the buffer in values, `u64`.
    pub dataqsiz: u32,
    /// `u32`.
    pub closed: u32,
    /// The timer that sends to it, or 0; Go 1.23.
    pub timer: Option<u32>,
    /// First and last that wait for a value (`*sudog`).
    pub recvq: u32,
    /// First and last that wait to send.
    pub sendq: u32,
}

/// `runtime._panic`: a panic under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Offset in `runtime.g` of its innermost one (`*_panic`), or 0.
    pub of_g: u32,
    /// What it was called with, an `any`: type and address.
    pub arg: u32,
    /// The one before.
    pub link: u32,
}

/// `runtime.pollDesc`: a descriptor that the network poller watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollDesc {
    /// Number of the descriptor.
    pub fd: u32,
    /// Who waits to read (`*g`), or a state below 3.
    pub rg: u32,
    /// Who waits to write.
    pub wg: u32,
}

/// `runtime.mheap`: the heap (`runtime.mheap_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// Numbers of all arenas, a slice of `u64`.
    pub all_arenas: u32,
}

/// `runtime.bucket`: what a profile has of one stack. The stack follows it, then the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its own size.
    pub bytes: u32,
    /// Next one of the same profile.
    pub next_of_all: u32,
    /// `bucketType`, `i64`: 1 in the heap profile.
    pub kind: u32,
    /// `u64`, of stack and size.
    pub hash: u32,
    /// Bytes of each object, `u64`.
    pub size: u32,
    /// Addresses in the stack, `u64`.
    pub stack_len: u32,
}

/// `runtime.memRecord`: what the heap profile counts for a stack, sampled objects of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its own size.
    pub bytes: u32,
    /// What is published, a `memRecordCycle`.
    pub active: u32,
    /// Three more that are not.
    pub future: u32,
    /// Size of a `memRecordCycle`.
    pub cycle_bytes: u32,
    /// In it, `u64`: objects allocated.
    pub allocs: u32,
    /// In it, `u64`: objects freed.
    pub frees: u32,
    /// In it, `u64`: their bytes; until Go 1.26.
    pub alloc_bytes: Option<u32>,
    /// In it, `u64`: their bytes; until Go 1.26.
    pub free_bytes: Option<u32>,
}
