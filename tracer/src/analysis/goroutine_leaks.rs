//! Goroutines that come and never go, from repeated looks at all of them.
//!
//! Growth alone is no leak: a server that has more to do has more goroutines. What leaks joins a
//! group of goroutines that wait at the same place for the same, all the time, and stays there to
//! the end without running any more. The runtime counts how often a goroutine stopped running
//! (`g.trackingSeq`), so whether one ran between two looks is known.

use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;

use crate::go::goroutine::{Goroutine, Snapshot, Stack, Status};

/// Different groups kept.
const MAX_GROUPS: usize = 100_000;
/// Growth from which on there is something to tell.
const LEAST_GROWTH: u64 = 4;
/// Of those that stayed, at most one in so many may have run since they came.
const FEW: u64 = 10;
/// Parts of the time, in each of which some must have come.
const PARTS: usize = 3;
/// Looks from which on what was seen is enough to be sure.
const ENOUGH_LOOKS: usize = 5;

/// What nothing can ever wake (`waitReasonStrings`, runtime/runtime2.go).
const FOR_EVER: [&str; 3] = [
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "select (no cases)",
];
/// Waits that something outside the program ends.
const OUTSIDE: [&str; 2] = ["IO wait", "sleep"];

/// Follows the goroutines of a process from look to look.
#[derive(Debug, Default)]
pub struct GoroutineLeaks {
    places: HashMap<Key, usize>,
    groups: Vec<Group>,
    alive: HashMap<u64, Seen>,
    /// When the looks were, ns of the monotonic clock.
    times: Vec<u64>,
    /// Goroutines of the program at each look.
    totals: Vec<u64>,
    over_limit: u64,
}

/// What makes goroutines alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    state: Rc<str>,
    /// Addresses, innermost first.
    stack: Vec<u64>,
    creator: u64,
}

#[derive(Debug)]
struct Group {
    /// The first that was seen.
    member: Goroutine,
    /// The look before which there was none.
    since: usize,
    /// From look `since` on.
    looks: Vec<GroupLook>,
}

/// A group at one look.
#[derive(Clone, Copy, Debug, Default)]
struct GroupLook {
    count: u64,
    /// Those that were not in it at the look before.
    came: u64,
    /// Those that were in it at the look before and are no more.
    left: u64,
}

/// A goroutine, as far as it was followed.
#[derive(Debug)]
struct Seen {
    group: usize,
    /// First look at which it was in the group.
    since: usize,
    last: usize,
    runs: u8,
    /// It ran since it was first seen in the group.
    has_run: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct LeakReport {
    pub duration_ns: u64,
    pub looks: usize,
    /// Goroutines of the program at the first look and at the last.
    pub first: u64,
    pub last: u64,
    /// The surest first; of the same confidence, the greatest growth first.
    pub suspects: Vec<Suspect>,
    /// Goroutines that were in none of the groups that could be kept.
    pub over_limit: u64,
}

/// A group that grows.
#[derive(Clone, Debug)]
pub struct Suspect {
    pub member: Goroutine,
    pub confidence: LeakConfidence,
    /// At each look.
    pub counts: Vec<u64>,
    /// Those that came after the first look.
    pub came: u64,
    /// Those that were seen in the group and left it.
    pub left: u64,
    /// Those that came and are there still.
    pub stayed: u64,
    /// Of these, those that have run since.
    pub ran: u64,
    pub duration_ns: u64,
}

/// How sure it is that growth is a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeakConfidence {
    /// More to do would look the same.
    Low,
    Medium,
    /// They wait for each other or for nothing, and none of them ever left or ran.
    High,
    /// Nothing can wake them, or the runtime itself says so.
    Certain,
}

impl LeakConfidence {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

impl Suspect {
    /// Those of the first look, and of the last.
    #[must_use]
    pub fn ends(&self) -> (u64, u64) {
        let end = |count: Option<&u64>| count.copied().unwrap_or(0);
        (end(self.counts.first()), end(self.counts.last()))
    }

    /// How many more there are.
    #[must_use]
    pub fn growth(&self) -> u64 {
        let (first, last) = self.ends();
        last.saturating_sub(first)
    }

    /// Growth per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.growth() as f64 * 1e9 / self.duration_ns.max(1) as f64
    }
}

