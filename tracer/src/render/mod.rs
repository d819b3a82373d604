//! Text, graphics and data formats of what was found.

pub mod strace_count;
pub mod strace_line;
