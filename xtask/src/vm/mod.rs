//! The privileged tests on several real kernels, in QEMU guests without a disk.
//!
//! `xtask/vm/kernels.toml` pins the kernels and says what is expected of each; `xtask/vm/init` is
//! the guest's only program and reports on a serial line.

mod capabilities;
mod cpio;
mod guest;
mod kernels;
mod packages;
mod programs;
mod qemu;
mod report;
mod results;
mod run;

pub(crate) use run::{CommandOptions, TestOptions, command, test};
