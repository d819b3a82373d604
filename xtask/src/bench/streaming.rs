//! How many calls a second reach the output, and how many are lost, when the target calls the
//! kernel as fast as it can.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::closing_line::Events;
use super::figures::{Figure, median};
use super::peers::{How, Peer, Purpose};
use super::report::Part;
use super::sections::Pace;
use super::setting::Setting;
use super::table::{Cell, Table};
use super::tools::Tool;
use super::workload::Workload;
use crate::{interrupt, step};

/// Threads of the load.
const THREADS: &[u32] = &[1, 2, 4];

/// How long the tool may take to write what it has buffered.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// One tool on one number of threads.
struct Case {
    peer: &'static Peer,
    tool: Result<Tool, String>,
    threads: u32,
    runs: Vec<Flood>,
    error: Option<String>,
}

/// One run.
#[derive(Clone, Copy, Debug)]
struct Flood {
    /// System calls the load has counted itself, a second.
    calls_per_s: f64,
    /// Of them, those with a line in the output.
    lines_per_s: f64,
    /// Share of events that tracer itself says it has lost.
    lost: Option<f64>,
    /// From the load's end to the tool's.
    drain: Duration,
}

/// Measures 1, 2 and 4 threads.
///
/// # Errors
/// Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut cases = cases(setting);
    let started = Instant::now();
    for round in 0..pace.rounds {
        let spent = started.elapsed();
        if round > 0 && spent + spent / u32::try_from(round)? > pace.budget {
            break;
        }
        for case in cases.iter_mut().filter(|case| case.error.is_none()) {
            if let Err(error) = one(setting, pace, case) {
                interrupt::check()?;
                case.error = Some(format!("{error:#}"));
            }
        }
        step::note(&format!(
            "streaming: round {} of {} at most",
            round + 1,
            pace.rounds
        ));
    }
    let mut part = Part::new("every call as a line in a file, while the target only calls getppid");
    part.tables.push(table(&cases));
    part.figures.extend(without_loss(&cases));
    part.notes
        .push("ptrace stops the target for each call, so it cannot lose any".to_owned());
    Ok(part)
}

fn cases(setting: &Setting) -> Vec<Case> {
    let wanted = |peer: &Peer| peer.purpose == Purpose::Lines && peer.how == How::Attached;
    let peers = setting.peers(wanted).into_iter();
    let cases = peers.flat_map(|(peer, tool)| {
        THREADS.iter().map(move |&threads| Case {
            peer,
            threads,
            runs: Vec::new(),
            error: tool.as_ref().err().cloned(),
            tool: tool.clone(),
        })
    });
    cases.collect()
}

fn table(cases: &[Case]) -> Table {
    let mut table = Table::new(
        "medians over rounds; nothing is pinned, ordinary priority",
        &[
            "configuration",
            "threads",
            "calls/s made",
            "lines/s",
            "written %",
            "lost %",
            "drain s",
            "runs",
            "remark",
        ],
    );
    for case in cases {
        table.push_as(&format!("{}-{}", case.peer.id, case.threads), row(case));
    }
    table
}

fn row(case: &Case) -> Vec<Cell> {
    let of = |field: fn(&Flood) -> f64| median(&case.runs.iter().map(field).collect::<Vec<_>>());
    let lost: Vec<f64> = case.runs.iter().filter_map(|run| run.lost).collect();
    vec![
        Cell::text(case.peer.label),
        Cell::number(f64::from(case.threads), 0, ""),
        Cell::maybe(of(|run| run.calls_per_s), 0, ""),
        Cell::maybe(of(|run| run.lines_per_s), 0, ""),
        Cell::maybe(of(|run| 100.0 * run.lines_per_s / run.calls_per_s), 1, ""),
        Cell::maybe(median(&lost).map(|share| share * 100.0), 2, ""),
        Cell::maybe(of(|run| run.drain.as_secs_f64()), 2, ""),
        Cell::count(case.runs.len()),
        case.error.as_deref().map_or(Cell::Absent, Cell::text),
    ]
}

