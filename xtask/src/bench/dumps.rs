//! Dumps of all goroutines: how long one takes, and what the service's clients notice of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::client::{Answers, Client};
use super::figures::{max, median};
use super::report::Part;
use super::request;
use super::sections::Pace;
use super::service::Service;
use super::setting::Setting;
use super::table::{Cell, Table};
use super::tools;
use crate::{interrupt, step};

/// Goroutines that wait beside the service.
const CROWDS: [usize; 2] = [10_000, 100_000];

/// From the begin of one dump to that of the next; longer when a dump takes longer.
const PERIOD: Duration = Duration::from_secs(1);

/// Share of what the service can do alone that is asked of it at a fixed rate.
const SHARE: f64 = 0.5;

/// Columns; times of dumps and requests are those of one window.
const HEADS: &[&str] = &[
    "dump each second by",
    "goroutines",
    "dump ms",
    "longest dump ms",
    "requests/s",
    "of baseline %",
    "p50 us",
    "p99 us",
    "longest request ms",
    "remark",
];

/// Who makes the dump.
#[derive(Clone, Copy, Debug)]
enum Dumper {
    Nobody,
    Tracer,
    /// The service's own endpoint, which few services have.
    Pprof,
    /// A debugger, which stops the process.
    Delve,
}

const DUMPERS: [(Dumper, &str, &str); 4] = [
    (Dumper::Nobody, "baseline", "nobody"),
    (Dumper::Tracer, "tracer-dump", "tracer goroutines"),
    (
        Dumper::Pprof,
        "pprof-dump",
        "/debug/pprof/goroutine?debug=2",
    ),
    (Dumper::Delve, "delve-dump", "dlv attach, goroutines -t"),
];

/// Measures every dumper on services with few and many goroutines.
///
/// # Errors
/// The service or its client does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("dumps of the goroutines of a Go HTTP service, on one CPU");
    for crowd in CROWDS {
        let mut table = Table::new(&format!("{crowd} goroutines beside the service"), HEADS);
        let mut alone = None;
        for (dumper, id, name) in DUMPERS {
            step::note(&format!("dumps: {crowd} goroutines, {name}"));
            let seen = one(setting, pace, crowd, dumper, alone);
            interrupt::check()?;
            if let (Dumper::Nobody, Ok(seen)) = (dumper, &seen) {
                alone = Some(seen.most);
            }
            let id = format!("{id}-{crowd}");
            table.push_as(&id, row(name, alone, seen));
        }
        part.tables.push(table);
    }
    part.notes.push(
        "the dumper runs where the scheduler likes; each has a new service; times of tracer and \
         dlv include their start"
            .to_owned(),
    );
    Ok(part)
}

/// What one window with dumps has shown.
struct Seen {
    /// ms
    dumps: Vec<f64>,
    goroutines: usize,
    /// Requests a second, as many as the service answers.
    most: f64,
    fixed: Answers,
}

fn one(
    setting: &Setting,
    pace: Pace,
    crowd: usize,
    dumper: Dumper,
    alone: Option<f64>,
) -> Result<Seen> {
    let mut command = Command::new(setting.go("webservice"));
    let crowd = crowd.to_string();
    command.args(["-procs", "1", "-d", "30m", "-goroutines", &crowd]);
    let service = Service::announcing(&mut command, "webservice")?;
    setting.placement.place_workload(service.pid())?;
    let mut client = Client::start(setting, &service)?;
    let warm = client.flat(pace.window / 2)?.per_second();
    let rate = alone.unwrap_or(warm) * SHARE;
    // Whether it works at all, before it is waited for.
    let dumped = Dumped {
        pid: service.pid().to_string(),
        port: service.port(),
        tracer: setting.tools.tracer_file().to_owned(),
        scratch: setting.scratch_file(),
    };
    let mut goroutines = dump(&dumped, dumper)?;
    let over = AtomicBool::new(false);
    let (dumps, most, fixed) = thread::scope(|scope| {
        let dumping = scope.spawn(|| dump_until(&dumped, dumper, &over));
        let most = client.flat(pace.window);
        let fixed = client.fixed(rate, pace.window);
        over.store(true, Ordering::Relaxed);
        let dumps = dumping.join().map_err(|_| anyhow!("the dumper panicked"));
        (dumps, most, fixed)
    });
    let mut times = Vec::new();
    for (ms, count) in dumps?? {
        times.push(ms);
        goroutines = count;
    }
    Ok(Seen {
        dumps: times,
        goroutines,
        most: most?.per_second(),
        fixed: fixed?,
    })
}

