//! Where the fields of runtime structures lie, by release.

mod row;
mod select;
mod table;
mod verify;

pub use row::{Controller, G, Layout, M, P, Sched, Stats, Work};
pub use select::{Confidence, LayoutError, Selection};
pub use verify::{Verification, VerifyError};
