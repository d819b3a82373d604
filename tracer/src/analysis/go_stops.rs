//! Stops of the world over a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, GoDelay, GoStop};
use crate::go::stop::stop_reason;

/// One stop of the world. Times in ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRecord {
    pub pid: u32,
    /// When it began, since the start of the runtime; `None` where that is not known.
    pub start_ns: Option<u64>,
    /// When it began, ns of `CLOCK_MONOTONIC`.
    pub start_monotonic_ns: u64,
    /// The runtime's own word for why.
    pub reason: String,
    /// Until all Ps had stopped.
    pub stopping_ns: u64,
    /// The runtime itself says so; otherwise it is when the last P was seen to stop, or when the
    /// thread that stops the world woke after that.
    pub stopping_is_exact: bool,
    /// From the beginning until all Ps run again, or, where that is not seen, until they are about
    /// to.
    pub total_ns: u64,
    /// Whether the end was seen.
    pub restart_seen: bool,
    pub processors: u32,
    /// Ps that stopped by themselves.
    pub stopped_themselves: u32,
    pub last: Option<LastP>,
}

/// The P that stopped last. Times in ns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastP {
    /// Since the beginning.
    pub after_ns: u64,
    /// Of that its thread was on a CPU.
    pub on_cpu_ns: u64,
    #[serde(flatten)]
    pub delay: GoDelay,
}

/// Sums of the stops for one reason. Times in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTotals {
    pub stops: u64,
    pub stopping_ns: u64,
    pub max_stopping_ns: u64,
    pub total_ns: u64,
    pub max_total_ns: u64,
}

/// Folds events: pairs stops with the moment at which all run again.
#[derive(Debug, Default)]
pub struct GoStops {
    /// By pid: stops whose end is still to come, with the time at which Ps are about to be started.
    pending: BTreeMap<u32, (GoStop, u64)>,
    totals: BTreeMap<String, StopTotals>,
}

impl GoStops {
    /// Takes one event; the stops that it completes.
    pub fn event(&mut self, event: &Event) -> Vec<StopRecord> {
        let pid = event.pid;
        let done: Vec<StopRecord> = match &event.body {
            Body::GoStop(stop) => {
                let new = ((**stop).clone(), event.time_ns);
                let before = self.pending.insert(pid, new);
                let before = before.map(|(stop, about_ns)| record(pid, &stop, about_ns, false));
                before.into_iter().collect()
            }
            Body::GoStarted => {
                let stop = self.pending.remove(&pid);
                let end_ns = event.time_ns;
                let stop = stop.map(|(stop, _)| record(pid, &stop, end_ns, true));
                stop.into_iter().collect()
            }
            Body::RunEnd(_) => std::mem::take(&mut self.pending)
                .into_iter()
                .map(|(pid, (stop, about_ns))| record(pid, &stop, about_ns, false))
                .collect(),
            _ => Vec::new(),
        };
        for stop in &done {
            let totals = self.totals.entry(stop.reason.clone()).or_default();
            totals.add(stop);
        }
        done
    }

    /// The sums so far, by reason.
    #[must_use]
    pub fn totals(&self) -> &BTreeMap<String, StopTotals> {
        &self.totals
    }
}

impl StopTotals {
    fn add(&mut self, stop: &StopRecord) {
        self.stops += 1;
        self.stopping_ns = self.stopping_ns.saturating_add(stop.stopping_ns);
        self.max_stopping_ns = self.max_stopping_ns.max(stop.stopping_ns);
        self.total_ns = self.total_ns.saturating_add(stop.total_ns);
        self.max_total_ns = self.max_total_ns.max(stop.total_ns);
    }
}

