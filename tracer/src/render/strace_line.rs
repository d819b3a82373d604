//! Events as lines of strace 6.1, the moment they come.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use crate::event::{
    Body, Event, Exec, Exit, Fork, Losses, RunEnd, RunStart, Signal, StopReason, SyscallEnter,
    SyscallExit,
};
use crate::sink::{Sink, SinkError};
use crate::syscall::filter::SyscallSet;
use crate::syscall::machine::Machine;
use crate::syscall::print::{Decoder, exit_text, siginfo_text};

/// What goes on with an interrupted call.
const RESTART_SYSCALL: &str = "restart_syscall";

/// What the lines look like.
#[derive(Clone, Debug)]
pub struct LineOptions {
    /// `-s`: bytes of a string and elements of an array to show.
    pub string_limit: usize,
    /// `-a`: column of the result.
    pub column: usize,
    /// `-t`, `-tt`, `-ttt`.
    pub timestamps: Timestamps,
    /// `-r`: time since the line before.
    pub relative: bool,
    /// `-T`: duration of each call.
    pub durations: bool,
    /// Who made the call.
    pub prefix: Prefix,
    /// Children are followed: they count for the prefix from their birth.
    pub follow: bool,
    /// Goroutine id in the prefix.
    pub goroutines: bool,
    /// A line for each new process and thread.
    pub attach_messages: bool,
    /// Calls to show.
    pub calls: SyscallSet,
    /// `-z`, `-Z`: calls to show by result.
    pub outcome: Outcome,
    /// Calls to show by duration, in ns.
    pub min_time_ns: u64,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            string_limit: 32,
            column: 40,
            timestamps: Timestamps::None,
            relative: false,
            durations: false,
            prefix: Prefix::WhenSeveral,
            follow: false,
            goroutines: false,
            attach_messages: false,
            calls: SyscallSet::ALL,
            outcome: Outcome::All,
            min_time_ns: 0,
        }
    }
}

/// Time of day in front of each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    #[default]
    None,
    /// `12:34:56`, local time.
    Seconds,
    /// `12:34:56.123456`, local time.
    Microseconds,
    /// `1700000000.123456`, since 1970 UTC.
    Epoch,
}

/// Thread id in front of each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    Never,
    /// `[pid 123] ` while more than one thread is traced: strace on a terminal.
    #[default]
    WhenSeveral,
    /// `123 ` always: strace with `-f -o FILE`.
    Bare,
}

/// Which results are shown. Other than `All`, lines are printed when calls end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    #[default]
    All,
    Successful,
    Failed,
}

/// Prints events as strace would.
///
/// A call is printed in two steps, so that one that blocks can be seen. When something else must be
/// printed in between, the line ends in `<unfinished ...>` and goes on as `<... NAME resumed>`.
#[derive(Debug)]
pub struct StraceLines<W> {
    options: LineOptions,
    out: W,
    name: String,
    decoder: Decoder,
    /// Calls that have not returned, by thread.
    pending: HashMap<u32, Pending>,
    /// Threads alive, as far as seen.
    threads: HashSet<u32>,
    /// Thread whose call stands at the end of the output, without a newline.
    open: Option<u32>,
    /// Characters in the line so far.
    width: usize,
    previous_ns: Option<u64>,
    /// Call that a signal interrupted and `restart_syscall` will go on with, by thread.
    interrupted: HashMap<u32, u32>,
    /// Signals that are dropped, by the thread that is in a call.
    ignored: HashMap<u32, Vec<Event>>,
    start: RunStart,
}

#[derive(Debug)]
struct Pending {
    enter: SyscallEnter,
    time_ns: u64,
}

impl<W: Write> StraceLines<W> {
    /// Writes to `out`, which should be buffered; errors call it `name`.
    pub fn new(options: LineOptions, out: W, name: &str) -> Self {
        Self {
            decoder: Decoder::new(options.string_limit),
            options,
            out,
            name: name.to_owned(),
            pending: HashMap::new(),
            threads: HashSet::new(),
            open: None,
            width: 0,
            previous_ns: None,
            interrupted: HashMap::new(),
            ignored: HashMap::new(),
            start: RunStart::default(),
        }
    }

    /// Arguments printed as addresses because their memory could not be read.
    pub fn faults(&self) -> u64 {
        self.decoder.faults()
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        if !self.options.calls.contains(enter.nr) {
            return Ok(());
        }
        let never_returns = self.decoder.never_returns(enter);
        if never_returns || !self.whole_lines() {
            self.lead(event)?;
            let text = self.begin(event.tid, enter);
            self.write(&text)?;
            self.open = Some(event.tid);
        }
        if never_returns {
            return self.result("?", None);
        }
        self.pending.insert(
            event.tid,
            Pending {
                enter: enter.clone(),
                time_ns: event.time_ns,
            },
        );
        Ok(())
    }

