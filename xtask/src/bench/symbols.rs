//! How long one waits for a profile after it was taken: from its end to the finished output, with
//! the names of a stripped Go program's functions.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::figures::{Figure, median, min};
use super::large_go;
use super::peers::{self, Family, Peer, Purpose};
use super::report::Part;
use super::sections::Pace;
use super::setting::Setting;
use super::spawned::Spawned;
use super::table::{Cell, Table, mib};
use super::tools::Tool;
use crate::{interrupt, step};

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
    std::iter::once(ours).chain(theirs).collect()
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
    std::thread::sleep(pace.window);
    let ended = Instant::now();
    let max_rss = process.interrupt(RESULT_LIMIT)?.max_rss;
    let text = stacks(case.after, &process, &file)?;
    let result = ended.elapsed();
    setting.clean();
    let (frames, named) = count_frames(&text, case.after);
    anyhow::ensure!(frames > 0, "there is no stack in its output");
    case.runs.push(Run {
        result,
        frames,
        named,
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

/// Frames of all stacks in `text`, and how many of them have a name.
fn count_frames(text: &str, after: After) -> (usize, usize) {
    let (mut frames, mut named) = (0, 0);
    for frame in text.lines().flat_map(|line| frames_of(line, after)) {
        frames += 1;
        named += usize::from(has_name(frame));
    }
    (frames, named)
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
            "peak RSS MiB",
            "runs",
            "remark",
        ],
    );
    for case in cases {
        table.push_as(&case.id, row(case));
    }
    part.tables.push(table);
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
        let folded = "large;main.main;p1.Step7;0x4711 3\nlarge;[unknown] 1\n";
        assert_eq!(count_frames(folded, After::Folded), (4, 2));
        let perf = "\n\t  4711 [unknown]\n\t ffff81 do_syscall_64\n\n";
        assert_eq!(count_frames(perf, After::PerfScript), (2, 1));
        let bpftrace = "@[\n    main.main+12\n    0x4711\n]: 3\n";
        assert_eq!(count_frames(bpftrace, After::Printed), (2, 1));
    }
}
