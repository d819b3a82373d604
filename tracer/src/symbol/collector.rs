//! The distinct addresses of stacks, waiting for names.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::event::{Body, Event, Space};

/// Distinct addresses kept of one process, or of the kernel. A hostile target can show a new one
/// in every frame.
const MAX_ADDRESSES: usize = 1 << 20;

/// An address in a stack, by the part it had there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub space: Space,
    pub address: u64,
    /// It is a return address: not the innermost of its stack.
    pub caller: bool,
}

/// Collects addresses from events that have stacks, each once. Kernel addresses belong to pid 0.
#[derive(Debug, Default)]
pub struct Collector {
    of: HashMap<u32, Seen>,
    overflowed: u64,
}

#[derive(Debug, Default)]
struct Seen {
    all: HashSet<Address>,
    unresolved: Vec<Address>,
}

impl Collector {
    /// Notes the addresses of a sample, an off-CPU stack or a creator. Returns the user addresses not seen
    /// before; empty for every other event.
    pub fn observe(&mut self, event: &Event) -> &[Address] {
        if let Body::CreatorSamples(samples) = &event.body {
            // A return address, as that of a caller, which is any address but the first.
            let creator = samples.creator;
            return self.note(event.pid, Space::User, &[creator, creator]);
        }
        let Some((kernel, user)) = stacks(event) else {
            return &[];
        };
        self.note(0, Space::Kernel, kernel);
        self.note(event.pid, Space::User, user)
    }

    /// As [`Collector::observe`], of the stack that came with a call; `leaf_return` may be a return
    /// address, too.
    pub fn observe_call(&mut self, pid: u32, stack: &[u64], leaf_return: u64) -> &[Address] {
        let before = self.of.get(&pid).map_or(0, |seen| seen.unresolved.len());
        self.note(pid, Space::User, stack);
        if let Some(&first) = stack.first().filter(|_| leaf_return != 0) {
            // As that of a caller, which is any address but the first.
            self.note(pid, Space::User, &[first, leaf_return]);
        }
        self.of.get(&pid).map_or(&[], |s| &s.unresolved[before..])
    }

    fn note(&mut self, pid: u32, space: Space, stack: &[u64]) -> &[Address] {
        let seen = self.of.entry(pid).or_default();
        let before = seen.unresolved.len();
        for (at, &address) in stack.iter().enumerate() {
            let address = Address {
                space,
                address,
                caller: at > 0,
            };
            if seen.all.contains(&address) {
                continue;
            }
            if seen.all.len() >= MAX_ADDRESSES {
                self.overflowed += 1;
                continue;
            }
            seen.all.insert(address);
            seen.unresolved.push(address);
        }
        &seen.unresolved[before..]
    }

    /// Whether anything was noted that has not been taken.
    #[must_use]
    pub fn has_unresolved(&self) -> bool {
        self.of.values().any(|seen| !seen.unresolved.is_empty())
    }

    /// Takes what was noted since the last time, by pid and in order of address.
    pub fn take_unresolved(&mut self) -> BTreeMap<u32, Vec<Address>> {
        let pids: Vec<u32> = self.of.keys().copied().collect();
        pids.into_iter()
            .map(|pid| (pid, self.take_unresolved_of(pid)))
            .filter(|(_, addresses)| !addresses.is_empty())
            .collect()
    }

    /// As [`Collector::take_unresolved`], of one process.
    pub fn take_unresolved_of(&mut self, pid: u32) -> Vec<Address> {
        let mut addresses = self
            .of
            .get_mut(&pid)
            .map(|seen| std::mem::take(&mut seen.unresolved))
            .unwrap_or_default();
        addresses.sort_unstable();
        addresses
    }

    /// Forgets a process: its addresses mean something else from now on.
    pub fn forget(&mut self, pid: u32) {
        self.of.remove(&pid);
    }

    /// Addresses left out because a process showed too many.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

/// Kernel and user stack of an event, innermost first.
fn stacks(event: &Event) -> Option<(&[u64], &[u64])> {
    match &event.body {
        Body::Sample(s) => Some((&s.kernel, &s.user)),
        Body::OffCpuStack(s) => Some((&s.kernel, &s.user)),
        Body::Wait(w) => Some((&w.stack.kernel, &w.stack.user)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Sample;

    fn sample(pid: u32, kernel: &[u64], user: &[u64]) -> Event {
        Event {
            time_ns: 0,
            pid,
            tid: pid,
            cpu: 0,
            goid: None,
            body: Body::Sample(Sample {
                comm: "x".to_owned(),
                kernel: kernel.to_vec(),
                user: user.to_vec(),
                user_end: crate::event::StackEnd::Unknown,
                truncated: false,
            }),
        }
    }

    fn user(address: u64, caller: bool) -> Address {
        Address {
            space: Space::User,
            address,
            caller,
        }
    }

    #[test]
    fn each_address_is_given_out_once_by_its_part() {
        let mut collector = Collector::default();
        assert_eq!(collector.observe(&sample(7, &[1], &[10, 20])).len(), 2);
        let new = collector.observe(&sample(7, &[1, 2], &[20, 10, 20]));
        assert_eq!(new, [user(20, false), user(10, true)]);
        assert!(collector.has_unresolved());
        let taken = collector.take_unresolved();
        assert!(!collector.has_unresolved());
        let want = [
            user(10, false),
            user(10, true),
            user(20, false),
            user(20, true),
        ];
        assert_eq!(taken[&7], want);
        assert_eq!(taken[&0].len(), 2);
        collector.observe(&sample(7, &[1], &[10, 20]));
        assert!(collector.take_unresolved().is_empty());
        collector.forget(7);
        assert_eq!(collector.observe(&sample(7, &[], &[10])).len(), 1);
    }
}
