//! `cargo xtask bench`: what tracing costs the target, its clients and its neighbours, against
//! the tools people use today.
//!
//! `sections` is the table of what is measured, `peers` of who is; a section is a file of its own.

mod attach;
mod bystanders;
mod client;
mod closing_line;
mod cost;
mod dumps;
mod empty_probe;
mod figures;
mod goroutines;
mod http;
mod large_go;
mod load;
mod machine;
mod options;
mod peers;
mod placement;
mod profile;
mod readme;
mod real;
mod report;
mod request;
mod resources;
mod rounds;
mod run;
mod sections;
mod service;
mod setting;
mod spawned;
mod streaming;
mod switches;
mod symbols;
mod syscalls;
mod table;
mod threads;
mod tools;
mod workload;

pub(crate) use options::Options;
pub(crate) use run::bench;
