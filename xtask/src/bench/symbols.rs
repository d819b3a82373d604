//! How long one waits for a profile after it was taken: from its end to the finished output, with
//! the names of a stripped Go program's functions.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::figures::{Figure, Target, median, min};
use super::large_go;
use super::peers::{self, Family, Peer, Purpose};
use super::report::Part;
use super::sections::Pace;
use super::setting::Setting;
use super::spawned::Spawned;
use super::table::{Cell, Table, mib};
use super::tools::Tool;
use crate::{interrupt, step};

/// The case that names many functions, none of which was named before: so many at least, and what
/// that may take.
const MANY: &str = "tracer-profile-many";
const MANY_FUNCTIONS: usize = 10_000;
const MANY_MS: f64 = 300.0;
const MANY_MIB: f64 = 100.0;
/// Each sample of the large program is in another function of it: as many as that take so long.
const MANY_HZ: u32 = 4999;
const MANY_WINDOW: Duration = Duration::from_secs(6);

/// How long a result may take.
const RESULT_LIMIT: Duration = Duration::from_secs(60);

/// A tool, and what makes stacks with names of what it has recorded.
struct Case {
    label: String,
    id: String,
    tool: Result<Tool, String>,
    after: After,
    runs: Vec<Run>,
    error: Option<String>,
}

/// Where the stacks are when the tool has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// In its file, folded: `a;b;c N`.
    Folded,
    /// On its standard output, a frame a line.
    Printed,
    /// In a file that `perf script` must read.
    PerfScript,
}

/// One profile.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// From its end to the output.
    result: Duration,
    /// Frames, and those with a name.
    frames: usize,
    named: usize,
    /// Different names.
    functions: usize,
    max_rss: u64,
}

/// Measures the samplers, 999 times a second where they can be told.
///
/// # Errors
/// The large program does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let path = large_go::path();
    let mut target = Spawned::start(&mut Command::new(&path), "the large Go program")?;
    target.line_with("ready ", Duration::from_secs(20))?;
    let mut cases = cases(setting);
    let started = Instant::now();
    for round in 0..pace.rounds {
        let spent = started.elapsed();
        if round > 0 && spent + spent / u32::try_from(round)? > pace.budget {
            break;
        }
        for case in cases.iter_mut().filter(|case| case.error.is_none()) {
            if let Err(error) = one(setting, pace, target.pid(), case) {
                interrupt::check()?;
                case.error = Some(format!("{error:#}"));
            }
        }
        step::note(&format!(
            "symbols: round {} of {} at most",
            round + 1,
            pace.rounds
        ));
    }
    report(&cases, &path, pace)
}

fn cases(setting: &Setting) -> Vec<Case> {
    let ours = setting
        .tools
        .tracer("profile -F 999 --force --format folded -o {file}");
    let ours = Case {
        label: "tracer profile -F 999 -o FILE".to_owned(),
        id: "tracer-profile-folded".to_owned(),
        tool: Ok(ours),
        after: After::Folded,
        runs: Vec::new(),
        error: None,
    };
    let many = setting.tools.tracer(&format!(
        "profile -F {MANY_HZ} --max-overhead off --force --format folded -o {{file}}"
    ));
    let many = Case {
        label: format!("tracer profile -F {MANY_HZ} -o FILE"),
        id: MANY.to_owned(),
        tool: Ok(many),
        after: After::Folded,
        runs: Vec::new(),
        error: None,
    };
    let peers = setting.peers(wanted).into_iter();
    let theirs = peers.map(|(peer, tool)| Case {
        label: match peer.family {
            Family::Perf => format!("{peer}, then perf script"),
            _ => peer.label.to_owned(),
        },
        id: peers::id_of(peer.label),
        error: tool.as_ref().err().cloned(),
        tool,
        after: match peer.family {
            Family::Perf => After::PerfScript,
            _ => After::Printed,
        },
        runs: Vec::new(),
    });
    [ours, many].into_iter().chain(theirs).collect()
}

fn wanted(peer: &Peer) -> bool {
    let tool = match peer.family {
        Family::Perf => peer.id == "perf-record-999",
        family => family != Family::Tracer,
    };
    peer.purpose == Purpose::Profile && tool
}

fn one(setting: &Setting, pace: Pace, pid: u32, case: &mut Case) -> Result<()> {
    let Ok(tool) = &case.tool else {
        return Ok(());
    };
    let file = setting.scratch_file();
    let mut process = tool.attach(pid, &file)?;
    let window = match case.id == MANY {
        true => pace.window.max(MANY_WINDOW),
        false => pace.window,
    };
    std::thread::sleep(window);
    let ended = Instant::now();
    let max_rss = process.interrupt(RESULT_LIMIT)?.max_rss;
    let text = stacks(case.after, &process, &file)?;
    let result = ended.elapsed();
    setting.clean();
    let Counted {
        frames,
        named,
        functions,
    } = count_frames(&text, case.after);
    anyhow::ensure!(frames > 0, "there is no stack in its output");
    case.runs.push(Run {
        result,
        frames,
        named,
        functions,
        max_rss,
    });
    Ok(())
}

