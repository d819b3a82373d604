//! Recordings: the event stream in a file.
//!
//! A recording holds every event of a run, facts about the target included, so that a report on
//! another machine shows what the live run would have shown. Layout, all integers little-endian:
//!
//! ```text
//! prologue  magic[8] major u16 minor u16 length u8 writer[length] crc32 u32
//! frame     length u32 crc32 u32 payload[length]          any number of times
//! ```
//!
//! The prologue's layout never changes, so that any version can tell what wrote a file. Its CRC
//! covers everything before it, a frame's its length and payload. The first byte of a payload says
//! what it is: events (1), each as postcard with its time relative to the one before it in the
//! frame, or the end (2) with the number of events in the file. A file without an end was cut off.
//!
//! The [`mod@format`] module has the versions and their compatibility rule, [`Writer`] is a sink,
//! [`Reader`] an iterator over events.

mod file;
pub mod format;
mod reader;
mod writer;

pub use file::{check_file, create_file};
pub use reader::{ReadError, Reader};
pub use writer::Writer;

#[cfg(test)]
mod tests;
