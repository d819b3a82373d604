//! Garbage collections as they happen: the runtime's own line, or JSON.

use std::io::Write;

use serde::Serialize;

use crate::analysis::{Gc, GcAssistFold, GcRecord, GoStops, StopRecord};
use crate::event::{Body, Event, GcTrigger, RunStart};
use crate::go::gc::{GcPacing, GoalBy};
use crate::sink::{Sink, SinkError};

use super::gc_assists::gc_assists_text;
use super::go_stop::stop_line;
use crate::term::bytes;

/// How cycles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcFormat {
    /// The line that `GODEBUG=gctrace=1` prints, followed by what the runtime does not print.
    Text(GcRemarks),
    /// One document with all cycles and their totals.
    Json,
    /// A cycle a line.
    Ndjson,
}

/// What follows the runtime's own line, in brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcRemarks {
    /// Why the cycle began.
    pub trigger: bool,
    /// Where the next one begins, and what says so.
    pub next: bool,
}

/// Prints each cycle when it ends.
#[derive(Debug)]
pub struct GcSink<W: Write> {
    out: W,
    /// For messages.
    name: String,
    format: GcFormat,
    gc: Gc,
    stops: GoStops,
    assists: GcAssistFold,
    /// Stops of the world that come after the cycles in the document.
    later: Vec<String>,
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
            stops: GoStops::default(),
            assists: GcAssistFold::default(),
            later: Vec::new(),
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
            GcFormat::Text(remarks) => self.line(record, remarks),
            GcFormat::Json => format!("{}{}", if self.any { ",\n" } else { "" }, json(record)),
            GcFormat::Ndjson => format!("{}\n", json(record)),
        };
        self.any = true;
        self.write(&text)
    }

    fn print_stop(&mut self, stop: &StopRecord) -> Result<(), SinkError> {
        self.several |= *self.only_pid.get_or_insert(stop.pid) != stop.pid;
        let text = match self.format {
            GcFormat::Text(_) if self.several => {
                format!("[pid {}] {}\n", stop.pid, stop_line(stop))
            }
            GcFormat::Text(_) => format!("{}\n", stop_line(stop)),
            GcFormat::Ndjson => format!("{}\n", json(stop)),
            GcFormat::Json => {
                self.later.push(json(stop));
                return Ok(());
            }
        };
        self.write(&text)
    }

    fn line(&self, record: &GcRecord, remarks: GcRemarks) -> String {
        let mut line = String::new();
        if self.several {
            line += &format!("[pid {}] ", record.pid);
        }
        line += &record.cycle.to_string();
        if remarks.trigger {
            line += &format!(" [{}]", trigger_name(record.trigger));
        }
        if remarks.next {
            line += &format!(" [{}]", next(record.pacing.as_ref()));
        }
        line.push('\n');
        line
    }

    fn end(&mut self) -> Result<(), SinkError> {
        let assists = self.assists.is_measured().then(|| self.assists.report());
        match (self.format, &assists) {
            (GcFormat::Text(_), Some(assists)) => {
                let gap = if self.any { "\n" } else { "" };
                self.write(&format!("{gap}{}", gc_assists_text(assists)))?;
            }
            (GcFormat::Ndjson, Some(assists)) => {
                self.write(&format!("{{\"assists\":{}}}\n", json(assists)))?;
            }
            _ => {}
        }
        if self.format == GcFormat::Json {
            let assists =
                assists.map_or_else(String::new, |a| format!(",\"assists\":{}", json(&a)));
            let totals = json(self.gc.totals());
            let cost = self.cost.take();
            let cost = cost.map_or_else(String::new, |c| format!(",\"cost\":{c}"));
            let stops = std::mem::take(&mut self.later).join(",\n");
            let by_reason = json(self.stops.totals());
            self.write(&format!(
                "],\"stops\":[{stops}],\"totals\":{totals},\"stop_totals\":{by_reason}{assists}{cost}}}\n"
            ))?;
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
        self.assists.event(event);
        if let Some(record) = self.gc.event(event) {
            self.assists.cycle(&record);
            return self.print(&record);
        }
        for stop in self.stops.event(event) {
            self.print_stop(&stop)?;
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

fn trigger_name(trigger: Option<GcTrigger>) -> String {
    match trigger {
        Some(GcTrigger::Heap) => "heap".to_owned(),
        Some(GcTrigger::Time) => "time".to_owned(),
        Some(GcTrigger::Forced) => "forced".to_owned(),
        Some(GcTrigger::Other(kind)) => format!("kind {kind}"),
        None => "?".to_owned(),
    }
}

/// Where the next cycle begins.
fn next(pacing: Option<&GcPacing>) -> String {
    let Some(pacing) = pacing else {
        return "next: not known".to_owned();
    };
    let Some(goal) = pacing.goal else {
        return "no next: GOGC=off and no GOMEMLIMIT".to_owned();
    };
    let by = match (pacing.goal_by, pacing.memory_limit, pacing.gogc) {
        (GoalBy::MemoryLimit, Some(limit), _) => format!("GOMEMLIMIT={}", limit_text(limit)),
        (GoalBy::HeapMinimum, _, Some(gogc)) => format!("the smallest heap, GOGC={gogc}"),
        (_, _, Some(gogc)) => format!("GOGC={gogc}"),
        _ => "GOGC=off".to_owned(),
    };
    let at = match pacing.trigger {
        Some(trigger) => format!("at {}, ", bytes(trigger)),
        None => String::new(),
    };
    format!("next {at}goal {}: {by}", bytes(goal))
}

/// As people set it: in whole units.
fn limit_text(limit: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(shift, _)| {
        let unit = 1 << shift;
        limit >= unit && limit.is_multiple_of(unit)
    });
    match whole {
        Some((shift, unit)) => format!("{}{unit}", limit >> shift),
        None => format!("{limit}B"),
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
        let text = GcFormat::Text(GcRemarks::default());
        assert_eq!(output(text, &events), format!("{LINE_7}\n{LINE_7}\n"));
        let text = GcFormat::Text(GcRemarks {
            trigger: true,
            next: false,
        });
        assert_eq!(
            output(text, &events),
            format!("{LINE_7} [?]\n{LINE_7} [heap]\n")
        );
    }

    #[test]
    fn lines_of_several_processes_name_theirs() {
        let text = GcFormat::Text(GcRemarks::default());
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
    fn the_next_cycle_is_told_with_what_sets_its_goal() {
        let pacing = GcPacing {
            gogc: Some(100),
            memory_limit: Some(64 << 20),
            mapped: 70 << 20,
            heap_live: 20 << 20,
            goal: Some(50 << 20),
            goal_by: GoalBy::MemoryLimit,
            trigger: Some(48 << 20),
        };
        let said = |pacing: &GcPacing| next(Some(pacing));
        assert_eq!(
            said(&pacing),
            "next at 48.0 MiB, goal 50.0 MiB: GOMEMLIMIT=64MiB"
        );
        let by_gogc = GcPacing {
            goal_by: GoalBy::Gogc,
            trigger: None,
            ..pacing.clone()
        };
        assert_eq!(said(&by_gogc), "next goal 50.0 MiB: GOGC=100");
        let small = GcPacing {
            goal_by: GoalBy::HeapMinimum,
            goal: Some(4 << 20),
            trigger: Some(3 << 20),
            ..pacing.clone()
        };
        assert_eq!(
            said(&small),
            "next at 3.00 MiB, goal 4.00 MiB: the smallest heap, GOGC=100"
        );
        let off = GcPacing {
            gogc: None,
            memory_limit: None,
            goal: None,
            goal_by: GoalBy::Nothing,
            trigger: None,
            ..pacing
        };
        assert_eq!(said(&off), "no next: GOGC=off and no GOMEMLIMIT");
        assert_eq!(limit_text((1 << 20) + 1), "1048577B");
        assert_eq!(limit_text(3 << 30), "3GiB");
        assert_eq!(next(None), "next: not known");
    }
}
