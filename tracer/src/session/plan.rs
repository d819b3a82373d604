//! What a run captures.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::condition::Trigger;
use super::launch::LaunchSetup;
use crate::bpf::{Group, SampleEvent};
use crate::cost::{Budget, Policy};
use crate::syscall::filter::SyscallSet;
use crate::syscall::slow::SlowCalls;

/// Whom to trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// Running processes, with all their threads.
    Pids(Vec<u32>),
    /// A command to launch: an executable file and its arguments, the first of which is its name.
    Launch {
        file: PathBuf,
        args: Vec<String>,
        setup: LaunchSetup,
    },
    /// Every process but the tracer.
    All,
}

/// One kind of measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Every syscall as events.
    SyscallStream {
        syscalls: SyscallSet,
        /// Bytes copied of strings and buffers.
        string_limit: u32,
        /// Calls of which the memory behind arguments is copied.
        copied: SyscallSet,
        /// Put goroutine ids on events of Go processes, and the innermost addresses of the stack on
        /// entries.
        goroutines: bool,
        stacks: CallStacks,
        /// Copy what programs are given as their environment, not only how much.
        environments: bool,
    },
    /// Syscall latencies, summed in the kernel.
    SyscallStats { syscalls: SyscallSet },
    /// On-CPU samples.
    Samples {
        event: SampleEvent,
        /// Per second and CPU.
        hz: u32,
        kernel: bool,
        user: bool,
        /// Count them, too, by who made the goroutine that runs.
        creators: bool,
    },
    /// Time off the CPU by stack, summed in the kernel.
    OffCpu {
        kernel: bool,
        user: bool,
        /// Only waits that last so many ns until they are ended; [`ANY_WAIT`] for all.
        blocked: RangeInclusive<u64>,
    },
    /// Who ends the waits of [`Capture::OffCpu`].
    Wakers,
    /// Time on the CPU by thread, to the ns. With [`Capture::OffCpu`] it accounts for all time.
    OnCpu,
    /// Scheduling by thread, summed in the kernel.
    RunQueue,
    /// Rounds of Go's scheduler, counted in the kernel.
    GoSchedule,
    /// Go garbage collection cycles.
    GoGc,
    /// Stops of the world in Go processes.
    GoStops,
    /// Waits of goroutines by stack, summed in the kernel.
    GoWaits,
    /// Goroutines by the `go` statement that made them, summed in the kernel.
    GoCreations,
    /// How long those of [`Capture::GoCreations`] wait until they run.
    GoFirstRuns,
    /// Goroutines that mark for the garbage collector, summed in the kernel: beside
    /// [`Capture::GoGc`].
    GoAssists,
    /// Goroutines that wait for others to do the work of [`Capture::GoAssists`].
    GoAssistWaits,
    /// Threads that lose their P in system calls, counted in the kernel by stack.
    GoHandoffs,
    /// Ends of threads, with where their user code was.
    Ends,
}

/// Waits of any length.
pub const ANY_WAIT: RangeInclusive<u64> = 0..=u64::MAX;

/// Which calls come with the user stack, as a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStacks {
    None,
    /// Each call, before its entry.
    All,
    /// Calls that last as long as this, before their exit: the stack is still that of the entry.
    Slow(SlowCalls),
}

impl Capture {
    /// The probes it needs.
    #[must_use]
    pub const fn group(&self) -> Group {
        match self {
            Self::SyscallStream { .. } => Group::SyscallStream,
            Self::SyscallStats { .. } => Group::SyscallStats,
            Self::Samples { .. } => Group::Samples,
            Self::OffCpu { .. } => Group::OffCpu,
            Self::Wakers => Group::Wakers,
            Self::OnCpu => Group::OnCpu,
            Self::RunQueue => Group::RunQueue,
            Self::GoSchedule => Group::GoSchedule,
            Self::GoGc => Group::GoGc,
            Self::GoStops => Group::GoStop,
            Self::GoWaits => Group::GoWaits,
            Self::GoCreations => Group::GoCreation,
            Self::GoFirstRuns => Group::GoFirstRun,
            Self::GoAssists => Group::GoAssist,
            Self::GoAssistWaits => Group::GoAssistWait,
            Self::GoHandoffs => Group::GoHandoff,
            Self::Ends => Group::Process,
        }
    }

    /// Whether it is about Go's runtime and makes no sense without one.
    #[must_use]
    pub const fn needs_go(&self) -> bool {
        let group = self.group();
        let is_go = matches!(
            group,
            Group::GoSchedule
                | Group::GoGc
                | Group::GoStop
                | Group::GoWaits
                | Group::GoCreation
                | Group::GoFirstRun
                | Group::GoAssist
                | Group::GoAssistWait
                | Group::GoHandoff
        );
        is_go || matches!(self, Self::Samples { creators: true, .. })
    }
}

