//! How long goroutines wait, and for what, from repeated looks at all of them.
//!
//! A look tells how many goroutines there are in each state. Between two looks half of the time is
//! given to what the first saw, half to what the second saw: waits that are shorter than that are
//! missed one by one, and yet come out in proportion over many.

use std::collections::HashMap;
use std::rc::Rc;

use super::goroutine_wait_profile::{NamedWait, WaitGroup, profile};
use crate::go::goroutine::{Goroutine, Snapshot, Stack};
use crate::report::{GoroutineTime, GoroutineWaitProfile};

/// Different stacks kept.
const MAX_STACKS: usize = 100_000;

/// Adds up looks at the goroutines of a process.
#[derive(Debug, Default)]
pub struct GoroutineWaits {
    groups: HashMap<Key, usize>,
    all: Vec<Group>,
    first_ns: Option<u64>,
    last_ns: u64,
    /// Goroutines of each group at the last look.
    last: Vec<(usize, u64)>,
    looks: u64,
    seen: u64,
    unreadable: u64,
    torn: u64,
    over_limit: u64,
}

/// What makes goroutines alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    reason: Rc<str>,
    /// Addresses, innermost first.
    stack: Vec<u64>,
    creator: u64,
}

#[derive(Debug)]
struct Group {
    reason: Rc<str>,
    /// The first that was seen.
    member: Goroutine,
    /// Twice the time, in ns.
    double_ns: u64,
    open: u64,
    oldest_since_ns: Option<u64>,
}

impl GoroutineWaits {
    /// Takes a look; `now_ns` is the monotonic clock, and grows.
    pub fn observe(&mut self, now_ns: u64, snapshot: &Snapshot) {
        let passed_ns = match self.first_ns {
            None => {
                self.first_ns = Some(now_ns);
                0
            }
            Some(_) => now_ns.saturating_sub(self.last_ns),
        };
        for (group, count) in std::mem::take(&mut self.last) {
            let group = &mut self.all[group];
            group.add(passed_ns, count);
            group.open = 0;
            group.oldest_since_ns = None;
        }
        let mut counts: HashMap<usize, u64> = HashMap::new();
        for goroutine in snapshot.goroutines.iter().filter(|g| !g.is_system) {
            self.seen += 1;
            self.torn += u64::from(matches!(goroutine.stack, Stack::Torn));
            match self.group(goroutine) {
                Some(group) => *counts.entry(group).or_default() += 1,
                None => self.over_limit += 1,
            }
        }
        for (&group, &count) in &counts {
            let group = &mut self.all[group];
            group.add(passed_ns, count);
            group.open = count;
        }
        self.last = counts.into_iter().collect();
        self.last_ns = now_ns;
        self.looks += 1;
        self.unreadable += snapshot.unreadable;
    }

    /// The group of a goroutine, which may be a new one.
    fn group(&mut self, goroutine: &Goroutine) -> Option<usize> {
        let key = Key::of(goroutine);
        let known = self.groups.get(&key).copied();
        let group = match known {
            Some(group) => group,
            None if self.all.len() >= MAX_STACKS => return None,
            None => {
                self.all.push(Group {
                    reason: Rc::clone(&key.reason),
                    member: goroutine.clone(),
                    double_ns: 0,
                    open: 0,
                    oldest_since_ns: None,
                });
                self.groups.insert(key, self.all.len() - 1);
                self.all.len() - 1
            }
        };
        let since = goroutine.descriptor.wait_since_ns;
        if let Some(since) = u64::try_from(since).ok().filter(|&since| since != 0) {
            let oldest = &mut self.all[group].oldest_since_ns;
            *oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
        }
        Some(group)
    }

    /// What was found. `name` names the functions of a goroutine.
    #[must_use]
    pub fn finish(self, pid: u32, name: impl Fn(&Goroutine) -> NamedWait) -> GoroutineWaitProfile {
        let duration_ns = self.last_ns - self.first_ns.unwrap_or(self.last_ns);
        let groups = self.all.iter().map(|group| WaitGroup {
            time: group.time(self.last_ns),
            named: name(&group.member),
        });
        GoroutineWaitProfile {
            looks: self.looks,
            seen: self.seen,
            unreadable: self.unreadable,
            torn: self.torn,
            over_limit: self.over_limit,
            ..profile(pid, duration_ns, groups)
        }
    }
}

