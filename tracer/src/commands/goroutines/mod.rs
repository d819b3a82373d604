//! `tracer goroutines`: what the goroutines of a Go process do, without stopping it.

mod args;
mod crash;
mod diff;
mod dump;
mod held;
mod image;
mod leaks;
mod threads;
mod waiters;

pub use args::GoroutinesArgs;
pub(super) use dump::{reader, unreadable};
