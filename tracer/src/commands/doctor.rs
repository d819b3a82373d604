//! `tracer doctor`: what this host and one process allow.

use std::io::Write;

use anyhow::Context;
use clap::Args;

use super::execute::Exit;
use crate::bpf::RunningKernel;
use crate::cli::OutputArgs;
use crate::doctor::{Host, doctor_text, examine};

const EXAMPLES: &str = "\
Examples:
  tracer doctor                which features this host allows, and what to do about the others
  tracer doctor -p 812         also what works on process 812: Go release, symbols, stacks
  tracer doctor --format json  for a script
";

const OVERHEAD: &str = "\
Overhead: none for other processes. BPF programs are loaded, never attached, and gone when it
ends.";

/// What do this host and this process allow, and why not more
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct DoctorArgs {
    /// Process to examine, too
    #[arg(short, long, value_name = "PID")]
    pub pid: Option<u32>,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl DoctorArgs {
    pub(super) fn execute(self) -> anyhow::Result<Exit> {
        let format = self.output.format("doctor", &["text", "json"])?;
        let report = examine(&Host::live(), &RunningKernel::default(), self.pid)?;
        let text = match format {
            "json" => serde_json::to_string_pretty(&report)? + "\n",
            _ => doctor_text(&report),
        };
        let mut output = self.output.open(false)?;
        let text = self.output.redacted_text(&text);
        let written = output.out.write_all(text.as_bytes());
        match written.and_then(|()| output.out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(error).with_context(|| format!("cannot write {}", output.name));
            }
            _ => {}
        }
        Ok(Exit::Code(report.exit_code()))
    }
}