/// Milliseconds and goroutines of each dump.
fn dump_until(dumped: &Dumped, dumper: Dumper, over: &AtomicBool) -> Result<Vec<(f64, usize)>> {
    let mut dumps = Vec::new();
    while !over.load(Ordering::Relaxed) && !matches!(dumper, Dumper::Nobody) {
        let begun = Instant::now();
        let goroutines = dump(dumped, dumper)?;
        dumps.push((begun.elapsed().as_secs_f64() * 1e3, goroutines));
        while begun.elapsed() < PERIOD && !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(dumps)
}

/// Whom to dump, and what is needed for that.
struct Dumped {
    pid: String,
    port: u16,
    tracer: PathBuf,
    scratch: PathBuf,
}

/// One dump; how many goroutines are in it.
fn dump(of: &Dumped, dumper: Dumper) -> Result<usize> {
    match dumper {
        Dumper::Nobody => Ok(0),
        Dumper::Tracer => {
            let mut command = Command::new(&of.tracer);
            command.args(["goroutines", "-p", &of.pid, "-o"]);
            said(command.arg(&of.scratch))?;
            let dump = fs::read(&of.scratch).context("tracer has written nothing")?;
            fs::remove_file(&of.scratch)?;
            Ok(lines_with(&dump, b"goroutine "))
        }
        Dumper::Pprof => {
            let answer = request::ask(of.port, "/debug/pprof/goroutine?debug=2", None)?;
            Ok(lines_with(&answer, b"goroutine "))
        }
        Dumper::Delve => {
            let delve = tools::in_path("dlv").context("not installed (Debian package delve)")?;
            // All, with ten frames each; the process goes on.
            fs::write(&of.scratch, "goroutines -t 10\nexit -c\n")?;
            let mut command = Command::new(delve);
            command.args(["attach", &of.pid, "--check-go-version=false"]);
            command.args(["--allow-non-terminal-interactive", "--init"]);
            let said = said(command.arg(&of.scratch));
            fs::remove_file(&of.scratch)?;
            Ok(lines_with(&said?, b"  Goroutine "))
        }
    }
}

fn said(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{}", text.lines().last().unwrap_or("it failed"));
    }
    Ok(output.stdout)
}

fn lines_with(text: &[u8], prefix: &[u8]) -> usize {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(prefix)).count()
}

fn row(name: &str, alone: Option<f64>, seen: Result<Seen>) -> Vec<Cell> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let mut row = vec![Cell::text(name)];
            row.resize(HEADS.len() - 1, Cell::Absent);
            row.push(Cell::text(format!("{error:#}")));
            return row;
        }
    };
    let share = alone.map(|alone| 100.0 * seen.most / alone);
    vec![
        Cell::text(name),
        Cell::count(seen.goroutines),
        Cell::maybe(median(&seen.dumps), 1, ""),
        Cell::maybe(max(&seen.dumps), 1, ""),
        Cell::number(seen.most, 0, ""),
        Cell::maybe(share, 1, ""),
        Cell::number(seen.fixed.p50_ns / 1e3, 0, ""),
        Cell::number(seen.fixed.p99_ns / 1e3, 0, ""),
        Cell::number(seen.fixed.max_ns / 1e6, 1, ""),
        Cell::Absent,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_says_so_in_a_row_of_the_same_length() {
        let row = row("x", None, Err(anyhow!("no such tool")));
        assert_eq!(row.len(), HEADS.len());
        assert_eq!(row.last(), Some(&Cell::text("no such tool")));
    }

    #[test]
    fn goroutines_are_counted_by_their_first_lines() {
        let text = b"goroutine 1 [running]:\nmain.main()\n\ngoroutine 2 [sleep]:\n";
        assert_eq!(lines_with(text, b"goroutine "), 2);
    }
}
