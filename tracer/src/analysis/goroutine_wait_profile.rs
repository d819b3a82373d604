//! From groups of goroutines that wait alike to a profile.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::stack_fold::plain;
use crate::report::{
    Frame, FrameKind, GoroutineCreatorTime, GoroutineStackTime, GoroutineTime,
    GoroutineWaitProfile, ProfileRun, StackTree, StackTreeBuilder, ThreadStack, ThreadTotal, Unit,
};

/// Goroutines that wait for the same at the same place.
#[derive(Clone, Debug)]
pub(super) struct WaitGroup {
    /// With the reason.
    pub(super) time: GoroutineTime,
    pub(super) named: NamedWait,
}

/// The functions of a wait.
#[derive(Clone, Debug, Default)]
pub struct NamedWait {
    /// That of the `go` statement.
    pub creator: String,
    /// Innermost first; none for what runs.
    pub frames: Vec<Frame>,
}

/// Adds groups up. What is known besides is to be put into the result.
pub(super) fn profile(
    pid: u32,
    duration_ns: u64,
    groups: impl Iterator<Item = WaitGroup>,
) -> GoroutineWaitProfile {
    let mut tree = StackTreeBuilder::new(Unit::Nanoseconds);
    let mut stacks: HashMap<(u32, String), GoroutineStackTime> = HashMap::new();
    let mut reasons: HashMap<String, GoroutineTime> = HashMap::new();
    let mut creators: HashMap<String, GoroutineCreatorTime> = HashMap::new();
    let mut time_ns: u64 = 0;
    for WaitGroup { time, named } in groups {
        time_ns = time_ns.saturating_add(time.time_ns);
        merge(reasons.entry(time.reason.clone()).or_default(), &time);
        let creator = creators.entry(named.creator.clone()).or_default();
        creator.creator = named.creator;
        creator.time_ns = creator.time_ns.saturating_add(time.time_ns);
        creator.open = creator.open.saturating_add(time.open);
        creator.waits = sum(creator.waits, time.waits);
        let root = plain(format!("[{}]", time.reason), FrameKind::Thread);
        let stack = std::iter::once(&root).chain(named.frames.iter().rev());
        let Some(node) = tree.add(stack, time.time_ns) else {
            continue;
        };
        if !named.frames.is_empty() {
            let stack = stacks.entry((node, time.reason.clone())).or_default();
            stack.node = node;
            merge(&mut stack.time, &time);
        }
    }
    let mut reasons: Vec<GoroutineTime> = reasons.into_values().collect();
    reasons.sort_by_key(|r| (Reverse(r.time_ns), r.reason.clone()));
    let mut creators: Vec<GoroutineCreatorTime> = creators.into_values().collect();
    creators.sort_by_key(|c| (Reverse(c.time_ns), c.creator.clone()));
    let mut stacks: Vec<GoroutineStackTime> = stacks.into_values().collect();
    stacks.sort_by_key(|s| (Reverse(s.time.time_ns), s.node));
    let tree = tree.finish();
    GoroutineWaitProfile {
        run: ProfileRun {
            pids: vec![pid],
            duration_ns,
            ..ProfileRun::default()
        },
        together: vec![ThreadTotal {
            pid,
            tid: pid,
            comm: "goroutines".to_owned(),
            value: time_ns,
        }],
        by_thread: by_thread(&tree),
        pid,
        duration_ns,
        looks: 0,
        time_ns,
        seen: 0,
        unreadable: 0,
        torn: 0,
        truncated: 0,
        over_limit: 0,
        reasons,
        creators,
        stacks,
        tree,
    }
}

/// All stacks of a tree as those of one thread.
fn by_thread(tree: &StackTree) -> Vec<ThreadStack> {
    let nodes = tree.nodes.iter().enumerate();
    let stacks = nodes.filter(|(_, node)| node.own > 0);
    stacks
        .map(|(at, node)| ThreadStack {
            node: at as u32,
            thread: 0,
            count: 0,
            value: node.own,
        })
        .collect()
}

fn merge(all: &mut GoroutineTime, other: &GoroutineTime) {
    all.reason.clone_from(&other.reason);
    all.time_ns = all.time_ns.saturating_add(other.time_ns);
    all.open = all.open.saturating_add(other.open);
    all.oldest_ns = all.oldest_ns.max(other.oldest_ns);
    all.waits = sum(all.waits, other.waits);
    all.max_ns = all.max_ns.max(other.max_ns);
}

/// `None` only if neither is known.
fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    }
}
