//! Go garbage collection over a run.