impl GoroutineLeaks {
    /// Takes a look; `now_ns` is the monotonic clock, and grows.
    pub fn observe(&mut self, now_ns: u64, snapshot: &Snapshot) {
        let look = self.times.len();
        self.times.push(now_ns);
        let goroutines = snapshot.goroutines.iter().filter(|g| !g.is_system);
        self.totals.push(goroutines.clone().count() as u64);
        for group in &mut self.groups {
            group.looks.push(GroupLook::default());
        }
        for goroutine in goroutines {
            match self.group(goroutine, look) {
                Some(group) => self.follow(goroutine, group, look),
                None => self.over_limit += 1,
            }
        }
        let groups = &mut self.groups;
        self.alive.retain(|_, seen| {
            if seen.last != look {
                groups[seen.group].now().left += 1;
            }
            seen.last == look
        });
    }

    fn follow(&mut self, goroutine: &Goroutine, group: usize, look: usize) {
        let now = Seen {
            group,
            since: look,
            last: look,
            runs: goroutine.descriptor.runs,
            has_run: false,
        };
        let stayed = match self.alive.get_mut(&goroutine.descriptor.id) {
            Some(seen) if seen.group == group => {
                seen.has_run |= seen.runs != now.runs;
                seen.runs = now.runs;
                seen.last = look;
                true
            }
            Some(seen) => {
                self.groups[seen.group].now().left += 1;
                *seen = now;
                false
            }
            None => {
                self.alive.insert(goroutine.descriptor.id, now);
                false
            }
        };
        let group = self.groups[group].now();
        group.count += 1;
        group.came += u64::from(!stayed);
    }

    /// The group of a goroutine, which may be a new one.
    fn group(&mut self, goroutine: &Goroutine, look: usize) -> Option<usize> {
        let key = Key::of(goroutine);
        if let Some(known) = self.places.get(&key) {
            return Some(*known);
        }
        if self.groups.len() >= MAX_GROUPS {
            return None;
        }
        self.places.insert(key, self.groups.len());
        self.groups.push(Group {
            member: goroutine.clone(),
            since: look,
            looks: vec![GroupLook::default()],
        });
        Some(self.groups.len() - 1)
    }

    /// What was found; nothing before the second look.
    #[must_use]
    pub fn finish(self) -> LeakReport {
        let (first_ns, last_ns) = (self.times.first(), self.times.last());
        let duration_ns = last_ns
            .zip(first_ns)
            .map_or(0, |(last, first)| last - first);
        let mut stay: HashMap<usize, Stay> = HashMap::new();
        for seen in self.alive.values().filter(|seen| seen.since != 0) {
            let stay = stay.entry(seen.group).or_default();
            stay.came[part(seen.since, self.times.len())] += 1;
            stay.ran += u64::from(seen.has_run);
        }
        let looks = self.times.len();
        let suspects = self.groups.into_iter().enumerate();
        let suspects = suspects.filter_map(|(index, group)| {
            let stay = stay.get(&index).copied().unwrap_or_default();
            group.suspect(looks, stay, duration_ns)
        });
        let mut suspects: Vec<Suspect> = suspects.collect();
        suspects.sort_by_key(|s| std::cmp::Reverse((s.confidence, s.growth())));
        LeakReport {
            duration_ns,
            looks,
            first: self.totals.first().copied().unwrap_or(0),
            last: self.totals.last().copied().unwrap_or(0),
            suspects,
            over_limit: self.over_limit,
        }
    }
}

/// Those that came after the first look and were there at the last.
#[derive(Clone, Copy, Debug, Default)]
struct Stay {
    /// By the part of the time in which they came.
    came: [u64; PARTS],
    ran: u64,
}

/// The part of the time in which a look after the first is.
fn part(look: usize, looks: usize) -> usize {
    let later = looks.saturating_sub(1).max(1);
    (look.saturating_sub(1) * parts(looks) / later).min(PARTS - 1)
}

/// Parts that the time has, as far as there are looks to tell them apart.
fn parts(looks: usize) -> usize {
    looks.saturating_sub(1).clamp(1, PARTS)
}

impl Group {
    /// It at the look that is going on: there is one from its first on.
    fn now(&mut self) -> &mut GroupLook {
        self.looks.last_mut().expect("a group begins with a look")
    }

