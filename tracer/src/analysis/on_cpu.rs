//! Where CPU time goes, from samples.

use std::collections::HashMap;

use super::{
    run_interval::RunInterval,
    stack_fold::{FoldedStack, StackFold},
};
use crate::event::{Body, Event, Sample, StackEnd};
use crate::report::{Frame, FrameKind, FunctionTotal, OnCpuProfile, ProfileRun, StackTree, Unit};

/// Folds [`Body::Sample`] events into a profile.
#[derive(Debug)]
pub struct OnCpu {
    fold: StackFold<u64>,
    run: RunInterval,
    samples: u64,
    truncated: u64,
    user_missing: u64,
}

impl OnCpu {
    /// With `threads`, each thread has its own root in the tree.
    #[must_use]
    pub fn new(threads: bool) -> Self {
        Self {
            fold: StackFold::new(Unit::Samples, threads),
            run: RunInterval::new(&["sample"]),
            samples: 0,
            truncated: 0,
            user_missing: 0,
        }
    }

    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        self.run.observe(event);
        self.fold.observe(event);
        if let Body::Sample(sample) = &event.body {
            self.add(event, sample);
        }
    }

    fn add(&mut self, event: &Event, sample: &Sample) {
        self.samples += 1;
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
        let folded = self.fold.finish();
        OnCpuProfile {
            run: ProfileRun {
                roots: folded.roots,
                ..self.run.finish(end, folded.counts, folded.over_limit)
            },
            samples: std::mem::take(&mut self.samples),
            sample_hz: self.run.sample_hz,
            truncated: std::mem::take(&mut self.truncated),
            user_missing: std::mem::take(&mut self.user_missing),
            threads: folded.threads,
            functions: functions(&folded.tree),
            tree: folded.tree,
        }
    }
}

/// Values by function, most own value first. Inlined and called copies are one function.
fn functions(tree: &StackTree) -> Vec<FunctionTotal> {
    let mut of_function: HashMap<Frame, usize> = HashMap::new();
    let mut totals: Vec<FunctionTotal> = Vec::new();
    let index: Vec<usize> = tree
        .frames
        .iter()
        .map(|frame| {
            let function = Frame {
                inlined: false,
                ..frame.clone()
            };
            *of_function.entry(function.clone()).or_insert_with(|| {
                totals.push(FunctionTotal {
                    frame: function,
                    own: 0,
                    total: 0,
                });
                totals.len() - 1
            })
        })
        .collect();
    for node in &tree.nodes {
        let function = index[node.frame as usize];
        totals[function].own += node.own;
        // A recursive function counts once per stack: at its outermost call.
        let callers = std::iter::successors(node.parent, |&n| tree.nodes[n as usize].parent);
        let recursive = callers
            .map(|n| index[tree.nodes[n as usize].frame as usize])
            .any(|caller| caller == function);
        if !recursive {
            totals[function].total += node.total;
        }
    }
    totals.retain(|f| !matches!(f.frame.kind, FrameKind::Thread | FrameKind::Note));
    totals.sort_by(|a, b| {
        (b.own, b.total)
            .cmp(&(a.own, a.total))
            .then_with(|| a.frame.cmp(&b.frame))
    });
    totals
}
