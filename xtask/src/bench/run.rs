//! From the command line to the report.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::options::{Options, Section};
use super::report::{Part, Report};
use super::setting::Setting;
use super::{attach, cost, machine, resources, sampling, streaming, syscalls};
use crate::machine::Machine;
use crate::{fixtures, host, interrupt, pins, privilege, setup, step};

/// Builds what is measured, measures as root, and prints the report.
///
/// # Errors
/// Something does not build, or Ctrl-C. A part that cannot be measured and a missed target are no
/// errors.
pub(crate) fn bench(options: &Options) -> Result<()> {
    let tracer = match &options.tracer {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("no tracer at {}", path.display()))?,
        None => build_tracer()?,
    };
    fixtures::build(Machine::HOST, &[pins::GO_DEMO])?;
    if !privilege::is_root() {
        return again_as_root(&tracer);
    }
    interrupt::catch();
    let setting = Setting::find(&tracer, options)?;
    let mut report = Report {
        machine: machine::describe(&setting, options.quick),
        parts: Vec::new(),
    };
    report.print_head();
    for section in options.sections() {
        let part = measured(&setting, options, section)?;
        part.print();
        report.parts.push(part);
    }
    match &options.json {
        Some(file) => report.write_json(file),
        None => Ok(()),
    }
}

fn build_tracer() -> Result<PathBuf> {
    setup::ensure()?;
    step::note("building tracer as it is released");
    host::build_tracer(true)
}

/// A part that cannot be measured says why; the others still are.
fn measured(setting: &Setting, options: &Options, section: Section) -> Result<Part> {
    measure(setting, options, section).or_else(|error| {
        interrupt::check()?;
        let mut part = Part::new(&format!("{section:?}"));
        part.notes.push(format!("not measured: {error:#}"));
        Ok(part)
    })
}

fn measure(setting: &Setting, options: &Options, section: Section) -> Result<Part> {
    let pace = options.pace(section);
    step::note(&format!("{section:?}: up to {} s", pace.budget.as_secs()));
    match section {
        Section::Syscalls => syscalls::measure(setting, pace),
        Section::Streaming => streaming::measure(setting, pace),
        Section::Sampling => sampling::measure(setting, pace),
        Section::Attach => attach::measure(setting, pace),
        Section::Resources => resources::measure(setting, pace),
        Section::Cost => cost::measure(setting, pace),
    }
}

/// The same command through sudo, with everything built already.
fn again_as_root(tracer: &Path) -> Result<()> {
    let own = env::current_exe().context("xtask does not know its own path")?;
    let mut command = privilege::as_root(own.as_os_str());
    command.args(env::args_os().skip(1));
    if !env::args_os().any(|arg| arg.to_string_lossy().starts_with("--tracer")) {
        command.arg("--tracer").arg(tracer);
    }
    step::run(&mut command)
}
