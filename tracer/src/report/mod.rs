//! Results as plain data: what renderers accept.

mod goroutine_waits;
mod heap;
mod hot_region;
mod memory_ledger;
mod profile;
mod stack_tree;
mod wall;

pub use goroutine_waits::{
    GoroutineCreatorTime, GoroutineStackTime, GoroutineTime, GoroutineWaitProfile,
};
pub use heap::{HeapAmounts, HeapFunction, HeapProfile, HeapShown, HeapSite};
pub use hot_region::{HotClass, HotRegion, HotThresholds};
pub use memory_ledger::{GoMemory, MemoryKind, MemoryLedger, MemoryOfKind};
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
