//! Garbage collections as they happen: the runtime's own line, or JSON.

use std::io::Write;

use serde::Serialize;

use crate::analysis::{Gc, GcRecord, GcTotals, GcTriggers};
use crate::event::{Body, Event, GcTrigger, RunStart};
use crate::sink::{Sink, SinkError};
use crate::term::{ns, percent, plural, rate};

/// How cycles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcFormat {
    /// The line that `GODEBUG=gctrace=1` prints; with `triggers` followed by the reason in
    /// brackets, which the runtime does not print.
    Text { triggers: bool },
    /// One document with all cycles and their totals.
    Json,
    /// A cycle a line.
    Ndjson,
}

/// Prints each cycle when it ends.
#[derive(Debug)]
pub struct GcSink<W: Write> {
    out: W,
    /// For messages.
    name: String,
    format: GcFormat,
    gc: Gc,
    /// The process of all lines so far; lines name theirs when there are several.
    only_pid: Option<u32>,
    several: bool,
    any: bool,
    cost: Option<serde_json::Value>,
}

impl<W: Write> GcSink<W> {
    /// Writes to `out`, which messages call `name`.
    pub fn new(out: W, name: &str, format: GcFormat) -> Self {
        Self {
            out,
            name: name.to_owned(),
            format,
            gc: Gc::default(),
            only_pid: None,
            several: false,
            any: false,
            cost: None,
        }
    }

    fn begin(&mut self, start: &RunStart) -> Result<(), SinkError> {
        self.several = start.pids.len() > 1;
        match self.format {
            GcFormat::Json => self.write("{\"cycles\":["),
            _ => Ok(()),
        }
    }

    fn print(&mut self, record: &GcRecord) -> Result<(), SinkError> {
        self.several |= *self.only_pid.get_or_insert(record.pid) != record.pid;
        let text = match self.format {
            GcFormat::Text { triggers } => self.line(record, triggers),
            GcFormat::Json => format!("{}{}", if self.any { ",\n" } else { "" }, json(record)),
            GcFormat::Ndjson => format!("{}\n", json(record)),
        };
        self.any = true;
        self.write(&text)
    }

    fn line(&self, record: &GcRecord, triggers: bool) -> String {
        let mut line = String::new();
        if self.several {
            line += &format!("[pid {}] ", record.pid);
        }
        line += &record.cycle.to_string();
        if triggers {
            line += &format!(" [{}]", trigger_name(record.trigger));
        }
        line.push('\n');
        line
    }

    fn end(&mut self) -> Result<(), SinkError> {
        if self.format == GcFormat::Json {
            let totals = json(self.gc.totals());
            let cost = self.cost.take();
            let cost = cost.map_or_else(String::new, |c| format!(",\"cost\":{c}"));
            self.write(&format!("],\"totals\":{totals}{cost}}}\n"))?;
        }
        self.flush()
    }

