//! Results as plain data: what renderers accept.

mod profile;
mod stack_tree;

pub use profile::{
    FunctionTotal, ModuleRoots, OffCpuProfile, OnCpuProfile, ProfileRun, StackRoots, StackTimes,
    StateTimes, ThreadTotal, WaitState,
};
pub use stack_tree::{Frame, FrameKind, Node, StackTree, StackTreeBuilder, Unit};
pub mod histogram;
pub mod table;
