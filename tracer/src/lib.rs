//! What is this process doing, what is it waiting for, and why.

pub mod event;
pub mod go;
pub mod symbol;
pub mod syscall;
