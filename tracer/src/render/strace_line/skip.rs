//! Events that are not shown, between others that are.

use std::io::Write;

use super::StraceLines;
use crate::event::{Body, Event, Exit};
use crate::sink::{Sink, SinkError};

impl<W: Write> StraceLines<W> {
    /// Keeps what later lines depend on. Tables of descriptors are not kept up to date: what they
    /// say is read from `/proc` as events come.
    pub(super) fn skipped(&mut self, event: &Event) -> Result<(), SinkError> {
        self.calls.skipped(event);
        match &event.body {
            Body::SyscallEnter(enter) => self.note_number(event.tid, enter.nr),
            Body::Exit(exit) => self.forget_thread(event, exit),
            Body::Process(_) | Body::Threads(_) | Body::Symbols(_) | Body::Sample(_) => {
                return self.event(event);
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets a thread that ended, and with it perhaps its process.
    pub(super) fn forget_thread(&mut self, event: &Event, exit: &Exit) {
        self.calls.gone(event, exit);
        self.last_calls.remove(&event.tid);
    }
}
