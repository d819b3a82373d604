//! `cargo xtask ci`: what a change must pass.

use anyhow::{Context, Result};

use crate::{deny, ebpf, host, setup, step, testing, tree};

/// The crates built for the host: all but the BPF programs.
const HOST_CRATES: &[&str] = &["--workspace", "--exclude", "tracer-ebpf"];

/// [`checks`], [`deny::deny`], then [`testing::test`].
///
/// # Errors
/// The first of them that fails.
pub(crate) fn ci() -> Result<()> {
    checks()?;
    deny::deny()?;
    step::note("running the tests");
    testing::test(&[], false, false)
}

/// The files of the tree, formatting, lints, the BPF build without warnings, docs.
///
/// # Errors
/// The first of them that is not clean.
pub(crate) fn checks() -> Result<()> {
    tree::check()?;
    tree::check_bootstrap()?;
    setup::ensure()?;
    check("formatting", &["fmt", "--all", "--check"], &[], &[])?;
    let deny = ["--", "-D", "warnings"];
    check("lints", &["clippy", "--all-targets"], &deny, HOST_CRATES)?;
    step::note("checking the BPF programs");
    ebpf::build(true)?;
    ebpf::lint()?;
    check("docs", &["doc", "--no-deps"], &[], HOST_CRATES)
}

fn check(what: &str, command: &[&str], last: &[&str], packages: &[&str]) -> Result<()> {
    step::note(&format!("checking {what}"));
    let mut cargo = host::cargo();
    cargo
        .args(command)
        .args(packages)
        .args(last)
        .env("RUSTDOCFLAGS", "-D warnings");
    step::run(&mut cargo).with_context(|| format!("{what}: not clean"))
}
