//! `cargo xtask soak`: long and rough use, and proof that it harms nobody and leaves nothing.

mod figures;
mod ground;
mod options;
mod run;
mod scenarios;
mod table;
mod target;
mod tracer;

pub(crate) use options::Options;
pub(crate) use run::soak;
