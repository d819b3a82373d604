//! Where threads wait, from stacks at switches off the CPU.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{
    run_interval::RunInterval,
    stack_fold::{FoldedStack, Marks, StackDetail, StackFold, StackWeight, Weight},
};
use crate::event::{Body, Event, OffCpuStack, StackEnd, Wait};
use crate::report::{
    OffCpuProfile, ProfileRun, StackTimes, StateTimes, ThreadStack, Unit, WaitState,
};

/// Times of one stack in one state. Times in ns.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u64,
    blocked_ns: u64,
    runnable_ns: u64,
    max_ns: u64,
    open: u64,
}

impl Weight for Times {
    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.blocked_ns = self.blocked_ns.saturating_add(other.blocked_ns);
        self.runnable_ns = self.runnable_ns.saturating_add(other.runnable_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.open = self.open.saturating_add(other.open);
    }

    fn value(&self) -> u64 {
        self.blocked_ns
    }

    fn stacks(&self) -> u64 {
        self.count
    }
}

/// Folds [`Body::OffCpuStack`] events into a profile.
#[derive(Debug)]
pub struct OffCpu {
    fold: StackFold<Times>,
    run: RunInterval,
    states: BTreeMap<WaitState, Times>,
    by_state: bool,
    before_run: u64,
    truncated: u64,
    user_missing: u64,
    one_in: u32,
}

impl OffCpu {
    /// With stacks told apart as `detail` says.
    #[must_use]
    pub fn new(detail: StackDetail) -> Self {
        Self {
            fold: StackFold::new(Unit::Nanoseconds, detail),
            run: RunInterval::new(&["off_cpu_switch", "off_cpu_wakeup"]),
            states: BTreeMap::new(),
            by_state: false,
            before_run: 0,
            truncated: 0,
            user_missing: 0,
            one_in: 1,
        }
    }

    /// Each state has its own root, too.
    #[must_use]
    pub fn by_state(self, by_state: bool) -> Self {
        Self { by_state, ..self }
    }

    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        self.run.observe(event);
        self.fold.observe(event);
        match &event.body {
            Body::OffCpuStack(stack) => self.add(event, stack, None),
            Body::Wait(wait) => self.add(event, &wait.stack, Some(wait)),
            Body::Curbed(curbed) if curbed.probes == "off_cpu" => self.one_in = curbed.one_in,
            _ => {}
        }
    }

    fn add(&mut self, event: &Event, stack: &OffCpuStack, wait: Option<&Wait>) {
        let state = WaitState::from_kernel(stack.state);
        let times = Times {
            count: stack.count,
            blocked_ns: stack.blocked_ns,
            runnable_ns: stack.runnable_ns,
            max_ns: stack.max_ns,
            open: wait.filter(|w| w.open).map_or(0, |_| stack.count),
        };
        let before_run = wait.is_some_and(|w| w.before_run);
        if before_run {
            self.before_run = self.before_run.saturating_add(stack.count);
        }
        let mut notes = Vec::new();
        notes.extend(self.by_state.then_some(state.note()));
        notes.extend(before_run.then_some("[since before the run]"));
        let marks = Marks {
            notes,
            waker: wait.and_then(|w| w.waker.clone()),
        };
        self.states.entry(state).or_default().add(&times);
        if stack.truncated {
            self.truncated = self.truncated.saturating_add(stack.count);
        }
        if stack.user_end == StackEnd::Missing {
            self.user_missing = self.user_missing.saturating_add(stack.count);
        }
        let folded = FoldedStack {
            pid: event.pid,
            tid: event.tid,
            comm: &stack.comm,
            kernel: &stack.kernel,
            user: &stack.user,
            user_end: stack.user_end,
            truncated: stack.truncated,
            class: class(state),
        };
        self.fold.add_marked(&folded, marks, &times);
    }

    /// The profile since the start or the last call, ended by the given `Tick` or `RunEnd`.
    pub fn finish(&mut self, end: &Event) -> OffCpuProfile {
        let folded = self.fold.finish();
        let states = std::mem::take(&mut self.states);
        let mut total = Times::default();
        states.values().for_each(|times| total.add(times));
        let by_thread = folded.stacks.iter().map(|s| ThreadStack {
            node: s.node,
            thread: s.thread,
            count: s.weight.count,
            value: s.weight.blocked_ns,
        });
        let by_thread = by_thread.collect();
        let mut stacks = of_all_threads(&folded.stacks);
        stacks.sort_by_key(|s| (Reverse(s.blocked_ns), Reverse(s.runnable_ns), s.node));
        OffCpuProfile {
            run: ProfileRun {
                roots: folded.roots,
                ..self.run.finish(end, folded.counts, folded.over_limit)
            },
            count: total.count,
            one_in: self.one_in,
            blocked_ns: total.blocked_ns,
            runnable_ns: total.runnable_ns,
            open: total.open,
            before_run: std::mem::take(&mut self.before_run),
            truncated: std::mem::take(&mut self.truncated),
            user_missing: std::mem::take(&mut self.user_missing),
            states: states.into_iter().map(state_times).collect(),
            threads: folded.threads,
            by_thread,
            stacks,
            tree: folded.tree,
        }
    }
}

