//! Machine code read for its operands: which addresses a function refers to.

mod amd64;
mod arm64;
mod references;

pub(super) use references::{Access, Reference, references};
