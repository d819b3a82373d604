//! Which calls of a stream are shown, and how the two halves of each find each other: what lines
//! and objects have in common.

mod call_stack;
mod go_frame;
mod slowest;

use foldhash::{HashMap, HashSet};

pub(super) use call_stack::{CallStacks, exported};
use go_frame::GoFrames;
use slowest::Slowest;

use super::path_filter::is_about;
use super::strace_line::LineOptions;
use crate::event::{
    Body, Event, Exec, Exit, Fork, Losses, RunStart, Signal, StopReason, Symbols, SyscallEnter,
    SyscallExit,
};
use crate::process::stores_descriptors;
use crate::syscall::machine::Machine;
use crate::syscall::print::{Decoder, ThreadNames};
use crate::syscall::qualify::{Message, Status};

/// What goes on with an interrupted call.
const RESTART_SYSCALL: &str = "restart_syscall";

/// Follows the threads of a stream and the calls they are in. Of each call that has not returned a
/// sink keeps a `T`.
#[derive(Debug)]
pub(super) struct Calls<T> {
    pub(super) options: LineOptions,
    pub(super) decoder: Decoder,
    pub(super) stacks: CallStacks,
    /// When goroutines are shown.
    pub(super) go_frames: GoFrames,
    pub(super) slowest: Slowest,
    pub(super) start: RunStart,
    /// Threads alive, as far as seen.
    pub(super) threads: HashSet<u32>,
    /// When they are shown.
    pub(super) comms: ThreadNames,
    /// Calls that have not returned, by thread.
    pending: HashMap<u32, Begun<T>>,
    /// Processes that are traced no more.
    detached: HashSet<u32>,
    /// Call that a signal interrupted and `restart_syscall` will go on with, by thread.
    interrupted: HashMap<u32, u32>,
    /// Signals that are dropped, by the thread that is in a call.
    ignored: HashMap<u32, Vec<Event>>,
    /// Calls shown.
    shown: u64,
    /// The launched command has not executed its program yet.
    awaits_program: bool,
}

/// A call that has not returned.
#[derive(Clone, Debug)]
pub(super) struct Begun<T> {
    pub(super) enter: SyscallEnter,
    pub(super) time_ns: u64,
    /// What the sink keeps of it.
    pub(super) note: T,
}

/// What becomes of the entry of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is not shown.
    Hidden,
    /// The call has no end. Whether such calls are shown, the options say.
    Endless,
    /// To be handed to [`Calls::begun`].
    Begins,
}

/// A call that returned and is to be shown.
#[derive(Debug)]
pub(super) struct Ended<T> {
    /// Unless its entry was not seen.
    pub(super) begun: Option<Begun<T>>,
    pub(super) took_ns: Option<u64>,
}

impl<T> Calls<T> {
    pub(super) fn new(options: LineOptions) -> Self {
        let decoder = Decoder::with_options(options.decode.clone());
        Self {
            comms: decoder.thread_names(),
            decoder,
            slowest: Slowest::new(options.slowest),
            options,
            stacks: CallStacks::default(),
            go_frames: GoFrames::default(),
            start: RunStart::default(),
            threads: HashSet::default(),
            pending: HashMap::default(),
            detached: HashSet::default(),
            interrupted: HashMap::default(),
            ignored: HashMap::default(),
            shown: 0,
            awaits_program: false,
        }
    }

    pub(super) fn run_start(&mut self, start: &RunStart) {
        self.threads.extend(&start.pids);
        let machine = Machine::named(&start.arch);
        self.decoder.set_machine(machine);
        self.options.calls = self.options.calls.on(machine);
        self.awaits_program = !start.command.is_empty();
        self.start = start.clone();
        if let Some(tables) = self.decoder.descriptors() {
            start.pids.iter().for_each(|&pid| tables.attach(pid));
        }
    }

    /// Whether an event is of a thread that is still traced. Must come before all else about it.
    pub(super) fn admits(&mut self, event: &Event) -> bool {
        if self.detached.contains(&event.pid) {
            return false;
        }
        if event.tid != 0 {
            self.threads.insert(event.tid);
            self.note_comm(event);
        }
        true
    }