    fn exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        if !self.options.calls.contains(exit.nr) {
            return Ok(());
        }
        let pending = self
            .pending
            .remove(&event.tid)
            .filter(|p| p.enter.nr == exit.nr);
        let took = pending
            .as_ref()
            .map(|p| event.time_ns.saturating_sub(p.time_ns));
        let enter = pending.as_ref().map(|p| &p.enter);
        if self.whole_lines() {
            if !self.wanted(exit, took) {
                return Ok(());
            }
            let began = pending.as_ref().map_or(event.time_ns, |p| p.time_ns);
            self.lead_at(event, began)?;
            match enter {
                Some(enter) => {
                    let text = self.begin(event.tid, enter);
                    self.write(&text)?;
                }
                None => self.resumed(exit.nr, exit.compat)?,
            }
        } else if self.open != Some(event.tid) || enter.is_none() {
            self.lead(event)?;
            self.resumed(exit.nr, exit.compat)?;
        }
        self.note_interruption(event.tid, exit);
        let rest = self.decoder.rest(enter, exit);
        self.write(&rest)?;
        let result = self.decoder.result(enter, exit);
        self.result(&result, took)
    }

    /// The text at entry. `restart_syscall` has no arguments: it names what it goes on with.
    fn begin(&mut self, tid: u32, enter: &SyscallEnter) -> String {
        let mut text = self.decoder.begin(enter);
        if self.decoder.name(enter.nr, enter.compat) == RESTART_SYSCALL {
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
            if self.decoder.name(exit.nr, exit.compat) != RESTART_SYSCALL {
                self.interrupted.insert(tid, exit.nr);
            }
        } else {
            self.interrupted.remove(&tid);
        }
    }

    /// Whether lines wait for the end of their call.
    fn whole_lines(&self) -> bool {
        self.options.outcome != Outcome::All || self.options.min_time_ns > 0
    }

    fn wanted(&self, exit: &SyscallExit, took: Option<u64>) -> bool {
        let failed = (-4095..0).contains(&exit.ret);
        let outcome = match self.options.outcome {
            Outcome::All => true,
            Outcome::Successful => !failed,
            Outcome::Failed => failed,
        };
        outcome && took.unwrap_or(0) >= self.options.min_time_ns
    }

    fn resumed(&mut self, nr: u32, compat: bool) -> Result<(), SinkError> {
        let name = self.decoder.name(nr, compat);
        self.write(&format!("<... {name} resumed>"))
    }

    /// `) = RESULT <TIME>` at its column, and the end of the line.
    fn result(&mut self, result: &str, took: Option<u64>) -> Result<(), SinkError> {
        self.write(") ")?;
        let padding = self.options.column.saturating_sub(self.width);
        self.write(&format!("{:padding$}= {result}", ""))?;
        if let (true, Some(ns)) = (self.options.durations, took) {
            self.write(&format!(
                " <{}.{:06}>",
                ns / 1_000_000_000,
                ns / 1000 % 1_000_000
            ))?;
        }
        self.end_line()
    }

    /// SIGKILL has no line in strace either. The kernel shows it to us because it carries out
    /// every fatal signal, and the end of a process of several threads, as SIGKILL
    /// (`complete_signal` and `zap_other_threads`, kernel/signal.c).
    fn signal(&mut self, event: &Event, signal: &Signal) -> Result<(), SinkError> {
        if signal.signo == libc::SIGKILL.cast_unsigned() {
            return Ok(());
        }
        if signal.ignored && self.pending.contains_key(&event.tid) {
            let held = self.ignored.entry(event.tid).or_default();
            held.push(event.clone());
            return Ok(());
        }
        let text = siginfo_text(signal.signo, signal.info.as_deref());
        self.lead(event)?;
        self.write(&format!("--- {text} ---"))?;
        self.end_line()?;
        if signal.signo != libc::SIGSTOP.cast_unsigned() || signal.ignored {
            return Ok(());
        }
        // No program can have another way with it.
        self.lead(event)?;
        self.write("--- stopped by SIGSTOP ---")?;
        self.end_line()
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
        self.threads.insert(fork.child_tid);
        if !self.options.attach_messages {
            return Ok(());
        }
        self.interrupt()?;
        self.write(&format!("strace: Process {} attached", fork.child_tid))?;
        self.end_line()
    }

    /// A thread that is not the leader takes the leader's id when it executes a program.
    fn exec(&mut self, event: &Event, exec: &Exec) -> Result<(), SinkError> {
        if exec.old_tid == event.tid {
            return Ok(());
        }
        self.abandon(event)?;
        self.lead(event)?;
        self.write(&format!(
            "+++ superseded by execve in pid {} +++",
            exec.old_tid
        ))?;
        self.end_line()?;
        self.threads.remove(&exec.old_tid);
        if let Some(call) = self.pending.remove(&exec.old_tid) {
            self.pending.insert(event.tid, call);
        }
        Ok(())
    }

    fn thread_exit(&mut self, event: &Event, exit: &Exit) -> Result<(), SinkError> {
        self.abandon(event)?;
        self.lead(event)?;
        self.write(&format!("+++ {} +++", exit_text(exit.status)))?;
        self.end_line()?;
        self.threads.remove(&event.tid);
        self.interrupted.remove(&event.tid);
        self.ignored.remove(&event.tid);
        Ok(())
    }

    /// Ends a call of which the end will not come: `= ?`.
    fn abandon(&mut self, event: &Event) -> Result<(), SinkError> {
        let Some(call) = self.pending.remove(&event.tid) else {
            return Ok(());
        };
        if self.whole_lines() {
            return Ok(());
        }
        if self.open != Some(event.tid) {
            self.lead(event)?;
            self.resumed(call.enter.nr, call.enter.compat)?;
        }
        if !self.decoder.complete_at_entry(&call.enter) {
            self.write(" <unfinished ...>")?;
        }
        self.result("?", None)
    }

    fn losses(&mut self, losses: &Losses) -> Result<(), SinkError> {
        let lost: u64 = losses
            .probes
            .iter()
            .map(|p| p.ring_full)
            .fold(losses.undecodable, u64::saturating_add);
        if lost == 0 {
            return Ok(());
        }
        self.interrupt()?;
        self.write(&format!("<lost {lost} events>"))?;
        self.end_line()
    }

    fn run_end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        if self.open.is_some() {
            let attached = self.start.command.is_empty();
            let text = match end.reason {
                StopReason::TargetExited => " <unfinished ...>",
                _ if attached => " <detached ...>",
                _ => " <unfinished ...>",
            };
            self.write(text)?;
            self.end_line()?;
        }
        self.out.flush().map_err(|e| self.failed(e))
    }

    /// Ends the open line, if any, to make room for another.
    fn interrupt(&mut self) -> Result<(), SinkError> {
        if self.open.is_some() {
            self.write(" <unfinished ...>")?;
            self.end_line()?;
        }
        Ok(())
    }

    fn lead(&mut self, event: &Event) -> Result<(), SinkError> {
        self.lead_at(event, event.time_ns)
    }

    /// Begins a line: who and when.
    fn lead_at(&mut self, event: &Event, time_ns: u64) -> Result<(), SinkError> {
        self.interrupt()?;
        let who = self.who(event);
        let when = self.when(time_ns);
        self.write(&who)?;
        self.write(&when)
    }

    fn who(&self, event: &Event) -> String {
        let goid = event.goid.filter(|_| self.options.goroutines);
        let several = self.threads.len() > 1;
        match (self.options.prefix, goid) {
            (Prefix::WhenSeveral, Some(goid)) if several => {
                format!("[pid {:>5} g {goid}] ", event.tid)
            }
            (Prefix::WhenSeveral, None) if several => format!("[pid {:>5}] ", event.tid),
            (Prefix::Bare, Some(goid)) => format!("{:<5} [g {goid}] ", event.tid),
            (Prefix::Bare, None) => format!("{:<5} ", event.tid),
            (_, Some(goid)) => format!("[g {goid}] "),
            (_, None) => String::new(),
        }
    }

    fn when(&mut self, time_ns: u64) -> String {
        let mut text = String::new();
        if self.options.relative {
            let previous = self.previous_ns.replace(time_ns).unwrap_or(time_ns);
            let us = time_ns.saturating_sub(previous) / 1000;
            text = format!("{:>6}.{:06} ", us / 1_000_000, us % 1_000_000);
        }
        let utc_ns = i128::from(time_ns) + i128::from(self.start.wall_offset_ns);
        let us = utc_ns.div_euclid(1000);
        let fraction = us.rem_euclid(1_000_000);
        let seconds = us.div_euclid(1_000_000);
        let local = (seconds + i128::from(self.start.utc_offset_s)).rem_euclid(86400);
        let clock = || {
            format!(
                "{:02}:{:02}:{:02}",
                local / 3600,
                local / 60 % 60,
                local % 60
            )
        };
        text += &match self.options.timestamps {
            Timestamps::None => String::new(),
            Timestamps::Seconds => format!("{} ", clock()),
            Timestamps::Microseconds => format!("{}.{fraction:06} ", clock()),
            Timestamps::Epoch => format!("{seconds}.{fraction:06} "),
        };
        text
    }

    fn write(&mut self, text: &str) -> Result<(), SinkError> {
        self.width += text.len();
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|e| self.failed(e))
    }

    fn end_line(&mut self) -> Result<(), SinkError> {
        self.width = 0;
        self.open = None;
        let written = self.out.write_all(b"\n");
        written.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: std::io::Error) -> SinkError {
        SinkError::from_io(&self.name, error)
    }
}

impl<W: Write> Sink for StraceLines<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => {
                self.threads.extend(&start.pids);
                self.decoder.set_machine(Machine::named(&start.arch));
                self.start = (**start).clone();
            }
            Body::Threads(tids) => self.threads.extend(tids),
            Body::Losses(losses) => return self.losses(losses),
            Body::RunEnd(end) => return self.run_end(end),
            _ => {}
        }
        if event.tid != 0 && is_thread_event(&event.body) {
            self.threads.insert(event.tid);
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

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.flush().map_err(|e| self.failed(e))
    }
}

fn is_thread_event(body: &Body) -> bool {
    matches!(
        body,
        Body::SyscallEnter(_)
            | Body::SyscallExit(_)
            | Body::Signal(_)
            | Body::Fork(_)
            | Body::Exec(_)
            | Body::Exit(_)
    )
}

#[cfg(test)]
mod tests;
