//! What this host, and one process on it, allow: the `doctor` command.
//!
//! [`examine`] runs the rows of three tables, [`CHECKS`] for the host, [`FEATURES`] for what tracer
//! itself can do on this kernel and [`PROCESS_CHECKS`] for a process, and concludes from a fourth,
//! [`COMMANDS`], which commands will work. Kernel features are tried, not inferred from versions;
//! nothing is attached and nothing outlives the call. All that is read comes through a [`Host`] and
//! [`Features`], so that tests can pretend.

mod checks;
mod commands;
mod executable;
mod features;
mod host;
mod process;
mod report;
mod text;

pub use checks::{CHECKS, Check, Context};
pub use commands::{COMMANDS, Command};
pub use executable::{ExecutableError, ExecutableFacts, FramePointers};
pub use features::{FEATURES, FeatureCheck};
pub use host::Host;
pub use process::{PROCESS_CHECKS, ProcessCheck, ProcessFacts};
pub use report::{
    CheckResult, CommandResult, DoctorReport, KernelFeature, ProcessReport, Status, Verdict,
};
pub use text::doctor_text;

use crate::bpf::{Feature, Features};
use crate::error::ExpectedError;

/// Runs all checks of the host and, with a pid, of that process.
///
/// # Errors
/// [`ExpectedError::NoSuchProcess`]; a check that fails is a result, not an error.
pub fn examine(
    host: &Host,
    kernel: &dyn Features,
    pid: Option<u32>,
) -> Result<DoctorReport, ExpectedError> {
    let context = Context { host, kernel };
    let checks: Vec<CheckResult> = CHECKS
        .iter()
        .map(|check| CheckResult::new(check.id, check.purpose, (check.run)(&context)))
        .collect();
    let features: Vec<CheckResult> = FEATURES
        .iter()
        .map(|row| CheckResult::new(row.id, row.purpose, row.examine(&context)))
        .collect();
    let kernel_features = Feature::ALL
        .iter()
        .map(|&feature| KernelFeature::new(feature, kernel.try_feature(feature)))
        .collect();
    let process = pid.map(|pid| process::examine(host, pid)).transpose()?;
    let commands = commands::conclude(&checks, &features, process.as_ref());
    Ok(DoctorReport {
        checks,
        features,
        kernel_features,
        process,
        commands,
    })
}

#[cfg(test)]
mod tests;