    fn write(&mut self, text: &str) -> Result<(), SinkError> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

impl<W: Write> Sink for GcSink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        if let Some(record) = self.gc.event(event) {
            return self.print(&record);
        }
        match &event.body {
            Body::RunStart(start) => self.begin(start),
            Body::Cost(cost) => {
                self.cost = Some(cost.json());
                Ok(())
            }
            Body::RunEnd(_) => self.end(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

/// Prints one line about all cycles when the run ends.
#[derive(Debug)]
pub struct GcSummarySink<W: Write> {
    out: W,
    /// For messages.
    name: String,
    gc: Gc,
}

impl<W: Write> GcSummarySink<W> {
    /// Writes to `out`, which messages call `name`.
    pub fn new(out: W, name: &str) -> Self {
        Self {
            out,
            name: name.to_owned(),
            gc: Gc::default(),
        }
    }
}

impl<W: Write> Sink for GcSummarySink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.gc.event(event);
        let Body::RunEnd(end) = &event.body else {
            return Ok(());
        };
        let line = gc_summary(self.gc.totals(), end.duration_ns);
        let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

/// One line about the cycles of a run of `duration_ns`, without an end of line.
#[must_use]
pub fn gc_summary(totals: &GcTotals, duration_ns: u64) -> String {
    let cycles = plural(totals.cycles, "GC cycle", "GC cycles");
    if totals.cycles == 0 {
        return format!("{cycles} in {}", ns(duration_ns));
    }
    format!(
        "{cycles} in {} ({}), world stopped for {} ({}), longest pause {}; begun by {}",
        ns(duration_ns),
        rate(totals.cycles as f64 / (duration_ns.max(1) as f64 / 1e9)),
        ns(totals.stopped_ns),
        percent(totals.stopped_ns as f64, duration_ns as f64),
        ns(totals.max_pause_ns),
        triggers(&totals.triggers),
    )
}

fn triggers(triggers: &GcTriggers) -> String {
    let named = [
        ("heap", triggers.heap),
        ("time", triggers.time),
        ("forced", triggers.forced),
        ("other", triggers.other),
        ("reason not seen", triggers.unseen),
    ];
    let seen: Vec<String> = named
        .iter()
        .filter(|t| t.1 > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    seen.join(", ")
}

fn trigger_name(trigger: Option<GcTrigger>) -> String {
    match trigger {
        Some(GcTrigger::Heap) => "heap".to_owned(),
        Some(GcTrigger::Time) => "time".to_owned(),
        Some(GcTrigger::Forced) => "forced".to_owned(),
        Some(GcTrigger::Other(kind)) => format!("kind {kind}"),
        None => "?".to_owned(),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys serializes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::gc_fixture::{cycle, event};
    use crate::event::RunEnd;

    const LINE_7: &str = "gc 7 @2.034s 2%: 0.029+3.4+0.002 ms clock, 0.058+0/1.2/0+0.004 ms cpu, \
                          4->4->1 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 2 P";

    fn run(pids: &[u32], events: Vec<Event>) -> Vec<Event> {
        let start = RunStart {
            pids: pids.to_vec(),
            ..RunStart::default()
        };
        let end = RunEnd {
            duration_ns: 10_000_000_000,
            ..RunEnd::default()
        };
        let mut all = vec![event(0, 0, Body::RunStart(Box::new(start)))];
        all.extend(events);
        all.push(event(10_000_000_000, 0, Body::RunEnd(Box::new(end))));
        all
    }

    fn output(format: GcFormat, events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = GcSink::new(&mut out, "stdout", format);
        for event in events {
            sink.event(event).expect("memory");
        }
        String::from_utf8(out).expect("text")
    }

    fn two_cycles() -> Vec<Event> {
        vec![
            event(1, 10, Body::GcCycle(Box::new(cycle(7, 29_100, 2_000)))),
            event(2, 10, Body::GcTrigger(GcTrigger::Heap)),
            event(3, 10, Body::GcCycle(Box::new(cycle(7, 29_100, 2_000)))),
        ]
    }

    #[test]
    fn lines_are_the_runtime_s_own() {
        let events = run(&[10], two_cycles());
        let text = GcFormat::Text { triggers: false };
        assert_eq!(output(text, &events), format!("{LINE_7}\n{LINE_7}\n"));
        let text = GcFormat::Text { triggers: true };
        assert_eq!(
            output(text, &events),
            format!("{LINE_7} [?]\n{LINE_7} [heap]\n")
        );
    }

    #[test]
    fn lines_of_several_processes_name_theirs() {
        let text = GcFormat::Text { triggers: false };
        let asked_for = output(text, &run(&[10, 20], two_cycles()));
        assert!(
            asked_for.starts_with(&format!("[pid 10] {LINE_7}\n")),
            "{asked_for}"
        );

        let mut events = two_cycles();
        events.push(event(
            4,
            11,
            Body::GcCycle(Box::new(cycle(7, 29_100, 2_000))),
        ));
        let forked = output(text, &run(&[10], events));
        assert_eq!(forked, format!("{LINE_7}\n{LINE_7}\n[pid 11] {LINE_7}\n"));
    }

    #[test]
    fn json_has_the_cycles_and_their_totals() {
        let events = run(&[10], two_cycles());
        let document = output(GcFormat::Json, &events);
        let document: serde_json::Value = serde_json::from_str(&document).expect("a document");
        assert_eq!(document["cycles"][1]["trigger"], "Heap");
        assert_eq!(document["cycles"][1]["heap_goal"], 5 << 20);
        assert_eq!(document["totals"]["cycles"], 2);
        assert_eq!(document["totals"]["stopped_ns"], 62_200);

        let lines = output(GcFormat::Ndjson, &events);
        let records: Vec<GcRecord> = lines
            .lines()
            .map(|l| serde_json::from_str(l).expect("a record"))
            .collect();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].cycle, cycle(7, 29_100, 2_000));

        let none = output(GcFormat::Json, &run(&[10], Vec::new()));
        let none: serde_json::Value = serde_json::from_str(&none).expect("a document");
        assert_eq!(none["cycles"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn the_summary_says_how_long_the_world_stood_still() {
        let mut out = Vec::new();
        let mut sink = GcSummarySink::new(&mut out, "stderr");
        for event in run(&[10], two_cycles()) {
            sink.event(&event).expect("memory");
        }
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "2 GC cycles in 10.0 s (0.20/s), world stopped for 62.2 µs (0.0 %), longest pause \
             29.1 µs; begun by heap 1, reason not seen 1\n"
        );
        assert_eq!(
            gc_summary(&GcTotals::default(), 1_000_000_000),
            "0 GC cycles in 1.00 s"
        );
    }
}
