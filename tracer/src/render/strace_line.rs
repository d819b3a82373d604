//! Events as lines of strace 6.1, the moment they come.

mod clock;
mod color;
mod dump;
mod leader;
mod notice;
mod options;
mod output;
mod skip;

use std::io::Write;

pub use clock::{Precision, TimeFormat, Timestamp};
use color::{Part, paint};
use foldhash::HashMap;
pub use notice::Notices;
pub use options::{LineOptions, Prefix};
pub use output::{Column, Outputs, SeparateFiles};

use super::strace_calls::{Begun, Calls, Entry, lost_events};
use crate::event::{
    Body, Event, Exec, Exit, Fork, Losses, RunEnd, Signal, SyscallEnter, SyscallExit,
};
use crate::sink::{Sink, SinkError};
use crate::syscall::print::exit_text;
use crate::syscall::qualify::Message;

/// Prints events as strace would.
///
/// A call is printed in two steps, so that one that blocks can be seen. When something else must be
/// printed in between, the line ends in `<unfinished ...>` and goes on as `<... NAME resumed>`.
#[derive(Debug)]
pub struct StraceLines<W> {
    /// Each call is kept with how its line begins, when that waits for the end of the call.
    calls: Calls<String>,
    out: Outputs<W>,
    notices: Notices,
    previous_ns: Option<u64>,
    /// The last call of each thread, when numbers are shown.
    last_calls: HashMap<u32, u32>,
}

impl<W: Write> StraceLines<W> {
    /// Writes to `out`, which should be buffered; errors call it `name`. Notices are dropped.
    pub fn new(options: LineOptions, out: W, name: &str) -> Self {
        let column = Column::new(out, name.to_owned());
        Self::with_outputs(options, Outputs::One(column), Notices::none())
    }

    /// Writes lines to `out`, and what strace tells of its own doings to `notices`.
    pub fn with_outputs(options: LineOptions, out: Outputs<W>, notices: Notices) -> Self {
        Self {
            calls: Calls::new(options),
            out,
            notices,
            previous_ns: None,
            last_calls: HashMap::default(),
        }
    }

    /// Arguments printed as addresses because their memory could not be read.
    pub fn faults(&self) -> u64 {
        self.calls.decoder.faults()
    }

    /// Gives the writer back, unless there is one for each thread.
    pub fn into_inner(self) -> Option<W> {
        self.out.into_inner()
    }

    const fn options(&self) -> &LineOptions {
        &self.calls.options
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        let entry = self.calls.enter(event, enter);
        if entry == Entry::Hidden {
            return self.leave_on_execve(event, enter);
        }
        self.note_number(event.tid, enter.nr);
        let endless = entry == Entry::Endless;
        if endless && !self.options().shows_endless_calls() {
            return Ok(());
        }
        let leader = self.leader(event, event.time_ns);
        if endless || !self.options().whole_lines() {
            self.begin_line(event.tid, &leader)?;
            let text = self.begin(event.tid, enter);
            self.out.write(event.tid, &text)?;
            self.out.set_open(event.tid);
        }
        if endless {
            return self.result(event.tid, "?", None);
        }
        self.calls.begun(event, enter, leader);
        self.leave_on_execve(event, enter)
    }

    fn leave_on_execve(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        if !self.calls.leaves(enter) {
            return Ok(());
        }
        if self.out.open(event.tid) == Some(event.tid) {
            self.out.write(event.tid, " <detached ...>")?;
            self.out.end_line(event.tid)?;
        }
        self.calls.let_process_go(event);
        self.notice(Message::Attach, &format!("Process {} detached", event.tid))
    }