const STATES: [WaitState; 5] = [
    WaitState::Preempted,
    WaitState::Interruptible,
    WaitState::Uninterruptible,
    WaitState::Stopped,
    WaitState::Other,
];

fn class(state: WaitState) -> u32 {
    state as u32
}

/// Stacks of different threads are one here; those of different states are not.
fn of_all_threads(stacks: &[StackWeight<Times>]) -> Vec<StackTimes> {
    let same =
        |a: &StackWeight<Times>, b: &StackWeight<Times>| (a.node, a.class) == (b.node, b.class);
    let together = stacks.chunk_by(same);
    together.map(stack_times).collect()
}

fn stack_times(of_threads: &[StackWeight<Times>]) -> StackTimes {
    let mut times = Times::default();
    of_threads.iter().for_each(|s| times.add(&s.weight));
    StackTimes {
        node: of_threads[0].node,
        state: STATES[of_threads[0].class as usize],
        count: times.count,
        blocked_ns: times.blocked_ns,
        runnable_ns: times.runnable_ns,
        max_ns: times.max_ns,
        open: times.open,
    }
}

fn state_times((state, times): (WaitState, Times)) -> StateTimes {
    StateTimes {
        state,
        count: times.count,
        blocked_ns: times.blocked_ns,
        runnable_ns: times.runnable_ns,
        max_ns: times.max_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Losses, ProbeLoss, RunEnd};

    fn event(body: Body) -> Event {
        Event {
            time_ns: 0,
            pid: 7,
            tid: 7,
            cpu: 0,
            goid: None,
            body,
        }
    }

    /// As in a recording that somebody made by hand.
    #[test]
    fn sums_end_at_the_greatest_value() {
        const MOST: u64 = u64::MAX;
        let losses = Losses {
            probes: vec![ProbeLoss {
                probe: "off_cpu_switch".to_owned(),
                ring_full: MOST,
                map_full: MOST,
                ..ProbeLoss::default()
            }],
            undecodable: 0,
        };
        let wait = |address| {
            let stack = OffCpuStack {
                user: vec![address],
                state: 1,
                user_end: StackEnd::Missing,
                count: MOST,
                blocked_ns: MOST,
                ..OffCpuStack::default()
            };
            event(Body::OffCpuStack(Box::new(stack)))
        };
        let mut analysis = OffCpu::new(StackDetail::default());
        for waited in [wait(1), wait(2), wait(1)] {
            analysis.observe(&waited);
            analysis.observe(&event(Body::Losses(losses.clone())));
        }
        let end = event(Body::RunEnd(Box::<RunEnd>::default()));
        let profile = analysis.finish(&end);
        assert_eq!(
            (profile.count, profile.blocked_ns, profile.user_missing),
            (MOST, MOST, MOST)
        );
        assert_eq!((profile.run.lost, profile.tree.total()), (MOST, MOST));
        let threads: Vec<u64> = profile.threads.iter().map(|t| t.value).collect();
        assert_eq!(threads, [MOST]);
    }
}
