//! Choosing the row for a release.

use crate::go::binary::{Arch, BuildInfo};
use crate::go::version::Release;

use super::row::Layout;
use super::table::ROWS;

/// How sure a chosen row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// The row was read from this very release.
    Exact,
    /// The row is another patch release's. Patches have moved fields (1.24.3 to 1.24.11 moved most
    /// of `m`): use it only after [`super::verify`] and the code check of `globals` agree.
    Assumed,
}

/// A row and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The offsets.
    pub layout: &'static Layout,
    /// Whether they were read from this release.
    pub confidence: Confidence,
}

/// Why there is no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The executable does not say which Go release built it.
    #[error("the executable records no Go release; its runtime cannot be read")]
    NoRelease,
    /// No row for this minor release.
    #[error("the runtime of {release} is not known (known: {known}); Go internals are off")]
    UnknownRelease {
        /// The target's release.
        release: Release,
        /// The minors with rows.
        known: String,
    },
}

impl Layout {
    /// Offset in `gcController` of what gctrace shows as stacks: `maxStackScan` in Go 1.19,
    /// `lastStackScan` since 1.21 (runtime/mgc.go of both).
    pub fn traced_stack_scan(&self) -> u32 {
        if self.release.minor < 20 {
            self.controller.max_stack_scan
        } else {
            self.controller.last_stack_scan
        }
    }

    /// The rows for an executable, most likely first, never empty.
    ///
    /// The first is the exact release's row if there is one, then it is the only one. Otherwise
    /// all rows of the minor follow by distance of the patch number: patches have moved fields
    /// (1.23.5 or so those of `work`, 1.24.3 to 1.24.11 those of `m`), so each is to be tried
    /// against the code ([`crate::go::Globals::locate`]) and the live target ([`Layout::verify`]).
    ///
    /// Pre-releases and builds with experiments of their own are [`Confidence::Assumed`].
    pub fn candidates(info: &BuildInfo, arch: Arch) -> Result<Vec<Selection>, LayoutError> {
        let release = info.release.ok_or(LayoutError::NoRelease)?;
        let mut rows = rows_of(release, arch)?;
        let odd = !is_plain_release(&info.version) || info.experiments().is_some();
        if rows[0].release == release && !odd {
            rows.truncate(1);
        }
        let confidence = |row: &Self| {
            if row.release == release && !odd {
                Confidence::Exact
            } else {
                Confidence::Assumed
            }
        };
        let select = |layout| Selection {
            layout,
            confidence: confidence(layout),
        };
        Ok(rows.into_iter().map(select).collect())
    }

    /// The row of that release, or of the nearest patch of the same minor.
    pub fn for_release(release: Release, arch: Arch) -> Result<Selection, LayoutError> {
        let layout = rows_of(release, arch)?[0];
        let confidence = if layout.release == release {
            Confidence::Exact
        } else {
            Confidence::Assumed
        };
        Ok(Selection { layout, confidence })
    }
}

/// Rows of the release's minor, nearest patch first; at least one.
fn rows_of(release: Release, arch: Arch) -> Result<Vec<&'static Layout>, LayoutError> {
    let same = |row: &&Layout| row.arch == arch && row.release.minor == release.minor;
    let mut rows: Vec<&'static Layout> = ROWS.iter().filter(same).collect();
    rows.sort_by_key(|row| row.release.patch.abs_diff(release.patch));
    if rows.is_empty() {
        return Err(LayoutError::UnknownRelease {
            release,
            known: known(),
        });
    }
    Ok(rows)
}

/// `go1.24.11`, without suffix: neither a candidate nor somebody's own build.
fn is_plain_release(version: &str) -> bool {
    let digits = version.strip_prefix("go1.").unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn known() -> String {
    let mut minors: Vec<String> = ROWS
        .iter()
        .map(|row| format!("1.{}", row.release.minor))
        .collect();
    minors.dedup();
    minors.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_nearest_and_unknown_releases() {
        let pick = |minor, patch| Layout::for_release(Release::new(minor, patch), Arch::Amd64);
        let exact = pick(24, 11).expect("known");
        assert_eq!(
            (exact.layout.m.alllink, exact.confidence),
            (352, Confidence::Exact)
        );
        let early = pick(24, 2).expect("known");
        assert_eq!(
            (early.layout.m.alllink, early.confidence),
            (328, Confidence::Assumed)
        );
        let late = pick(24, 9).expect("known");
        assert_eq!(
            (late.layout.release.patch, late.confidence),
            (11, Confidence::Assumed)
        );
        let error = pick(20, 1).expect_err("no row");
        assert!(
            error
                .to_string()
                .contains("go1.20.1 is not known (known: 1.19, 1.21, 1.22"),
            "{error}"
        );
        assert!(pick(28, 0).is_err());
    }

    #[test]
    fn arm64_differs_from_amd64_only_in_padded_structures() {
        for row in ROWS.iter().filter(|row| row.arch == Arch::Amd64) {
            let other = Layout::for_release(row.release, Arch::Arm64)
                .expect("both have a row")
                .layout;
            assert_eq!(
                (row.g, row.sched, row.controller, row.stats),
                (other.g, other.sched, other.controller, other.stats)
            );
            assert_ne!(
                row.work.t_end,
                other.work.t_end + u32::from(row.release.minor < 20),
                "{}",
                row.release
            );
        }
    }
}
