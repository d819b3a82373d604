//! What can be asked of a kernel.

use std::io;

use super::Group;

/// Something that a kernel has or lacks, by trial: never by its version, which distributions make
/// mean what they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Map of type `BPF_MAP_TYPE_RINGBUF` (Linux 5.8).
    RingBuffer,
    /// A program on a tracepoint by its type information (`tp_btf`, Linux 5.5).
    BtfTracepoint,
    /// Helper `bpf_get_stack`.
    GetStack,
    /// Map of type `BPF_MAP_TYPE_STACK_TRACE` and helper `bpf_get_stackid`.
    StackMap,
    /// A sampling software event on a CPU, for all processes.
    CpuClock,
    /// Instruction `BPF_ATOMIC | BPF_CMPXCHG` (Linux 5.12).
    CompareExchange,
    /// Maps that do not count against `RLIMIT_MEMLOCK` (Linux 5.11).
    UnlockedMaps,
    /// Programs at the entry and exit of syscalls may fault, and so be preempted (Linux 7.x; 7.2
    /// does so).
    FaultableSyscalls,
    /// A perf event on a tracepoint, whose number is read from tracefs.
    PerfTracepoint,
    /// Map of type `BPF_MAP_TYPE_TASK_STORAGE`, in tracing programs (Linux 5.11).
    TaskStorage,
    /// Helper `bpf_get_current_task_btf` (Linux 5.11).
    TypedTask,
    /// Helper `bpf_get_attach_cookie` (Linux 5.15).
    AttachCookie,
    /// Link of type `BPF_TRACE_UPROBE_MULTI` (Linux 6.6).
    UprobeMulti,
    /// Such a link for one process covers all its threads.
    UprobeMultiProcess,
}

impl Feature {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 14] = [
        Self::RingBuffer,
        Self::BtfTracepoint,
        Self::GetStack,
        Self::StackMap,
        Self::CpuClock,
        Self::CompareExchange,
        Self::UnlockedMaps,
        Self::FaultableSyscalls,
        Self::PerfTracepoint,
        Self::TaskStorage,
        Self::TypedTask,
        Self::AttachCookie,
        Self::UprobeMulti,
        Self::UprobeMultiProcess,
    ];

    /// Its name in reports: never reused for something else.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::RingBuffer => "ring-buffer",
            Self::BtfTracepoint => "btf-tracepoint",
            Self::GetStack => "get-stack",
            Self::StackMap => "stack-map",
            Self::CpuClock => "cpu-clock",
            Self::CompareExchange => "compare-exchange",
            Self::UnlockedMaps => "unlocked-maps",
            Self::FaultableSyscalls => "faultable-syscalls",
            Self::PerfTracepoint => "perf-tracepoint",
            Self::TaskStorage => "task-storage",
            Self::TypedTask => "typed-task",
            Self::AttachCookie => "attach-cookie",
            Self::UprobeMulti => "uprobe-multi",
            Self::UprobeMultiProcess => "uprobe-multi-process",
        }
    }
}

/// What the choice between probes depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// [`Feature::CompareExchange`]
    pub compare_exchange: bool,
    /// [`Feature::TypedTask`]
    pub typed_task: bool,
    /// A thread can be preempted in a program on a tracepoint ([`Feature::FaultableSyscalls`]), but
    /// not in one that runs for a perf event ([`Feature::PerfTracepoint`]).
    pub steadier_by_perf: bool,
    /// User stacks are walked with unwind tables: a choice, not found by trial.
    pub unwinding: bool,
}

impl Abilities {
    /// Those of a kernel, by trial.
    #[must_use]
    pub fn tried(features: &dyn Features) -> Self {
        let has = |feature| features.try_feature(feature).is_ok();
        Self {
            compare_exchange: has(Feature::CompareExchange),
            typed_task: has(Feature::TypedTask),
            steadier_by_perf: has(Feature::FaultableSyscalls) && has(Feature::PerfTracepoint),
            unwinding: false,
        }
    }
}

/// A program that a kernel refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub program: &'static str,
    /// The error number, when it came from a system call.
    pub errno: Option<i32>,
    /// The kernel's reason on one line.
    pub why: String,
    /// What goes on without it lacks; `None` when nothing of its group works.
    pub without: Option<&'static str>,
}

/// Tries features. Nothing it does is attached or outlives it.
pub trait Features {
    /// Whether the feature works here, for this process.
    ///
    /// # Errors
    /// The kernel's refusal: usually `EPERM` for want of privileges (or by a seccomp filter) and
    /// `EINVAL` for what it does not have.
    fn try_feature(&self, feature: Feature) -> io::Result<()>;

    /// The programs of a group that do not load here.
    fn try_programs(&self, group: Group) -> Vec<Refusal>;
}
