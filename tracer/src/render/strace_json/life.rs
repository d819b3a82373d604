//! What happens to threads besides their calls.

use std::io::Write;

use super::StraceJson;
use super::object::{self, Object, Who};
use super::value::{Value, parse};
use crate::event::{Body, Event, Exec, Exit, Fork, Signal};
use crate::sink::SinkError;
use crate::syscall::print::{exit_text, siginfo_text};
use crate::syscall::qualify::Message;
use crate::syscall::signal::push_signal;

impl<W: Write> StraceJson<W> {
    pub(super) fn signal(&mut self, event: &Event, signal: &Signal) -> Result<(), SinkError> {
        if !self.calls.shows_signal(event, signal) {
            return Ok(());
        }
        let plain = siginfo_text(signal.signo, signal.info.as_deref());
        let (name, info) = plain.split_once(' ').unwrap_or((&plain, "NULL"));
        let text = self
            .calls
            .decoder
            .signal(signal.signo, signal.info.as_deref());
        let object = object::Signal {
            when: self.when(event.time_ns),
            who: self.whose(event),
            signal: name,
            signo: signal.signo,
            ignored: signal.ignored,
            info: match parse(info).value {
                info @ Value::Object(_) => info,
                _ => Value::Null,
            },
            text: &text,
        };
        self.told(&Object::Signal(object))
    }

    pub(super) fn held_signals(&mut self, tid: u32) -> Result<(), SinkError> {
        for event in self.calls.held_signals(tid) {
            if let Body::Signal(signal) = &event.body {
                self.signal(&event, signal)?;
            }
        }
        Ok(())
    }

    pub(super) fn fork(&mut self, event: &Event, fork: &Fork) -> Result<(), SinkError> {
        if !self.calls.fork(event.pid, fork) || self.is_quiet(Message::Attach) {
            return Ok(());
        }
        let object = object::Fork {
            when: self.when(event.time_ns),
            who: self.whose(event),
            child_pid: fork.child_pid,
            child_tid: fork.child_tid,
            child_comm: &fork.comm,
        };
        self.told(&Object::Fork(object))
    }

    pub(super) fn exec(&mut self, event: &Event, exec: &Exec) -> Result<(), SinkError> {
        let takes_over = self.calls.exec(event, exec);
        if takes_over {
            self.abandon(event)?;
        }
        if !takes_over || !self.is_quiet(Message::ThreadExecve) {
            let object = object::Exec {
                when: self.when(event.time_ns),
                who: self.whose(event),
                program: &exec.comm,
                old_tid: exec.old_tid,
            };
            self.told(&Object::Exec(object))?;
        }
        if takes_over {
            self.calls.take_over(exec.old_tid, event.tid);
        }
        Ok(())
    }

    pub(super) fn thread_exit(&mut self, event: &Event, exit: &Exit) -> Result<(), SinkError> {
        self.abandon(event)?;
        if self.calls.tells_end(exit.status) {
            let signo = exit.status & 0x7f;
            let object = object::Exit {
                when: self.when(event.time_ns),
                who: Who {
                    comm: Some(exit.comm.clone()),
                    ..self.whose(event)
                },
                wait_status: exit.status,
                exit_code: (signo == 0).then_some(exit.status >> 8 & 0xff),
                signal: (signo != 0).then(|| {
                    let mut name = String::new();
                    push_signal(&mut name, signo);
                    name
                }),
                core_dumped: signo != 0 && exit.status & 0x80 != 0,
                last_thread: exit.last_thread,
                text: &exit_text(exit.status),
            };
            self.told(&Object::Exit(object))?;
        }
        self.calls.gone(event, exit);
        Ok(())
    }

    pub(super) const fn is_quiet(&self, message: Message) -> bool {
        self.calls.options.quiet.contains(message)
    }

    /// What is no call; of a run's slowest calls there is nothing else to tell.
    fn told(&mut self, object: &Object<'_>) -> Result<(), SinkError> {
        match self.calls.options.slowest {
            0 => self.out.event(object),
            _ => Ok(()),
        }
    }
}