    /// Learns the name of a thread, which its process and a new program change.
    fn note_comm(&mut self, event: &Event) {
        if !self.options.comms {
            return;
        }
        if let Body::Exec(exec) = &event.body {
            self.comms.learn(event.tid, &exec.comm);
        }
        if let Body::Fork(fork) = &event.body {
            self.comms.learn(fork.child_tid, &fork.comm);
        }
        self.comms.look_up(event.pid, event.tid);
    }

    /// Names of addresses, before the first stack that has them.
    pub(super) fn name(&mut self, pid: u32, symbols: &Symbols) {
        self.stacks.name(pid, symbols);
        if self.options.goroutines {
            self.go_frames.name(pid, symbols);
        }
    }

    pub(super) fn enter(&mut self, event: &Event, enter: &SyscallEnter) -> Entry {
        self.decoder.of_process(event.pid);
        if let Some(tables) = self.decoder.descriptors() {
            tables.enter(event.tid, enter);
        }
        if !self.options.calls.contains(enter.nr) || !self.is_about_paths(event.pid, enter) {
            return Entry::Hidden;
        }
        if let (true, Some(stack)) = (self.options.goroutines, enter.stack()) {
            self.go_frames.note(event.pid, event.tid, stack);
        }
        match self.decoder.never_returns(enter) {
            true => Entry::Endless,
            false => Entry::Begins,
        }
    }

    /// Whether a call has a path of `-P`, or a descriptor that refers to one, as an argument.
    fn is_about_paths(&mut self, pid: u32, enter: &SyscallEnter) -> bool {
        is_about(&self.options.paths, self.decoder.descriptors(), pid, enter)
    }

    /// The entry of a call that is told only with its end: [`Self::enter`] must come first.
    pub(super) fn unseen_entry(&self, event: &Event, exit: &SyscallExit) -> Option<SyscallEnter> {
        let seen = self.pending.get(&event.tid).map(|begun| begun.enter.nr);
        exit.unseen_entry().filter(|_| seen != Some(exit.nr))
    }

    /// The thread is in this call from now on.
    pub(super) fn begun(&mut self, event: &Event, enter: &SyscallEnter, note: T) {
        let begun = Begun {
            enter: enter.clone(),
            time_ns: event.time_ns,
            note,
        };
        self.pending.insert(event.tid, begun);
    }

    /// Whether, with `-b execve`, the process is about to run another program and is let go.
    pub(super) fn leaves(&self, enter: &SyscallEnter) -> bool {
        let is_execve = || self.decoder.is_called(enter.nr, enter.compat, "execve");
        self.options.detach_on_execve && !self.awaits_program && is_execve()
    }

    /// Lets a process go; the answer is the call that the thread is in.
    pub(super) fn let_process_go(&mut self, event: &Event) -> Option<Begun<T>> {
        self.threads.remove(&event.tid);
        self.detached.insert(event.pid);
        self.pending.remove(&event.tid)
    }

    /// The end of a call, if it is to be shown. [`Self::finish`] must follow in any case.
    pub(super) fn exit(&mut self, event: &Event, exit: &SyscallExit) -> Option<Ended<T>> {
        self.decoder.of_process(event.pid);
        let begun = self.pending.remove(&event.tid);
        let begun = begun.filter(|b| b.enter.nr == exit.nr);
        let unseen = begun.is_none() && !self.options.paths.is_empty();
        if !self.options.calls.contains(exit.nr) || unseen {
            return None;
        }
        let took_ns = begun
            .as_ref()
            .map(|b| event.time_ns.saturating_sub(b.time_ns));
        self.note_interruption(event.tid, exit);
        if self.options.whole_lines() && !self.wanted(exit, took_ns) {
            return None;
        }
        let row = self.decoder.row(exit.nr, exit.compat);
        if row.is_some_and(stores_descriptors) {
            self.settle(event, exit);
        }
        Some(Ended { begun, took_ns })
    }

