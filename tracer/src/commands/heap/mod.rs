//! `tracer heap`: where the memory of a Go program is.

mod args;
mod frames;
mod ledger;

pub use args::HeapArgs;
