//! Go release numbers as they are written into binaries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A release of Go 1: `go1.24.11` is minor 24, patch 11.
///
/// Pre-releases (`go1.25rc1`) count as patch 0 of their minor: the runtime is frozen when the
/// first candidate is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// `24` in `go1.24.11`.
    pub minor: u16,
    /// `11` in `go1.24.11`, 0 when absent.
    pub patch: u16,
}

impl Release {
    /// The release `go1.<minor>.<patch>`.
    pub const fn new(minor: u16, patch: u16) -> Self {
        Self { minor, patch }
    }

    /// Reads the release from a version string such as `go1.24.11`, `go1.25rc1`,
    /// `go1.22.5 X:rangefunc`, or `devel go1.27-0a1b2c3 …`.
    ///
    /// Returns `None` when the string names no Go 1 release.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.split("go1.").nth(1)?;
        let (minor, rest) = leading_number(rest)?;
        let patch = rest
            .strip_prefix('.')
            .and_then(leading_number)
            .map_or(0, |(patch, _)| patch);
        Some(Self { minor, patch })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go1.{}.{}", self.minor, self.patch)
    }
}

fn leading_number(text: &str) -> Option<(u16, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_release_candidate_experiment_and_devel_strings() {
        let cases = [
            ("go1.24.11", Some((24, 11))),
            ("go1.21", Some((21, 0))),
            ("go1.25rc1", Some((25, 0))),
            ("go1.22.5 X:rangefunc", Some((22, 5))),
            ("go1.23.4-custom", Some((23, 4))),
            ("devel go1.27-0a1b2c3d Mon", Some((27, 0))),
            ("go2.1", None),
            ("go1.x", None),
            ("go1.99999999", None),
            ("", None),
        ];
        for (text, want) in cases {
            let got = Release::parse(text).map(|release| (release.minor, release.patch));
            assert_eq!(got, want, "{text}");
        }
    }
}
