//! Go garbage collection over a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, GcAssists, GcTrigger};
use crate::go::gc::{GcCounters, GcCycle, GcPacing, GcState};

use super::gc_watch::{Ended, GcDisagreement, GcWarning, GcWatch};

/// One finished cycle and why it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GcRecord {
    pub pid: u32,
    /// When it was seen to end, ns since 1970 UTC.
    pub ended_unix_ns: i64,
    /// `None` when it began before the run did, or its beginning was lost.
    pub trigger: Option<GcTrigger>,
    #[serde(flatten)]
    pub cycle: GcCycle,
    /// Share of the CPU time of all Ps that the cycle took since the one before ended, 0 to 1;
    /// `None` for the first.
    pub cpu_share: Option<f64>,
    /// When the next cycle is to come; `None` in recordings of tracers that did not copy it.
    pub pacing: Option<GcPacing>,
    /// The runtime's own sums.
    pub counters: Option<GcCounters>,
    /// What the probes saw of assists, and how long goroutines ran otherwise since the cycle before;
    /// `None` when they were not measured all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assists: Option<GcAssists>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<GcWarning>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<GcDisagreement>,
}

/// Sums over the cycles of a run. Times in ns of wall-clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcTotals {
    pub cycles: u64,
    /// The world stopped: both pauses of all cycles, as the lines show them.
    pub stopped_ns: u64,
    /// As the runtime sums it: with the time it took to stop the world.
    pub paused_ns: u64,
    /// Longest single pause.
    pub max_pause_ns: u64,
    /// CPU time that the cycles took from the program.
    pub cpu_ns: u64,
    /// What the probes and the runtime's counters said differently.
    pub disagreements: u64,
    pub triggers: GcTriggers,
}

/// Why the cycles that ended began. Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcTriggers {
    pub heap: u64,
    pub time: u64,
    pub forced: u64,
    /// Of a kind unknown here.
    pub other: u64,
    /// The cycle began before the run did, or its beginning was lost.
    pub unseen: u64,
}

/// Folds events: pairs cycles with their triggers and sums them up.
#[derive(Debug, Default)]
pub struct Gc {
    /// By pid: of the cycle that is running, and when it began.
    pending: BTreeMap<u32, (GcTrigger, u64)>,
    /// By pid: of the cycle that is told next.
    states: BTreeMap<u32, GcState>,
    watches: BTreeMap<u32, GcWatch>,
    assists: AssistCounts,
    wall_offset_ns: i64,
    totals: GcTotals,
}

impl Gc {
    /// Takes one event; the record of the cycle that it ends, if it ends one.
    pub fn event(&mut self, event: &Event) -> Option<GcRecord> {
        match &event.body {
            Body::RunStart(start) => self.wall_offset_ns = start.wall_offset_ns,
            Body::GcTrigger(trigger) => {
                self.pending.insert(event.pid, (*trigger, event.time_ns));
            }
            Body::GcState(state) => {
                self.states.insert(event.pid, (**state).clone());
            }
            Body::GcAssists(assists) => self.assists.note(event.pid, *assists),
            Body::Curbed(curbed) if curbed.probes == ASSIST_PROBES => self.assists.stopped = true,
            Body::GcCycle(cycle) => return Some(self.end(event, cycle)),
            _ => {}
        }
        None
    }

    /// The sums so far.
    #[must_use]
    pub fn totals(&self) -> &GcTotals {
        &self.totals
    }

    fn end(&mut self, event: &Event, cycle: &GcCycle) -> GcRecord {
        // A forced cycle says so itself.
        let forced = cycle.forced.then_some(GcTrigger::Forced);
        let begun = self.pending.remove(&event.pid);
        let trigger = begun.map(|b| b.0).or(forced);
        let (pacing, counters) = match self.states.remove(&event.pid) {
            Some(state) => (Some(state.pacing), Some(state.counters)),
            None => (None, None),
        };
        let assists = self.assists.take(event.pid, begun.is_some());
        let watch = self.watches.entry(event.pid).or_default();
        let findings = watch.cycle(&Ended {
            seen_ns: event.time_ns,
            cycle,
            pacing: pacing.as_ref(),
            counters: counters.as_ref(),
            trigger: begun,
            assists,
        });
        self.totals.add(cycle, trigger);
        self.totals.disagreements += findings.disagreements.len() as u64;
        GcRecord {
            pid: event.pid,
            ended_unix_ns: (event.time_ns as i64).saturating_add(self.wall_offset_ns),
            trigger,
            cycle: cycle.clone(),
            cpu_share: findings.cpu_share,
            pacing,
            counters,
            assists,
            warnings: findings.warnings,
            disagreements: findings.disagreements,
        }
    }
}

/// The probes of assists, as [`Curbed`](crate::event::Curbed) calls them.
pub(super) const ASSIST_PROBES: &str = "go_assist";

/// Assists of each process, cycle by cycle.
#[derive(Debug, Default)]
struct AssistCounts {
    /// Up to the end of the cycle before, and of the one that is told next.
    by_pid: BTreeMap<u32, (Option<GcAssists>, Option<GcAssists>)>,
    /// The probes cost too much.
    stopped: bool,
}

