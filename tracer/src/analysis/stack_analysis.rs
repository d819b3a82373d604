//! Either kind of profile by stack.

use super::{OffCpu, OnCpu};
use crate::event::Event;
use crate::report::StackProfile;

/// Folds events into a profile of either kind.
#[derive(Debug)]
pub enum StackAnalysis {
    OnCpu(OnCpu),
    OffCpu(OffCpu),
}

impl StackAnalysis {
    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        match self {
            Self::OnCpu(analysis) => analysis.observe(event),
            Self::OffCpu(analysis) => analysis.observe(event),
        }
    }

    /// The profile since the start or the last call, ended by the given `Tick` or `RunEnd`.
    pub fn finish(&mut self, end: &Event) -> StackProfile {
        match self {
            Self::OnCpu(analysis) => StackProfile::OnCpu(analysis.finish(end)),
            Self::OffCpu(analysis) => StackProfile::OffCpu(analysis.finish(end)),
        }
    }
}
