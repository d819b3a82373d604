//! What deserves attention in garbage collection: thresholds that are passed, and two tracks that
//! disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{GcAssists, GcTrigger};
use crate::go::gc::{GcCounters, GcCycle, GcPacing};
use crate::term::{bytes, ns};

/// A single stop of the world that lasts longer than this is told, in ns.
pub const LONG_PAUSE_NS: u64 = 200_000;
/// A heap goal of more than this share of GOMEMLIMIT is told.
pub const NEAR_LIMIT: f64 = 0.85;
/// More than this share of the CPU time of all Ps for garbage collection is told.
pub const MUCH_CPU: f64 = 0.25;
/// Assist time that a P may keep to itself: `gcAssistTimeSlack` (runtime/mgc.go, Go 1.19 to 1.27), ns.
const ASSIST_SLACK_NS: u64 = 5_000;
/// Between the probe and the runtime's own look at the clock, at both ends together, ns.
const ASSIST_PROBE_NS: u64 = 2_000;
/// A thread can lose its CPU between both looks, for a time slice or two, ns.
const ASSIST_PREEMPTED_NS: u64 = 10_000_000;
/// Of the time, one part in so many may differ: where others want the CPU, the way back from a probe is
/// where the kernel gives it to them, and assists of some 15 microseconds were seen to differ by a third.
const ASSIST_NOISE: u64 = 2;
/// Time over which the share is taken at least, in ns: one cycle alone takes a quarter by design.
const WINDOW_NS: u64 = 1_000_000_000;

/// A threshold that was passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GcWarning {
    /// More than [`LONG_PAUSE_NS`].
    LongPause { ns: u64 },
    /// More than [`NEAR_LIMIT`]. Bytes.
    NearMemoryLimit { goal: u64, limit: u64 },
    /// More than [`MUCH_CPU`], over so many ns.
    MuchCpu { share: f64, over_ns: u64 },
}

impl GcWarning {
    /// The same for all warnings of a kind.
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::LongPause { .. } => 0,
            Self::NearMemoryLimit { .. } => 1,
            Self::MuchCpu { .. } => 2,
        }
    }

    /// How many kinds there are.
    pub const KINDS: usize = 3;

    /// How far beyond its threshold, to compare those of a kind.
    #[must_use]
    pub fn weight(&self) -> f64 {
        match self {
            Self::LongPause { ns } => *ns as f64,
            Self::NearMemoryLimit { goal, limit } => *goal as f64 / (*limit).max(1) as f64,
            Self::MuchCpu { share, .. } => *share,
        }
    }
}

impl fmt::Display for GcWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LongPause { ns: pause } => write!(
                f,
                "the world stood still for {}, more than {}",
                ns(*pause),
                ns(LONG_PAUSE_NS)
            ),
            Self::NearMemoryLimit { goal, limit } => write!(
                f,
                "the heap goal of {} is {:.0} % of GOMEMLIMIT ({}), more than {:.0} %",
                bytes(*goal),
                *goal as f64 * 100.0 / (*limit).max(1) as f64,
                bytes(*limit),
                NEAR_LIMIT * 100.0
            ),
            Self::MuchCpu { share, over_ns } => write!(
                f,
                "garbage collection took {:.0} % of the CPU time of all Ps over {}, more than {:.0} %",
                share * 100.0,
                ns(*over_ns),
                MUCH_CPU * 100.0
            ),
        }
    }
}

/// What the probes and the runtime's counters say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GcDisagreement {
    /// Cycles of these numbers ended without being seen.
    Unseen { first: u32, last: u32 },
    /// Stop-the-world time since the cycle before, in ns.
    Pauses { recorded: u64, counted: u64 },
    /// Forced cycles since the cycle before.
    Forced { recorded: u32, counted: u32 },
    /// When the cycle ended, ns of `CLOCK_MONOTONIC`.
    End { recorded: u64, counted: u64 },
    /// The probe saw another reason than the record.
    Trigger { probe: GcTrigger, forced: bool },
    /// Time of assists of this cycle and of those before, in ns, and how many the probes saw.
    Assists {
        recorded: u64,
        seen: u64,
        count: u64,
    },
    /// A probe was hit outside of the time that the record gives.
    Time { probe_ns: u64, from: u64, to: u64 },
}

