//! Why an executable could not be read.

use std::io;

/// Why a file is not a Go executable this crate can read.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The file could not be opened or read.
    #[error("reading the executable: {0}")]
    Io(#[source] io::Error),
    /// The file does not begin as an ELF file does.
    #[error("not an ELF file; name a Linux executable")]
    NotElf,
    /// Neither a Go build record nor a Go function table is in the file.
    #[error("not a Go executable: no .go.buildinfo and no pclntab; use the modes that need no Go")]
    NotGo,
    /// The file ends before something it announces.
    #[error("the executable ends before offset {at:#x}; it may still be being written")]
    Truncated {
        /// File offset or table offset of the read that failed.
        at: u64,
    },
    /// The file is sound but of a kind this crate does not know.
    #[error("unsupported executable: {what}")]
    Unsupported {
        /// What is not supported.
        what: String,
    },
    /// The file contradicts itself.
    #[error("malformed executable: {what} at {at:#x}; the file may be damaged or packed")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
        /// File offset or address of that part.
        at: u64,
    },
}
