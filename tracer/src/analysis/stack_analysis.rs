//! Profiles by stack, of whatever kind.

use super::{OffCpu, OnCpu, Wall};
use crate::event::Event;
use crate::report::StackProfile;

/// Folds events into a profile.
#[derive(Debug)]
pub enum StackAnalysis {
    OnCpu(OnCpu),
    OffCpu(OffCpu),
    Wall(Wall),
}

impl StackAnalysis {
    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        match self {
            Self::OnCpu(analysis) => analysis.observe(event),
            Self::OffCpu(analysis) => analysis.observe(event),
            Self::Wall(analysis) => analysis.observe(event),
        }
    }

    /// What threads do, or why they wait, has its own root in stacks. On the CPU they do one thing.
    #[must_use]
    pub fn by_state(self, by_state: bool) -> Self {
        match self {
            Self::OnCpu(_) => self,
            Self::OffCpu(analysis) => Self::OffCpu(analysis.by_state(by_state)),
            Self::Wall(analysis) => Self::Wall(analysis.by_state(by_state)),
        }
    }

    /// Whether there is a profile at the end of the run alone: of time that must add up, it is
    /// known only then what is left to account for.
    #[must_use]
    pub const fn of_whole_run(&self) -> bool {
        matches!(self, Self::Wall(_))
    }

    /// The profile since the start or the last call, ended by the given `Tick` or `RunEnd`.
    pub fn finish(&mut self, end: &Event) -> StackProfile {
        match self {
            Self::OnCpu(analysis) => StackProfile::OnCpu(analysis.finish(end)),
            Self::OffCpu(analysis) => StackProfile::OffCpu(analysis.finish(end)),
            Self::Wall(analysis) => StackProfile::Wall(analysis.finish(end)),
        }
    }
}