    /// What a call that returned did to descriptors. Its arguments are decoded before, and its
    /// result after: a new descriptor is shown with what it refers to.
    pub(super) fn settle(&mut self, event: &Event, exit: &SyscallExit) {
        if let Some(tables) = self.decoder.descriptors() {
            tables.exit(event.pid, event.tid, exit);
        }
    }

    /// All is told of a call that returned.
    pub(super) fn finish(&mut self, event: &Event, exit: &SyscallExit) {
        if self.options.slow_calls.is_some() {
            // Not each call comes with a stack: the next one must not be shown with this one's.
            self.stacks.forget(event.tid);
        }
        self.go_frames.returned(event.tid);
        self.settle(event, exit);
    }

    /// Keeps what is shown of a call until it is known which are the slowest.
    pub(super) fn keep_slow(&mut self, took_ns: Option<u64>, tid: u32, text: String) {
        self.slowest.insert(took_ns.unwrap_or(0), tid, text);
        if let Some(slow) = &self.options.slow_calls {
            slow.raise(self.slowest.least());
        }
    }

    fn wanted(&self, exit: &SyscallExit, took_ns: Option<u64>) -> bool {
        let status = match exit.ret {
            -4095..0 => Status::Failed,
            _ => Status::Successful,
        };
        let took = took_ns.unwrap_or(0);
        self.options.statuses.contains(status)
            && took >= self.options.min_time_ns
            && (self.options.slowest == 0 || self.slowest.takes(took))
    }

    /// Whether this was the last call to show, where their number is limited.
    pub(super) fn was_last(&mut self) -> bool {
        self.shown += 1;
        self.shown == self.options.limit
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
        self.decoder.is_called(nr, compat, RESTART_SYSCALL)
    }

    /// What a call goes on with if it is `restart_syscall`, which has no arguments to tell.
    pub(super) fn resumes(&self, tid: u32, enter: &SyscallEnter) -> Option<String> {
        if !self.is_restart(enter.nr, enter.compat) {
            return None;
        }
        Some(match self.interrupted.get(&tid) {
            Some(&nr) => self.decoder.name(nr, false),
            None => "system call".to_owned(),
        })
    }

    /// Whether a signal is shown now.
    ///
    /// SIGKILL is not in strace either. The kernel shows it to us because it carries out every
    /// fatal signal, and the end of a process of several threads, as SIGKILL (`complete_signal` and
    /// `zap_other_threads`, kernel/signal.c). A signal that is ignored and came while the thread was
    /// in a call is kept for [`Self::held_signals`].
    pub(super) fn shows_signal(&mut self, event: &Event, signal: &Signal) -> bool {
        let sigkill = libc::SIGKILL.cast_unsigned();
        if signal.signo == sigkill || !self.options.signals.contains(signal.signo) {
            return false;
        }
        if signal.ignored && self.pending.contains_key(&event.tid) {
            let held = self.ignored.entry(event.tid).or_default();
            held.push(event.clone());
            return false;
        }
        true
    }

    /// Signals that came while the thread was in a call, and did not interrupt it: strace stops the
    /// thread for them after the call.
    pub(super) fn held_signals(&mut self, tid: u32) -> Vec<Event> {
        match self.ignored.is_empty() {
            true => Vec::new(),
            false => self.ignored.remove(&tid).unwrap_or_default(),
        }
    }

    /// A task was made; the answer is whether it is traced.
    pub(super) fn fork(&mut self, pid: u32, fork: &Fork) -> bool {
        if !self.options.follow && fork.child_pid != pid {
            return false;
        }
        if let Some(tables) = self.decoder.descriptors() {
            tables.fork(pid, fork);
        }
        self.threads.insert(fork.child_tid);
        true
    }

    /// A process runs another program; the answer is whether a thread took its leader's id, which
    /// [`Self::take_over`] carries out.
    pub(super) fn exec(&mut self, event: &Event, exec: &Exec) -> bool {
        self.awaits_program = false;
        if let Some(tables) = self.decoder.descriptors() {
            tables.exec(event.pid, exec);
        }
        self.stacks.replace(event.pid);
        self.go_frames.replace(event.pid);
        exec.old_tid != event.tid
    }

