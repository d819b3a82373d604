//! Syscalls: what they are called, what they take, how they print.
//!
//! One row per syscall in [`table`] drives everything: the filter language ([`filter`]), what the
//! kernel side copies ([`capture`]) and the text ([`mod@print`]).

pub mod arg;
pub mod capture;
pub mod class;
pub mod count;
mod count_group;
pub mod errno;
pub mod filter;
pub mod flags;
pub mod machine;
pub mod print;
pub mod qualify;
mod rows;
pub mod signal;
pub mod slow;
pub mod table;

#[cfg(test)]
mod golden;
