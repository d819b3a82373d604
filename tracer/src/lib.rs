//! What is this process doing, what is it waiting for, and why.

pub mod analysis;
pub mod bpf;
pub mod cli;
pub mod commands;
pub mod decode;
pub mod doctor;
pub mod error;
pub mod event;
pub mod go;
pub mod process;
pub mod recording;
pub mod render;
pub mod report;
pub mod session;
pub mod sink;
pub mod symbol;
pub mod syscall;
pub mod term;
