//! The garbage collector: what to copy at the end of a cycle, what it says, and how the runtime
//! would have printed it.

mod cycle;
mod gctrace;
mod pacing;
mod plan;
mod trigger;

pub use cycle::{GcCpu, GcCycle, GcError, GcWall};
pub use pacing::{GcCounters, GcPacing, GcState, GoalBy};
pub use plan::{GC_CYCLE_PROBE, GcReadPlan, RANGES, ReadRange, user_time_ns};
pub use trigger::{GC_TRIGGER_PROBE, GcTrigger, TRIGGER_KIND_ARGUMENT};
