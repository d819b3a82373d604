//! Garbage collections as a whole: a line at the end of a run, warnings when they are due, and what
//! two tracks say differently.

use std::io::Write;

use crate::analysis::{Gc, GcRecord, GcTotals, GcTriggers, GcWarning, GoStops};
use crate::event::{Body, Event};
use crate::sink::{Sink, SinkError};
use crate::term::{ns, percent, plural, rate};

use super::go_stop::stop_totals_line;

/// Disagreements that are told as they come; the others are counted.
const TOLD: u64 = 5;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcTold {
    /// Only that the two tracks disagree.
    Disagreements,
    /// That, warnings, and a line at the end.
    All,
}

/// Warns of thresholds that are passed, the first time of each kind at once, and prints one line
/// about all cycles when the run ends.
#[derive(Debug)]
pub struct GcSummarySink<W: Write> {
    out: W,
    /// For messages.
    name: String,
    told: GcTold,
    gc: Gc,
    stops: GoStops,
    /// By kind: how many, and the worst with its cycle.
    warned: [Option<Warned>; GcWarning::KINDS],
    disagreements: u64,
}

/// Warnings of a kind.
#[derive(Clone, Debug)]
struct Warned {
    count: u64,
    worst: GcWarning,
    cycle: u32,
}

impl<W: Write> GcSummarySink<W> {
    /// Writes to `out`, which messages call `name`.
    pub fn new(out: W, name: &str, told: GcTold) -> Self {
        Self {
            out,
            name: name.to_owned(),
            told,
            gc: Gc::default(),
            stops: GoStops::default(),
            warned: Default::default(),
            disagreements: 0,
        }
    }

    fn line(&mut self, text: &str) -> Result<(), SinkError> {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }

    fn cycle(&mut self, record: &GcRecord) -> Result<(), SinkError> {
        let number = record.cycle.number;
        for disagreement in &record.disagreements {
            self.disagreements += 1;
            if self.disagreements <= TOLD {
                self.line(&format!("self-check: gc {number}: {disagreement}"))?;
            }
        }
        for warning in &record.warnings {
            let is_first = self.note(warning, number);
            if is_first && self.told == GcTold::All {
                self.line(&format!("warning: gc {number}: {warning}"))?;
            }
        }
        Ok(())
    }

    /// Whether it is the first of its kind.
    fn note(&mut self, warning: &GcWarning, cycle: u32) -> bool {
        match &mut self.warned[warning.kind()] {
            Some(before) => {
                before.count += 1;
                if warning.weight() > before.worst.weight() {
                    before.worst = warning.clone();
                    before.cycle = cycle;
                }
                false
            }
            none => {
                *none = Some(Warned {
                    count: 1,
                    worst: warning.clone(),
                    cycle,
                });
                true
            }
        }
    }

    fn end(&mut self, duration_ns: u64) -> Result<(), SinkError> {
        if self.disagreements > TOLD {
            let more = self.disagreements - TOLD;
            self.line(&format!("self-check: {more} more disagreements"))?;
        }
        if self.told == GcTold::Disagreements {
            return Ok(());
        }
        for warned in std::mem::take(&mut self.warned).into_iter().flatten() {
            if warned.count > 1 {
                self.line(&again(&warned))?;
            }
        }
        let stops = self.stops.totals().iter();
        let lines: Vec<String> = stops.map(|(r, t)| stop_totals_line(r, t)).collect();
        lines.iter().try_for_each(|line| self.line(line))?;
        let line = gc_summary(self.gc.totals(), duration_ns);
        self.line(&line)
    }
}

/// What came after the first warning of a kind.
fn again(warned: &Warned) -> String {
    format!(
        "warning: {} times; the worst, gc {}: {}",
        warned.count, warned.cycle, warned.worst
    )
}

impl<W: Write> Sink for GcSummarySink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        if let Some(record) = self.gc.event(event) {
            return self.cycle(&record);
        }
        self.stops.event(event);
        match &event.body {
            Body::RunEnd(end) => self.end(end.duration_ns),
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::gc_fixture::{cycle, event};
    use crate::event::{GcTrigger, RunEnd};

    fn told(told: GcTold, events: &[Event]) -> String {
        let mut out = Vec::new();
        let mut sink = GcSummarySink::new(&mut out, "stderr", told);
        for event in events {
            sink.event(event).expect("memory");
        }
        let end = RunEnd {
            duration_ns: 10_000_000_000,
            ..RunEnd::default()
        };
        let end = event(10_000_000_000, 0, Body::RunEnd(Box::new(end)));
        sink.event(&end).expect("memory");
        String::from_utf8(out).expect("text")
    }

    fn ended(number: u32, pause_ns: u64) -> Event {
        let body = Body::GcCycle(Box::new(cycle(number, pause_ns, 2_000)));
        event(6_000_000_000, 10, body)
    }

    #[test]
    fn the_summary_says_how_long_the_world_stood_still() {
        let trigger = event(5_000_000_001, 10, Body::GcTrigger(GcTrigger::Heap));
        let events = [ended(7, 29_100), trigger, ended(8, 29_100)];
        assert_eq!(
            told(GcTold::All, &events),
            "2 GC cycles in 10.0 s (0.20/s), world stopped for 62.2 µs (0.0 %), longest pause \
             29.1 µs; begun by heap 1, reason not seen 1\n"
        );
        assert_eq!(
            gc_summary(&GcTotals::default(), 1_000_000_000),
            "0 GC cycles in 1.00 s"
        );
    }

    #[test]
    fn a_warning_comes_at_once_and_those_of_its_kind_at_the_end() {
        let events = [ended(1, 300_000), ended(2, 1_500_000), ended(3, 400_000)];
        let text = told(GcTold::All, &events);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "warning: gc 1: the world stood still for 300 µs, more than 200 µs",
                "warning: 3 times; the worst, gc 2: the world stood still for 1.50 ms, more than \
                 200 µs",
            ]
        );
        assert_eq!(told(GcTold::Disagreements, &events), "");
    }

    #[test]
    fn disagreements_are_told_in_any_case() {
        let events: Vec<Event> = (1..10).map(|n| ended(2 * n, 0)).collect();
        let text = told(GcTold::Disagreements, &events);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!(lines[0], "self-check: gc 4: cycle 3 ended unseen");
        assert_eq!(lines[5], "self-check: 3 more disagreements");
    }
}
