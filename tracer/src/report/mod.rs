//! Results as plain data: what renderers accept.

mod hot_region;
mod profile;
mod stack_tree;

pub use hot_region::{HotClass, HotRegion, HotThresholds};
pub use profile::{
    CpuTotal, FunctionTotal, ModuleRoots, OffCpuProfile, OnCpuProfile, ProfileRun, StackProfile,
    StackRoots, StackTimes, StateTimes, ThreadStack, ThreadTotal, WaitState,
};
pub use stack_tree::{Frame, FrameKind, Node, StackTree, StackTreeBuilder, Unit};
pub mod histogram;
pub mod table;
