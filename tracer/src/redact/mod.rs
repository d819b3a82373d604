//! What is left out of files: values of tokens, secrets, passwords and keys.
//!
//! One layer, in front of whatever writes: [`RedactingSink`] takes the values out of events, so no
//! format has to know of it.

mod event;
mod rule;
mod sink;

pub use rule::{REDACTED, Redaction};
pub use sink::RedactingSink;
