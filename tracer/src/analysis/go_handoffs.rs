//! Ps that threads lose in system calls, over an interval.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{FrameSymbol, GoHandoff, GoHandoffs, HandoffCause};

/// Ps that the threads of one process lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoHandoffReport {
    /// Taken by the runtime's monitor from system calls that lasted.
    pub retaken: u64,
    pub retaken_per_second: f64,
    /// Given up before system calls that are known to last.
    pub blocking: u64,
    pub blocking_per_second: f64,
    /// Given up by threads that wait for the goroutine that is locked to them, and for other reasons.
    pub locked: u64,
    pub other: u64,
    /// Goroutines that came back from a system call, found no P, and were queued.
    pub no_processor: u64,
    pub no_processor_per_second: f64,
    /// How long they were counted, where that was less than the interval: it cost too much.
    pub watched_ns: Option<u64>,
    /// Most first.
    pub places: Vec<GoHandoffRow>,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoHandoffRow {
    pub cause: HandoffCause,
    /// The innermost function of the program's own, else of the standard library; `None` when it is
    /// not known.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    /// The function that makes the system call, where that is another one.
    pub call: Option<String>,
    pub count: u64,
    pub per_second: f64,
}

/// Sums by cause and place.
#[derive(Debug, Default)]
pub struct GoHandoffSums {
    counts: BTreeMap<Key, u64>,
}

/// Cause; function, file and line; call.
type Key = (
    HandoffCause,
    (Option<String>, Option<String>, Option<u32>),
    Option<String>,
);

impl GoHandoffSums {
    /// Adds what was counted.
    pub fn add(&mut self, handoffs: &GoHandoffs) {
        for place in &handoffs.places {
            let sum = self.counts.entry(key(place)).or_insert(0);
            *sum = sum.saturating_add(place.count);
        }
    }

    /// The report of an interval; of that, `watched_ns` were watched if it was not all.
    #[must_use]
    pub fn report(&self, interval_ns: u64, watched_ns: Option<u64>) -> GoHandoffReport {
        let per_second = |count: u64| match watched_ns.unwrap_or(interval_ns) {
            0 => 0.0,
            ns => count as f64 * 1e9 / ns as f64,
        };
        let of = |cause: HandoffCause| {
            let counts = self.counts.iter().filter(|(key, _)| key.0 == cause);
            counts.map(|(_, n)| *n).fold(0, u64::saturating_add)
        };
        let row = |((cause, (function, file, line), call), &count): (&Key, &u64)| GoHandoffRow {
            cause: *cause,
            function: function.clone(),
            file: file.clone(),
            line: *line,
            call: call.clone(),
            count,
            per_second: per_second(count),
        };
        let mut places: Vec<_> = self.counts.iter().map(row).collect();
        // Stable: equal ones stay in their order.
        places.sort_by_key(|row| std::cmp::Reverse(row.count));
        let (retaken, blocking) = (of(HandoffCause::Retaken), of(HandoffCause::Blocking));
        let no_processor = of(HandoffCause::NoProcessor);
        GoHandoffReport {
            retaken,
            retaken_per_second: per_second(retaken),
            blocking,
            blocking_per_second: per_second(blocking),
            locked: of(HandoffCause::Locked),
            other: of(HandoffCause::Other),
            no_processor,
            no_processor_per_second: per_second(no_processor),
            watched_ns,
            places,
        }
    }
}

fn key(place: &GoHandoff) -> Key {
    let name = |symbol: &FrameSymbol| symbol.function.clone();
    let shown = place.own.as_ref().or(place.call.as_ref());
    let call = place.call.as_ref().filter(|_| place.own.is_some());
    let call = call
        .map(name)
        .filter(|call| Some(call) != shown.map(name).as_ref());
    let symbol = (
        shown.map(name),
        shown.and_then(|s| s.file.clone()),
        shown.and_then(|s| s.line),
    );
    (place.cause, symbol, call)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::SymbolOrigin;

    fn symbol(function: &str) -> FrameSymbol {
        FrameSymbol {
            function: function.to_owned(),
            file: Some("/src/main.go".to_owned()),
            line: Some(12),
            origin: SymbolOrigin::Go,
            ..FrameSymbol::default()
        }
    }

    fn place(cause: HandoffCause, own: Option<&str>, call: &str, count: u64) -> GoHandoff {
        GoHandoff {
            cause,
            own: own.map(symbol),
            call: Some(symbol(call)),
            count,
        }
    }

    pub(crate) fn handoffs() -> GoHandoffs {
        GoHandoffs {
            places: vec![
                place(HandoffCause::Retaken, Some("main.work"), "syscall.read", 30),
                place(HandoffCause::Retaken, None, "os/signal.loop", 4),
                place(HandoffCause::Blocking, None, "os/signal.loop", 6),
                place(
                    HandoffCause::NoProcessor,
                    Some("main.work"),
                    "main.work",
                    10,
                ),
            ],
        }
    }

    #[test]
    fn causes_are_summed_and_places_sorted() {
        let mut sums = GoHandoffSums::default();
        sums.add(&handoffs());
        sums.add(&handoffs());
        let report = sums.report(2_000_000_000, None);
        assert_eq!((report.retaken, report.retaken_per_second), (68, 34.0));
        assert_eq!((report.blocking, report.no_processor), (12, 20));
        let rows: Vec<_> = report
            .places
            .iter()
            .map(|r| (r.count, r.function.as_deref(), r.call.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                (60, Some("main.work"), Some("syscall.read")),
                (20, Some("main.work"), None),
                (12, Some("os/signal.loop"), None),
                (8, Some("os/signal.loop"), None),
            ]
        );
        let watched = sums.report(2_000_000_000, Some(1_000_000_000));
        assert_eq!(watched.retaken_per_second, 68.0);
        let none = GoHandoffSums::default().report(0, None);
        assert_eq!(none, GoHandoffReport::default());
    }
}