    /// A thread that is not the leader takes the leader's id, and its call with it.
    pub(super) fn take_over(&mut self, old_tid: u32, tid: u32) {
        self.threads.remove(&old_tid);
        self.stacks.take_over(old_tid, tid);
        if let Some(call) = self.pending.remove(&old_tid) {
            self.pending.insert(tid, call);
        }
    }

    /// Learns from an event that is not shown what later ones depend on.
    pub(super) fn skipped(&mut self, event: &Event) {
        if event.tid != 0 {
            self.threads.insert(event.tid);
        }
        match &event.body {
            Body::SyscallEnter(_) => {
                self.pending.remove(&event.tid);
            }
            Body::SyscallExit(exit) => {
                self.go_frames.returned(event.tid);
                self.pending.remove(&event.tid);
                self.ignored.remove(&event.tid);
                self.note_interruption(event.tid, exit);
            }
            Body::Fork(fork) if self.options.follow || fork.child_pid == event.pid => {
                self.threads.insert(fork.child_tid);
            }
            Body::Exec(exec) => {
                self.awaits_program = false;
                self.stacks.replace(event.pid);
                self.go_frames.replace(event.pid);
                if exec.old_tid != event.tid {
                    self.pending.remove(&event.tid);
                    self.take_over(exec.old_tid, event.tid);
                }
            }
            _ => {}
        }
    }

    /// The call of which the end will not come.
    pub(super) fn abandoned(&mut self, tid: u32) -> Option<Begun<T>> {
        self.pending.remove(&tid)
    }

    /// Whether an end is told: by the signals chosen, or the messages.
    pub(super) const fn tells_end(&self, status: u32) -> bool {
        match status & 0x7f {
            0 => !self.options.quiet.contains(Message::Exit),
            signal => self.options.signals.contains(signal),
        }
    }

    /// Forgets a thread, after what there is to tell of its end.
    pub(super) fn gone(&mut self, event: &Event, exit: &Exit) {
        self.pending.remove(&event.tid);
        self.stacks.gone(event.pid, event.tid, exit.last_thread);
        self.go_frames.gone(event.pid, event.tid, exit.last_thread);
        self.comms.forget(event.tid);
        self.threads.remove(&event.tid);
        self.interrupted.remove(&event.tid);
        self.ignored.remove(&event.tid);
        if let (true, Some(tables)) = (exit.last_thread, self.decoder.descriptors()) {
            tables.gone(event.pid);
        }
    }

    /// Whether the targets go on when the run ends.
    pub(super) fn detaches(&self, reason: StopReason) -> bool {
        self.start.command.is_empty() && reason != StopReason::TargetExited
    }

    /// Whether calls that are open at the end are shown, where calls are chosen by their end.
    pub(super) const fn shows_detached_calls(&self) -> bool {
        self.options.statuses.contains(Status::Detached)
            && self.options.slowest == 0
            && self.options.min_time_ns == 0
    }

    /// Calls that have not returned when the trace ends, by thread, in the order of their begin.
    pub(super) fn unfinished(&mut self) -> Vec<(u32, Begun<T>)> {
        in_order(self.pending.drain().collect())
    }

    /// The same while the trace goes on.
    pub(super) fn under_way(&self) -> Vec<(u32, Begun<T>)>
    where
        T: Clone,
    {
        let calls = self.pending.iter().map(|(&tid, call)| (tid, call.clone()));
        in_order(calls.collect())
    }
}

fn in_order<T>(mut calls: Vec<(u32, Begun<T>)>) -> Vec<(u32, Begun<T>)> {
    calls.sort_unstable_by_key(|(tid, call)| (call.time_ns, *tid));
    calls
}

/// Events that did not arrive.
pub(super) fn lost_events(losses: &Losses) -> u64 {
    let full = losses.probes.iter().map(|p| p.ring_full);
    full.fold(losses.undecodable, u64::saturating_add)
}
