//! The heap of a Go program: what its profiler has recorded, and what its allocator counts.

mod buckets;
mod counts;
mod globals;
mod scale;

pub use buckets::{HeapBucket, HeapBuckets, HeapReadError, HeapReader};
pub use counts::{HeapCounts, arenas};
pub use globals::HeapGlobals;
pub use scale::unsampled;

#[cfg(test)]
mod hostile_tests;