    fn exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        if let Some(enter) = self.calls.unseen_entry(event, exit) {
            self.enter(event, &enter)?;
        }
        let result = self.shown_exit(event, exit);
        self.calls.finish(event, exit);
        result
    }

    fn shown_exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        let Some(ended) = self.calls.exit(event, exit) else {
            return Ok(());
        };
        let begun = ended.begun.as_ref();
        let slowest = self.options().slowest > 0;
        if self.options().whole_lines() {
            if slowest {
                self.out.stage(event.tid)?;
            }
            self.whole_line_begins(event, exit, begun)?;
        } else if self.out.open(event.tid) != Some(event.tid) || begun.is_none() {
            self.lead(event)?;
            self.resumed(event.tid, exit.nr, exit.compat)?;
        }
        let enter = begun.map(|b| &b.enter);
        let rest = self.calls.decoder.rest(enter, exit);
        self.out.write(event.tid, &rest)?;
        self.calls.settle(event, exit);
        let result = self.calls.decoder.result(enter, exit);
        self.result(event.tid, &result, ended.took_ns)?;
        if let Some(enter) = enter {
            self.dump(event.tid, enter, exit)?;
        }
        self.stack(event)?;
        if slowest {
            let lines = self.out.unstage(event.tid);
            self.calls.keep_slow(ended.took_ns, event.tid, lines);
        }
        self.count_shown()
    }

    fn stack(&mut self, event: &Event) -> Result<(), SinkError> {
        if !self.options().stacks {
            return Ok(());
        }
        for line in self.calls.stacks.lines(event.pid, event.tid) {
            self.out.write(event.tid, &line)?;
            self.out.end_line(event.tid)?;
        }
        Ok(())
    }

    /// Lets all targets go once as many calls as asked for are shown.
    fn count_shown(&mut self) -> Result<(), SinkError> {
        if !self.calls.was_last() {
            return Ok(());
        }
        self.let_go(" <detached ...>", true)?;
        Err(SinkError::Closed)
    }

    fn whole_line_begins(
        &mut self,
        event: &Event,
        exit: &SyscallExit,
        begun: Option<&Begun<String>>,
    ) -> Result<(), SinkError> {
        let Some(begun) = begun else {
            self.lead(event)?;
            return self.resumed(event.tid, exit.nr, exit.compat);
        };
        self.begin_line(event.tid, &begun.note)?;
        let text = self.begin(event.tid, &begun.enter);
        self.out.write(event.tid, &text)
    }

    /// The text at entry. `restart_syscall` has no arguments: it names what it goes on with.
    fn begin(&mut self, tid: u32, enter: &SyscallEnter) -> String {
        let mut text = self.calls.decoder.begin(enter);
        if let (true, Some((name, arguments))) = (self.options().color, text.split_once('(')) {
            text = format!("{}({arguments}", paint(true, Part::Name, name));
        }
        if let Some(name) = self.calls.resumes(tid, enter) {
            text += &format!("<... resuming interrupted {name} ...>");
        }
        text
    }

    fn note_number(&mut self, tid: u32, nr: u32) {
        if self.options().numbers {
            self.last_calls.insert(tid, nr);
        }
    }

    fn resumed(&mut self, tid: u32, nr: u32, compat: bool) -> Result<(), SinkError> {
        let name = self.calls.decoder.name(nr, compat);
        self.out.write(tid, &format!("<... {name} resumed>"))
    }

    /// `) = RESULT <TIME>` at its column, and the end of the line.
    fn result(&mut self, tid: u32, result: &str, took: Option<u64>) -> Result<(), SinkError> {
        self.out.write(tid, ") ")?;
        let padding = self.options().column.saturating_sub(self.out.width(tid));
        let failed = result.starts_with("-1 ") || result.starts_with("? ");
        let result = paint(self.options().color && failed, Part::Error, result);
        self.pad(tid, padding)?;
        self.out.write(tid, "= ")?;
        self.out.write(tid, &result)?;
        if let (Some(precision), Some(ns)) = (self.options().durations, took) {
            let mut text = " <".to_owned();
            precision.push(&mut text, ns, 0);
            self.out.write(tid, &(text + ">"))?;
        }
        self.out.end_line(tid)
    }

    fn pad(&mut self, tid: u32, mut width: usize) -> Result<(), SinkError> {
        const SPACES: &str = "                                                                ";
        while width > 0 {
            let part = width.min(SPACES.len());
            self.out.write(tid, &SPACES[..part])?;
            width -= part;
        }
        Ok(())
    }

    /// The data of a call, when its descriptor is one of those asked for.
    fn dump(
        &mut self,
        tid: u32,
        enter: &SyscallEnter,
        exit: &SyscallExit,
    ) -> Result<(), SinkError> {
        if self.options().dump_input.is_empty() && self.options().dump_output.is_empty() {
            return Ok(());
        }
        let row = self.calls.decoder.row(enter.nr, enter.compat);
        let Some(data) = row.and_then(|row| dump::data(row, enter, exit)) else {
            return Ok(());
        };
        let wanted = match data.input {
            true => &self.options().dump_input,
            false => &self.options().dump_output,
        };
        if !wanted.contains(enter.args[0] as i32) {
            return Ok(());
        }
        for line in dump::dump(&data).lines() {
            self.out.write(tid, line)?;
            self.out.end_line(tid)?;
        }
        Ok(())
    }

    fn signal(&mut self, event: &Event, signal: &Signal) -> Result<(), SinkError> {
        if !self.calls.shows_signal(event, signal) {
            return Ok(());
        }
        let text = self
            .calls
            .decoder
            .signal(signal.signo, signal.info.as_deref());
        self.painted(event, Part::Signal, &format!("--- {text} ---"))?;
        if signal.signo != libc::SIGSTOP.cast_unsigned() || signal.ignored {
            return Ok(());
        }
        // No program can have another way with it.
        self.painted(event, Part::Signal, "--- stopped by SIGSTOP ---")
    }

    /// A line in the colour of its kind.
    fn painted(&mut self, event: &Event, part: Part, text: &str) -> Result<(), SinkError> {
        self.line(event, &paint(self.options().color, part, text))
    }

    fn held_signals(&mut self, tid: u32) -> Result<(), SinkError> {
        for event in self.calls.held_signals(tid) {
            if let Body::Signal(signal) = &event.body {
                self.signal(&event, signal)?;
            }
        }
        Ok(())
    }

    fn fork(&mut self, fork: &Fork, pid: u32) -> Result<(), SinkError> {
        if !self.calls.fork(pid, fork) {
            return Ok(());
        }
        let text = format!("Process {} attached", fork.child_tid);
        self.notice(Message::Attach, &text)
    }

    fn exec(&mut self, event: &Event, exec: &Exec) -> Result<(), SinkError> {
        if !self.calls.exec(event, exec) {
            return Ok(());
        }
        self.abandon(event)?;
        if !self.options().quiet.contains(Message::ThreadExecve) {
            let text = format!("+++ superseded by execve in pid {} +++", exec.old_tid);
            self.line(event, &text)?;
        }
        self.calls.take_over(exec.old_tid, event.tid);
        self.out.close(exec.old_tid)
    }

    fn thread_exit(&mut self, event: &Event, exit: &Exit) -> Result<(), SinkError> {
        self.abandon(event)?;
        if self.calls.tells_end(exit.status) {
            // strace has no registers of a thread that ended.
            self.calls.stacks.gone(event.pid, event.tid, false);
            let text = format!("+++ {} +++", exit_text(exit.status));
            self.painted(event, Part::End, &text)?;
        }
        self.forget_thread(event, exit);
        self.out.close(event.tid)
    }

    /// Ends a call of which the end will not come: `= ?`.
    fn abandon(&mut self, event: &Event) -> Result<(), SinkError> {
        let Some(call) = self.calls.abandoned(event.tid) else {
            return Ok(());
        };
        let tid = event.tid;
        if self.options().whole_lines() {
            if !self.options().shows_endless_calls() {
                return Ok(());
            }
            self.begin_line(tid, &call.note)?;
            let text = self.begin(tid, &call.enter);
            self.out.write(tid, &text)?;
        } else if self.out.open(tid) != Some(tid) {
            self.lead(event)?;
            self.resumed(tid, call.enter.nr, call.enter.compat)?;
        }
        if !self.calls.decoder.complete_at_entry(&call.enter) {
            self.out.write(tid, " <unfinished ...>")?;
        }
        self.result(tid, "?", None)
    }

    fn losses(&mut self, tid: u32, losses: &Losses) -> Result<(), SinkError> {
        let lost = lost_events(losses);
        if lost == 0 {
            return Ok(());
        }
        if self.out.is_separate() {
            self.notices.write(&format!("lost {lost} events"));
            return Ok(());
        }
        self.interrupt(tid)?;
        self.out.write(tid, &format!("<lost {lost} events>"))?;
        self.out.end_line(tid)
    }

    fn run_end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        let detaches = self.calls.detaches(end.reason);
        let text = match detaches {
            true => " <detached ...>",
            false => " <unfinished ...>",
        };
        self.let_go(text, detaches)
    }

    /// The end of all lines, and the notices of it.
    fn let_go(&mut self, text: &str, detaches: bool) -> Result<(), SinkError> {
        for tid in self.out.all_open() {
            self.out.write(tid, text)?;
            self.out.end_line(tid)?;
        }
        if self.options().whole_lines() && self.calls.shows_detached_calls() {
            self.unfinished_calls(text)?;
        }
        for (tid, line) in self.calls.slowest.take() {
            self.out.write(tid, &line)?;
        }
        self.out.flush()?;
        let mut threads: Vec<u32> = self
            .calls
            .threads
            .iter()
            .copied()
            .filter(|_| detaches)
            .collect();
        threads.sort_unstable();
        for tid in threads {
            self.notice(Message::Attach, &format!("Process {tid} detached"))?;
        }
        Ok(())
    }

    /// Calls that waited for their end, of which there is none in this trace.
    fn unfinished_calls(&mut self, end: &str) -> Result<(), SinkError> {
        for (tid, call) in self.calls.unfinished() {
            self.begin_line(tid, &call.note)?;
            let text = self.begin(tid, &call.enter);
            self.out.write(tid, &(text + end))?;
            self.out.end_line(tid)?;
        }
        Ok(())
    }

    /// What strace tells of its own doings, after the lines before it.
    fn notice(&mut self, kind: Message, text: &str) -> Result<(), SinkError> {
        if self.options().quiet.contains(kind) || self.notices.are_dropped() {
            return Ok(());
        }
        for tid in self.out.all_open() {
            self.interrupt(tid)?;
        }
        self.out.flush()?;
        self.notices.write(text);
        Ok(())
    }

    /// A line of its own.
    fn line(&mut self, event: &Event, text: &str) -> Result<(), SinkError> {
        if self.options().slowest > 0 {
            return Ok(());
        }
        self.lead(event)?;
        self.out.write(event.tid, text)?;
        self.out.end_line(event.tid)
    }

    /// Ends the open line that one of this thread would follow, if any, to make room for it.
    fn interrupt(&mut self, tid: u32) -> Result<(), SinkError> {
        if self.out.open(tid).is_some() {
            self.out.write(tid, " <unfinished ...>")?;
            self.out.end_line(tid)?;
        }
        Ok(())
    }

    fn lead(&mut self, event: &Event) -> Result<(), SinkError> {
        let leader = self.leader(event, event.time_ns);
        self.begin_line(event.tid, &leader)
    }

    fn begin_line(&mut self, tid: u32, leader: &str) -> Result<(), SinkError> {
        self.interrupt(tid)?;
        self.out.write(tid, leader)
    }

    fn attached(&mut self, pid: u32, tids: &[u32]) -> Result<(), SinkError> {
        self.calls.threads.extend(tids);
        let text = match tids.len() {
            0 | 1 => format!("Process {pid} attached"),
            n => format!("Process {pid} attached with {n} threads"),
        };
        self.notice(Message::Attach, &text)
    }

    fn thread_event(&mut self, event: &Event) -> Result<(), SinkError> {
        if !self.calls.admits(event) {
            return Ok(());
        }
        match &event.body {
            Body::SyscallEnter(enter) => self.enter(event, enter),
            Body::SyscallExit(exit) => {
                self.exit(event, exit)?;
                self.held_signals(event.tid)
            }
            Body::Signal(signal) => self.signal(event, signal),
            Body::Fork(fork) => self.fork(fork, event.pid),
            Body::Exec(exec) => self.exec(event, exec),
            Body::Exit(exit) => self.thread_exit(event, exit),
            _ => Ok(()),
        }
    }
}

impl<W: Write> Sink for StraceLines<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => {
                self.calls.run_start(start);
                Ok(())
            }
            Body::Threads(tids) => self.attached(event.pid, tids),
            Body::Losses(losses) => self.losses(event.tid, losses),
            Body::RunEnd(end) => self.run_end(end),
            Body::Symbols(symbols) => {
                self.calls.name(event.pid, symbols);
                Ok(())
            }
            Body::Sample(sample) => {
                self.calls.stacks.note(event.pid, event.tid, sample);
                Ok(())
            }
            Body::SyscallEnter(_)
            | Body::SyscallExit(_)
            | Body::Signal(_)
            | Body::Fork(_)
            | Body::Exec(_)
            | Body::Exit(_) => self.thread_event(event),
            _ => Ok(()),
        }
    }

    fn skip(&mut self, event: &Event) -> Result<(), SinkError> {
        self.skipped(event)
    }

    fn pause(&mut self) -> Result<(), SinkError> {
        for tid in self.out.all_open() {
            self.interrupt(tid)?;
        }
        self.out.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