impl AssistCounts {
    fn note(&mut self, pid: u32, now: GcAssists) {
        self.by_pid.entry(pid).or_default().1 = Some(now);
    }

    /// Those of the cycle that ends, if all of them were seen: its beginning was, or the end of the
    /// one before.
    fn take(&mut self, pid: u32, begun: bool) -> Option<GcAssists> {
        let (before, now) = self.by_pid.get_mut(&pid)?;
        let now = now.take()?;
        let before = before.replace(now);
        if self.stopped || (before.is_none() && !begun) {
            return None;
        }
        // Another program in the same process begins to count again.
        let before = before.filter(|b| b.count <= now.count);
        let user_ns = before.and_then(|before| now.user_ns?.checked_sub(before.user_ns?));
        let before = before.unwrap_or_default();
        Some(GcAssists {
            count: now.count - before.count,
            time_ns: now.time_ns.saturating_sub(before.time_ns),
            user_ns,
        })
    }
}

impl GcTotals {
    fn add(&mut self, cycle: &GcCycle, trigger: Option<GcTrigger>) {
        let (first, second) = (cycle.wall.sweep_term, cycle.wall.mark_term);
        self.cycles += 1;
        self.triggers.count(trigger);
        self.stopped_ns = self.stopped_ns.saturating_add(first).saturating_add(second);
        self.paused_ns = self.paused_ns.saturating_add(cycle.pause_ns);
        self.max_pause_ns = self.max_pause_ns.max(first).max(second);
        self.cpu_ns = self.cpu_ns.saturating_add(cycle.cpu_ns());
    }
}

impl GcTriggers {
    fn count(&mut self, trigger: Option<GcTrigger>) {
        *match trigger {
            Some(GcTrigger::Heap) => &mut self.heap,
            Some(GcTrigger::Time) => &mut self.time,
            Some(GcTrigger::Forced) => &mut self.forced,
            Some(GcTrigger::Other(_)) => &mut self.other,
            None => &mut self.unseen,
        } += 1;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::go::gc::{GcCpu, GcWall};

    /// A cycle whose pauses take `sweep_term` and `mark_term` ns.
    pub(crate) fn cycle(number: u32, sweep_term: u64, mark_term: u64) -> GcCycle {
        GcCycle {
            number,
            start_ns: 2_034_000_000,
            start_monotonic_ns: 5_000_000_000,
            cpu_fraction: 0.02,
            wall: GcWall {
                sweep_term,
                mark: 3_456_000,
                mark_term,
            },
            cpu: GcCpu {
                sweep_term: 2 * sweep_term,
                assist: 0,
                dedicated: 1_200_000,
                fractional: 0,
                idle: 0,
                mark_term: 2 * mark_term,
            },
            pause_ns: sweep_term + mark_term + 500,
            heap_start: 4 << 20,
            heap_end: 4 << 20,
            heap_marked: 1 << 20,
            heap_goal: 5 << 20,
            stacks: 0,
            globals: 0,
            procs: 2,
            forced: false,
            leak_check: false,
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

    fn ended(cycle: GcCycle) -> Body {
        Body::GcCycle(Box::new(cycle))
    }

    #[test]
    fn a_forced_cycle_needs_no_trigger() {
        let forced = GcCycle {
            forced: true,
            ..cycle(1, 1, 1)
        };
        let record = Gc::default().event(&event(1, 10, ended(forced)));
        assert_eq!(record.and_then(|r| r.trigger), Some(GcTrigger::Forced));
    }

    #[test]
    fn cycles_get_the_trigger_of_their_own_process_and_are_summed() {
        const BEGIN: u64 = 5_000_000_050;
        const END: u64 = 6_000_000_000;
        let forced = GcCycle {
            forced: true,
            ..cycle(1, 100, 200)
        };
        let mut gc = Gc::default();
        let records: Vec<_> = [
            event(END, 10, ended(cycle(4, 1000, 2000))),
            event(BEGIN, 10, Body::GcTrigger(GcTrigger::Heap)),
            event(BEGIN, 20, Body::GcTrigger(GcTrigger::Forced)),
            event(END, 10, ended(cycle(5, 100, 9000))),
            event(END, 20, ended(forced)),
            event(BEGIN, 10, Body::GcTrigger(GcTrigger::Other(9))),
        ]
        .iter()
        .filter_map(|e| gc.event(e))
        .map(|r| (r.pid, r.cycle.number, r.trigger))
        .collect();
        assert_eq!(
            records,
            [
                (10, 4, None),
                (10, 5, Some(GcTrigger::Heap)),
                (20, 1, Some(GcTrigger::Forced)),
            ]
        );
        let triggers = GcTriggers {
            heap: 1,
            time: 0,
            forced: 1,
            other: 0,
            unseen: 1,
        };
        assert_eq!(
            *gc.totals(),
            GcTotals {
                cycles: 3,
                stopped_ns: 12_400,
                paused_ns: 13_900,
                max_pause_ns: 9000,
                cpu_ns: 3 * 1_200_000 + 2 * 12_400,
                disagreements: 0,
                triggers,
            }
        );
    }
}
