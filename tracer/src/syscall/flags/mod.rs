//! Names of flag bits and of enumerated arguments, as data.
//!
//! One table per argument type, in the order strace prints them. Values come from the kernel's
//! user-space headers (`include/uapi`); each module names its own.

pub mod bpf;
pub mod file;
pub mod io;
pub mod ioctl;
pub mod ipc;
pub mod memory;
pub mod mount;
mod names;
pub mod net;
pub mod netlink;
pub mod process;
pub mod security;
pub mod signal;
pub mod time;

pub use names::Names;
