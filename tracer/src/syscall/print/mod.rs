//! Syscalls as text, in the format of strace 6.1.
//!
//! [`Decoder`] turns the entry and the exit of a call into the pieces of a line, or into
//! [`Argument`]s one by one. [`Printer`] is what the functions for single arguments write to; there is one file of those per family.

mod aio;
mod argument;
mod bpf;
mod control;
mod decoder;
mod dirent;
mod fields;
mod file;
mod futex;
mod ioctl;
mod ipc;
mod keys;
mod memory;
mod mount;
mod msg;
mod net;
mod netlink;
mod numa;
mod options;
mod other;
mod perf;
mod poll;
mod prctl;
mod printer;
mod process;
#[cfg(test)]
mod properties;
mod route;
mod rule;
mod schedule;
mod security;
mod signal;
mod sock_diag;
mod sockopt;
mod stat;
mod struct_bytes;
mod termios;
mod text;
mod thread_names;
mod time;
mod value;

pub use aio::*;
pub use argument::Argument;
pub use bpf::*;
pub use decoder::Decoder;
pub use dirent::*;
pub use file::*;
pub use futex::*;
pub use ioctl::*;
pub use ipc::*;
pub use keys::*;
pub use memory::*;
pub use mount::*;
pub use msg::*;
pub use net::*;
pub use numa::*;
pub use options::{Constants, DecodeOptions, Escapes};
pub use other::*;
pub use perf::*;
pub use poll::*;
pub use prctl::*;
pub use printer::Printer;
pub use process::*;
pub use schedule::*;
pub use security::*;
pub use signal::*;
pub use sockopt::*;
pub use stat::*;
pub use text::push_quoted;
pub use thread_names::ThreadNames;
pub use time::*;
