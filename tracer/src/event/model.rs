//! The event and its small bodies.

use serde::{Deserialize, Serialize};

use super::{
    CodeMapping, Cost, CreatorSamples, Curbed, GcAssists, GoAssist, GoCreator, GoHandoffs,
    GoScheduling, GoStop, GoroutineWait, Losses, OffCpuStack, ProcessInfo, RunEnd, RunQueueThread,
    RunStart, Symbols, SyscallEnter, SyscallExit, SyscallLatency, ThreadCpu, Wait,
};
use crate::go::gc::{GcCycle, GcState};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, ns.
    pub time_ns: u64,
    /// Process (thread group) id; 0 for facts about the run.
    pub pid: u32,
    /// Thread id; 0 for facts about the run or a whole process.
    pub tid: u32,
    /// CPU of the probe; meaningless for facts.
    pub cpu: u16,
    /// Goroutine id when it was asked for and there is one.
    pub goid: Option<u64>,
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    // From the kernel.
    SyscallEnter(SyscallEnter),
    SyscallExit(SyscallExit),
    Signal(Signal),
    Fork(Fork),
    Exec(Exec),
    Exit(Exit),
    Sample(Sample),
    GcTrigger(GcTrigger),
    GcCycle(Box<GcCycle>),
    // Aggregates read from BPF maps: totals since the previous read.
    SyscallLatency(Box<SyscallLatency>),
    OffCpuStack(Box<OffCpuStack>),
    RunQueueThread(Box<RunQueueThread>),
    /// Hits of `runtime.schedule` in the process since the previous read.
    GoSchedules(u64),
    // Facts that the session adds.
    RunStart(Box<RunStart>),
    Process(Box<ProcessInfo>),
    Symbols(Box<Symbols>),
    /// An interval ended: tables print and start over.
    Tick,
    Losses(Losses),
    RunEnd(Box<RunEnd>),
    /// Ids of the threads that the event's process had when its probes were attached.
    Threads(Vec<u32>),
    // In the order in which they came to be: a recording knows variants by their number.
    /// What the run cost; comes before `RunEnd`.
    Cost(Box<Cost>),
    /// Some probes cost too much.
    Curbed(Box<Curbed>),
    /// As [`Body::OffCpuStack`], with what is special.
    Wait(Box<Wait>),
    /// Comes once for each thread, at the end.
    ThreadCpu(Box<ThreadCpu>),
    /// Comes before the [`Body::GcCycle`] that it belongs to.
    GcState(Box<GcState>),
    GoStop(Box<GoStop>),
    /// All Ps of the process run again.
    GoStarted,
    /// Since the previous one.
    GoScheduling(Box<GoScheduling>),
    /// Each comes once for a program that a process runs, before the names of addresses in it.
    Code(Vec<CodeMapping>),
    /// Comes at the end.
    GoroutineWait(Box<GoroutineWait>),
    /// Besides the samples themselves, when it was asked for.
    CreatorSamples(CreatorSamples),
    /// Goroutines of a `go` statement, since the previous one.
    GoCreator(Box<GoCreator>),
    GoAssist(Box<GoAssist>),
    /// All of the process up to the end of the cycle whose [`Body::GcCycle`] comes next, when they are
    /// measured.
    GcAssists(GcAssists),
    GoHandoffs(Box<GoHandoffs>),
}

/// A signal is being delivered, ends the process, or was dropped because the process ignores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    pub signo: u32,
    /// The first 48 bytes of `siginfo_t`, when readable.
    pub info: Option<Vec<u8>>,
    /// The process ignores it: the time is that of its sending, whatever the thread was doing.
    pub ignored: bool,
}

/// A task was created by the event's thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    pub child_pid: u32,
    pub child_tid: u32,
    pub comm: String,
}

/// The process now runs another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The caller's thread id before it took the leader's.
    pub old_tid: u32,
    pub comm: String,
}

/// The thread ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// As `wait4` reports it.
    pub status: u32,
    /// It was the last thread of its process.
    pub last_thread: bool,
    pub comm: String,
    /// Program counter and stack pointer with which it left user code for the last time, if that was
    /// asked for. Not recorded.
    #[serde(skip)]
    pub place: Option<(u64, u64)>,
}

/// An on-CPU sample; addresses innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub comm: String,
    pub kernel: Vec<u64>,
    pub user: Vec<u64>,
    pub user_end: StackEnd,
    /// A stack was as long as the kernel's limit.
    pub truncated: bool,
}

/// How a user stack ends at its outermost frame. A recording knows these by their number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum StackEnd {
    /// Frame pointers were followed: the names tell whether it is whole.
    #[default]
    Unknown,
    /// It could not be read or stored.
    Missing,
    /// At the function with which the thread began.
    Root,
    /// Early, at something that is no frame, or at the limit.
    Lost,
    /// As [`StackEnd::Unknown`]; it leads through code that is not known to keep frame pointers.
    Guessed,
}

/// Why a Go garbage collection cycle began (`gcTriggerKind`, runtime/mgc.go).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GcTrigger {
    /// The heap reached its trigger.
    Heap,
    /// Two minutes without a cycle.
    Time,
    /// `runtime.GC` or its like.
    Forced,
    /// A number this build does not know.
    Other(u64),
}

/// Address space of a program counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Space {
    Kernel,
    User,
}