    fn suspect(self, looks: usize, stay: Stay, duration_ns: u64) -> Option<Suspect> {
        let mut all = vec![GroupLook::default(); self.since];
        all.extend(&self.looks);
        if all.len() != looks || looks < 2 {
            return None;
        }
        let suspect = Suspect {
            counts: all.iter().map(|look| look.count).collect(),
            came: all[1..].iter().map(|look| look.came).sum(),
            left: all[1..].iter().map(|look| look.left).sum(),
            stayed: stay.came.iter().sum(),
            ran: stay.ran,
            duration_ns,
            confidence: LeakConfidence::Low,
            member: self.member,
        };
        let is_leaked = suspect.member.descriptor.status == Status::LEAKED;
        let grows = suspect.growth() >= LEAST_GROWTH
            && suspect.stayed * 2 >= suspect.growth()
            && stay.came[..parts(looks)].iter().all(|came| *came != 0)
            && has_trend(&suspect.counts);
        let confidence = match (is_leaked, grows) {
            (true, _) => LeakConfidence::Certain,
            (false, true) => confidence(&suspect, looks),
            (false, false) => return None,
        };
        Some(Suspect {
            confidence,
            ..suspect
        })
    }
}

/// Whether there are always more in the last part of the time than ever in the first: ups and downs
/// are no growth.
fn has_trend(counts: &[u64]) -> bool {
    let part = (counts.len() / PARTS).max(1);
    let first = counts.iter().take(part).max();
    let last = counts.iter().rev().take(part).min();
    last > first
}

fn confidence(suspect: &Suspect, looks: usize) -> LeakConfidence {
    let reason = suspect.member.wait_reason.as_deref().unwrap_or_default();
    let rarely_runs = suspect.ran * FEW <= suspect.stayed;
    if FOR_EVER.contains(&reason) {
        return LeakConfidence::Certain;
    }
    // A status without a reason is that of one that runs or is in a system call.
    if reason.is_empty() || OUTSIDE.contains(&reason) || !rarely_runs {
        return LeakConfidence::Low;
    }
    match suspect.left == 0 && suspect.ran == 0 && looks >= ENOUGH_LOOKS {
        true => LeakConfidence::High,
        false => LeakConfidence::Medium,
    }
}

