//! Go garbage collection cycles.
use serde::{Deserialize, Serialize};
/// One finished cycle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GcCycle {}
