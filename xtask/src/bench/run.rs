//! From the command line to the report.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::options::Options;
use super::peers::Family;
use super::report::{Part, Report};
use super::sections::{self, Section};
use super::setting::{self, Setting};
use super::{large_go, machine, readme};
use crate::machine::Machine;
use crate::{fixtures, host, interrupt, pins, privilege, setup, step};

/// Sections that need the large Go program.
const LARGE: &[&str] = &["attach", "symbols"];

/// Builds what is measured, measures as root, and prints the report; or does the one other thing
/// that `options` ask for.
///
/// # Errors
/// Something does not build, or Ctrl-C. A section or tool that cannot be measured and a missed
/// target are no errors.
pub(crate) fn bench(options: &Options) -> Result<()> {
    let json = options.json.clone().unwrap_or_else(|| {
        let name = if options.quick {
            "quick.json"
        } else {
            "measured.json"
        };
        setting::scratch_dir().join(name)
    });
    if options.readme {
        return readme::update(&json);
    }
    if options.install_peers {
        return install_peers();
    }
    let tracer = match &options.tracer {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("no tracer at {}", path.display()))?,
        None => build_tracer()?,
    };
    let sections = sections::chosen(&options.names, options.all);
    build_targets(options, &sections)?;
    if !privilege::is_root() {
        return again_as_root(&tracer);
    }
    interrupt::catch();
    let setting = Setting::find(&tracer, options)?;
    let report = measured(&setting, options, &sections)?;
    report.print_end();
    report.write_json(&json)?;
    step::note(&format!("all figures as JSON: {}", json.display()));
    Ok(())
}

fn build_tracer() -> Result<PathBuf> {
    setup::ensure()?;
    step::note("building tracer as it is released");
    host::build_tracer(true)
}

fn build_targets(options: &Options, sections: &[&Section]) -> Result<()> {
    fixtures::build(Machine::HOST, &[pins::GO_DEMO], false)?;
    let wanted = |name: &str| sections.iter().any(|section| section.name == name);
    let needed = LARGE.iter().any(|name| wanted(name));
    if needed && (options.large_go.is_none() || wanted("symbols")) {
        large_go::build()?;
    }
    Ok(())
}

fn measured(setting: &Setting, options: &Options, sections: &[&'static Section]) -> Result<Report> {
    let machine = machine::describe(setting, options.quick);
    let mut report = Report::new(machine, setting.tools.versions());
    report.print_head();
    for section in sections {
        let started = Instant::now();
        let part = measure(setting, options, section)?;
        part.print();
        report.push(section.name, started.elapsed(), part);
    }
    let tried = setting.tried().into_iter();
    report.peers = tried
        .map(|(peer, why)| (peer, why.map(str::to_owned)))
        .collect();
    Ok(report)
}

/// A section that cannot be measured says why; the others still are.
fn measure(setting: &Setting, options: &Options, section: &Section) -> Result<Part> {
    let pace = if options.quick {
        section.quick
    } else {
        section.full
    };
    let seconds = pace.budget.as_secs();
    step::note(&format!("{}: about {seconds} s", section.name));
    (section.measure)(setting, pace).or_else(|error| {
        interrupt::check()?;
        let mut part = Part::new(section.about);
        part.notes.push(format!("not measured: {error:#}"));
        Ok(part)
    })
}

fn install_peers() -> Result<()> {
    let packages = Family::OTHERS.map(Family::package);
    let mut apt = privilege::as_root("apt-get".as_ref());
    apt.args(["install", "--yes", "--no-install-recommends"]);
    apt.args(packages);
    step::run(&mut apt).with_context(|| {
        let names = packages.join(", ");
        format!("install them as your distribution does; Debian's packages are {names}")
    })
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
