//! Why a core cannot be read.

use crate::go::binary::BinaryError;

/// A file that is no core, or one without what is needed.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Another kind of file.
    #[error("is not an ELF core file of a 64-bit little-endian process; make one with gcore PID")]
    NotCore,
    /// A process of another architecture than the code that is known.
    #[error("is the core of a process of an unknown architecture (ELF machine {0})")]
    Machine(u16),
    /// The tables that say what is in it are damaged.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// It does not say which file the process ran.
    #[error("does not name the program (it has no NT_FILE note); name it with --exe FILE")]
    NoProgram,
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// As above.
    #[error("cannot be read: {0}")]
    Binary(#[from] BinaryError),
}
