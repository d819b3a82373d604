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
    /// The build changes the runtime's structures.
    #[error("built with {setting}, which may move runtime fields; Go internals are off")]
    Changed {
        /// The build setting.
        setting: String,
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

    /// The row for an executable.
    ///
    /// Builds with a GOEXPERIMENT that differs from the release's defaults are refused: such
    /// settings add fields to `g`, `m` and `p`.
    pub fn for_build(info: &BuildInfo, arch: Arch) -> Result<Selection, LayoutError> {
        let release = info.release.ok_or(LayoutError::NoRelease)?;
        let selection = Self::for_release(release, arch)?;
        if let Some(experiments) = info.experiments() {
            return Err(LayoutError::Changed {
                setting: format!("GOEXPERIMENT={experiments}"),
            });
        }
        let pre_release = info.version.starts_with("devel") || info.version.contains("rc");
        let confidence = if pre_release {
            Confidence::Assumed
        } else {
            selection.confidence
        };
        Ok(Selection {
            confidence,
            ..selection
        })
    }

    /// The row of that release, or of the nearest patch of the same minor.
    pub fn for_release(release: Release, arch: Arch) -> Result<Selection, LayoutError> {
        let rows = ROWS
            .iter()
            .filter(|row| row.arch == arch && row.release.minor == release.minor);
        let nearest = rows.min_by_key(|row| row.release.patch.abs_diff(release.patch));
        let layout = nearest.ok_or_else(|| LayoutError::UnknownRelease {
            release,
            known: known(),
        })?;
        let confidence = if layout.release == release {
            Confidence::Exact
        } else {
            Confidence::Assumed
        };
        Ok(Selection { layout, confidence })
    }
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
