//! Finds or makes the BPF toolchain and leaves a stamp that says where it is.

mod debian;
mod linker;
mod nightly;
mod resolve;
mod trial;

pub(crate) use debian::mirror as debian_mirror;
pub(crate) use resolve::{ensure, ensure_verbose};
