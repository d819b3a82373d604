//! Where CPU time goes, from samples.

use std::collections::BTreeMap;

use super::{
    functions::function_totals,
    run_interval::RunInterval,
    stack_fold::{FoldedStack, StackDetail, StackFold},
};
use crate::event::{Body, Event, Sample, StackEnd};
use crate::go::goroutine::creator_name;
use crate::report::{CpuTotal, CreatorTotal, OnCpuProfile, ProfileRun, ThreadStack, Unit};

/// What is shown for threads that run no goroutine: Go's scheduler, and C code.
const NO_GOROUTINE: &str = "[no goroutine]";

/// Folds [`Body::Sample`] events into a profile.
#[derive(Debug)]
pub struct OnCpu {
    fold: StackFold<u64>,
    run: RunInterval,
    cpus: BTreeMap<u16, u64>,
    /// By pid and address.
    creators: BTreeMap<(u32, u64), u64>,
    samples: u64,
    truncated: u64,
    user_missing: u64,
}

impl OnCpu {
    /// With stacks told apart as `detail` says.
    #[must_use]
    pub fn new(detail: StackDetail) -> Self {
        Self {
            fold: StackFold::new(Unit::Samples, detail),
            run: RunInterval::new(&["sample"]),
            cpus: BTreeMap::new(),
            creators: BTreeMap::new(),
            samples: 0,
            truncated: 0,
            user_missing: 0,
        }
    }

    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        self.run.observe(event);
        self.fold.observe(event);
        match &event.body {
            Body::Sample(sample) => self.add(event, sample),
            Body::CreatorSamples(of) => {
                *self.creators.entry((event.pid, of.creator)).or_default() += of.samples;
            }
            _ => {}
        }
    }

    /// Creators by name, most samples first.
    fn take_creators(&mut self) -> Vec<CreatorTotal> {
        let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
        for ((pid, creator), samples) in std::mem::take(&mut self.creators) {
            let name = match creator {
                0 => NO_GOROUTINE.to_owned(),
                _ => creator_name(self.fold.caller(pid, creator)).to_owned(),
            };
            *by_name.entry(name).or_default() += samples;
        }
        let all = by_name.into_iter();
        let mut all: Vec<_> = all
            .map(|(creator, value)| CreatorTotal { creator, value })
            .collect();
        all.sort_by_key(|total| std::cmp::Reverse(total.value));
        all
    }

    fn add(&mut self, event: &Event, sample: &Sample) {
        self.samples += 1;
        *self.cpus.entry(event.cpu).or_default() += 1;
        self.truncated += u64::from(sample.truncated);
        self.user_missing += u64::from(sample.user_end == StackEnd::Missing);
        let stack = FoldedStack {
            pid: event.pid,
            tid: event.tid,
            comm: &sample.comm,
            kernel: &sample.kernel,
            user: &sample.user,
            user_end: sample.user_end,
            truncated: sample.truncated,
            class: 0,
        };
        self.fold.add(&stack, &1);
    }

    /// The profile since the start or the last call, ended by the given `Tick` or `RunEnd`.
    pub fn finish(&mut self, end: &Event) -> OnCpuProfile {
        let creators = self.take_creators();
        let folded = self.fold.finish();
        let by_thread = folded.stacks.iter().map(|s| ThreadStack {
            node: s.node,
            thread: s.thread,
            count: s.weight,
            value: s.weight,
        });
        let cpus = std::mem::take(&mut self.cpus).into_iter();
        OnCpuProfile {
            run: ProfileRun {
                roots: folded.roots,
                ..self.run.finish(end, folded.counts, folded.over_limit)
            },
            samples: std::mem::take(&mut self.samples),
            sample_hz: self.run.sample_hz,
            event: self.run.sample_event.clone(),
            truncated: std::mem::take(&mut self.truncated),
            user_missing: std::mem::take(&mut self.user_missing),
            by_thread: by_thread.collect(),
            threads: folded.threads,
            cpus: cpus.map(|(cpu, value)| CpuTotal { cpu, value }).collect(),
            creators,
            functions: function_totals(&folded.tree),
            tree: folded.tree,
        }
    }
}