impl fmt::Display for GcDisagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unseen { first, last } if first == last => {
                write!(f, "cycle {first} ended unseen")
            }
            Self::Unseen { first, last } => write!(f, "cycles {first} to {last} ended unseen"),
            Self::Pauses { recorded, counted } => write!(
                f,
                "its record has {recorded} ns of pauses, memstats.pause_total_ns grew by {counted}"
            ),
            Self::Forced { recorded, counted } => write!(
                f,
                "its record has {recorded} forced cycle, memstats.numforcedgc grew by {counted}"
            ),
            Self::End { recorded, counted } => write!(
                f,
                "its record ends at {recorded} ns, memstats.last_gc_nanotime is {counted}"
            ),
            Self::Trigger { probe, forced } => write!(
                f,
                "startCycle was called for {probe:?}, but the record says forced: {forced}"
            ),
            Self::Assists {
                recorded,
                seen,
                count,
            } => write!(
                f,
                "the records up to it have {recorded} ns of assists, the probes saw {count} of {seen} ns"
            ),
            Self::Time { probe_ns, from, to } => write!(
                f,
                "a probe was hit at {probe_ns} ns, outside of {from} to {to} of the record"
            ),
        }
    }
}

/// What is known of a cycle when it has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    /// When the probe at its end was hit, ns.
    pub(super) seen_ns: u64,
    pub(super) cycle: &'a GcCycle,
    pub(super) pacing: Option<&'a GcPacing>,
    pub(super) counters: Option<&'a GcCounters>,
    /// What the probe at its beginning saw, and when.
    pub(super) trigger: Option<(GcTrigger, u64)>,
    /// What the probes saw of its assists.
    pub(super) assists: Option<GcAssists>,
}

/// What follows from one cycle.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) warnings: Vec<GcWarning>,
    pub(super) disagreements: Vec<GcDisagreement>,
    /// Share of the CPU time of all Ps since the cycle before.
    pub(super) cpu_share: Option<f64>,
}

/// Watches one process.
#[derive(Debug, Default)]
pub(super) struct GcWatch {
    before: Option<Before>,
    window: Window,
    assists: AssistSums,
}

/// The cycle before.
#[derive(Clone, Debug)]
struct Before {
    number: u32,
    end_ns: u64,
    counters: Option<GcCounters>,
}

/// Sums since the share was last judged, in ns.
#[derive(Debug, Default)]
struct Window {
    cpu_ns: u64,
    wall_ns: u64,
    all_ns: u64,
}

impl GcWatch {
    pub(super) fn cycle(&mut self, ended: &Ended<'_>) -> Findings {
        let cycle = ended.cycle;
        let now = Before {
            number: cycle.number,
            end_ns: cycle.end_monotonic_ns(),
            counters: ended.counters.cloned(),
        };
        // Another program in the same process begins to count again.
        let before = self.before.replace(now);
        let before = before.filter(|b| b.number < cycle.number);
        let mut findings = Findings {
            disagreements: disagreements(ended, before.as_ref()),
            ..Findings::default()
        };
        let assists = ended.assists.and_then(|a| self.assists.add(cycle, a));
        findings.disagreements.extend(assists);
        let pause = cycle.wall.sweep_term.max(cycle.wall.mark_term);
        if pause > LONG_PAUSE_NS {
            findings.warnings.push(GcWarning::LongPause { ns: pause });
        }
        findings.warnings.extend(ended.pacing.and_then(near_limit));
        if let Some(before) = before.filter(|b| b.number + 1 == cycle.number) {
            findings.cpu_share = Some(self.window.add(cycle, before.end_ns));
            findings.warnings.extend(self.window.judge());
        }
        findings
    }
}

impl Window {
    /// Returns the share of this cycle.
    fn add(&mut self, cycle: &GcCycle, since_ns: u64) -> f64 {
        let wall_ns = cycle.end_monotonic_ns().saturating_sub(since_ns);
        let procs = u64::from(cycle.procs.unsigned_abs());
        let all_ns = wall_ns.saturating_mul(procs);
        self.cpu_ns = self.cpu_ns.saturating_add(cycle.cpu_ns());
        self.wall_ns = self.wall_ns.saturating_add(wall_ns);
        self.all_ns = self.all_ns.saturating_add(all_ns);
        cycle.cpu_ns() as f64 / all_ns.max(1) as f64
    }

    fn judge(&mut self) -> Option<GcWarning> {
        if self.wall_ns < WINDOW_NS {
            return None;
        }
        let window = std::mem::take(self);
        let share = window.cpu_ns as f64 / window.all_ns.max(1) as f64;
        let over_ns = window.wall_ns;
        (share > MUCH_CPU).then_some(GcWarning::MuchCpu { share, over_ns })
    }
}

fn near_limit(pacing: &GcPacing) -> Option<GcWarning> {
    let (goal, limit) = (pacing.goal?, pacing.memory_limit?);
    let near = goal as f64 > limit as f64 * NEAR_LIMIT;
    near.then_some(GcWarning::NearMemoryLimit { goal, limit })
}