/// How user stacks are walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StackWalk {
    /// With unwind tables where a target has code that needs them.
    #[default]
    Auto,
    /// Along frame pointers.
    Pointers,
    /// With unwind tables; a kernel that cannot is an error.
    Tables,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub target: TargetSpec,
    /// Children too.
    pub follow: bool,
    /// At most one of each kind.
    pub captures: Vec<Capture>,
    /// Names of the commands that show the captures, for the recording.
    pub kinds: Vec<String>,
    /// What to wait for before anything is attached.
    pub when: Option<Trigger>,
    pub duration: Option<Duration>,
    pub interval: Option<Duration>,
    /// Size of the ring buffer in bytes; by default one that suits the captures.
    pub ring_bytes: Option<u32>,
    /// Go captures are left out, with a notice, when the target is no Go program; otherwise that
    /// is an error.
    pub go_optional: bool,
    /// Look at the schedulers of Go processes, without a probe.
    pub go_looks: bool,
    /// Tell on stderr what happens.
    pub notices: bool,
    /// SIGINT and SIGTERM do not end the run.
    pub uninterruptible: bool,
    /// Tell on stderr what it costs, in detail.
    pub verbose: bool,
    /// What it may cost.
    pub budget: Budget,
    pub stack_walk: StackWalk,
}

impl Plan {
    /// Captures with nothing to attach them to yet.
    #[must_use]
    pub fn new(target: TargetSpec, captures: Vec<Capture>) -> Self {
        Self {
            target,
            follow: false,
            captures,
            kinds: Vec::new(),
            when: None,
            duration: None,
            interval: None,
            ring_bytes: None,
            go_optional: false,
            go_looks: false,
            notices: true,
            uninterruptible: false,
            verbose: false,
            budget: Budget::new(None, Policy::Enforce),
            stack_walk: StackWalk::Auto,
        }
    }

    /// Size of the ring buffer in bytes. Streams of syscalls fill at up to some 100 MB/s, and the
    /// reader must survive not being scheduled for a while.
    pub(super) fn ring_size(&self) -> u32 {
        let usual = if self.streams_calls() {
            32 << 20
        } else {
            4 << 20
        };
        self.ring_bytes.unwrap_or(usual)
    }

    /// Whether each system call is an event.
    pub(super) fn streams_calls(&self) -> bool {
        self.captures
            .iter()
            .any(|c| matches!(c, Capture::SyscallStream { .. }))
    }

    /// Whether the time of each thread is accounted for, from the beginning of the run to its end.
    pub(super) fn has_all_time(&self) -> bool {
        self.captures.contains(&Capture::OnCpu)
    }

    /// Whether it makes no sense without Go's runtime.
    pub(super) fn needs_go(&self) -> bool {
        self.go_looks || self.captures.iter().any(Capture::needs_go)
    }

    /// Whether names of addresses are needed.
    pub(super) fn has_stacks(&self) -> bool {
        self.captures
            .iter()
            .any(|c| matches!(c, Capture::Samples { .. } | Capture::OffCpu { .. }))
            || self.has_call_stacks()
            || self.has_goroutines()
    }

    /// Whether whole user stacks are taken.
    pub(super) fn walks_user_stacks(&self) -> bool {
        let user = |c: &Capture| match c {
            Capture::Samples { user, .. } | Capture::OffCpu { user, .. } => *user,
            _ => false,
        };
        self.captures.iter().any(user) || self.has_call_stacks()
    }

    /// Whether calls of Go processes come with their goroutines.
    pub(super) fn has_goroutines(&self) -> bool {
        let with = |c: &Capture| {
            matches!(
                c,
                Capture::SyscallStream {
                    goroutines: true,
                    ..
                }
            )
        };
        self.captures.iter().any(with)
    }

    /// Whether samples are counted by who made the goroutine that runs.
    pub(super) fn has_creators(&self) -> bool {
        let with = |c: &Capture| matches!(c, Capture::Samples { creators: true, .. });
        self.captures.iter().any(with)
    }

    /// Whether calls come with stacks, of which the names are needed at once.
    pub(super) fn has_call_stacks(&self) -> bool {
        self.call_stacks() != &CallStacks::None
    }

    /// Which calls come with stacks.
    pub(super) fn call_stacks(&self) -> &CallStacks {
        self.captures
            .iter()
            .find_map(|c| match c {
                Capture::SyscallStream { stacks, .. } => Some(stacks),
                _ => None,
            })
            .unwrap_or(&CallStacks::None)
    }
}
