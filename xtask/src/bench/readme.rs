//! The README's measured section: written from the JSON of a run, between two markers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::peers::PEERS;
use super::report::{self, SCHEMA};
use crate::{step, workspace};

/// Before and after what is generated.
const BEGIN: &str =
    "<!-- Written by `cargo xtask bench --readme`: change xtask/src/bench/readme.rs instead. -->";
const END: &str = "<!-- End of what `cargo xtask bench --readme` has written. -->";

/// Sections without which there is nothing to write.
const NEEDED: &[&str] = &[
    "syscalls",
    "threads",
    "bystanders",
    "http",
    "switches",
    "profile",
    "goroutines",
    "streaming",
    "attach",
    "symbols",
    "resources",
];

/// Rows of the first table; a row is compared with tracer's of the same list.
const COUNTING: &[&str] = &[
    "tracer-count",
    "libbpf-syscount",
    "bpftrace-count",
    "perf-trace-count",
    "strace-count-same-cpu",
    "strace-count",
];
const WRITING: &[&str] = &[
    "tracer-lines",
    "perf-trace-lines",
    "strace-lines-same-cpu",
    "strace-lines",
];

/// Rows of the second.
const AT_A_SERVICE: &[&str] = &[
    "tracer-count",
    "libbpf-syscount",
    "bpftrace-count",
    "perf-trace-count",
    "strace-count",
    "tracer-lines",
    "perf-trace-lines",
    "strace-lines",
    "tracer-profile-99",
    "perf-record-99",
    "tracer-offcpu",
    "libbpf-offcputime",
    "tracer-sched",
    "tracer-sched-go",
    "tracer-schedtrace",
    "libbpf-runqlat",
    "perf-sched",
    "tracer-gc",
];

/// Rows of the third.
const ON_THE_SCHEDULER: &[&str] = &[
    "tracer-profile-99",
    "tracer-profile-999",
    "perf-record-999",
    "tracer-offcpu",
    "libbpf-offcputime",
    "tracer-sched",
    "libbpf-runqlat",
    "perf-sched",
    "tracer-sched-go",
    "tracer-gc",
    "tracer-count",
    "tracer-lines",
];

/// Percent: a service that answers less than this of what it is asked has no latency, only a
/// queue that grows.
const KEEPS_UP: f64 = 90.0;

/// The figures in the README are those of this file: the last run that was written there.
fn published() -> PathBuf {
    workspace::root().join("xtask/src/bench/measured.json")
}

/// Writes the figures of `json`, or those that are there already when it does not exist, into
/// the README.
///
/// # Errors
/// The file is no report of this version with all sections, or the README has no markers.
pub(super) fn update(json: &Path) -> Result<()> {
    let source = if json.is_file() {
        json.to_owned()
    } else {
        published()
    };
    step::note(&format!("figures from {}", source.display()));
    let text = fs::read_to_string(&source)
        .with_context(|| format!("cannot read {}: run cargo xtask bench", source.display()))?;
    let document: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", source.display()))?;
    let readme = workspace::root().join("README.md");
    let old = fs::read_to_string(&readme).context("cannot read README.md")?;
    let new = replaced(&old, &render(&document)?)?;
    fs::write(published(), report::spread(&document)).context("cannot keep the figures")?;
    fs::write(&readme, new).context("cannot write README.md")
}

