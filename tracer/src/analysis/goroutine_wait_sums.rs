//! How long goroutines wait, and for what, from the sums of all waits.

use super::goroutine_wait_profile::{NamedWait, WaitGroup, profile};
use crate::event::{Body, Event, GoroutineWait};
use crate::report::{GoroutineTime, GoroutineWaitProfile};

/// Adds up the waits of the goroutines of a process.
#[derive(Debug, Default)]
pub struct GoroutineWaitSums {
    waits: Vec<GoroutineWait>,
    duration_ns: u64,
}

/// What a wait is called.
#[derive(Clone, Debug)]
pub struct WaitNames {
    /// The wait reason in the runtime's words.
    pub reason: String,
    pub functions: NamedWait,
}

impl GoroutineWaitSums {
    /// Takes an event of the run.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::GoroutineWait(wait) => self.waits.push((**wait).clone()),
            Body::RunEnd(end) => self.duration_ns = end.duration_ns,
            _ => {}
        }
    }

    /// What was found. `name` names a wait, or says that it is one of the runtime's own.
    #[must_use]
    pub fn finish(
        self,
        pid: u32,
        name: impl Fn(&GoroutineWait) -> Option<WaitNames>,
    ) -> GoroutineWaitProfile {
        let (mut seen, mut torn, mut truncated) = (0_u64, 0_u64, 0_u64);
        let groups = self.waits.iter().filter_map(|wait| {
            let names = name(wait)?;
            seen = seen.saturating_add(wait.waits);
            if wait.stack.is_empty() {
                torn = torn.saturating_add(wait.waits);
            }
            if wait.truncated {
                truncated = truncated.saturating_add(wait.waits);
            }
            Some(WaitGroup {
                time: time_of(wait, names.reason),
                named: names.functions,
            })
        });
        let profile = profile(pid, self.duration_ns, groups);
        GoroutineWaitProfile {
            seen,
            torn,
            truncated,
            ..profile
        }
    }
}

fn time_of(wait: &GoroutineWait, reason: String) -> GoroutineTime {
    GoroutineTime {
        reason,
        time_ns: wait.time_ns,
        open: if wait.open { wait.waits } else { 0 },
        oldest_ns: None,
        waits: Some(wait.waits),
        max_ns: Some(wait.max_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stack_fold::plain;
    use crate::event::RunEnd;
    use crate::report::FrameKind;

    fn event(body: Body) -> Event {
        Event {
            time_ns: 0,
            pid: 7,
            tid: 0,
            cpu: 0,
            goid: None,
            body,
        }
    }

    #[test]
    fn ended_and_open_waits_add_up() {
        let mut sums = GoroutineWaitSums::default();
        let wait = |reason, stack: &[u64], waits, time_ns, max_ns, open| {
            let wait = GoroutineWait {
                reason,
                creator: 5,
                stack: stack.to_vec(),
                truncated: stack.len() > 1,
                waits,
                time_ns,
                max_ns,
                open,
            };
            event(Body::GoroutineWait(Box::new(wait)))
        };
        sums.observe(&wait(1, &[10], 3, 300, 200, false));
        sums.observe(&wait(1, &[10], 1, 900, 900, true));
        sums.observe(&wait(2, &[11, 12], 5, 50, 20, false));
        sums.observe(&wait(2, &[], 1, 10, 10, false));
        // The runtime's own.
        sums.observe(&wait(3, &[13], 1, 1000, 1000, true));
        sums.observe(&event(Body::RunEnd(Box::new(RunEnd {
            duration_ns: 1000,
            ..RunEnd::default()
        }))));
        let profile = sums.finish(7, |wait| {
            let frames = wait.stack.iter();
            let frame = |pc: &u64| plain(format!("f{pc}"), FrameKind::Go);
            (wait.reason < 3).then(|| WaitNames {
                reason: format!("r{}", wait.reason),
                functions: NamedWait {
                    creator: format!("c{}", wait.creator),
                    frames: frames.map(frame).collect(),
                },
            })
        });
        assert!(profile.is_measured());
        let reasons = profile.reasons.iter();
        let reasons: Vec<_> = reasons
            .map(|r| (r.reason.as_str(), r.time_ns, r.waits, r.max_ns, r.open))
            .collect();
        assert_eq!(
            reasons,
            [
                ("r1", 1200, Some(4), Some(900), 1),
                ("r2", 60, Some(6), Some(20), 0)
            ]
        );
        assert_eq!((profile.seen, profile.torn, profile.truncated), (10, 1, 5));
        assert_eq!((profile.time_ns, profile.duration_ns), (1260, 1000));
        assert_eq!(profile.stacks.len(), 2);
        let creator = &profile.creators[0];
        assert_eq!((creator.creator.as_str(), creator.waits), ("c5", Some(10)));
    }
}
