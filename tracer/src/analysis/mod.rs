//! Folds of the event stream into reports. No I/O.

mod off_cpu;
mod on_cpu;
mod run_interval;
mod stack_fold;

pub use off_cpu::OffCpu;
pub use on_cpu::OnCpu;
pub use stack_fold::{FoldedStack, FoldedStacks, StackFold, Weight};
