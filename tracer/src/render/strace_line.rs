//! Events as lines of strace 6.1, the moment they come.

mod call_stack;
mod clock;
mod color;
mod dump;
mod notice;
mod options;
mod output;
mod slowest;

use std::collections::{HashMap, HashSet};
use std::io::Write;

use call_stack::CallStacks;
pub use clock::{Precision, TimeFormat, Timestamp};
use color::{Part, paint};
pub use notice::Notices;
pub use options::{LineOptions, Prefix};
pub use output::{Column, Outputs, SeparateFiles};
use slowest::Slowest;

use super::path_filter::is_about;
use crate::event::{
    Body, Event, Exec, Exit, Fork, Losses, RunEnd, RunStart, Signal, StopReason, SyscallEnter,
    SyscallExit,
};
use crate::sink::{Sink, SinkError};
use crate::syscall::machine::Machine;
use crate::syscall::print::{Decoder, exit_text, siginfo_text};
use crate::syscall::qualify::{Message, Status};
use crate::syscall::table;

/// What goes on with an interrupted call.
const RESTART_SYSCALL: &str = "restart_syscall";

/// Prints events as strace would.
///
/// A call is printed in two steps, so that one that blocks can be seen. When something else must be
/// printed in between, the line ends in `<unfinished ...>` and goes on as `<... NAME resumed>`.
#[derive(Debug)]
pub struct StraceLines<W> {
    options: LineOptions,
    out: Outputs<W>,
    notices: Notices,
    decoder: Decoder,
    /// Calls that have not returned, by thread.
    pending: HashMap<u32, Pending>,
    /// Threads alive, as far as seen.
    threads: HashSet<u32>,
    /// Processes that are traced no more.
    detached: HashSet<u32>,
    slowest: Slowest,
    previous_ns: Option<u64>,
    /// Call that a signal interrupted and `restart_syscall` will go on with, by thread.
    interrupted: HashMap<u32, u32>,
    /// Signals that are dropped, by the thread that is in a call.
    ignored: HashMap<u32, Vec<Event>>,
    /// The last call of each thread, when numbers are shown.
    last_calls: HashMap<u32, u32>,
    stacks: CallStacks,
    /// Names of threads, when they are shown.
    comms: HashMap<u32, String>,
    /// Calls shown, when their number is limited.
    shown: u64,
    /// The launched command has not executed its program yet.
    awaits_program: bool,
    start: RunStart,
}