fn disagreements(ended: &Ended<'_>, before: Option<&Before>) -> Vec<GcDisagreement> {
    let mut found = Vec::new();
    let cycle = ended.cycle;
    let first = before.map(|b| b.number + 1);
    if let Some(first) = first.filter(|&first| first != cycle.number) {
        let last = cycle.number - 1;
        found.push(GcDisagreement::Unseen { first, last });
    } else if let (Some(now), Some(then)) = (
        ended.counters,
        before.and_then(|before| before.counters.as_ref()),
    ) {
        found.extend(pauses(cycle, now, then));
        found.extend(forced(cycle, now, then));
    }
    found.extend(ended.counters.and_then(|now| end(cycle, now)));
    found.extend(ended.trigger.and_then(|t| trigger(cycle, t)));
    let (from, to) = (cycle.end_monotonic_ns(), u64::MAX);
    let seen = ended.seen_ns;
    found.extend(outside(seen, from, to));
    found
}

fn pauses(cycle: &GcCycle, now: &GcCounters, then: &GcCounters) -> Option<GcDisagreement> {
    let counted = now.pause_total_ns.wrapping_sub(then.pause_total_ns);
    let recorded = cycle.pause_ns;
    (counted != recorded).then_some(GcDisagreement::Pauses { recorded, counted })
}

fn forced(cycle: &GcCycle, now: &GcCounters, then: &GcCounters) -> Option<GcDisagreement> {
    let counted = now.forced.wrapping_sub(then.forced);
    let recorded = u32::from(cycle.forced);
    (counted != recorded).then_some(GcDisagreement::Forced { recorded, counted })
}

fn end(cycle: &GcCycle, now: &GcCounters) -> Option<GcDisagreement> {
    let (recorded, counted) = (cycle.end_monotonic_ns(), now.last_end_ns);
    (counted != recorded).then_some(GcDisagreement::End { recorded, counted })
}

/// Assists of cycles that were seen whole, since they last disagreed.
#[derive(Debug, Default)]
struct AssistSums {
    recorded_ns: u64,
    seen_ns: u64,
    count: u64,
    slack_ns: u64,
}

impl AssistSums {
    /// The runtime asks the clock right after the probes do, and adds up what a P has when that is more
    /// than its slack.
    fn add(&mut self, cycle: &GcCycle, seen: GcAssists) -> Option<GcDisagreement> {
        let processors = u64::from(cycle.procs.unsigned_abs());
        let slack = processors.saturating_mul(ASSIST_SLACK_NS);
        let probes = seen.count.saturating_mul(ASSIST_PROBE_NS);
        for (sum, new) in [
            (&mut self.recorded_ns, cycle.cpu.assist),
            (&mut self.seen_ns, seen.time_ns),
            (&mut self.count, seen.count),
            (&mut self.slack_ns, slack.saturating_add(probes)),
        ] {
            *sum = sum.saturating_add(new);
        }
        let noise = self.recorded_ns.max(self.seen_ns) / ASSIST_NOISE;
        let allowed = self.slack_ns.saturating_add(noise.max(ASSIST_PREEMPTED_NS));
        if self.recorded_ns.abs_diff(self.seen_ns) <= allowed {
            return None;
        }
        let sums = std::mem::take(self);
        Some(GcDisagreement::Assists {
            recorded: sums.recorded_ns,
            seen: sums.seen_ns,
            count: sums.count,
        })
    }
}

/// The probe is hit while the world is stopped for the first time.
fn trigger(cycle: &GcCycle, (probe, hit_ns): (GcTrigger, u64)) -> Option<GcDisagreement> {
    let forced = cycle.forced;
    if (probe == GcTrigger::Forced) != forced {
        return Some(GcDisagreement::Trigger { probe, forced });
    }
    let from = cycle.start_monotonic_ns;
    outside(hit_ns, from, from.saturating_add(cycle.wall.sweep_term))
}

