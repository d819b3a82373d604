//! Goroutines that wait for the same at the same place, counted.

use std::collections::HashMap;

use crate::go::goroutine::{Goroutine, Label, Stack};

/// Goroutines with equal stacks, states, creators and labels.
#[derive(Clone, Debug)]
pub struct GoroutineGroup<'a> {
    /// In the order of the list; at least one.
    pub members: Vec<&'a Goroutine>,
}

/// What members of a group share.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    status: &'a str,
    is_locked: bool,
    /// Addresses, innermost first; of what could not be walked, none.
    stack: Vec<u64>,
    creator: u64,
    labels: &'a [Label],
}

impl<'a> Key<'a> {
    fn of(goroutine: &'a Goroutine) -> Self {
        let descriptor = &goroutine.descriptor;
        let status = goroutine.wait_reason.as_deref();
        Self {
            status: status.unwrap_or(descriptor.status.name()),
            is_locked: descriptor.is_locked,
            stack: match &goroutine.stack {
                Stack::Frames { frames, .. } => frames.iter().map(|frame| frame.pc).collect(),
                Stack::Running | Stack::Torn => Vec::new(),
            },
            creator: descriptor.created_at,
            labels: &goroutine.labels,
        }
    }
}

/// Groups goroutines, the largest group first; groups of one size are in the order of the list.
#[must_use]
pub fn goroutine_groups<'a>(
    goroutines: impl IntoIterator<Item = &'a Goroutine>,
) -> Vec<GoroutineGroup<'a>> {
    let mut places: HashMap<Key<'a>, usize> = HashMap::new();
    let mut groups: Vec<GoroutineGroup<'a>> = Vec::new();
    for goroutine in goroutines {
        let next = groups.len();
        let place = *places.entry(Key::of(goroutine)).or_insert(next);
        match groups.get_mut(place) {
            Some(group) => group.members.push(goroutine),
            None => groups.push(GoroutineGroup {
                members: vec![goroutine],
            }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    groups
}
