//! Looks again and again for goroutines that come and never go.

use std::time::Duration;

use serde_json::json;

use super::args::GoroutinesArgs;
use super::dump::{reader, unreadable};
use crate::analysis::goroutine_leaks::{GoroutineLeaks, LeakReport};
use crate::commands::execute::{Exit, block_on};
use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::render::goroutine_leaks::{leaks_json, write_leaks};
use crate::session::{comm, look_every, now_ns};
use crate::term::{notice, plural};

const DEFAULT_DURATION: Duration = Duration::from_secs(60);
/// Looks besides the first: four in each third of the time.
const LOOKS: u32 = 12;
/// Less would see the same goroutines in the same short waits.
const LEAST_PERIOD: Duration = Duration::from_millis(50);

pub(super) fn execute(args: &GoroutinesArgs, pid: u32) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let process = GoProcess::open(pid)?;
    let duration = args.duration.unwrap_or(DEFAULT_DURATION);
    if !args.quiet {
        let comm = comm(pid);
        notice(&format!(
            "attached to {pid} ({comm}): no probes, its memory is read"
        ));
    }
    let (report, took_ns) = watch(&process, duration)?;
    let mut text = String::new();
    match format {
        "json" => {
            let mut document = leaks_json(&process.code, &report, now_ns().cast_signed());
            document["pid"] = json!(pid);
            document["go_version"] = json!(process.version);
            text = format!("{document}\n");
        }
        _ => write_leaks(&mut text, &process.code, &report)?,
    }
    args.write(&text)?;
    if !args.quiet {
        notice(&closing_line(&report, took_ns));
    }
    Ok(Exit::DONE)
}

/// What was found, and how long looking took, in ns.
fn watch(process: &GoProcess, duration: Duration) -> anyhow::Result<(LeakReport, u64)> {
    let mut leaks = GoroutineLeaks::default();
    let mut took_ns = 0;
    let reader = reader(process);
    let look = || {
        let began = now_ns();
        match reader.read() {
            Ok(snapshot) => {
                leaks.observe(began, &snapshot);
                took_ns += now_ns() - began;
                Ok(true)
            }
            // It ended, or runs another program: what was seen until then is shown.
            Err(_) if took_ns != 0 => Ok(false),
            Err(error) => Err(unreadable(process, &error)),
        }
    };
    let period = (duration / LOOKS).max(LEAST_PERIOD);
    block_on(look_every(process.pid, period, duration, look))??;
    let report = leaks.finish();
    if report.looks < 2 {
        return Err(ExpectedError::NoResult {
            result: "leaks".to_owned(),
            why: format!("process {} ended before the second look", process.pid),
        }
        .into());
    }
    Ok((report, took_ns))
}

fn closing_line(report: &LeakReport, took_ns: u64) -> String {
    let mut text = format!(
        "{:.1} s, {}, {:.1} % of a CPU to look, nothing in the target",
        report.duration_ns as f64 / 1e9,
        plural(report.looks as u64, "look", "looks"),
        took_ns as f64 * 100.0 / report.duration_ns.max(1) as f64,
    );
    if report.over_limit != 0 {
        text = format!(
            "{text}; {} not followed: too many groups",
            report.over_limit
        );
    }
    text
}
