//! Profiles by stack: where CPU time goes and where threads wait.

use serde::{Deserialize, Serialize};

use super::{Frame, FrameKind, GoroutineWaitProfile, HeapProfile, StackTree, WallProfile};

/// What a profile covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRun {
    /// The pids asked for.
    pub pids: Vec<u32>,
    /// The launched command, if any.
    pub command: Vec<String>,
    /// The program of the first target that told it.
    pub exe: Option<String>,
    /// When what is covered began, in ns since 1970 UTC; 0 when unknown.
    pub began_unix_ns: u64,
    /// Wall time covered, in ns.
    pub duration_ns: u64,
    /// Records that did not fit in a buffer or map.
    pub lost: u64,
    /// Switches to a thread of which the kernel did not tell: when it began to run is estimated.
    pub untold_switches: u64,
    /// Addresses in stacks, and how many of them have no function name.
    pub frames: u64,
    pub unresolved_frames: u64,
    /// As above, of the kernel alone.
    pub kernel_frames: u64,
    pub unresolved_kernel_frames: u64,
    /// Stacks left out of the tree because there were too many different ones.
    pub stacks_over_limit: u64,
    pub roots: StackRoots,
}

/// User stacks, and how many of them reach the function with which their thread began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRoots {
    pub stacks: u64,
    pub whole: u64,
    /// Stacks found in part by following frame pointers in code that may keep none.
    pub guessed: u64,
    /// Most stacks that are not whole first.
    pub modules: Vec<ModuleRoots>,
}

/// As [`StackRoots`], of stacks whose innermost function is in one module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRoots {
    /// A path, or a name in brackets.
    pub module: String,
    pub stacks: u64,
    pub whole: u64,
}

/// Value of one function over all stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTotal {
    #[serde(flatten)]
    pub frame: Frame,
    /// Value of stacks that end in the function.
    #[serde(rename = "self")]
    pub own: u64,
    /// Value of stacks that have the function in them, each counted once.
    pub total: u64,
}

/// Value of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadTotal {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub value: u64,
}

/// What one thread has of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadStack {
    /// Innermost node of the stack in the tree.
    pub node: u32,
    /// Index into the profile's threads.
    pub thread: u32,
    /// Samples, or waits; 0 where neither is counted.
    pub count: u64,
    /// In the unit of the tree.
    pub value: u64,
}

/// Samples on one CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTotal {
    pub cpu: u16,
    pub value: u64,
}

/// Samples while goroutines ran that one function had made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatorTotal {
    /// The function of the `go` statement.
    pub creator: String,
    pub value: u64,
}

/// Where CPU time goes, by samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCpuProfile {
    pub run: ProfileRun,
    pub samples: u64,
    /// Samples per second and CPU asked for, 0 when unknown, or of what is not time.
    pub sample_hz: u32,
    /// What samples are of where it is not time, as `perf list` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Samples whose stack was as long as the limit.
    pub truncated: u64,
    /// Samples without their user stack.
    pub user_missing: u64,
    /// Most samples first.
    pub threads: Vec<ThreadTotal>,
    /// By number.
    pub cpus: Vec<CpuTotal>,
    /// Most samples first; none unless they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub creators: Vec<CreatorTotal>,
    /// The samples again, each stack apart by thread; left out of the JSON document, whose tree
    /// has them.
    #[serde(skip)]
    pub by_thread: Vec<ThreadStack>,
    /// Most own samples first.
    pub functions: Vec<FunctionTotal>,
    pub tree: StackTree,
}

/// Why a thread left the CPU (`task_struct.__state`, include/linux/sched.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitState {
    /// It could have run on.
    Preempted,
    /// It waits and a signal can end that.
    Interruptible,
    /// It waits, usually for a device.
    Uninterruptible,
    /// Stopped by a signal or a debugger.
    Stopped,
    Other,
}

impl WaitState {
    /// The state as the scheduler stored it at the switch.
    #[must_use]
    pub fn from_kernel(state: u32) -> Self {
        match state & 0xff {
            0 if state == 0 => Self::Preempted,
            1 => Self::Interruptible,
            2 => Self::Uninterruptible,
            // __TASK_STOPPED and __TASK_TRACED.
            4 | 8 => Self::Stopped,
            _ => Self::Other,
        }
    }

    /// As a frame.
    #[must_use]
    pub const fn note(self) -> &'static str {
        match self {
            Self::Preempted => "[preempted]",
            Self::Interruptible => "[interruptible]",
            Self::Uninterruptible => "[uninterruptible]",
            Self::Stopped => "[stopped]",
            Self::Other => "[other]",
        }
    }

    /// As shown to users.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Preempted => "preempted",
            Self::Interruptible => "interruptible",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

