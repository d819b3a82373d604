//! Everything that is done with this repository beyond `cargo build`: `cargo xtask --help`.

mod bench;
mod bpf_toolchain;
mod ci;
mod demo;
mod dist;
mod ebpf;
mod elf;
mod fixtures;
mod fuzz;
mod host;
mod interrupt;
mod pins;
mod privilege;
mod run;
mod setup;
mod step;
mod testing;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Build, run and test tracer"
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or make the BPF toolchain; every other command does this first
    Setup,
    /// Compile the BPF programs alone and say what the object holds
    BuildEbpf {
        /// Treat the compiler's warnings as errors
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Build tracer and run it as root: cargo xtask run -- strace -p PID
    Run {
        /// Optimize fully
        #[arg(long)]
        release: bool,
        /// Arguments of tracer
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Build what the tests need and run them; those of the kernel side need root
    Test {
        /// Run only tests whose name contains one of these
        filters: Vec<String>,
    },
    /// Build the programs that tests trace
    Fixtures {
        /// Go versions to build with instead of the tests' own
        #[arg(long, num_args = 1.., value_name = "VERSION")]
        go: Vec<String>,
    },
    /// Check formatting, lints, the BPF build and docs
    Check,
    /// Everything a change must pass: formatting, lints, docs, tests
    Ci,
    /// Build the static release binary
    Dist,
    /// Trace a small Go service under load and draw its flame graph
    Demo,
    /// Measure what tracing costs, against strace, perf and bpftrace; needs root
    Bench(bench::Options),
    /// Feed damaged input to everything that reads what others wrote: cargo xtask fuzz decode 10m
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::ensure_verbose(),
        Task::BuildEbpf { deny_warnings } => ebpf::build(deny_warnings),
        Task::Run { release, args } => run::run(release, &args),
        Task::Test { filters } => testing::test(&filters),
        Task::Fixtures { go } => build_fixtures(&go),
        Task::Check => ci::checks(),
        Task::Ci => ci::ci(),
        Task::Dist => dist::dist(),
        Task::Demo => demo::demo(),
        Task::Bench(options) => bench::bench(&options),
        Task::Fuzz(options) => fuzz::fuzz(&options),
    }
}

fn build_fixtures(go: &[String]) -> Result<()> {
    setup::ensure()?;
    let named: Vec<&str> = go.iter().map(String::as_str).collect();
    fixtures::build(if named.is_empty() {
        pins::GO_VERSIONS
    } else {
        &named
    })?;
    println!("{}", fixtures::directory().display());
    Ok(())
}
