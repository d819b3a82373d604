//! Events that are not shown, between others that are.

use std::io::Write;

use super::StraceLines;
use crate::event::{Body, Event, Exec, Exit};
use crate::sink::{Sink, SinkError};

impl<W: Write> StraceLines<W> {
    /// Keeps what later lines depend on. Tables of descriptors are not kept up to date: what they
    /// say is read from `/proc` as events come.
    pub(super) fn skipped(&mut self, event: &Event) -> Result<(), SinkError> {
        if event.tid != 0 {
            self.threads.insert(event.tid);
        }
        match &event.body {
            Body::SyscallEnter(enter) => {
                self.pending.remove(&event.tid);
                self.note_number(event.tid, enter.nr);
            }
            Body::SyscallExit(exit) => {
                self.pending.remove(&event.tid);
                self.go_frames.returned(event.tid);
                self.ignored.remove(&event.tid);
                self.note_interruption(event.tid, exit);
            }
            Body::Fork(fork) if self.options.follow || fork.child_pid == event.pid => {
                self.threads.insert(fork.child_tid);
            }
            Body::Exec(exec) => self.skipped_exec(event, exec),
            Body::Exit(exit) => self.forget_thread(event, exit),
            Body::Process(_) | Body::Threads(_) | Body::Symbols(_) | Body::Sample(_) => {
                return self.event(event);
            }
            _ => {}
        }
        Ok(())
    }

    fn skipped_exec(&mut self, event: &Event, exec: &Exec) {
        self.awaits_program = false;
        self.stacks.replace(event.pid);
        self.go_frames.replace(event.pid);
        if exec.old_tid != event.tid {
            self.pending.remove(&event.tid);
            self.threads.remove(&exec.old_tid);
            let call = self.pending.remove(&exec.old_tid);
            self.pending.extend(call.map(|call| (event.tid, call)));
        }
    }

    /// Forgets a thread that ended, and with it perhaps its process.
    pub(super) fn forget_thread(&mut self, event: &Event, exit: &Exit) {
        self.stacks.gone(event.pid, event.tid, exit.last_thread);
        self.go_frames.gone(event.pid, event.tid, exit.last_thread);
        self.pending.remove(&event.tid);
        self.comms.remove(&event.tid);
        self.threads.remove(&event.tid);
        self.interrupted.remove(&event.tid);
        self.ignored.remove(&event.tid);
        self.last_calls.remove(&event.tid);
    }
}
