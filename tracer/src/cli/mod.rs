//! The command line: what may be typed. Text only; nothing is resolved here.

mod man_page;
mod output;
mod redaction;
mod target;
mod version;
mod when;

use clap::{Parser, Subcommand};

use crate::commands::completions::CompletionsArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::gc::GcArgs;
use crate::commands::goroutines::GoroutinesArgs;
use crate::commands::heap::HeapArgs;
use crate::commands::man::ManArgs;
use crate::commands::offcpu::OffCpuArgs;
use crate::commands::profile::ProfileArgs;
use crate::commands::record::RecordArgs;
use crate::commands::report::ReportArgs;
use crate::commands::sched::SchedArgs;
use crate::commands::schema::SchemaArgs;
use crate::commands::strace::StraceArgs;
use crate::commands::wall::WallArgs;

pub use man_page::{ManPage, man_pages};
pub use output::{Output, OutputArgs};
pub use redaction::RedactionArgs;
pub use target::TargetArgs;
pub use version::version;
pub use when::WhenArgs;

/// Examples stand before options.
const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  tracer strace -p 812            every system call of process 812, as strace prints them
  tracer strace -c -d 10s -p 812  how often and how long, summed in the kernel
  tracer profile -p 812           where it burns CPU: 10 s of samples, as a table
  tracer offcpu -p 812 -o off.svg where it waits, as a flame graph
  tracer wall -p 812              all time of all its threads, on the CPU and off it, added up
  tracer sched -p 812             how long its threads wait for a CPU
  tracer gc -p 812                a Go program's garbage collections, as GODEBUG=gctrace=1
  tracer goroutines -p 812        what its goroutines wait for, as debug=2 prints it
  tracer heap -p 812              where a Go program's memory is, and what allocated it
  tracer doctor -p 812            what this host and this process allow";

const EXIT_CODES: &str = "\
Exit codes: 0 done; the command's own status after `-- CMD`; 1 a result could not be produced;
2 usage; 3 not permitted, or the kernel refuses; 4 no such target; 5 the target cannot be read
that way; 6 bad input file.";

/// What is this process doing, what is it waiting for, and why
#[derive(Debug, Parser)]
#[command(name = "tracer", version = version(), help_template = TEMPLATE, before_help = EXAMPLES, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(help_template = TEMPLATE)]
    Strace(Box<StraceArgs>),
    #[command(help_template = TEMPLATE)]
    Profile(ProfileArgs),
    #[command(name = "offcpu", help_template = TEMPLATE)]
    OffCpu(OffCpuArgs),
    #[command(help_template = TEMPLATE)]
    Wall(WallArgs),
    #[command(help_template = TEMPLATE)]
    Sched(SchedArgs),
    #[command(help_template = TEMPLATE)]
    Gc(GcArgs),
    #[command(help_template = TEMPLATE)]
    Goroutines(GoroutinesArgs),
    #[command(help_template = TEMPLATE)]
    Heap(HeapArgs),
    #[command(help_template = TEMPLATE)]
    Record(RecordArgs),
    #[command(help_template = TEMPLATE)]
    Report(ReportArgs),
    #[command(help_template = TEMPLATE)]
    Doctor(DoctorArgs),
    #[command(help_template = TEMPLATE)]
    Schema(SchemaArgs),
    #[command(hide = true, help_template = TEMPLATE)]
    Completions(CompletionsArgs),
    #[command(hide = true, help_template = TEMPLATE)]
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_begins_its_help_with_examples() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_before_help().map(ToString::to_string);
            let examples = examples.unwrap_or_default();
            assert!(
                examples.starts_with("Examples:\n  tracer "),
                "{} has no examples",
                command.get_name()
            );
            let overhead = command.get_after_help().map(ToString::to_string);
            assert!(
                overhead.unwrap_or_default().contains("Overhead:"),
                "{} does not tell its overhead",
                command.get_name()
            );
        }
    }
}