fn one(setting: &Setting, pace: Pace, case: &mut Case) -> Result<()> {
    if let Ok(tool) = &case.tool {
        case.runs
            .push(flood(setting, tool, case.threads, pace.window)?);
    }
    Ok(())
}

fn flood(setting: &Setting, tool: &Tool, threads: u32, window: Duration) -> Result<Flood> {
    let ms = window.as_millis().to_string();
    let mut command = Command::new(setting.c("thread_loop"));
    // Its threads exist before the tool attaches: not every tool sees later ones.
    command.args([ms, format!("threads-{threads}")]);
    let mut load = Workload::start(&mut command)?;
    let mut process = tool.attach(load.pid(), &setting.scratch_file())?;
    load.go()?;
    let measured = load.measurements(window)?;
    let calls = measured.iter().map(|one| one.operations).sum();
    load.finish()?;
    let ended = Instant::now();
    if process.wait(DRAIN_LIMIT)?.is_none() {
        process.interrupt(DRAIN_LIMIT)?;
    }
    let drain = ended.elapsed();
    let lines = lines_naming(&setting.scratch_file(), b"getppid")?;
    setting.clean();
    let events = Events::of(&process);
    Ok(rates(calls, lines, events, window, drain))
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn rates(
    calls: u64,
    lines: u64,
    events: Option<Events>,
    window: Duration,
    drain: Duration,
) -> Flood {
    let seconds = window.as_secs_f64();
    Flood {
        calls_per_s: calls as f64 / seconds,
        lines_per_s: lines as f64 / seconds,
        lost: events.map(Events::share_lost),
        drain,
    }
}

/// How many lines of `file` have `name` in them; a call that another thread interrupts has two
/// lines, of which the second is not counted.
fn lines_naming(file: &Path, name: &[u8]) -> Result<u64> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    count_lines(BufReader::with_capacity(1 << 20, opened), name)
}

fn count_lines(mut text: impl Read, name: &[u8]) -> Result<u64> {
    let (mut block, mut line, mut count) = (vec![0; 1 << 20], Vec::new(), 0);
    loop {
        let n = text.read(&mut block)?;
        if n == 0 {
            return Ok(count + u64::from(is_call(&line, name)));
        }
        let mut pieces = block[..n].split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            line.extend_from_slice(piece);
            if pieces.peek().is_some() {
                count += u64::from(is_call(&line, name));
                line.clear();
            }
        }
    }
}

fn is_call(line: &[u8], name: &[u8]) -> bool {
    let has = |what: &[u8]| line.windows(what.len()).any(|part| part == what);
    has(name) && !has(b"resumed")
}

/// The highest rate at which tracer lost nothing in any round.
fn without_loss(cases: &[Case]) -> Option<Figure> {
    let clean = cases.iter().filter(|case| {
        let lossless = case.runs.iter().all(|run| run.lost == Some(0.0));
        case.peer.id == "tracer-lines" && lossless
    });
    let rates = clean
        .filter_map(|case| median(&case.runs.iter().map(|r| r.calls_per_s).collect::<Vec<_>>()));
    Some(Figure {
        name: "tracer: highest rate without any loss".to_owned(),
        value: rates.reduce(f64::max)? / 1e6,
        by_medians: None,
        unit: " million calls/s",
        target: None,
        below_noise: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_once_each() {
        let text = b"1 getppid() = 2\n1 getppid( <unfinished ...>\n2 read(0, \"\", 1) = 0\n\
            1 <... getppid resumed>) = 2\n1 getppid() = 2";
        assert_eq!(count_lines(&text[..], b"getppid").expect("counted"), 3);
        // A line may be cut anywhere by the size of a block.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
                self.0
                    .take(7)
                    .read(block)
                    .inspect(|n| self.0 = &self.0[*n..])
            }
        }
        assert_eq!(count_lines(Slow(text), b"getppid").expect("counted"), 3);
    }
}
