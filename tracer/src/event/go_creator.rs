//! Goroutines by the statement that made them.

use serde::{Deserialize, Serialize};

use super::{FrameSymbol, Latency};

/// Goroutines that one `go` statement made, and those of them that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoCreator {
    /// Live address that the statement's call returns to (`g.gopc`).
    pub created_at: u64,
    /// The function that it is in, and its line; `None` when they are not known.
    pub place: Option<FrameSymbol>,
    pub created: u64,
    pub ended: u64,
    /// From being made to running for the first time.
    pub first_runs: Latency,
}

impl GoCreator {
    /// Adds what came later.
    pub fn merge(&mut self, later: &Self) {
        self.created_at = later.created_at;
        if later.place.is_some() {
            self.place.clone_from(&later.place);
        }
        self.created = self.created.saturating_add(later.created);
        self.ended = self.ended.saturating_add(later.ended);
        self.first_runs.merge(&later.first_runs);
    }
}
