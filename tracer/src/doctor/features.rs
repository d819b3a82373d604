//! What can be asked of a kernel.

use std::io;

/// Something that a kernel has or lacks, by trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Map of type `BPF_MAP_TYPE_RINGBUF`.
    RingBuffer,
    /// Map of type `BPF_MAP_TYPE_TASK_STORAGE`.
    TaskStorage,
    /// A program on a tracepoint by its type information (`tp_btf`).
    BtfTracepoint,
    /// A program on a tracepoint by its name.
    RawTracepoint,
    /// A `tp_btf` program on syscall entry that may fault pages in.
    SleepableTracepoint,
    /// Helper `bpf_get_attach_cookie`.
    AttachCookie,
    /// Helper `bpf_get_stack`.
    GetStack,
    /// Map of type `BPF_MAP_TYPE_STACK_TRACE` and helper `bpf_get_stackid`.
    StackMap,
    /// Link of type `BPF_TRACE_UPROBE_MULTI`.
    UprobeMulti,
    /// Such a link for one process covers all its threads.
    UprobeMultiProcess,
    /// A sampling software event on a CPU, for all processes.
    CpuClock,
}

/// Tries features. Nothing it does is attached or outlives the call.
pub trait Kernel {
    /// Whether the feature works here, for this process.
    ///
    /// # Errors
    /// The kernel's refusal: usually `EPERM` for want of privileges (or by a seccomp filter) and
    /// `EINVAL` for what it does not have.
    fn try_feature(&self, feature: Feature) -> io::Result<()>;
}
