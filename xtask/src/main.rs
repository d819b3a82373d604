//! Everything that is done with this repository beyond `cargo build`: `cargo xtask --help`.

mod apt;
mod bench;
mod bpf_toolchain;
mod cargo_install;
mod ci;
mod demo;
mod deny;
mod dist;
mod ebpf;
mod elf;
mod fixtures;
mod fuzz;
mod go_offsets;
mod golden;
mod host;
mod interrupt;
mod machine;
mod pins;
mod privilege;
mod run;
mod setup;
mod skips;
mod soak;
mod step;
mod testing;
mod tree;
mod vm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use machine::Machine;

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
        /// Fail when a test skips itself; always so where CI is set
        #[arg(long)]
        deny_skips: bool,
        /// Test on every Go release line that tracer knows, not only on the oldest, a middle and the
        /// newest one, and with programs built in every way that it knows. What is built once is
        /// tested from then on
        #[arg(long)]
        every_go: bool,
    },
    /// Run the tests that need root on several kernels, in QEMU
    TestVm(vm::TestOptions),
    /// Run one command on one of these kernels: cargo xtask vm-run 6.1 -- uname -a
    VmRun(vm::CommandOptions),
    /// Build the programs that tests trace
    Fixtures {
        /// Architecture to build for: x86_64 or aarch64
        #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
        target: Machine,
        /// Go versions to build with instead of the tests' own
        #[arg(long, num_args = 1.., value_name = "VERSION")]
        go: Vec<String>,
        /// Also trimmed, stripped by strip(1), as static PIE, with the race detector, and so on
        #[arg(long)]
        every_variant: bool,
    },
    /// Write rows of the table of Go's runtime structures by the DWARF of what the release builds,
    /// and compare them with those that are there: cargo xtask go-offsets 1.27.3
    GoOffsets(go_offsets::Options),
    /// Check formatting, lints, the BPF build and docs
    Check,
    /// Ask strace 6.1 again what it prints for the calls of the decoders' lists; needs root
    Golden(golden::Options),
    /// Check licences, sources and advisories of what the workspace depends on
    Deny,
    /// Everything a change must pass: formatting, lints, docs, dependencies, tests
    Ci,
    /// Build what is released: static binary, Debian package, man pages, completions, checksums
    Dist(dist::Options),
    /// Trace a small Go service under load and draw its flame graph
    Demo,
    /// Measure what tracing costs, against strace, perf and bpftrace; needs root
    Bench(bench::Options),
    /// Use tracer long and roughly, and prove that it harms nobody and leaves nothing; needs root
    Soak(soak::Options),
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
        Task::Test {
            filters,
            deny_skips,
            every_go,
        } => testing::test(&filters, deny_skips, every_go),
        Task::TestVm(options) => vm::test(&options),
        Task::VmRun(options) => vm::command(&options),
        Task::Fixtures {
            target,
            go,
            every_variant,
        } => build_fixtures(target, &go, every_variant),
        Task::GoOffsets(options) => go_offsets::go_offsets(&options),
        Task::Check => ci::checks(),
        Task::Golden(options) => golden::golden(&options),
        Task::Deny => deny::deny(),
        Task::Ci => ci::ci(),
        Task::Dist(options) => dist::dist(&options),
        Task::Demo => demo::demo(),
        Task::Bench(options) => bench::bench(&options),
        Task::Soak(options) => soak::soak(&options),
        Task::Fuzz(options) => fuzz::fuzz(&options),
    }
}

fn build_fixtures(machine: Machine, go: &[String], every_variant: bool) -> Result<()> {
    setup::ensure()?;
    let named: Vec<&str> = go.iter().map(String::as_str).collect();
    let versions = if named.is_empty() {
        pins::GO_VERSIONS
    } else {
        &named
    };
    fixtures::build(machine, versions, every_variant)?;
    println!("{}", fixtures::directory(machine).display());
    Ok(())
}
