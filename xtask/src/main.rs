//! Everything that is done with this repository beyond `cargo build`: `cargo xtask --help`.

mod bpf_toolchain;
mod ebpf;
mod elf;
mod pins;
mod setup;
mod step;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run and test tracer")]
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
    }
}
