//! The parts of the format that reader and writer share, and its versions.
//!
//! | change | version |
//! |---|---|
//! | a variant appended to [`Body`](crate::event::Body) or an enumeration in it, a new frame kind | minor + 1 |
//! | any other change of what events serialize to (field added, moved, retyped) | major + 1, minor 0 |
//!
//! | | reader of the same major, minor ≥ file's | reader of the same major, minor < file's | other major |
//! |---|---|---|---|
//! | file | is read | is refused: it may hold events unknown here | is refused |

use std::fmt;

/// Starts every recording. Not text, and broken by newline conversion.
pub(super) const MAGIC: [u8; 8] = *b"\x89TRACE\r\n";

/// The version this build writes.
pub const CURRENT: Version = Version {
    major: Major(3),
    minor: Minor(3),
};

/// Longest payload of a frame in bytes; more is taken for damage. It bounds what a hostile file can
/// make the reader allocate: the worst event, a list of empty strings, takes 24 bytes of memory for
/// each of the file.
pub const MAX_FRAME: usize = 4 << 20;

/// First byte of a payload that holds events.
pub(super) const EVENTS: u8 = 1;
/// First byte of the payload that ends the file; the number of events (u64) follows.
pub(super) const END: u8 = 2;

/// Incompatible versions differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Major(pub u16);

/// Grows with additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor(pub u16);

/// Version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub major: Major,
    pub minor: Minor,
}

impl Version {
    /// Whether a reader made for `reader` understands everything in a file of this version.
    #[must_use]
    pub fn check_readable_by(self, reader: Self) -> bool {
        self.major == reader.major && self.minor <= reader.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major.0, self.minor.0)
    }
}

/// CRC of a frame with this payload.
pub(super) fn frame_crc(payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&(payload.len() as u64).to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// What a file of version `version` begins with when `writer` (at most 255 bytes are kept) made it.
pub(super) fn prologue(version: Version, writer: &str) -> Vec<u8> {
    let writer = &writer.as_bytes()[..writer.len().min(255)];
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version.major.0.to_le_bytes());
    bytes.extend(version.minor.0.to_le_bytes());
    bytes.push(writer.len() as u8);
    bytes.extend(writer);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_understands_its_own_major_up_to_its_own_minor() {
        let version = |major, minor| Version {
            major: Major(major),
            minor: Minor(minor),
        };
        let reader = version(2, 3);
        for (file, readable) in [
            (version(2, 3), true),
            (version(2, 0), true),
            (version(2, 4), false),
            (version(1, 0), false),
            (version(3, 0), false),
        ] {
            assert_eq!(file.check_readable_by(reader), readable, "{file}");
        }
    }
}
