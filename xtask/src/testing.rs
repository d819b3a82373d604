//! `cargo xtask test`: everything the tests need, then the tests.
//!
//! Tests of `tracer-tests` load BPF programs and measure the machine: they run as root and one
//! at a time. All others run as the user.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::skips::{self, Skips};
use crate::{fixtures, host, pins, privilege, setup, step};

/// Crate of the tests that need root.
const KERNEL_TESTS: &str = "tracer-tests";

/// Builds the fixtures and tracer, then runs the tests whose names contain one of `filters`
/// (all without one), and lists those that skipped themselves. With `every_go`, fixtures are built
/// for the Go releases of [`pins::GO_OTHER_VERSIONS`] as well, and in every variant.
///
/// # Errors
/// A test fails, or something the tests need cannot be made; with `deny_skips`, and where `CI` is
/// set, a test skips itself.
pub(crate) fn test(filters: &[String], deny_skips: bool, every_go: bool) -> Result<()> {
    setup::ensure()?;
    fixtures::build(Machine::HOST, pins::GO_VERSIONS, every_go)?;
    if every_go {
        fixtures::build(Machine::HOST, pins::GO_OTHER_VERSIONS, true)?;
    }
    let tracer = host::build_tracer(false)?;
    let skips = Skips::begin(deny_skips)?;
    let run = Run {
        nextest: has_nextest(),
        filters,
        tracer,
        skips: &skips,
    };
    let outcome = run.all();
    let skipped = skips.end();
    outcome.and(skipped)
}

fn has_nextest() -> bool {
    let mut probe = host::cargo();
    probe
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

struct Run<'a> {
    nextest: bool,
    filters: &'a [String],
    tracer: std::path::PathBuf,
    skips: &'a Skips,
}

impl Run<'_> {
    fn all(&self) -> Result<()> {
        if privilege::is_root() {
            return self.as_root();
        }
        self.unprivileged()?;
        if !privilege::sudo_works() {
            let why = "they load BPF programs and sudo does not work here; run `cargo xtask test` as root";
            return self
                .skips
                .add(&format!("every test of {KERNEL_TESTS}"), why);
        }
        self.privileged_through_sudo()
    }

    fn as_root(&self) -> Result<()> {
        if self.nextest {
            // Their closing line counts nothing when no example is in the docs, so they go first.
            self.doc_tests()?;
            return self.start(&["--workspace", "--exclude", "tracer-ebpf"], |_| ());
        }
        self.unprivileged()?;
        self.start(&["--package", KERNEL_TESTS], |_| ())
    }

    fn unprivileged(&self) -> Result<()> {
        if self.nextest {
            self.doc_tests()?;
        }
        let others = [
            "--workspace",
            "--exclude",
            "tracer-ebpf",
            "--exclude",
            KERNEL_TESTS,
        ];
        self.start(&others, |_| ())
    }

    /// Cargo builds as the user; only the test programs run as root.
    fn privileged_through_sudo(&self) -> Result<()> {
        let arch = std::env::consts::ARCH.to_uppercase();
        let runner = format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_GNU_RUNNER");
        self.start(&["--package", KERNEL_TESTS], |cargo| {
            cargo.env(&runner, "sudo -E");
        })
    }

    /// Nextest runs no examples in docs.
    fn doc_tests(&self) -> Result<()> {
        if !self.filters.is_empty() {
            return Ok(());
        }
        let mut cargo = host::cargo();
        cargo.args([
            "test",
            "--quiet",
            "--doc",
            "--workspace",
            "--exclude",
            "tracer-ebpf",
        ]);
        step::run(&mut cargo).context("examples in docs fail")
    }

    fn start(&self, packages: &[&str], adjust: impl FnOnce(&mut Command)) -> Result<()> {
        let mut cargo = host::cargo();
        if self.nextest {
            // Which tests run alone is in .config/nextest.toml.
            cargo.args(["nextest", "run"]).args(packages);
            // A filter may name tests of one half only.
            if !self.filters.is_empty() {
                cargo.arg("--no-tests=warn");
            }
            cargo.args(self.filters);
        } else {
            cargo.arg("test").args(packages).arg("--");
            if packages.contains(&KERNEL_TESTS) && !packages.contains(&"--exclude") {
                cargo.arg("--test-threads=1");
            }
            cargo.args(self.filters);
        }
        cargo
            .env("TRACER_FIXTURES", fixtures::directory(Machine::HOST))
            .env("TRACER_BIN", &self.tracer)
            // Some fixtures race on purpose: with the race detector, their exit status is their own.
            .env("GORACE", "exitcode=0")
            .env(skips::VARIABLE, self.skips.file());
        adjust(&mut cargo);
        step::run(&mut cargo).context("tests fail")
    }
}
