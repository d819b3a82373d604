//! How long it takes from the start of a tool until it is attached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::figures::{Figure, Target, median, min};
use super::large_go;
use super::peers::{Family, How, Peer, Purpose};
use super::report::Part;
use super::sections::Pace;
use super::setting::Setting;
use super::spawned::{Spawned, send};
use super::table::{Cell, Table, mib};
use super::tools::Tool;
use crate::{interrupt, step};

/// For small programs, ms.
const SMALL: Target = Target::AtMost(150.0);

/// For a Go program of 100 MB, ms.
const LARGE: Target = Target::AtMost(500.0);

/// A process that stands still while tools attach to it.
struct Still {
    process: Spawned,
    name: &'static str,
    path: PathBuf,
    is_go: bool,
    /// Other tools attach to it, too.
    for_all: bool,
    target: Target,
}

/// One tool, with its times in ms by target.
struct Case {
    peer: &'static Peer,
    tool: Result<Tool, String>,
    ms: Vec<Vec<f64>>,
    error: Option<String>,
}

/// Measures the main tools: ours on a small program in C and in Go and on a large one in Go,
/// the others on the small one in Go.
///
/// # Errors
/// A fixture does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("attach time, from the start of the tool");
    let targets = targets(setting, &mut part)?;
    let peers = setting.peers(|peer| peer.main && peer.how == How::Attached);
    let mut cases: Vec<Case> = peers
        .into_iter()
        .map(|(peer, tool)| Case {
            peer,
            error: tool.as_ref().err().cloned(),
            tool,
            ms: vec![Vec::new(); targets.len()],
        })
        .collect();
    rounds(setting, pace, &targets, &mut cases)?;
    part.tables.push(table(&targets, &cases));
    for case in cases.iter().filter(|case| is_ours(case.peer)) {
        let with_times = targets.iter().zip(&case.ms);
        part.figures
            .extend(with_times.filter_map(|(target, ms)| figure(case, target, ms)));
    }
    for target in &targets {
        part.notes
            .push(format!("{}: {}", target.name, size_of(&target.path)));
    }
    part.notes.push(
        "strace and tracer say when they are attached; the others are when they wait for the target"
            .to_owned(),
    );
    Ok(part)
}

fn targets(setting: &Setting, part: &mut Part) -> Result<Vec<Still>> {
    let (c, go) = (setting.c("bench_loop"), setting.go("benchloop"));
    let process = still(&c, &["1", "read"])?;
    let mut targets = vec![Still {
        process,
        name: "small C",
        path: c,
        is_go: false,
        for_all: false,
        target: SMALL,
    }];
    let process = still(&go, &["1", "read"])?;
    targets.push(Still {
        process,
        name: "small Go",
        path: go,
        is_go: true,
        for_all: true,
        target: SMALL,
    });
    let path = setting.large_go.clone().unwrap_or_else(large_go::path);
    match still(&path, &[]) {
        Ok(process) => targets.push(Still {
            process,
            name: "large Go",
            path,
            is_go: true,
            for_all: false,
            target: LARGE,
        }),
        Err(error) => part
            .notes
            .push(format!("large Go program left out: {error:#}")),
    }
    Ok(targets)
}

fn rounds(setting: &Setting, pace: Pace, targets: &[Still], cases: &mut [Case]) -> Result<()> {
    let started = Instant::now();
    for round in 0..pace.rounds {
        let spent = started.elapsed();
        if round > 0 && spent + spent / u32::try_from(round)? > pace.budget {
            break;
        }
        for case in cases.iter_mut().filter(|case| case.error.is_none()) {
            if let Err(error) = one(setting, targets, case) {
                interrupt::check()?;
                case.error = Some(format!("{error:#}"));
            }
        }
        step::note(&format!(
            "attach: round {} of {} at most",
            round + 1,
            pace.rounds
        ));
    }
    Ok(())
}

fn is_ours(peer: &Peer) -> bool {
    peer.family == Family::Tracer
}

fn fits(peer: &Peer, target: &Still) -> bool {
    let needs_go = peer.purpose == Purpose::Collections || peer.id == "tracer-sched-go";
    (is_ours(peer) || target.for_all) && (target.is_go || !needs_go)
}

fn one(setting: &Setting, targets: &[Still], case: &mut Case) -> Result<()> {
    let Ok(tool) = &case.tool else { return Ok(()) };
    for (target, ms) in targets.iter().zip(&mut case.ms) {
        if fits(case.peer, target) {
            let (mut process, took) = tool.start(target.process.pid(), &setting.scratch_file())?;
            ms.push(took.as_secs_f64() * 1e3);
            process.interrupt(Duration::from_secs(5))?;
            setting.clean();
        }
    }
    Ok(())
}

fn table(targets: &[Still], cases: &[Case]) -> Table {
    let mut heads = vec!["configuration".to_owned()];
    for target in targets {
        heads.push(format!("{} ms", target.name));
        heads.push(format!("{} ms min", target.name));
    }
    heads.extend(["runs", "remark"].map(str::to_owned));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let minima: Vec<&str> = heads
        .iter()
        .copied()
        .filter(|head| head.ends_with("min"))
        .collect();
    let title = "median; ordinary priority, program files in the page cache after the first run";
    let mut table = Table::new(title, &heads).for_programs(&minima);
    for case in cases {
        let mut row = vec![Cell::text(case.peer.label)];
        for ms in &case.ms {
            row.extend([Cell::maybe(median(ms), 1, ""), Cell::maybe(min(ms), 1, "")]);
        }
        row.push(Cell::count(case.ms.iter().map(Vec::len).max().unwrap_or(0)));
        row.push(case.error.as_deref().map_or(Cell::Absent, Cell::text));
        table.push_as(case.peer.id, row);
    }
    table
}

/// By the median: what people wait for.
fn figure(case: &Case, target: &Still, ms: &[f64]) -> Option<Figure> {
    Some(Figure {
        name: format!("attach, {} on {}", case.peer.label, target.name),
        value: median(ms)?,
        by_medians: None,
        unit: " ms",
        target: Some(target.target),
        below_noise: false,
    })
}

/// Starts a program and stops it once its runtime is up. A stopped process is attached to as any
/// other, and it works for every program, whatever that would do next.
fn still(path: &Path, args: &[&str]) -> Result<Spawned> {
    let mut process = Spawned::start(Command::new(path).args(args), &path.to_string_lossy())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    // A second thread is there when Go's runtime has started (its monitor), and in bench_loop.
    while threads(process.pid()) < 2 {
        if process.wait(Duration::ZERO)?.is_some() || Instant::now() > deadline {
            bail!("{} ends before it has a second thread", path.display());
        }
    }
    send(process.pid(), libc::SIGSTOP);
    Ok(process)
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

fn size_of(path: &Path) -> String {
    let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{file}, {:.1} MiB", mib(bytes))
}
