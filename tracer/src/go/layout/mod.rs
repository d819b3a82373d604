//! Where the fields of runtime structures lie, by release.

mod row;
mod select;
mod table;
mod verify;

pub use row::{
    Bucket, Chan, Controller, G, Heap, Layout, M, P, Panic, PollDesc, Record, Sched, Stats, Sudog,
    Work,
};
pub use select::{Confidence, LayoutError, Selection};
pub use verify::{Verification, VerifyError};
