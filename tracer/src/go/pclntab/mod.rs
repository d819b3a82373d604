//! The function table (`pclntab`) every Go executable carries, stripped or not: functions by
//! address and by name, files, lines, inlined calls.
//!
//! Formats: header magics `0xfffffff0` (Go 1.18, 1.19) and `0xfffffff1` (Go 1.20 and later), as
//! in `runtime/symtab.go` and `cmd/link/internal/ld/pcln.go`.

mod frames;
mod functions;
mod header;
mod inline;
mod lines;
mod place;
mod pointers;
mod stream;
mod table;

pub use frames::{FrameSize, Frames};
pub use header::Header;
pub use inline::{Call, Frame};
pub use place::{Argument, Place};
pub use pointers::{Bits, PointerMap};
pub use table::{Function, Pclntab};
