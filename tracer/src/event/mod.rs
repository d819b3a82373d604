//! The one event model: what happened, when, and to whom.
//!
//! Events come from the kernel (through [`crate::decode`]), from the session (facts about the
//! target, symbols, aggregates read from BPF maps, losses) or from a recording. Everything shown
//! to a user is made from them, so a recording replays to the same output. All events are plain
//! data that serialize; none holds a resource.

mod aggregate;
mod cost;
mod fact;
mod go_assist;
mod go_creator;
mod go_handoff;
mod go_scheduling;
mod go_stop;
mod goroutine_wait;
mod model;
mod syscall;

pub use aggregate::{Latency, OffCpuStack, RunQueueThread, SyscallLatency, ThreadCpu, Wait, Waker};
pub use cost::{Charge, Cost, Curbed, KernelTime};
pub use fact::{
    CodeMapping, FrameSymbol, Losses, ProbeLoss, ProcessInfo, RunEnd, RunStart, StopReason,
    SymbolOrigin, SymbolizedAddress, Symbols,
};
pub use go_assist::{GcAssists, GoAssist};
pub use go_creator::GoCreator;
pub use go_handoff::{GoHandoff, GoHandoffs, HandoffCause};
pub use go_scheduling::{CpuQuota, GoMaxProcs, GoProcessorUse, GoScheduling, Seen};
pub use go_stop::{GoDelay, GoStop};
pub use goroutine_wait::{CreatorSamples, GoroutineWait};
pub use model::{Body, Event, Exec, Exit, Fork, GcTrigger, Sample, Signal, Space, StackEnd};
pub use syscall::{CallerStack, Capture, CaptureStatus, SyscallEnter, SyscallExit, unread};