#[derive(Debug)]
struct Pending {
    enter: SyscallEnter,
    time_ns: u64,
    /// How its line begins, when that waits for the end of the call.
    leader: String,
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
            decoder: Decoder::with_options(options.decode.clone()),
            slowest: Slowest::new(options.slowest),
            options,
            out,
            notices,
            pending: HashMap::new(),
            threads: HashSet::new(),
            detached: HashSet::new(),
            previous_ns: None,
            interrupted: HashMap::new(),
            ignored: HashMap::new(),
            last_calls: HashMap::new(),
            stacks: CallStacks::default(),
            comms: HashMap::new(),
            shown: 0,
            awaits_program: false,
            start: RunStart::default(),
        }
    }

    /// Arguments printed as addresses because their memory could not be read.
    pub fn faults(&self) -> u64 {
        self.decoder.faults()
    }

    /// Gives the writer back, unless there is one for each thread.
    pub fn into_inner(self) -> Option<W> {
        self.out.into_inner()
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        self.decoder.of_process(event.pid);
        if let Some(tables) = self.decoder.descriptors() {
            tables.enter(event.tid, enter);
        }
        if !self.options.calls.contains(enter.nr) || !self.is_about_paths(event.pid, enter) {
            return self.leave_on_execve(event, enter);
        }
        self.note_number(event.tid, enter.nr);
        let never_returns = self.decoder.never_returns(enter);
        let whole = self.options.whole_lines();
        if never_returns && !self.options.shows_endless_calls() {
            return Ok(());
        }
        let leader = self.leader(event, event.time_ns);
        if never_returns || !whole {
            self.begin_line(event.tid, &leader)?;
            let text = self.begin(event.tid, enter);
            self.out.write(event.tid, &text)?;
            self.out.set_open(event.tid);
        }
        if never_returns {
            return self.result(event.tid, "?", None);
        }
        let pending = Pending {
            enter: enter.clone(),
            time_ns: event.time_ns,
            leader,
        };
        self.pending.insert(event.tid, pending);
        self.leave_on_execve(event, enter)
    }

    /// With `-b execve`, a process that is about to run another program is let go.
    fn leave_on_execve(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        let is_execve = || table::by_name("execve") == Some(enter.nr);
        if !self.options.detach_on_execve || self.awaits_program || !is_execve() {
            return Ok(());
        }
        if self.out.open(event.tid) == Some(event.tid) {
            self.out.write(event.tid, " <detached ...>")?;
            self.out.end_line(event.tid)?;
        }
        self.pending.remove(&event.tid);
        self.threads.remove(&event.tid);
        self.detached.insert(event.pid);
        self.notice(Message::Attach, &format!("Process {} detached", event.tid))
    }

    fn exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        self.decoder.of_process(event.pid);
        let seen = self.pending.get(&event.tid).map(|p| p.enter.nr);
        if let (true, Some(enter)) = (seen != Some(exit.nr), exit.unseen_entry()) {
            self.enter(event, &enter)?;
        }
        let result = self.shown_exit(event, exit);
        if let Some(tables) = self.decoder.descriptors() {
            tables.exit(event.pid, event.tid, exit);
        }
        result
    }

    fn shown_exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        let pending = self
            .pending
            .remove(&event.tid)
            .filter(|p| p.enter.nr == exit.nr);
        let unseen = pending.is_none() && !self.options.paths.is_empty();
        if !self.options.calls.contains(exit.nr) || unseen {
            return Ok(());
        }
        let took = pending
            .as_ref()
            .map(|p| event.time_ns.saturating_sub(p.time_ns));
        self.note_interruption(event.tid, exit);
        if self.options.whole_lines() {
            if !self.wanted(exit, took) {
                return Ok(());
            }
            if self.options.slowest > 0 {
                self.out.stage(event.tid)?;
            }
            self.whole_line_begins(event, exit, pending.as_ref())?;
        } else if self.out.open(event.tid) != Some(event.tid) || pending.is_none() {
            self.lead(event)?;
            self.resumed(event.tid, exit.nr, exit.compat)?;
        }
        let enter = pending.as_ref().map(|p| &p.enter);
        let rest = self.decoder.rest(enter, exit);
        self.out.write(event.tid, &rest)?;
        self.opened(event, exit);
        let result = self.decoder.result(enter, exit);
        self.result(event.tid, &result, took)?;
        if let Some(enter) = enter {
            self.dump(event.tid, enter, exit)?;
        }
        self.stack(event)?;
        if self.options.slowest > 0 {
            let lines = self.out.unstage(event.tid);
            self.slowest.insert(took.unwrap_or(0), event.tid, lines);
        }
        self.count_shown()
    }

    fn stack(&mut self, event: &Event) -> Result<(), SinkError> {
        if !self.options.stacks {
            return Ok(());
        }
        for line in self.stacks.lines(event.pid, event.tid) {
            self.out.write(event.tid, &line)?;
            self.out.end_line(event.tid)?;
        }
        Ok(())
    }

    /// Lets all targets go once as many calls as asked for are shown.
    fn count_shown(&mut self) -> Result<(), SinkError> {
        self.shown += 1;
        if self.shown != self.options.limit {
            return Ok(());
        }
        self.let_go(" <detached ...>", true)?;
        Err(SinkError::Closed)
    }

    /// A new descriptor is shown with what it refers to, so it must be known before the result.
    fn opened(&mut self, event: &Event, exit: &SyscallExit) {
        if let Some(tables) = self.decoder.descriptors() {
            tables.exit(event.pid, event.tid, exit);
        }
    }

    fn whole_line_begins(
        &mut self,
        event: &Event,
        exit: &SyscallExit,
        pending: Option<&Pending>,
    ) -> Result<(), SinkError> {
        let Some(pending) = pending else {
            self.lead(event)?;
            return self.resumed(event.tid, exit.nr, exit.compat);
        };
        self.begin_line(event.tid, &pending.leader)?;
        let text = self.begin(event.tid, &pending.enter);
        self.out.write(event.tid, &text)
    }

    /// The text at entry. `restart_syscall` has no arguments: it names what it goes on with.
    fn begin(&mut self, tid: u32, enter: &SyscallEnter) -> String {
        let mut text = self.decoder.begin(enter);
        if let (true, Some((name, arguments))) = (self.options.color, text.split_once('(')) {
            text = format!("{}({arguments}", paint(true, Part::Name, name));
        }
        if self.is_restart(enter.nr, enter.compat) {
            let name = match self.interrupted.get(&tid) {
                Some(&nr) => self.decoder.name(nr, false),
                None => "system call".to_owned(),
            };
            text += &format!("<... resuming interrupted {name} ...>");
        }
        text
    }

    /// Remembers what `restart_syscall` would go on with.
    fn note_interruption(&mut self, tid: u32, exit: &SyscallExit) {
        const ERESTART_RESTARTBLOCK: i64 = 516;
        if exit.ret == -ERESTART_RESTARTBLOCK {
            if !self.is_restart(exit.nr, exit.compat) {
                self.interrupted.insert(tid, exit.nr);
            }
        } else if !self.options.whole_lines() || !self.is_restart(exit.nr, exit.compat) {
            self.interrupted.remove(&tid);
        }
    }

    fn is_restart(&self, nr: u32, compat: bool) -> bool {
        self.decoder.name(nr, compat) == RESTART_SYSCALL
    }

    fn note_number(&mut self, tid: u32, nr: u32) {
        if self.options.numbers {
            self.last_calls.insert(tid, nr);
        }
    }

    /// Whether a call has a path of `-P`, or a descriptor that refers to one, as an argument.
    fn is_about_paths(&mut self, pid: u32, enter: &SyscallEnter) -> bool {
        is_about(&self.options.paths, self.decoder.descriptors(), pid, enter)
    }

    fn wanted(&self, exit: &SyscallExit, took: Option<u64>) -> bool {
        let status = match exit.ret {
            -4095..0 => Status::Failed,
            _ => Status::Successful,
        };
        let took = took.unwrap_or(0);
        self.options.statuses.contains(status)
            && took >= self.options.min_time_ns
            && (self.options.slowest == 0 || self.slowest.takes(took))
    }

    fn resumed(&mut self, tid: u32, nr: u32, compat: bool) -> Result<(), SinkError> {
        let name = self.decoder.name(nr, compat);
        self.out.write(tid, &format!("<... {name} resumed>"))
    }

    /// `) = RESULT <TIME>` at its column, and the end of the line.
    fn result(&mut self, tid: u32, result: &str, took: Option<u64>) -> Result<(), SinkError> {
        self.out.write(tid, ") ")?;
        let padding = self.options.column.saturating_sub(self.out.width(tid));
        let failed = result.starts_with("-1 ") || result.starts_with("? ");
        let result = paint(self.options.color && failed, Part::Error, result);
        self.out.write(tid, &format!("{:padding$}= {result}", ""))?;
        if let (Some(precision), Some(ns)) = (self.options.durations, took) {
            let mut text = " <".to_owned();
            precision.push(&mut text, ns, 0);
            self.out.write(tid, &(text + ">"))?;
        }
        self.out.end_line(tid)
    }

    /// The data of a call, when its descriptor is one of those asked for.
    fn dump(
        &mut self,
        tid: u32,
        enter: &SyscallEnter,
        exit: &SyscallExit,
    ) -> Result<(), SinkError> {
        if self.options.dump_input.is_empty() && self.options.dump_output.is_empty() {
            return Ok(());
        }
        let Some(data) = dump::data(enter, exit) else {
            return Ok(());
        };
        let wanted = match data.input {
            true => &self.options.dump_input,
            false => &self.options.dump_output,
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

    /// SIGKILL has no line in strace either. The kernel shows it to us because it carries out
    /// every fatal signal, and the end of a process of several threads, as SIGKILL
    /// (`complete_signal` and `zap_other_threads`, kernel/signal.c).
    fn signal(&mut self, event: &Event, signal: &Signal) -> Result<(), SinkError> {
        let sigkill = libc::SIGKILL.cast_unsigned();
        if signal.signo == sigkill || !self.options.signals.contains(signal.signo) {
            return Ok(());
        }
        if signal.ignored && self.pending.contains_key(&event.tid) {
            let held = self.ignored.entry(event.tid).or_default();
            held.push(event.clone());
            return Ok(());
        }
        let text = siginfo_text(signal.signo, signal.info.as_deref());
        self.painted(event, Part::Signal, &format!("--- {text} ---"))?;
        if signal.signo != libc::SIGSTOP.cast_unsigned() || signal.ignored {
            return Ok(());
        }
        // No program can have another way with it.
        self.painted(event, Part::Signal, "--- stopped by SIGSTOP ---")
    }

    /// A line in the colour of its kind.
    fn painted(&mut self, event: &Event, part: Part, text: &str) -> Result<(), SinkError> {
        self.line(event, &paint(self.options.color, part, text))
    }

    /// Signals that came while the thread was in a call, and did not interrupt it: strace stops
    /// the thread for them after the call.
    fn ignored_signals(&mut self, tid: u32) -> Result<(), SinkError> {
        for event in self.ignored.remove(&tid).unwrap_or_default() {
            if let Body::Signal(signal) = &event.body {
                self.signal(&event, signal)?;
            }
        }
        Ok(())
    }

    fn fork(&mut self, fork: &Fork, pid: u32) -> Result<(), SinkError> {
        if !self.options.follow && fork.child_pid != pid {
            return Ok(());
        }
        if let Some(tables) = self.decoder.descriptors() {
            tables.fork(pid, fork);
        }
        self.threads.insert(fork.child_tid);
        self.notice(
            Message::Attach,
            &format!("Process {} attached", fork.child_tid),
        )
    }

    /// A thread that is not the leader takes the leader's id when it executes a program.
    fn exec(&mut self, event: &Event, exec: &Exec) -> Result<(), SinkError> {
        self.awaits_program = false;
        if let Some(tables) = self.decoder.descriptors() {
            tables.exec(event.pid, exec);
        }
        self.stacks.replace(event.pid);
        if exec.old_tid == event.tid {
            return Ok(());
        }
        self.abandon(event)?;
        if !self.options.quiet.contains(Message::ThreadExecve) {
            let text = format!("+++ superseded by execve in pid {} +++", exec.old_tid);
            self.line(event, &text)?;
        }
        self.threads.remove(&exec.old_tid);
        if let Some(call) = self.pending.remove(&exec.old_tid) {
            self.pending.insert(event.tid, call);
        }
        self.out.close(exec.old_tid)
    }

    fn thread_exit(&mut self, event: &Event, exit: &Exit) -> Result<(), SinkError> {
        self.abandon(event)?;
        if self.tells_end(exit.status) {
            // strace has no registers of a thread that ended.
            self.stacks.gone(event.pid, event.tid, false);
            let text = format!("+++ {} +++", exit_text(exit.status));
            self.painted(event, Part::End, &text)?;
        }
        self.stacks.gone(event.pid, event.tid, exit.last_thread);
        self.comms.remove(&event.tid);
        self.threads.remove(&event.tid);
        self.interrupted.remove(&event.tid);
        self.ignored.remove(&event.tid);
        self.last_calls.remove(&event.tid);
        if let (true, Some(tables)) = (exit.last_thread, self.decoder.descriptors()) {
            tables.gone(event.pid);
        }
        self.out.close(event.tid)
    }

    /// Whether an end has a line: by the signals chosen, or the messages.
    const fn tells_end(&self, status: u32) -> bool {
        match status & 0x7f {
            0 => !self.options.quiet.contains(Message::Exit),
            signal => self.options.signals.contains(signal),
        }
    }

    /// Ends a call of which the end will not come: `= ?`.
    fn abandon(&mut self, event: &Event) -> Result<(), SinkError> {
        let Some(call) = self.pending.remove(&event.tid) else {
            return Ok(());
        };
        let tid = event.tid;
        if self.options.whole_lines() {
            if !self.options.shows_endless_calls() {
                return Ok(());
            }
            self.begin_line(tid, &call.leader)?;
            let text = self.begin(tid, &call.enter);
            self.out.write(tid, &text)?;
        } else if self.out.open(tid) != Some(tid) {
            self.lead(event)?;
            self.resumed(tid, call.enter.nr, call.enter.compat)?;
        }
        if !self.decoder.complete_at_entry(&call.enter) {
            self.out.write(tid, " <unfinished ...>")?;
        }
        self.result(tid, "?", None)
    }

    fn losses(&mut self, tid: u32, losses: &Losses) -> Result<(), SinkError> {
        let lost: u64 = losses
            .probes
            .iter()
            .map(|p| p.ring_full)
            .fold(losses.undecodable, u64::saturating_add);
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
        let attached = self.start.command.is_empty();
        let detaches = attached && end.reason != StopReason::TargetExited;
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
        if self.options.whole_lines() && self.options.statuses.contains(Status::Detached) {
            self.unfinished_calls(text)?;
        }
        for (tid, line) in self.slowest.take() {
            self.out.write(tid, &line)?;
        }
        self.out.flush()?;
        let mut threads: Vec<u32> = self.threads.iter().copied().filter(|_| detaches).collect();
        threads.sort_unstable();
        for tid in threads {
            self.notice(Message::Attach, &format!("Process {tid} detached"))?;
        }
        Ok(())
    }

    /// Calls that waited for their end, of which there is none in this trace.
    fn unfinished_calls(&mut self, end: &str) -> Result<(), SinkError> {
        if self.options.slowest > 0 || self.options.min_time_ns > 0 {
            return Ok(());
        }
        let mut calls: Vec<_> = self.pending.drain().collect();
        calls.sort_unstable_by_key(|(_, call)| call.time_ns);
        for (tid, call) in calls {
            self.begin_line(tid, &call.leader)?;
            let text = self.begin(tid, &call.enter);
            self.out.write(tid, &(text + end))?;
            self.out.end_line(tid)?;
        }
        Ok(())
    }

    /// What strace tells of its own doings, after the lines before it.
    fn notice(&mut self, kind: Message, text: &str) -> Result<(), SinkError> {
        if self.options.quiet.contains(kind) || self.notices.are_dropped() {
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
        if self.options.slowest > 0 {
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

    /// How a line begins: who, when, and which call.
    fn leader(&mut self, event: &Event, time_ns: u64) -> String {
        let mut leader = self.who(event);
        self.when(&mut leader, time_ns);
        if self.options.numbers {
            leader += &match self.last_calls.get(&event.tid) {
                Some(nr) => format!("[{nr:>4}] "),
                None => "[????] ".to_owned(),
            };
        }
        if self.options.instruction_pointer {
            leader += &match self.stacks.instruction_pointer(event.tid) {
                Some(address) => format!("[{address:016x}] "),
                None => "[????????????????] ".to_owned(),
            };
        }
        leader
    }

    fn who(&self, event: &Event) -> String {
        let goid = event.goid.filter(|_| self.options.goroutines);
        let bracket = match self.options.prefix {
            Prefix::WhenSeveral => self.threads.len() > 1,
            Prefix::Always => true,
            Prefix::Never | Prefix::Bare => false,
        };
        let bare = self.options.prefix == Prefix::Bare;
        let comm = self.comms.get(&event.tid);
        if let (true, Some(comm), None) = (bracket || bare, comm, goid) {
            return match bare {
                true => format!("{:<5}<{comm}> ", event.tid),
                false => format!("[pid {:>5}<{comm}>] ", event.tid),
            };
        }
        match goid {
            Some(goid) if bracket => format!("[pid {:>5} g {goid}] ", event.tid),
            None if bracket => format!("[pid {:>5}] ", event.tid),
            Some(goid) if bare => format!("{:<5} [g {goid}] ", event.tid),
            None if bare => format!("{:<5} ", event.tid),
            Some(goid) => format!("[g {goid}] "),
            None => String::new(),
        }
    }

    fn when(&mut self, text: &mut String, time_ns: u64) {
        if let Some(timestamp) = self.options.timestamp {
            let utc_ns = i128::from(time_ns) + i128::from(self.start.wall_offset_ns);
            timestamp.push(text, utc_ns, self.start.utc_offset_s);
            text.push(' ');
        }
        if let Some(precision) = self.options.relative {
            let previous = self.previous_ns.replace(time_ns).unwrap_or(time_ns);
            let between = self.options.timestamp.is_some();
            text.push_str(if between { "(+" } else { "" });
            precision.push(text, time_ns.saturating_sub(previous), 6);
            text.push_str(if between { ") " } else { " " });
        }
    }

    fn run_start(&mut self, start: &RunStart) {
        self.threads.extend(&start.pids);
        self.decoder.set_machine(Machine::named(&start.arch));
        self.awaits_program = !start.command.is_empty();
        self.start = start.clone();
        if let Some(tables) = self.decoder.descriptors() {
            start.pids.iter().for_each(|&pid| tables.attach(pid));
        }
    }

    fn attached(&mut self, pid: u32, tids: &[u32]) -> Result<(), SinkError> {
        self.threads.extend(tids);
        let text = match tids.len() {
            0 | 1 => format!("Process {pid} attached"),
            n => format!("Process {pid} attached with {n} threads"),
        };
        self.notice(Message::Attach, &text)
    }

    /// Learns the name of a thread, which its process and a new program change.
    fn note_comm(&mut self, event: &Event) {
        if !self.options.comms {
            return;
        }
        if let Body::Exec(exec) = &event.body {
            self.comms.insert(event.tid, exec.comm.clone());
        }
        if let Body::Fork(fork) = &event.body {
            self.comms.insert(fork.child_tid, fork.comm.clone());
        }
        self.comms.entry(event.tid).or_insert_with(|| {
            let file = format!("/proc/{}/task/{}/comm", event.pid, event.tid);
            let comm = std::fs::read_to_string(file).unwrap_or_default();
            comm.trim_end().to_owned()
        });
    }

    fn thread_event(&mut self, event: &Event) -> Result<(), SinkError> {
        if self.detached.contains(&event.pid) {
            return Ok(());
        }
        if event.tid != 0 {
            self.threads.insert(event.tid);
            self.note_comm(event);
        }
        match &event.body {
            Body::SyscallEnter(enter) => self.enter(event, enter),
            Body::SyscallExit(exit) => {
                self.exit(event, exit)?;
                self.ignored_signals(event.tid)
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
                self.run_start(start);
                Ok(())
            }
            Body::Threads(tids) => self.attached(event.pid, tids),
            Body::Losses(losses) => self.losses(event.tid, losses),
            Body::RunEnd(end) => self.run_end(end),
            Body::Symbols(symbols) => {
                self.stacks.name(event.pid, symbols);
                Ok(())
            }
            Body::Sample(sample) => {
                self.stacks.note(event.tid, sample);
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

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