/// The tool's stacks as text, with which its work is done.
fn stacks(after: After, process: &Spawned, file: &Path) -> Result<String> {
    match after {
        After::Folded => fs::read_to_string(file).context("there is no output file"),
        After::Printed => {
            let lines = process.heard().iter().map(|line| line.text.as_str());
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        After::PerfScript => {
            let mut perf = Command::new("perf");
            perf.args(["script", "-F", "ip,sym", "-i"]).arg(file);
            step::output_of(&mut perf)
        }
    }
}

/// Frames of all stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    frames: usize,
    /// Of these, those with a name, and how many names there are.
    named: usize,
    functions: usize,
}

fn count_frames(text: &str, after: After) -> Counted {
    let (mut frames, mut named) = (0, 0);
    let mut functions = HashSet::new();
    for frame in text.lines().flat_map(|line| frames_of(line, after)) {
        frames += 1;
        if has_name(frame) {
            named += 1;
            functions.insert(frame);
        }
    }
    Counted {
        frames,
        named,
        functions: functions.len(),
    }
}

fn frames_of(line: &str, after: After) -> Vec<&str> {
    match after {
        // The first is the process.
        After::Folded => {
            let stack = line.rsplit_once(' ').map_or("", |(stack, _)| stack);
            stack.split(';').skip(1).collect()
        }
        // Address and name.
        After::PerfScript => line
            .trim()
            .split_once(' ')
            .map(|(_, name)| name)
            .into_iter()
            .collect(),
        // bpftrace indents frames by four spaces.
        After::Printed => {
            let frame = line.strip_prefix("    ").map(str::trim);
            frame
                .filter(|frame| !frame.is_empty())
                .into_iter()
                .collect()
        }
    }
}

fn has_name(frame: &str) -> bool {
    let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    let address = frame.strip_prefix("0x").is_some_and(hex) || hex(frame);
    !address && !frame.contains("unknown")
}

fn report(cases: &[Case], path: &Path, pace: Pace) -> Result<Part> {
    let mut part = Part::new("from the end of a profile to its finished output");
    let mut table = Table::new(
        &format!(
            "{:.0} s of samples in a stripped Go program",
            pace.window.as_secs_f64()
        ),
        &[
            "configuration",
            "result ms",
            "result ms median",
            "frames",
            "frames named %",
            "functions",
            "peak RSS MiB",
            "runs",
            "remark",
        ],
    );
    for case in cases {
        table.push_as(&case.id, row(case));
    }
    part.tables.push(table);
    part.figures.extend(many_figures(cases));
    let size = fs::metadata(path)
        .context("the large program is gone")?
        .len();
    part.figures.push(Figure {
        name: "the Go program".to_owned(),
        value: mib(size),
        by_medians: None,
        unit: " MiB",
        target: None,
        below_noise: false,
    });
    part.notes.push(
        "the process is on a CPU all the time; reading the output is part of the time".to_owned(),
    );
    Ok(part)
}

/// What names of many functions take; nothing when there were too few to tell.
fn many_figures(cases: &[Case]) -> Vec<Figure> {
    let many = cases.iter().find(|case| case.id == MANY);
    let runs = many.map_or(&[][..], |case| &case.runs[..]);
    let enough = runs.iter().filter(|run| run.functions >= MANY_FUNCTIONS);
    let enough: Vec<&Run> = enough.collect();
    let figure = |what: &str, of: Vec<f64>, unit, limit| {
        Some(Figure {
            name: format!("names of {MANY_FUNCTIONS} functions and more, {what}"),
            value: min(&of)?,
            by_medians: median(&of),
            unit,
            target: Some(Target::AtMost(limit)),
            below_noise: false,
        })
    };
    let ms = enough.iter().map(|run| run.result.as_secs_f64() * 1e3);
    let memory = enough.iter().map(|run| mib(run.max_rss));
    let time = figure("until they are there", ms.collect(), " ms", MANY_MS);
    let memory = figure("peak RSS", memory.collect(), " MiB", MANY_MIB);
    time.into_iter().chain(memory).collect()
}

fn row(case: &Case) -> Vec<Cell> {
    let of = |field: fn(&Run) -> f64| case.runs.iter().map(field).collect::<Vec<_>>();
    let ms = of(|run| run.result.as_secs_f64() * 1e3);
    let last = case.runs.last();
    vec![
        Cell::text(&case.label),
        Cell::maybe(min(&ms), 0, ""),
        Cell::maybe(median(&ms), 0, ""),
        last.map_or(Cell::Absent, |run| Cell::count(run.frames)),
        Cell::maybe(last.map(|run| percent(run.named, run.frames)), 1, ""),
        last.map_or(Cell::Absent, |run| Cell::count(run.functions)),
        Cell::maybe(last.map(|run| mib(run.max_rss)), 1, ""),
        Cell::count(ms.len()),
        case.error.as_deref().map_or(Cell::Absent, Cell::text),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_in_every_form() {
        let folded = "large;main.main;p1.Step7;0x4711 3\nlarge;main.main;[unknown] 1\n";
        let counted = |text, after| {
            let Counted {
                frames,
                named,
                functions,
            } = count_frames(text, after);
            (frames, named, functions)
        };
        assert_eq!(counted(folded, After::Folded), (5, 3, 2));
        let perf = "\n\t  4711 [unknown]\n\t ffff81 do_syscall_64\n\n";
        assert_eq!(counted(perf, After::PerfScript), (2, 1, 1));
        let bpftrace = "@[\n    main.main+12\n    0x4711\n]: 3\n";
        assert_eq!(counted(bpftrace, After::Printed), (2, 1, 1));
    }
}