fn outside(probe_ns: u64, from: u64, to: u64) -> Option<GcDisagreement> {
    let inside = (from..=to).contains(&probe_ns);
    (!inside).then_some(GcDisagreement::Time { probe_ns, from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::gc_fixture::cycle;
    use crate::go::gc::GoalBy;

    fn counters(cycle: &GcCycle, pause_total_ns: u64) -> GcCounters {
        GcCounters {
            forced: 0,
            pause_total_ns,
            last_end_ns: cycle.end_monotonic_ns(),
        }
    }

    fn ended<'a>(cycle: &'a GcCycle, counters: &'a GcCounters) -> Ended<'a> {
        Ended {
            seen_ns: cycle.end_monotonic_ns() + 1,
            cycle,
            pacing: None,
            counters: Some(counters),
            trigger: None,
            assists: None,
        }
    }

    #[test]
    fn two_tracks_that_agree_say_nothing() {
        let (first, second) = (cycle(1, 1000, 2000), cycle(2, 1000, 2000));
        let mut watch = GcWatch::default();
        let counted = [
            counters(&first, 5000),
            counters(&second, 5000 + second.pause_ns),
        ];
        for (cycle, counters) in [&first, &second].into_iter().zip(&counted) {
            let findings = watch.cycle(&Ended {
                trigger: Some((GcTrigger::Heap, cycle.start_monotonic_ns + 10)),
                ..ended(cycle, counters)
            });
            assert_eq!(findings.disagreements, []);
            assert_eq!(findings.warnings, []);
        }
    }

    #[test]
    fn every_difference_is_told() {
        let first = cycle(1, 1000, 2000);
        let mut watch = GcWatch::default();
        watch.cycle(&ended(&first, &counters(&first, 0)));
        let second = GcCycle {
            forced: true,
            ..cycle(2, 1000, 2000)
        };
        let wrong = GcCounters {
            last_end_ns: 7,
            ..counters(&second, 99)
        };
        let findings = watch.cycle(&Ended {
            seen_ns: 5,
            trigger: Some((GcTrigger::Time, second.start_monotonic_ns)),
            ..ended(&second, &wrong)
        });
        let told: Vec<String> = findings
            .disagreements
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "its record has 3500 ns of pauses, memstats.pause_total_ns grew by 99",
                "its record has 1 forced cycle, memstats.numforcedgc grew by 0",
                "its record ends at 5003459000 ns, memstats.last_gc_nanotime is 7",
                "startCycle was called for Time, but the record says forced: true",
                "a probe was hit at 5 ns, outside of 5003459000 to 18446744073709551615 of the \
                 record",
            ]
        );
        let fifth = cycle(5, 1000, 2000);
        let findings = watch.cycle(&ended(&fifth, &counters(&fifth, 0)));
        assert_eq!(
            findings.disagreements,
            [GcDisagreement::Unseen { first: 3, last: 4 }]
        );
        let again = cycle(1, 1000, 2000);
        let findings = watch.cycle(&ended(&again, &counters(&again, 0)));
        assert_eq!(findings.disagreements, [], "another program");
    }

    #[test]
    fn assist_times_may_differ_by_what_the_runtime_keeps_and_the_probes_take() {
        let mut cycle = cycle(1, 1000, 2000);
        cycle.cpu.assist = 100_000_000;
        let seen = |time_ns, count| GcAssists {
            count,
            time_ns,
            user_ns: None,
        };
        let mut sums = AssistSums::default();
        assert_eq!(sums.add(&cycle, seen(100_000_000, 10)), None);
        // Two Ps keep 10 µs a cycle, twenty assists are worth 40, and half of it is noise.
        assert_eq!(sums.add(&cycle, seen(0, 10)), None);
        let apart = sums.add(&cycle, seen(40_000_000, 10));
        assert_eq!(
            apart.map(|d| d.to_string()).as_deref(),
            Some(
                "the records up to it have 300000000 ns of assists, the probes saw 30 of 140000000 \
                 ns"
            )
        );
        assert_eq!(sums.add(&cycle, seen(95_000_000, 10)), None, "from now on");
        assert!(sums.add(&cycle, seen(u64::MAX, 0)).is_some());
        assert_eq!(sums.add(&cycle, seen(u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn thresholds_are_warned_of() {
        let long = cycle(1, 200_001, 100_000);
        let pacing = GcPacing {
            gogc: Some(100),
            memory_limit: Some(100 << 20),
            mapped: 0,
            heap_live: 0,
            goal: Some(86 << 20),
            goal_by: GoalBy::MemoryLimit,
            trigger: None,
        };
        let findings = GcWatch::default().cycle(&Ended {
            pacing: Some(&pacing),
            ..ended(&long, &counters(&long, 0))
        });
        let told: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "the world stood still for 200 µs, more than 200 µs",
                "the heap goal of 86.0 MiB is 86 % of GOMEMLIMIT (100 MiB), more than 85 %",
            ]
        );
        let short = cycle(1, 200_000, 200_000);
        let findings = GcWatch::default().cycle(&ended(&short, &counters(&short, 0)));
        assert_eq!(findings.warnings, []);
    }

    #[test]
    fn the_share_of_the_cpu_is_judged_over_a_second() {
        let mut watch = GcWatch::default();
        let mut warned = Vec::new();
        for number in 1..=5 {
            let mut cycle = cycle(number, 0, 0);
            cycle.start_monotonic_ns += u64::from(number) * 400_000_000;
            cycle.cpu.dedicated = 240_000_000;
            let findings = watch.cycle(&ended(&cycle, &counters(&cycle, 0)));
            assert_eq!(findings.cpu_share.is_some(), number > 1);
            warned.extend(findings.warnings);
        }
        let [GcWarning::MuchCpu { share, over_ns }] = warned[..] else {
            panic!("{warned:?}");
        };
        assert!((share - 0.3).abs() < 1e-9, "{share}");
        assert_eq!(over_ns, 1_200_000_000);
    }
}