impl Key {
    fn of(goroutine: &Goroutine) -> Self {
        let descriptor = &goroutine.descriptor;
        let reason = goroutine.wait_reason.as_ref().map(Rc::clone);
        Self {
            state: reason.unwrap_or_else(|| Rc::from(descriptor.status.name())),
            stack: match &goroutine.stack {
                Stack::Frames { frames, .. } => frames.iter().map(|frame| frame.pc).collect(),
                Stack::Running | Stack::Torn => Vec::new(),
            },
            creator: descriptor.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::goroutine::Descriptor;

    fn goroutine(id: u64, reason: &str, runs: u8) -> Goroutine {
        Goroutine {
            address: 0xc000 + id,
            descriptor: Descriptor {
                id,
                status: Status::WAITING,
                scan: false,
                wait_reason: 1,
                wait_since_ns: 0,
                is_locked: false,
                parent: 1,
                created_at: 0x1000,
                starts_at: 0x2000,
                thread: 0,
                stack: (0, 0),
                stopped_at: (0, 0),
                is_stopped: true,
                runs,
                waiting: 0,
                labels: 0,
            },
            wait_reason: Some(Rc::from(reason)),
            is_system: false,
            labels: Rc::default(),
            creator: None,
            stack: Stack::Frames {
                frames: Vec::new(),
                cut: None,
            },
        }
    }

    /// One look a second, each with these ids and how often they had run.
    fn watch(reason: &str, looks: &[Vec<(u64, u8)>]) -> LeakReport {
        let mut leaks = GoroutineLeaks::default();
        for (second, ids) in looks.iter().enumerate() {
            let goroutines = ids.iter().map(|&(id, runs)| goroutine(id, reason, runs));
            let snapshot = Snapshot {
                goroutines: goroutines.collect(),
                unreadable: 0,
            };
            leaks.observe(second as u64 * 1_000_000_000, &snapshot);
        }
        leaks.finish()
    }

    /// Two that come each second and stay.
    fn leak(looks: u64, ran: bool) -> Vec<Vec<(u64, u8)>> {
        let ids = |look| (1..=2 * look).map(move |id| (id, if ran { look as u8 } else { 0 }));
        (1..=looks).map(|look| ids(look).collect()).collect()
    }

    fn found(report: &LeakReport) -> Vec<(LeakConfidence, u64)> {
        let suspects = report.suspects.iter();
        suspects.map(|s| (s.confidence, s.growth())).collect()
    }

    #[test]
    fn what_comes_and_never_goes_is_a_leak() {
        let report = watch("chan send", &leak(10, false));
        assert_eq!(found(&report), [(LeakConfidence::High, 18)]);
        let suspect = &report.suspects[0];
        assert_eq!(suspect.ends(), (2, 20));
        assert_eq!((suspect.came, suspect.left, suspect.ran), (18, 0, 0));
        assert!((suspect.rate() - 2.0).abs() < 1e-9);
        assert_eq!((report.first, report.last, report.looks), (2, 20, 10));
    }

    #[test]
    fn few_looks_are_less_sure_and_load_looks_the_same() {
        let three = watch("chan send", &leak(3, false));
        assert_eq!(found(&three), [(LeakConfidence::Medium, 4)]);
        let clients = watch("IO wait", &leak(10, false));
        assert_eq!(found(&clients), [(LeakConfidence::Low, 18)]);
        let workers = watch("chan receive", &leak(10, true));
        assert_eq!(found(&workers), [(LeakConfidence::Low, 18)]);
        let nothing = watch("select (no cases)", &leak(10, false));
        assert_eq!(found(&nothing), [(LeakConfidence::Certain, 18)]);
    }

    #[test]
    fn a_leak_among_many_that_come_and_go_is_found() {
        // 50 that are there for one look, and two that stay.
        let looks = leak(10, false).into_iter().enumerate();
        let looks = looks.map(|(look, mut ids)| {
            ids.extend((0..50).map(|i| (1000 + look as u64 * 50 + i, 0)));
            ids
        });
        let report = watch("chan receive", &looks.collect::<Vec<_>>());
        assert_eq!(found(&report), [(LeakConfidence::Medium, 18)]);
        let suspect = &report.suspects[0];
        assert_eq!((suspect.came, suspect.left), (18 + 450, 450));
    }

    #[test]
    fn ups_and_downs_are_none() {
        // Long ones: each is there for eight looks, and as many come as go, but for a few.
        let ups: Vec<Vec<(u64, u8)>> = (0..12_u64)
            .map(|look| {
                let extra = if look % 2 == 1 { 6 } else { 0 };
                (look * 5..look * 5 + 40 + extra)
                    .map(|id| (id, 0))
                    .collect()
            })
            .collect();
        assert_eq!(found(&watch("select", &ups)), []);
    }

    #[test]
    fn a_pool_is_none() {
        let pool: Vec<Vec<(u64, u8)>> = (0..10)
            .map(|look| (0..100).map(|id| (id, look)).collect())
            .collect();
        assert_eq!(found(&watch("chan receive", &pool)), []);
    }

    #[test]
    fn bursts_are_none() {
        // 50 at once every third second, for two seconds; the last burst is there at the end.
        let burst =
            |look: u64| (0..if look % 3 == 2 { 0 } else { 50 }).map(move |i| i + look / 3 * 50);
        let bursts: Vec<Vec<(u64, u8)>> = (0..11)
            .map(|look| burst(look + 2).map(|id| (id, 0)).collect())
            .collect();
        assert_eq!(found(&watch("select", &bursts)), []);
    }

    #[test]
    fn a_step_is_none() {
        let step: Vec<Vec<(u64, u8)>> = (0..10)
            .map(|look| {
                (0..if look < 4 { 5 } else { 500 })
                    .map(|id| (id, 0))
                    .collect()
            })
            .collect();
        assert_eq!(found(&watch("select", &step)), []);
    }

    #[test]
    fn one_look_tells_nothing() {
        assert_eq!(found(&watch("select (no cases)", &leak(1, false))), []);
        assert_eq!(GoroutineLeaks::default().finish().looks, 0);
    }
}
