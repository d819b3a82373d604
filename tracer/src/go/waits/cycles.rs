//! Goroutines that wait for each other in a circle.

use std::collections::{HashMap, HashSet, VecDeque};

use super::object::Waits;

/// An object with more that may hold it tells nothing of who does.
const MAX_HOLDERS: usize = 4;

/// A circle of goroutines, none of which goes on before the next does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// In their order, beginning with the lowest index: the goroutine, and the index of the object
    /// that it waits for and the next holds.
    pub steps: Vec<(usize, usize)>,
    /// Every holder is known to be one.
    pub is_known: bool,
}

/// A goroutine that holds what another waits for.
#[derive(Clone, Copy)]
struct Edge {
    object: usize,
    holder: usize,
    is_known: bool,
}

/// The circles, each goroutine in one at most, of the shortest through it.
#[must_use]
pub fn cycles(waits: &Waits) -> Vec<Cycle> {
    let mut edges: HashMap<usize, Vec<Edge>> = HashMap::new();
    for (object, of) in waits.objects.iter().enumerate() {
        if of.holders.len() > MAX_HOLDERS {
            continue;
        }
        for waiter in &of.waiters {
            let list = edges.entry(waiter.goroutine).or_default();
            list.extend(of.holders.iter().map(|holder| Edge {
                object,
                holder: holder.goroutine,
                is_known: holder.is_known,
            }));
        }
    }
    let mut starts: Vec<usize> = edges.keys().copied().collect();
    starts.sort_unstable();
    let mut in_cycle = HashSet::new();
    let mut all = Vec::new();
    for start in starts {
        if in_cycle.contains(&start) {
            continue;
        }
        if let Some(cycle) = shortest(&edges, start) {
            in_cycle.extend(cycle.steps.iter().map(|step| step.0));
            all.push(cycle);
        }
    }
    all
}

/// The shortest circle through a goroutine.
fn shortest(edges: &HashMap<usize, Vec<Edge>>, start: usize) -> Option<Cycle> {
    let mut came: HashMap<usize, (usize, Edge)> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for &edge in edges.get(&at).into_iter().flatten() {
            if came.contains_key(&edge.holder) {
                continue;
            }
            came.insert(edge.holder, (at, edge));
            if edge.holder == start {
                return Some(back(&came, start));
            }
            open.push_back(edge.holder);
        }
    }
    None
}

fn back(came: &HashMap<usize, (usize, Edge)>, start: usize) -> Cycle {
    let mut cycle = Cycle {
        steps: Vec::new(),
        is_known: true,
    };
    let mut at = start;
    while let Some(&(from, edge)) = came.get(&at) {
        cycle.steps.push((from, edge.object));
        cycle.is_known &= edge.is_known;
        at = from;
        if at == start {
            break;
        }
    }
    cycle.steps.reverse();
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::waits::object::{Holder, Object, ObjectKind, Operation, Waiter};

    /// An object with waiters and holders.
    fn object(waiters: &[usize], holders: &[usize]) -> Object {
        Object {
            address: 1,
            kind: ObjectKind::Once,
            waiters: waiters
                .iter()
                .map(|&goroutine| Waiter {
                    goroutine,
                    operation: Operation::Lock,
                })
                .collect(),
            holders: holders
                .iter()
                .map(|&goroutine| Holder {
                    goroutine,
                    is_known: goroutine < 100,
                })
                .collect(),
        }
    }

    fn found(objects: Vec<Object>) -> Vec<(Vec<(usize, usize)>, bool)> {
        let waits = Waits {
            objects,
            ..Waits::default()
        };
        let all = cycles(&waits).into_iter();
        all.map(|cycle| (cycle.steps, cycle.is_known)).collect()
    }

    #[test]
    fn circles_are_found_and_trees_are_not() {
        assert_eq!(
            found(vec![object(&[1, 2, 3], &[4]), object(&[4], &[5])]),
            []
        );
        let two = vec![object(&[1, 7, 8], &[2]), object(&[2], &[1])];
        assert_eq!(found(two), [(vec![(1, 0), (2, 1)], true)]);
        let three = vec![
            object(&[1], &[200]),
            object(&[200], &[3]),
            object(&[3], &[1]),
        ];
        assert_eq!(found(three), [(vec![(1, 0), (200, 1), (3, 2)], false)]);
        let oneself = vec![object(&[6], &[6])];
        assert_eq!(found(oneself), [(vec![(6, 0)], true)]);
    }

    #[test]
    fn too_many_holders_tell_nothing() {
        let many = vec![object(&[1], &[2, 3, 4, 5, 6]), object(&[2], &[1])];
        assert_eq!(found(many), []);
    }
}