/// `readme` with `section` between its markers.
fn replaced(readme: &str, section: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .with_context(|| format!("README.md has no line {BEGIN:?}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("README.md has no line {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

/// What stands between the markers: Markdown.
fn render(document: &Value) -> Result<String> {
    let figures = Figures::of(document)?;
    let pieces = [
        figures.head(),
        figures.calls(),
        figures.service(),
        figures.scheduler(),
        figures.dumps(),
        figures.sentences(),
        figures.absent(),
    ];
    let pieces: Vec<String> = pieces
        .into_iter()
        .filter(|piece| !piece.is_empty())
        .collect();
    Ok(pieces.join("\n"))
}

/// A report as it is looked up in.
struct Figures<'a> {
    document: &'a Value,
}

impl<'a> Figures<'a> {
    fn of(document: &'a Value) -> Result<Self> {
        let schema = document["schema"].as_u64();
        if schema != Some(SCHEMA) {
            bail!("the figures have schema {schema:?}, not {SCHEMA}: measure again");
        }
        let figures = Self { document };
        for name in NEEDED {
            if figures.tables(name).is_empty() {
                bail!("the figures have no section {name}: measure without naming sections");
            }
        }
        Ok(figures)
    }

    fn tables(&self, section: &str) -> Vec<&'a Value> {
        let sections = self.document["sections"].as_array().into_iter().flatten();
        let of_name = sections.filter(|known| known["name"] == section);
        of_name
            .flat_map(|known| known["tables"].as_array())
            .flatten()
            .collect()
    }

    /// A number, `None` where it was not measured.
    fn number(&self, section: &str, id: &str, column: &str) -> Option<f64> {
        let rows = self.tables(section).into_iter();
        rows.flat_map(|table| table["rows"].as_array())
            .flatten()
            .filter(|row| row["id"] == id)
            .find_map(|row| row[column].as_f64())
    }

    fn text(&self, part: &str, name: &str) -> &'a str {
        self.document[part][name].as_str().unwrap_or("unknown")
    }

    fn head(&self) -> String {
        let date = self
            .text("machine", "date")
            .split(' ')
            .next()
            .unwrap_or_default();
        let kernel = self
            .text("machine", "kernel")
            .split('-')
            .next()
            .unwrap_or_default();
        let tools = ["strace", "linux-perf", "bpftrace", "libbpf-tools"];
        let tools = tools.map(|name| format!("{name} {}", release(self.text("tools", name))));
        let rough = match self.text("machine", "pace") {
            "full" => "",
            _ => " It was a quick run: the figures are rough.",
        };
        format!(
            "Measured by `cargo xtask bench` with the other tools in the same run, on {date}: Linux {kernel}, {}; {}.{rough}\n",
            self.text("machine", "cpu"),
            tools.join(", ")
        )
    }

    /// Added time per call, and by threads.
    fn calls(&self) -> String {
        let mut lines = vec![
            "A program that does nothing but the call, the worst case there is:\n".to_owned(),
            "| added to one call, ns (times ours) | C getppid | C read | Go read | 64 threads take |"
                .to_owned(),
            "|---|---|---|---|---|".to_owned(),
        ];
        lines.push(self.call_row("empty_bpf_pair", None));
        for (rows, ours) in [(COUNTING, "tracer-count"), (WRITING, "tracer-lines")] {
            let rows = rows.iter();
            lines.extend(rows.map(|id| self.call_row(id, Some(ours))));
        }
        lines.join("\n") + "\n"
    }

    fn call_row(&self, id: &str, ours: Option<&str>) -> String {
        let columns = ["c_getppid", "c_read", "go_read"];
        let cells = columns.map(|kind| {
            let column = format!("{kind}_added_ns");
            let Some(own) = self.number("syscalls", id, &column) else {
                return "-".to_owned();
            };
            let of_ours = ours.filter(|ours| *ours != id);
            let of_ours = of_ours.and_then(|ours| self.number("syscalls", ours, &column));
            match of_ours {
                Some(ours) => format!("{own:.0} ({})", two_digits(own / ours)),
                None => format!("{own:.0}"),
            }
        });
        let threads = self.number("threads", id, "threads_64_slowdown");
        let threads = threads.map_or("-".to_owned(), times);
        format!("| {} | {} | {threads} |", name(id), cells.join(" | "))
    }

    fn service(&self) -> String {
        let per_second = |id| self.number("http", id, "requests_s");
        let offered = self.number("http", "baseline", "offered_s").unwrap_or(0.0);
        let mut lines = vec![format!(
            "A small Go web service on one CPU; latencies as its clients see them when {offered:.0} requests a\nsecond come, half of what it can do alone:\n"
        )];
        lines.push("| | requests/s at most | p50, µs | p99, µs |".to_owned());
        lines.push("|---|---|---|---|".to_owned());
        for id in std::iter::once(&"baseline").chain(AT_A_SERVICE) {
            let Some(most) = per_second(id) else { continue };
            let share = self
                .number("http", id, "of_baseline_percent")
                .unwrap_or(100.0);
            let time = |column| {
                self.number("http", id, column)
                    .map_or("-".to_owned(), micros)
            };
            let answered = self.number("http", id, "answered_percent").unwrap_or(0.0);
            let times = if answered < KEEPS_UP {
                format!("answers {answered:.0} % | - |")
            } else {
                format!("{} | {} |", time("p50_us"), time("p99_us"))
            };
            lines.push(format!(
                "| {} | {most:.0} ({share:.0} %) | {times}",
                name(id)
            ));
        }
        lines.join("\n") + "\n"
    }

    fn scheduler(&self) -> String {
        let mut lines = vec![
            "Programs that switch threads, or run many goroutines, take so many times as long; and what the\ntool itself takes at another web service:\n".to_owned(),
            "| | thread ping-pong | computing | 1,000 goroutines | 10,000 goroutines | CPU | memory |".to_owned(),
            "|---|---|---|---|---|---|---|".to_owned(),
        ];
        for id in ON_THE_SCHEDULER {
            let ratio = |section, column| {
                self.number(section, id, column)
                    .map_or("-".to_owned(), times)
            };
            let cpu = self.number("resources", id, "cpu_percent");
            let memory = self.number("resources", id, "peak_rss_mib");
            lines.push(format!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                name(id),
                ratio("switches", "c_pipe_slowdown"),
                ratio("profile", "go_busy_slowdown"),
                ratio("goroutines", "crowd_1000_slowdown"),
                ratio("goroutines", "crowd_10000_slowdown"),
                cpu.map_or("-".to_owned(), |cpu| format!("{cpu:.1} %")),
                memory.map_or("-".to_owned(), |mib| format!("{mib:.0} MiB")),
            ));
        }
        lines.join("\n") + "\n"
    }

    /// Dumps of goroutines; nothing where none was measured.
    fn dumps(&self) -> String {
        let mut lines = vec![
            "A dump of all goroutines each second, and what the clients of that service see meanwhile:\n"
                .to_owned(),
            "| | of 10,000 | longest request | of 100,000 | longest request |".to_owned(),
            "|---|---|---|---|---|".to_owned(),
        ];
        let rows = [
            ("baseline", "nobody"),
            ("tracer-dump", "`tracer goroutines`"),
            ("pprof-dump", "`/debug/pprof/goroutine?debug=2`"),
            ("delve-dump", "`dlv attach`, `goroutines -t`"),
        ];
        for (id, name) in rows {
            let cells = [10_000, 100_000].map(|crowd| {
                let id = format!("{id}-{crowd}");
                let ms = |column| {
                    let number = self.number("dumps", &id, column);
                    number.map_or("-".to_owned(), |ms| format!("{} ms", two_digits(ms)))
                };
                format!("{} | {}", ms("dump_ms"), ms("longest_request_ms"))
            });
            if cells.iter().any(|cell| cell.contains("ms")) {
                lines.push(format!("| {name} | {} |", cells.join(" | ")));
            }
        }
        if lines.len() == 3 {
            return String::new();
        }
        lines.join("\n") + "\n"
    }

    fn sentences(&self) -> String {
        let sentences = [
            self.streaming(),
            self.attaching(),
            self.symbols(),
            self.neighbours(),
        ];
        let sentences: Vec<String> = sentences.into_iter().flatten().collect();
        wrapped(&sentences.join(" "))
    }

    fn streaming(&self) -> Option<String> {
        let ids = [1, 2, 4].map(|threads| format!("tracer-lines-{threads}"));
        let clean = ids
            .iter()
            .filter(|id| self.number("streaming", id, "lost_percent") == Some(0.0));
        let most = clean
            .filter_map(|id| self.number("streaming", id, "calls_s_made"))
            .reduce(f64::max)?;
        Some(format!(
            "`tracer strace` writes up to {:.1} million calls a second without loss; beyond what it can, the target is not slowed and the lost ones are counted.",
            most / 1e6
        ))
    }

    fn attaching(&self) -> Option<String> {
        let ours = PEERS.iter().filter(|peer| peer.id.starts_with("tracer-"));
        let small: Vec<f64> = ours
            .clone()
            .filter_map(|peer| self.number("attach", peer.id, "small_go_ms"))
            .collect();
        let large = ours.filter_map(|peer| self.number("attach", peer.id, "large_go_ms"));
        let low = small.iter().copied().reduce(f64::min)?;
        let high = small.iter().copied().reduce(f64::max)?;
        let large = large.reduce(f64::max)?;
        Some(format!(
            "It attaches in {low:.0} to {high:.0} ms, in at most {large:.0} ms to a Go program of 100 MB."
        ))
    }

    fn symbols(&self) -> Option<String> {
        let of = |id, column| self.number("symbols", id, column);
        let (ours, named) = (
            of("tracer-profile-folded", "result_ms_median")?,
            of("tracer-profile-folded", "frames_named_percent")?,
        );
        let own = format!(
            "A profile of that program, which is stripped, is written {ours:.0} ms after its end with names for {named:.0} % of the frames"
        );
        let theirs = of("perf-record-999", "result_ms_median");
        let their_names = of("perf-record-999", "frames_named_percent");
        match (theirs, their_names) {
            (Some(ms), Some(share)) => Some(format!(
                "{own} (`perf record` and `perf script`: {ms:.0} ms, {share:.0} %)."
            )),
            _ => Some(format!("{own}.")),
        }
    }

    fn neighbours(&self) -> Option<String> {
        let added = |id| self.number("bystanders", id, "getppid_added_ns");
        let (ours, floor) = (added("tracer-count")?, added("empty_bpf_pair")?);
        let switches = |id| self.number("bystanders", id, "pipe_added_ns");
        let (sched, offcpu) = (switches("tracer-sched")?, switches("tracer-offcpu")?);
        Some(format!(
            "While system calls are traced, every process on the host pays {ours:.0} ns a call, as with any tool that uses these tracepoints ({floor:.0} ns if it did nothing); the other modes leave calls alone, but `sched` and `offcpu` add {:.1} and {:.1} µs to each pair of context switches.",
            sched / 1e3,
            offcpu / 1e3
        ))
    }

    /// Tools that do not work there.
    fn absent(&self) -> String {
        let peers = self.document["peers"].as_array().into_iter().flatten();
        let failed: Vec<_> = peers.filter(|peer| peer["works"] == false).collect();
        let Some(first) = failed.first() else {
            return String::new();
        };
        let names: Vec<_> = failed
            .iter()
            .filter_map(|peer| Some(format!("`{}`", peer["label"].as_str()?)))
            .collect();
        let why = first["why"].as_str().unwrap_or("no reason given");
        let why = why.split_once(" ended: ").map_or(why, |(_, words)| words);
        let why = why.split(". ").next().unwrap_or(why);
        wrapped(&format!(
            "Not in the tables, for they did not work there ({why}): {}.",
            names.join(", ")
        ))
    }
}

