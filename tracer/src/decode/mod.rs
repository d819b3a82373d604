//! Bytes from the ring buffer to [`crate::event::Event`]: pure, total, bounded.
//!
//! A record that is short, of an unknown kind or inconsistent is an error to be counted, never a
//! panic; a record that is longer than expected is read as far as it is known.

mod captures;
mod record;

pub(crate) use record::comm;
pub use record::{DecodeError, Decoded, ExecArguments, GcRanges, LostRecords, decode};
