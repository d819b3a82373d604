//! What the kernel told of mappings, until somebody asks.

use std::collections::{HashMap, VecDeque};

use crate::process::{Mapping, MappingEvent, Told};

/// Processes remembered: other than targets are among them, and not all that end are seen to.
const MAX_PROCESSES: usize = 4096;
/// Mappings remembered of one program.
const MAX_MAPPINGS: usize = 4096;

/// Executable mappings by process, as of the time that was last set.
#[derive(Debug, Default)]
pub(super) struct ToldMappings {
    /// What lies ahead of that time, earliest first.
    ahead: VecDeque<MappingEvent>,
    programs: HashMap<u32, Programs>,
    /// Processes in the order in which they were first told of.
    order: VecDeque<u32>,
}

/// Mappings of a process's program and of the one before.
#[derive(Debug, Default)]
struct Programs {
    now: Vec<Mapping>,
    before: Vec<Mapping>,
}

impl ToldMappings {
    /// Takes events in order of time, which are no earlier than those it has.
    pub(super) fn take(&mut self, events: Vec<MappingEvent>) {
        self.ahead.extend(events);
    }

    /// Goes on to a time.
    pub(super) fn advance(&mut self, time_ns: u64) {
        while let Some(event) = self.ahead.pop_front_if(|e| e.time_ns <= time_ns) {
            self.apply(event);
        }
    }

    fn apply(&mut self, event: MappingEvent) {
        let programs = self.of(event.pid);
        match event.what {
            Told::Exec => programs.before = std::mem::take(&mut programs.now),
            Told::Mapped(mapping) if programs.now.len() < MAX_MAPPINGS => {
                programs.now.push(mapping);
            }
            Told::Mapped(_) => {}
        }
    }

    fn of(&mut self, pid: u32) -> &mut Programs {
        if !self.programs.contains_key(&pid) {
            if self.order.len() >= MAX_PROCESSES
                && let Some(oldest) = self.order.pop_front()
            {
                self.programs.remove(&oldest);
            }
            self.order.push_back(pid);
        }
        self.programs.entry(pid).or_default()
    }

    /// What a process has mapped, oldest first.
    pub(super) fn now(&self, pid: u32) -> &[Mapping] {
        self.programs.get(&pid).map_or(&[], |p| &p.now)
    }

    /// What it had mapped before it began its program.
    pub(super) fn before(&self, pid: u32) -> &[Mapping] {
        self.programs.get(&pid).map_or(&[], |p| &p.before)
    }

    /// A child begins with the mappings of its parent.
    pub(super) fn fork(&mut self, parent: u32, child: u32) {
        let now = self.now(parent).to_vec();
        if !now.is_empty() {
            *self.of(child) = Programs {
                now,
                before: Vec::new(),
            };
        }
    }

    /// The process has ended.
    pub(super) fn forget(&mut self, pid: u32) {
        if self.programs.remove(&pid).is_some() {
            self.order.retain(|p| *p != pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_ns: u64, pid: u32, path: Option<&str>) -> MappingEvent {
        let mapping = |path: &str| {
            Told::Mapped(Mapping {
                path: Some(path.to_owned()),
                ..Mapping::default()
            })
        };
        MappingEvent {
            time_ns,
            pid,
            what: path.map_or(Told::Exec, mapping),
        }
    }

    fn names(mappings: &[Mapping]) -> Vec<&str> {
        mappings.iter().map(Mapping::name).collect()
    }

    #[test]
    fn each_time_has_its_program() {
        let mut told = ToldMappings::default();
        told.take(vec![
            event(1, 7, Some("/a")),
            event(2, 7, Some("/b")),
            event(3, 7, None),
            event(4, 7, Some("/c")),
        ]);
        told.advance(2);
        assert_eq!(names(told.now(7)), ["/a", "/b"]);
        told.fork(7, 8);
        told.advance(9);
        assert_eq!(names(told.now(7)), ["/c"]);
        assert_eq!(names(told.before(7)), ["/a", "/b"]);
        assert_eq!(names(told.now(8)), ["/a", "/b"]);
        told.forget(7);
        assert!(told.now(7).is_empty() && told.before(7).is_empty());
    }

    #[test]
    fn the_oldest_processes_make_room() {
        let mut told = ToldMappings::default();
        let last = MAX_PROCESSES as u32;
        for pid in 0..=last {
            told.take(vec![event(1, pid, Some("/a"))]);
        }
        told.advance(1);
        assert!(told.now(0).is_empty());
        assert_eq!((told.now(1).len(), told.now(last).len()), (1, 1));
        assert_eq!(told.programs.len(), MAX_PROCESSES);
    }
}