/// How a row is called.
fn name(id: &str) -> String {
    let peer = PEERS.iter().find(|peer| peer.id == id);
    match (peer, id) {
        (Some(peer), _) => {
            let (command, place) = peer.label.split_once(" (").unwrap_or((peer.label, ""));
            let place = if place.is_empty() {
                ""
            } else {
                ", on the target's CPU"
            };
            format!("`{command}`{place}")
        }
        (None, "baseline") => "alone".to_owned(),
        (None, _) => "an empty BPF program at entry and exit".to_owned(),
    }
}

/// A Debian version without epoch and revision.
fn release(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.split(['-', '+']).next().unwrap_or(version)
}

fn two_digits(ratio: f64) -> String {
    let decimals = usize::from(ratio < 10.0);
    format!("{ratio:.decimals$}")
}

fn times(ratio: f64) -> String {
    let decimals = if ratio < 10.0 { 2 } else { 0 };
    format!("{ratio:.decimals$}×")
}

/// Microseconds, to three digits.
fn micros(us: f64) -> String {
    if us >= 10_000.0 {
        return format!("{:.0},000", us / 1e3);
    }
    format!("{us:.0}")
}

/// Lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > 100 {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn readme() -> String {
        fs::read_to_string(workspace::root().join("README.md")).expect("README.md")
    }

    fn measured() -> Value {
        serde_json::from_str(include_str!("measured.json")).expect("JSON")
    }

    #[test]
    fn the_readme_has_the_published_figures() {
        let expected = replaced(&readme(), &render(&measured()).expect("a whole report"));
        assert_eq!(
            readme(),
            expected.expect("markers"),
            "cargo xtask bench --readme"
        );
    }

    #[test]
    fn tables_of_the_readme_have_a_cell_for_each_column() {
        let rendered = render(&measured()).expect("a whole report");
        let mut width = None;
        let mut rows = 0;
        for line in rendered.lines() {
            if !line.starts_with('|') {
                width = None;
                continue;
            }
            let cells = line.matches('|').count();
            assert_eq!(*width.get_or_insert(cells), cells, "{line}");
            rows += 1;
        }
        assert!(rows > 30, "{rows} rows");
    }

    #[test]
    fn a_report_of_another_version_or_without_a_section_is_refused() {
        let mut document = measured();
        document["sections"]
            .as_array_mut()
            .expect("sections")
            .retain(|s| s["name"] != "http");
        let error = render(&document).expect_err("http is missing");
        assert!(error.to_string().contains("no section http"), "{error}");
        let error = render(&json!({"schema": 1})).expect_err("an old one");
        assert!(error.to_string().contains("measure again"), "{error}");
    }

    #[test]
    fn a_cell_compares_with_ours() {
        let row =
            |id, added| json!({"id": id, "c_getppid_added_ns": added, "c_read_added_ns": null});
        let rows = json!([row("tracer-count", 200.0), row("strace-count", 13_000.0)]);
        let document = json!({"sections": [{"name": "syscalls", "tables": [{"rows": rows}]}]});
        let figures = Figures {
            document: &document,
        };
        let expected = "| `strace -c -f` | 13000 (65) | - | - | - |";
        assert_eq!(
            figures.call_row("strace-count", Some("tracer-count")),
            expected
        );
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&readme, "new\n").expect("markers");
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert!(replaced("no markers", "new").is_err());
    }

    #[test]
    fn every_row_names_a_peer() {
        for id in [COUNTING, WRITING, AT_A_SERVICE, ON_THE_SCHEDULER].concat() {
            assert!(PEERS.iter().any(|peer| peer.id == id), "{id}");
        }
    }

    #[test]
    fn versions_ratios_and_lines_are_short() {
        assert_eq!(release("2:6.1.192-2"), "6.1.192");
        assert_eq!(release("0.26.0+ds-1"), "0.26.0");
        assert_eq!(times(1.234), "1.23×");
        assert_eq!(times(96.4), "96×");
        assert_eq!(micros(104_286.7), "104,000");
        assert!(
            wrapped(&"word ".repeat(60))
                .lines()
                .all(|line| line.chars().count() <= 100)
        );
    }
}
