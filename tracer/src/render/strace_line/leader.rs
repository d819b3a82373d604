//! How a line begins: who, when, and which call.

use std::io::Write;

use super::{Prefix, StraceLines};
use crate::event::Event;

impl<W: Write> StraceLines<W> {
    /// How a line begins.
    pub(super) fn leader(&mut self, event: &Event, time_ns: u64) -> String {
        let mut leader = self.who(event);
        self.when(&mut leader, time_ns);
        if self.options().numbers {
            leader += &match self.last_calls.get(&event.tid) {
                Some(nr) => format!("[{nr:>4}] "),
                None => "[????] ".to_owned(),
            };
        }
        if self.options().instruction_pointer {
            leader += &match self.calls.stacks.instruction_pointer(event.tid) {
                Some(address) => format!("[{address:016x}] "),
                None => "[????????????????] ".to_owned(),
            };
        }
        leader
    }

    fn who(&self, event: &Event) -> String {
        let options = self.options();
        let goid = event.goid.filter(|_| options.goroutines);
        let goroutine = goid.map(|id| match self.calls.go_frames.current(event.tid) {
            Some(frame) => format!("g {id} {frame}"),
            None => format!("g {id}"),
        });
        let bracket = match options.prefix {
            Prefix::WhenSeveral => self.calls.threads.len() > 1,
            Prefix::Always => true,
            Prefix::Never | Prefix::Bare => false,
        };
        let bare = options.prefix == Prefix::Bare;
        let comm = self.calls.comms.of(event.tid);
        if let (true, Some(comm), None) = (bracket || bare, comm, &goroutine) {
            return match bare {
                true => format!("{}<{comm}> ", event.tid),
                false => format!("[pid {:>5}<{comm}>] ", event.tid),
            };
        }
        match goroutine {
            Some(goroutine) if bracket => format!("[pid {:>5} {goroutine}] ", event.tid),
            None if bracket => format!("[pid {:>5}] ", event.tid),
            Some(goroutine) if bare => format!("{:<5} [{goroutine}] ", event.tid),
            None if bare => format!("{:<5} ", event.tid),
            Some(goroutine) => format!("[{goroutine}] "),
            None => String::new(),
        }
    }

    fn when(&mut self, text: &mut String, time_ns: u64) {
        let options = &self.calls.options;
        let start = &self.calls.start;
        if let Some(timestamp) = options.timestamp {
            let utc_ns = i128::from(time_ns) + i128::from(start.wall_offset_ns);
            timestamp.push(text, utc_ns, start.utc_offset_s);
            text.push(' ');
        }
        if let Some(precision) = options.relative {
            let previous = self.previous_ns.replace(time_ns).unwrap_or(time_ns);
            let between = options.timestamp.is_some();
            text.push_str(if between { "(+" } else { "" });
            precision.push(text, time_ns.saturating_sub(previous), 6);
            text.push_str(if between { ") " } else { " " });
        }
    }
}