/// Time off the CPU with one stack in one state. Times in ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackTimes {
    /// Innermost node of the stack in the tree.
    pub node: u32,
    pub state: WaitState,
    pub count: u64,
    /// From leaving the CPU to being woken.
    pub blocked_ns: u64,
    /// From being woken or preempted to running.
    pub runnable_ns: u64,
    /// Longest single time off the CPU.
    pub max_ns: u64,
    /// Of `count`, those that lasted beyond the end: counted until then.
    pub open: u64,
}

/// Time off the CPU in one state over all stacks. Times in ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTimes {
    pub state: WaitState,
    pub count: u64,
    pub blocked_ns: u64,
    pub runnable_ns: u64,
    pub max_ns: u64,
}

/// Where threads wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffCpuProfile {
    pub run: ProfileRun,
    /// Times a thread left the CPU.
    pub count: u64,
    /// Counts and times are estimates: at the end one in so many of these was measured. 1 when
    /// all were; 0 when measuring was given up before the end.
    pub one_in: u32,
    /// Over all threads: may exceed the duration.
    pub blocked_ns: u64,
    pub runnable_ns: u64,
    /// Times a thread was still off the CPU at the end.
    pub open: u64,
    /// Times a thread was off the CPU already when the run began: counted from then on.
    pub before_run: u64,
    /// Waits whose stack was as long as the limit.
    pub truncated: u64,
    /// Switches without their user stack.
    pub user_missing: u64,
    pub states: Vec<StateTimes>,
    /// Most blocked time first.
    pub threads: Vec<ThreadTotal>,
    /// The waits again, each stack apart by thread; left out of the JSON document.
    #[serde(skip)]
    pub by_thread: Vec<ThreadStack>,
    /// Most blocked time first, then most runnable time.
    pub stacks: Vec<StackTimes>,
    /// Values are blocked time; stacks of preempted threads have value 0.
    pub tree: StackTree,
}

/// A profile of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StackProfile {
    OnCpu(OnCpuProfile),
    OffCpu(OffCpuProfile),
    Wall(WallProfile),
    Goroutines(GoroutineWaitProfile),
    Heap(Box<HeapProfile>),
}

impl StackProfile {
    /// What it covers.
    #[must_use]
    pub const fn run(&self) -> &ProfileRun {
        match self {
            Self::OnCpu(profile) => &profile.run,
            Self::OffCpu(profile) => &profile.run,
            Self::Wall(profile) => &profile.run,
            Self::Goroutines(profile) => &profile.run,
            Self::Heap(profile) => &profile.run,
        }
    }

    /// All stacks.
    #[must_use]
    pub const fn tree(&self) -> &StackTree {
        match self {
            Self::OnCpu(profile) => &profile.tree,
            Self::OffCpu(profile) => &profile.tree,
            Self::Wall(profile) => &profile.tree,
            Self::Goroutines(profile) => &profile.tree,
            Self::Heap(profile) => &profile.tree,
        }
    }

    /// The index is that of [`ThreadStack::thread`]. Goroutines and the heap are of no thread: all of
    /// it stands for one.
    #[must_use]
    pub fn threads(&self) -> &[ThreadTotal] {
        match self {
            Self::OnCpu(profile) => &profile.threads,
            Self::OffCpu(profile) => &profile.threads,
            Self::Wall(profile) => &profile.thread_totals,
            Self::Goroutines(profile) => &profile.together,
            Self::Heap(profile) => &profile.together,
        }
    }

    /// Each stack, apart by thread.
    #[must_use]
    pub fn by_thread(&self) -> &[ThreadStack] {
        match self {
            Self::OnCpu(profile) => &profile.by_thread,
            Self::OffCpu(profile) => &profile.by_thread,
            Self::Wall(profile) => &profile.by_thread,
            Self::Goroutines(profile) => &profile.by_thread,
            Self::Heap(profile) => &profile.by_thread,
        }
    }

    /// Whether a node stands for a thread alone: a label where stacks are kept apart by thread.
    #[must_use]
    pub fn is_label(&self, node: u32) -> bool {
        let tree = self.tree();
        let of_thread = !matches!(self, Self::Goroutines(_) | Self::Heap(_));
        of_thread
            && tree.nodes[node as usize].parent.is_none()
            && tree.frame(node).kind == FrameKind::Thread
    }
}