fn record(pid: u32, stop: &GoStop, end_ns: u64, restart_seen: bool) -> StopRecord {
    let start = stop.started_ns.unwrap_or(stop.began_ns);
    let last_ns = stop.last.as_ref().map_or(start, |last| last.stopped_ns);
    // Without the runtime's word: not before the last P, and not before the thread that waits for
    // it has come back.
    let finished = stop.finished_ns;
    let seen = last_ns.max(stop.woke_ns.unwrap_or(0)).max(start);
    StopRecord {
        pid,
        start_ns: stop
            .runtime_start_ns
            .and_then(|began| start.checked_sub(began)),
        start_monotonic_ns: start,
        reason: reason(stop.reason),
        stopping_ns: finished.unwrap_or(seen).saturating_sub(start),
        stopping_is_exact: finished.is_some(),
        total_ns: end_ns.saturating_sub(start),
        restart_seen,
        processors: stop.processors,
        stopped_themselves: stop.seen,
        last: stop.last.as_ref().map(|delay| last(delay, start)),
    }
}

fn last(delay: &GoDelay, start: u64) -> LastP {
    let after_ns = delay.stopped_ns.saturating_sub(start);
    let off = [
        delay.runnable_ns,
        delay.fault_ns,
        delay.syscall_ns,
        delay.untold_ns,
    ];
    let off_ns = off.into_iter().fold(0, u64::saturating_add);
    LastP {
        after_ns,
        on_cpu_ns: after_ns.saturating_sub(off_ns),
        delay: delay.clone(),
    }
}

fn reason(number: Option<u32>) -> String {
    match number {
        None => "reason not told by this release".to_owned(),
        Some(number) => match stop_reason(number) {
            Some(name) => name.to_owned(),
            None => format!("reason {number}"),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stop that takes 400 µs to stop, of which the last P takes 390.
    pub(crate) fn stop() -> GoStop {
        GoStop {
            reason: Some(2),
            began_ns: 5_000_000_000,
            started_ns: Some(5_000_001_000),
            finished_ns: Some(5_000_401_000),
            woke_ns: Some(5_000_400_000),
            runtime_start_ns: Some(3_000_000_000),
            processors: 4,
            seen: 2,
            last: Some(GoDelay {
                processor: 3,
                tid: 812,
                stopped_ns: 5_000_391_000,
                goid: Some(34),
                status: 1,
                runnable_ns: 100_000,
                ..GoDelay::default()
            }),
        }
    }

    pub(crate) fn event(time_ns: u64, pid: u32, body: Body) -> Event {
        Event {
            time_ns,
            pid,
            tid: pid,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn stopped(stop: GoStop) -> Body {
        Body::GoStop(Box::new(stop))
    }

    #[test]
    fn a_stop_lasts_until_all_run_again() {
        let mut stops = GoStops::default();
        assert_eq!(stops.event(&event(1, 10, Body::GoStarted)), []);
        assert_eq!(stops.event(&event(5_000_450_000, 10, stopped(stop()))), []);
        let done = stops.event(&event(5_000_501_000, 10, Body::GoStarted));
        let [record] = &done[..] else {
            panic!("{done:?}");
        };
        assert_eq!(record.reason, "GC sweep termination");
        assert_eq!(record.start_ns, Some(2_000_001_000));
        assert_eq!((record.stopping_ns, record.total_ns), (400_000, 500_000));
        let last = record.last.as_ref().expect("a P");
        assert_eq!((last.after_ns, last.on_cpu_ns), (390_000, 290_000));
        let totals = &stops.totals()["GC sweep termination"];
        assert_eq!((totals.stops, totals.max_stopping_ns), (1, 400_000));
    }

    #[test]
    fn without_the_runtime_s_word_the_probes_say() {
        let mut stops = GoStops::default();
        let older = GoStop {
            reason: None,
            started_ns: None,
            finished_ns: None,
            ..stop()
        };
        stops.event(&event(5_000_450_000, 10, stopped(older.clone())));
        let asleep = GoStop {
            woke_ns: None,
            ..older
        };
        let first = stops.event(&event(5_001_450_000, 10, stopped(asleep)));
        assert_eq!(
            (first[0].stopping_ns, first[0].total_ns),
            (400_000, 450_000)
        );
        assert!(!first[0].restart_seen && !first[0].stopping_is_exact);
        let end = Body::RunEnd(Box::default());
        let second = stops.event(&event(9_000_000_000, 0, end));
        assert_eq!(second[0].stopping_ns, 391_000);
        assert_eq!(second[0].reason, "reason not told by this release");
    }
}
