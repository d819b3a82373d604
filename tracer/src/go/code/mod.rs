//! Machine code read for its operands: which addresses a function refers to.

mod amd64;
mod arm64;
mod calls;
mod references;

pub(super) use calls::calls;
#[cfg(test)]
pub(super) use references::references_in;
pub(super) use references::{Access, Reference, references};
