//! What tracer itself takes: CPU time and memory in each mode, and the size of the download.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::load::Meter;
use super::options::Pace;
use super::report::Part;
use super::setting::Setting;
use super::spawned::Spawned;
use super::table::{Cell, Table, mib};
use crate::{interrupt, step, workspace};

/// The modes.
const MODES: &[&str] = &[
    "strace -c",
    "strace -o /dev/null",
    "strace -e trace=execve -o /dev/null",
    "profile",
    "profile -F 999",
    "offcpu",
    "sched",
    "sched --go",
    "gc",
];

/// Measures each mode on a Go HTTP service under load.
///
/// # Errors
/// The service does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("tracer's own cost, on a Go HTTP service with four clients");
    let mut command = Command::new(setting.go("server"));
    command.args(["-load", "4", "-d", "5m"]);
    let mut service = Spawned::start(&mut command, "server")?;
    // The service ends when its stdin does.
    let _stdin = service.take_stdin().context("the service has no stdin")?;
    service.line_with("ready ", Duration::from_secs(10))?;
    let mut table = Table::new(
        &format!("{:.1} s each, ordinary priority", pace.window.as_secs_f64()),
        &["tracer", "CPU %", "service's CPU %", "peak RSS MiB"],
    );
    for mode in MODES {
        step::note(&format!("resources: {mode}"));
        match one(setting, pace, &service, mode) {
            Ok(row) => table.push(row),
            Err(error) => {
                interrupt::check()?;
                part.notes.push(format!("{mode}: {error:#}"));
            }
        }
    }
    part.tables.push(table);
    part.notes
        .push("CPU % is of one CPU, while attached; RSS includes the result".to_owned());
    part.notes.push(dist_size());
    Ok(part)
}

fn one(setting: &Setting, pace: Pace, service: &Spawned, mode: &str) -> Result<Vec<Cell>> {
    let tool = setting.tools.tracer(mode);
    let mut process = tool.attach(service.pid(), &setting.scratch_file())?;
    let (ours, theirs) = (Meter::start(&process), Meter::start(service));
    wait(pace.window)?;
    let (ours, theirs) = (ours.share(&process), theirs.share(service));
    let ended = process.interrupt(Duration::from_secs(10))?;
    setting.clean();
    Ok(vec![
        Cell::text(mode),
        Cell::number(ours * 100.0, 2, ""),
        Cell::number(theirs * 100.0, 1, ""),
        Cell::number(mib(ended.max_rss), 1, ""),
    ])
}

/// Sleeps for `time`, but not past Ctrl-C.
fn wait(time: Duration) -> Result<()> {
    let tick = Duration::from_millis(50);
    for _ in 0..time.as_millis() / tick.as_millis() {
        interrupt::check()?;
        std::thread::sleep(tick);
    }
    Ok(())
}

fn dist_size() -> String {
    let path = workspace::target().join("dist/tracer");
    match fs::metadata(&path) {
        Ok(meta) => format!(
            "static binary: {:.2} MiB ({} bytes)",
            mib(meta.len()),
            meta.len()
        ),
        Err(_) => "static binary: not built (cargo xtask dist)".to_owned(),
    }
}
