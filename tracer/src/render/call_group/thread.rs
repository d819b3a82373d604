//! Groups by thread.

use std::collections::HashMap;

use crate::event::{Body, Event};
use crate::term::printable;

/// Threads whose names are remembered; beyond, they are shown by id.
const MAX_NAMES: usize = 1 << 16;

/// Names of threads: their own when they are first seen, and those of programs they execute.
#[derive(Debug)]
pub(super) struct ThreadNames {
    recorded: bool,
    names: HashMap<u32, String>,
}

impl ThreadNames {
    /// Of a recording, `/proc` knows nothing.
    pub(super) fn new(recorded: bool) -> Self {
        Self {
            recorded,
            names: HashMap::new(),
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        match &event.body {
            Body::Exec(exec) => self.learn(event.tid, &exec.comm),
            Body::Process(info) => self.learn(event.pid, &info.comm),
            // A thread has its creator's name until it takes one.
            Body::Fork(fork) if self.recorded => self.learn(fork.child_tid, &fork.comm),
            Body::Exit(_) => {
                self.names.remove(&event.tid);
            }
            _ => {}
        }
    }

    fn learn(&mut self, tid: u32, comm: &str) {
        if self.names.len() < MAX_NAMES || self.names.contains_key(&tid) {
            self.names.insert(tid, comm.to_owned());
        }
    }

    /// `812<nginx>`, as strace decodes ids; the id alone of a thread that nothing is known of.
    pub(super) fn name(&mut self, pid: u32, tid: u32) -> String {
        if !self.recorded && !self.names.contains_key(&tid) {
            let file = format!("/proc/{pid}/task/{tid}/comm");
            let comm = std::fs::read_to_string(file).unwrap_or_default();
            self.learn(tid, comm.trim_end_matches('\n'));
        }
        match self.names.get(&tid).map(String::as_str) {
            None | Some("") => tid.to_string(),
            Some(comm) => format!("{tid}<{}>", printable(comm)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Exec, Exit, Fork};

    fn event(tid: u32, body: Body) -> Event {
        Event {
            time_ns: 0,
            pid: 1 << 30,
            tid,
            cpu: 0,
            goid: None,
            body,
        }
    }

    #[test]
    fn names_are_those_of_the_recording_or_of_proc() {
        let mut names = ThreadNames::new(true);
        let fork = Fork {
            child_pid: 1 << 30,
            child_tid: 7,
            comm: "a\u{1b}b".to_owned(),
        };
        names.note(&event(6, Body::Fork(fork)));
        let own = std::process::id();
        assert_eq!(names.name(own, own), own.to_string());
        assert_eq!(names.name(1 << 30, 7), r"7<a\u{1b}b>");
        let exec = Exec {
            old_tid: 7,
            comm: "new".to_owned(),
        };
        names.note(&event(7, Body::Exec(exec)));
        assert_eq!(names.name(1 << 30, 7), "7<new>");
        let exit = Exit {
            status: 0,
            last_thread: true,
            comm: String::new(),
            place: None,
        };
        names.note(&event(7, Body::Exit(exit)));
        assert_eq!(names.name(1 << 30, 7), "7");
        let mut live = ThreadNames::new(false);
        let name = live.name(own, own);
        assert!(name.starts_with(&format!("{own}<")), "{name}");
    }
}
