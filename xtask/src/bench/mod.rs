//! `cargo xtask bench`: what tracing costs the target, against the tools people use today.

mod attach;
mod closing_line;
mod cost;
mod empty_probe;
mod figures;
mod load;
mod machine;
mod options;
mod placement;
mod report;
mod resources;
mod rounds;
mod run;
mod sampling;
mod setting;
mod spawned;
mod streaming;
mod syscalls;
mod table;
mod tools;
mod workload;

pub(crate) use options::Options;
pub(crate) use run::bench;
