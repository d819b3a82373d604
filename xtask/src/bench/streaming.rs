//! How many events a second reach the output, and how many are lost, when the target calls the
//! kernel as fast as it can.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::closing_line::Events;
use super::figures::{Figure, median};
use super::options::Pace;
use super::report::Part;
use super::setting::Setting;
use super::table::{Cell, Table};
use super::workload::Workload;
use crate::{interrupt, step};

/// Threads of the load.
const THREADS: &[u32] = &[1, 2, 4];

/// How long the tool may take to write what it has buffered.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// One run.
#[derive(Clone, Copy, Debug)]
struct Flood {
    /// System calls the load has counted itself, a second.
    calls_per_s: f64,
    /// Events that were not lost, a second of load. A call has two: entry and exit.
    kept_per_s: f64,
    /// Share of events.
    lost: f64,
    /// From the load's end to the tool's.
    drain: Duration,
}

/// Measures 1, 2 and 4 threads, to /dev/null and to a file.
///
/// # Errors
/// Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part =
        Part::new("streaming: tracer strace -o FILE while the target only calls getppid");
    let mut table = Table::new(
        "medians over rounds; nothing is pinned, ordinary priority",
        &[
            "threads",
            "output",
            "calls/s made",
            "events/s kept",
            "lost",
            "drain s",
            "runs",
        ],
    );
    let started = Instant::now();
    let mut runs: Vec<Vec<Flood>> = vec![Vec::new(); THREADS.len() * 2];
    for round in 0..pace.rounds {
        let spent = started.elapsed();
        if round > 0 && spent + spent / u32::try_from(round)? > pace.budget {
            break;
        }
        for (case, samples) in runs.iter_mut().enumerate() {
            match flood(setting, THREADS[case / 2], case % 2 == 1, pace.window) {
                Ok(one) => samples.push(one),
                Err(error) => {
                    interrupt::check()?;
                    part.notes
                        .push(format!("{} threads: {error:#}", THREADS[case / 2]));
                }
            }
        }
        step::note(&format!(
            "streaming: round {} of {} at most",
            round + 1,
            pace.rounds
        ));
    }
    for (case, samples) in runs.iter().enumerate() {
        table.push(row(THREADS[case / 2], case % 2 == 1, samples));
    }
    part.tables.push(table);
    part.figures.extend(without_loss(&runs));
    Ok(part)
}

fn row(threads: u32, to_file: bool, runs: &[Flood]) -> Vec<Cell> {
    let of = |field: fn(&Flood) -> f64| median(&runs.iter().map(field).collect::<Vec<_>>());
    vec![
        Cell::number(f64::from(threads), 0, ""),
        Cell::text(if to_file { "file" } else { "/dev/null" }),
        Cell::maybe(of(|run| run.calls_per_s), 0, ""),
        Cell::maybe(of(|run| run.kept_per_s), 0, ""),
        Cell::maybe(of(|run| run.lost * 100.0), 2, " %"),
        Cell::maybe(of(|run| run.drain.as_secs_f64()), 2, ""),
        Cell::count(runs.len()),
    ]
}

fn flood(setting: &Setting, threads: u32, to_file: bool, window: Duration) -> Result<Flood> {
    let ms = window.as_millis().to_string();
    let mut command = Command::new(setting.c("ring_flood"));
    command.args([&ms, &threads.to_string(), "wait"]);
    let mut load = Workload::start(&mut command)?;
    let line = if to_file {
        "strace --force -o {file}"
    } else {
        "strace -o /dev/null"
    };
    let tool = setting.tools.tracer(line);
    let mut process = tool.attach(load.pid(), &setting.scratch_file())?;
    load.go()?;
    let calls = load.count(window + Duration::from_secs(10))?;
    let ended = Instant::now();
    if process.wait(DRAIN_LIMIT)?.is_none() {
        process.interrupt(DRAIN_LIMIT)?;
    }
    let drain = ended.elapsed();
    setting.clean();
    let events = Events::of(&process).context("tracer ended without its closing line")?;
    Ok(rates(calls, events, window, drain))
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn rates(calls: u64, events: Events, window: Duration, drain: Duration) -> Flood {
    let seconds = window.as_secs_f64();
    Flood {
        calls_per_s: calls as f64 / seconds,
        kept_per_s: events.all.saturating_sub(events.lost) as f64 / seconds,
        lost: events.share_lost(),
        drain,
    }
}

/// The highest rate at which nothing was lost in any round.
fn without_loss(runs: &[Vec<Flood>]) -> Option<Figure> {
    let clean = runs
        .iter()
        .filter(|runs| runs.iter().all(|run| run.lost == 0.0));
    let rates =
        clean.filter_map(|runs| median(&runs.iter().map(|r| r.kept_per_s).collect::<Vec<_>>()));
    Some(Figure {
        name: "highest rate without any loss".to_owned(),
        value: rates.reduce(f64::max)? / 1e6,
        by_medians: None,
        unit: " million events/s",
        target: None,
        below_noise: false,
    })
}
