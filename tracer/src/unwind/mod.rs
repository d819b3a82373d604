//! Unwind tables: how to get from any instruction of a file to its function's caller, without frame
//! pointers.
//!
//! Compilers describe that in `.eh_frame` for exceptions, also in C and in stripped files. Here it
//! is read once per file ([`FileTable`]), shortened to what user stacks on x86_64 need
//! ([`Rule`](tracer_common::unwind::Rule)), and placed for the BPF programs, which walk with it
//! ([`Tables`]). Go keeps frame pointers and has no `.eh_frame`; its function table tells where they
//! are not enough. Files are the target's choice: sizes, rows and time are limited, and whatever is
//! not understood is a row that says so.

mod expression;
mod file_table;
mod go_code;
mod pool;
mod rows;
mod rule;
mod tables;
#[cfg(test)]
mod tests;

pub use file_table::{FileTable, FileTableError, build_id};
pub use pool::Pool;
pub use rows::{MAX_FILE_ROWS, Rows};
pub use tables::{NodeStore, TableStats, Tables};
