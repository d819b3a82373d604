//! Results as plain data: what renderers accept.

mod goroutine_waits;
mod hot_region;
mod profile;
mod stack_tree;
mod wall;

pub use goroutine_waits::{
    GoroutineCreatorTime, GoroutineStackTime, GoroutineTime, GoroutineWaitProfile,
};
pub use hot_region::{HotClass, HotRegion, HotThresholds};
pub use profile::{
    CpuTotal, CreatorTotal, FunctionTotal, ModuleRoots, OffCpuProfile, OnCpuProfile, ProfileRun,
    StackProfile, StackRoots, StackTimes, StateTimes, ThreadStack, ThreadTotal, WaitState,
};
pub use stack_tree::{
    CodeAddress, Frame, FrameKind, Node, StackTree, StackTreeBuilder, Unit, WOKEN_BY,
};
pub use wall::{WallFunction, WallProfile, WallThread, WallTime};
pub mod histogram;
pub mod table;
