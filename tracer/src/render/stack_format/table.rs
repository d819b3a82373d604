//! The formats of profiles.

use std::fmt;
use std::io::{self, Write};

use super::{firefox, folded, html, json, pprof, speedscope, svg, text};
use crate::analysis::HotRegions;
use crate::render::StackOutput;
use crate::report::StackProfile;

/// A profile and how it is to be shown.
pub(in crate::render) struct Shown<'a> {
    pub(in crate::render) profile: &'a StackProfile,
    pub(in crate::render) output: &'a StackOutput,
    /// What the run cost, once that is known.
    pub(in crate::render) cost: Option<&'a serde_json::Value>,
}

/// The hot regions of a profile. All that waits is in system calls: only those on the CPU have any.
pub(super) fn hot_regions(shown: &Shown<'_>) -> HotRegions {
    match shown.profile {
        StackProfile::OnCpu(profile) => HotRegions::of(&profile.tree, &shown.output.hot),
        waits => HotRegions {
            of_node: vec![None; waits.tree().nodes.len()],
            regions: Vec::new(),
        },
    }
}

/// One format.
pub struct StackFormat {
    /// As `--format` takes it.
    pub name: &'static str,
    /// Ends of file names that choose it, without the dot before them.
    pub extensions: &'static [&'static str],
    /// A document covers the whole run, since two in one file could not be opened; others follow
    /// each other, one for each interval.
    pub whole_run: bool,
    /// Places in a function are told apart by source line.
    pub lines: bool,
    /// And by address.
    pub addresses: bool,
    /// An empty line ends each interval.
    pub(in crate::render) separated: bool,
    pub(in crate::render) write: fn(&Shown<'_>, &mut dyn Write) -> io::Result<()>,
}

impl fmt::Debug for StackFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One document of the whole run, by function.
const DOCUMENT: StackFormat = StackFormat {
    name: "",
    extensions: &[],
    whole_run: true,
    lines: false,
    addresses: false,
    separated: false,
    write: text::write,
};

/// Text for each interval.
const TEXT: StackFormat = StackFormat {
    whole_run: false,
    separated: true,
    ..DOCUMENT
};

/// All formats, the default first.
pub const STACK_FORMATS: &[StackFormat] = &[
    StackFormat {
        name: "text",
        extensions: &["text", "txt"],
        write: text::write,
        ..TEXT
    },
    StackFormat {
        name: "folded",
        extensions: &["folded"],
        write: folded::write,
        ..TEXT
    },
    StackFormat {
        name: "svg",
        extensions: &["svg"],
        write: svg::write,
        ..DOCUMENT
    },
    StackFormat {
        name: "html",
        extensions: &["html", "htm"],
        write: html::write,
        ..DOCUMENT
    },
    StackFormat {
        name: "json",
        extensions: &["json"],
        whole_run: false,
        write: json::write,
        ..DOCUMENT
    },
    StackFormat {
        name: "pprof",
        extensions: &["pb.gz", "pprof"],
        lines: true,
        addresses: true,
        write: pprof::write,
        ..DOCUMENT
    },
    StackFormat {
        name: "speedscope",
        extensions: &["speedscope.json", "speedscope"],
        lines: true,
        write: speedscope::write,
        ..DOCUMENT
    },
    StackFormat {
        name: "firefox",
        extensions: &["firefox.json", "firefox"],
        lines: true,
        write: firefox::write,
        ..DOCUMENT
    },
];

impl StackFormat {
    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        STACK_FORMATS.iter().find(|f| f.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_a_format_has_a_row() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/render/stack_format");
        let files: BTreeSet<String> = std::fs::read_dir(dir)
            .expect("the sources are there")
            .filter_map(|e| e.expect("readable").file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
            .filter(|name| name != "mod" && name != "table")
            .collect();
        let rows: BTreeSet<String> = STACK_FORMATS.iter().map(|f| f.name.to_owned()).collect();
        assert_eq!(files, rows);
        assert_eq!(rows.len(), STACK_FORMATS.len(), "each has one row");
    }

    #[test]
    fn an_end_of_a_file_name_means_one_format() {
        let ends = STACK_FORMATS.iter().flat_map(|f| f.extensions);
        let different: BTreeSet<_> = ends.clone().collect();
        assert_eq!(different.len(), ends.count());
        assert_eq!(STACK_FORMATS[0].name, "text", "the default");
    }
}