impl Key {
    fn of(goroutine: &Goroutine) -> Self {
        let descriptor = &goroutine.descriptor;
        Self {
            reason: match &goroutine.wait_reason {
                Some(reason) => Rc::clone(reason),
                None => descriptor.status.name().into(),
            },
            stack: match &goroutine.stack {
                Stack::Frames { frames, .. } => frames.iter().map(|frame| frame.pc).collect(),
                Stack::Running | Stack::Torn => Vec::new(),
            },
            creator: descriptor.created_at,
        }
    }
}

impl Group {
    /// Half of `passed_ns` for each of `count` goroutines.
    fn add(&mut self, passed_ns: u64, count: u64) {
        let time = passed_ns.saturating_mul(count);
        self.double_ns = self.double_ns.saturating_add(time);
    }

    fn time(&self, now_ns: u64) -> GoroutineTime {
        GoroutineTime {
            reason: self.reason.to_string(),
            time_ns: self.double_ns / 2,
            open: self.open,
            oldest_ns: self
                .oldest_since_ns
                .map(|since| now_ns.saturating_sub(since)),
            waits: None,
            max_ns: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stack_fold::plain;
    use crate::go::goroutine::{Descriptor, Status};
    use crate::report::FrameKind;

    fn goroutine(reason: Option<&str>, status: Status, since_ns: i64) -> Goroutine {
        Goroutine {
            address: 0,
            descriptor: Descriptor {
                id: 1,
                status,
                scan: false,
                wait_reason: 0,
                wait_since_ns: since_ns,
                is_locked: false,
                parent: 0,
                created_at: 0,
                starts_at: 0,
                thread: 0,
                stack: (0, 0),
                stopped_at: (0, 0),
                is_stopped: true,
                runs: 0,
                waiting: 0,
                labels: 0,
            },
            wait_reason: reason.map(Rc::from),
            is_system: false,
            labels: Rc::default(),
            creator: None,
            stack: Stack::Running,
        }
    }

    fn look(waiting: usize, running: usize) -> Snapshot {
        let waits = goroutine(Some("chan receive"), Status::WAITING, 40);
        let runs = goroutine(None, Status::RUNNING, 0);
        let mut goroutines = vec![waits; waiting];
        goroutines.extend(vec![runs; running]);
        Snapshot {
            goroutines,
            unreadable: 0,
        }
    }

    fn calls(goroutine: &Goroutine) -> NamedWait {
        let wait = goroutine.wait_reason.as_ref();
        let wait = wait.map(|_| plain("main.wait".to_owned(), FrameKind::Go));
        NamedWait {
            creator: "main.main".to_owned(),
            frames: wait.into_iter().collect(),
        }
    }

    #[test]
    fn looks_share_the_time_between_them() {
        let mut waits = GoroutineWaits::default();
        waits.observe(100, &look(2, 1));
        waits.observe(200, &look(2, 0));
        waits.observe(400, &look(4, 1));
        let profile = waits.finish(7, calls);
        assert_eq!((profile.duration_ns, profile.looks), (300, 3));
        let reasons = profile.reasons.iter();
        let reasons: Vec<_> = reasons
            .map(|r| (r.reason.as_str(), r.time_ns, r.open, r.oldest_ns))
            .collect();
        assert_eq!(
            reasons,
            [
                ("chan receive", 200 + 200 + 400, 4, Some(360)),
                ("running", 50 + 100, 1, None)
            ]
        );
        assert_eq!(profile.time_ns, 950);
        assert_eq!(profile.tree.total(), 950);
        let creators = profile.creators.iter();
        let creators: Vec<_> = creators.map(|c| (c.creator.as_str(), c.time_ns)).collect();
        assert_eq!(creators, [("main.main", 950)]);
        assert_eq!(profile.stacks.len(), 1, "what runs has no stack");
        assert_eq!(profile.tree.frame(profile.stacks[0].node).name, "main.wait");
    }

    #[test]
    fn one_look_tells_no_time() {
        let mut waits = GoroutineWaits::default();
        waits.observe(100, &look(2, 0));
        let profile = waits.finish(7, calls);
        assert_eq!((profile.time_ns, profile.duration_ns), (0, 0));
        assert_eq!(profile.reasons[0].open, 2);
    }

    #[test]
    fn what_has_gone_is_not_open() {
        let mut waits = GoroutineWaits::default();
        waits.observe(100, &look(2, 0));
        waits.observe(200, &look(0, 1));
        let profile = waits.finish(7, calls);
        let receive = profile.reasons.iter().find(|r| r.reason == "chan receive");
        let receive = receive.expect("it was seen");
        assert_eq!(
            (receive.open, receive.oldest_ns, receive.time_ns),
            (0, None, 100)
        );
    }
}
