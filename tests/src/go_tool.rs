//! Tools of a Go distribution, as `cargo xtask` fetched them for the fixtures.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip;

/// `go tool pprof`, as [`go_tool`].
#[must_use]
pub fn go_pprof() -> Option<Command> {
    go_tool("pprof")
}

/// `go tool NAME` of the newest release that brings the program along, shut off from the network
/// and the user's settings; `None` and a [`skip`] without one.
#[must_use]
pub fn go_tool(name: &str) -> Option<Command> {
    let found = cache().and_then(|cache| newest(&cache.join("go"), name));
    let Some(root) = found else {
        skip(&format!(
            "there is no Go distribution with {name}; run the tests with `cargo xtask test`"
        ));
        return None;
    };
    let mut go = Command::new(root.join("bin/go"));
    go.args(["tool", name])
        .env("GOROOT", &root)
        .env("GOENV", "off")
        .env("GOWORK", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off");
    Some(go)
}

/// Where `cargo xtask` keeps what it fetches.
fn cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("TRACER_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("tracer")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/tracer")))
}

/// Since Go 1.25 a distribution has only the tools that builds need.
fn newest(releases: &Path, tool: &str) -> Option<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(releases)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.split('.').map(|part| part.parse::<u32>().ok());
            Some((version.collect::<Option<_>>()?, entry.path().join("go")))
        })
        .filter(|(_, root)| has_tool(root, tool))
        .collect();
    found.sort();
    found.pop().map(|(_, root)| root)
}

fn has_tool(root: &Path, tool: &str) -> bool {
    let machines = std::fs::read_dir(root.join("pkg/tool"));
    machines
        .into_iter()
        .flatten()
        .flatten()
        .any(|dir| dir.path().join(tool).is_file())
}
