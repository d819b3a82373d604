//! The events of `tracer strace` as JSON objects: the same calls as lines show, decoded by the same
//! printers, with values that a program can use.

mod arg;
mod clock;
mod dumps;
mod life;
mod object;
mod output;
mod value;

use std::io::Write;

use arg::{arg, referent};
pub use dumps::{JsonDumps, Written};
use object::{
    Attach, Call, CallStatus, Curbed, Frame, LostEvents, Object, Outcome, Process, Start, Summary,
    When, Who, reason,
};
pub use output::JsonFormat;
use output::{Objects, text_of};

use super::strace_calls::{Begun, Calls, Entry, lost_events};
use super::strace_line::LineOptions;
use crate::event::{Body, Event, Losses, RunEnd, RunStart, SyscallEnter, SyscallExit};
use crate::sink::{Sink, SinkError};
use crate::syscall::errno::{errno, restarts};
use crate::syscall::print::Argument;
use crate::syscall::qualify::Message;

/// Name and version of the schema, as it stands in the first object. The version changes when a
/// field changes its meaning or goes away.
pub const SCHEMA: &str = "strace/1";

/// The JSON Schema of the objects.
pub const SCHEMA_TEXT: &str = include_str!("strace_json/schema.json");

/// Writes a JSON object for each event.
///
/// A call is one object, written when it returns; the objects stand in the order of ends, and of
/// other events. The first object says what is traced, the last what came of it.
#[derive(Debug)]
pub struct StraceJson<W: Write> {
    calls: Calls<Entered>,
    out: Objects<W>,
    start_ns: u64,
    /// Calls written.
    shown: u64,
    /// Of those, what reaches the output in the end, when that is decided by dumps.
    written: Option<Written>,
    /// As many calls as asked for are shown: only the end is still to come.
    complete: bool,
    /// The calls under way are told, and nothing happened since.
    paused: bool,
    cost: Option<serde_json::Value>,
}

/// What is decoded of a call when it begins.
#[derive(Clone, Debug)]
struct Entered {
    pid: u32,
    goid: Option<u64>,
    go_function: Option<String>,
    /// Unless that waits for the end, since the call may not be shown.
    decoded: Option<Decoded>,
}

#[derive(Clone, Debug)]
struct Decoded {
    arguments: Vec<Argument>,
    resumes: Option<String>,
}

/// Whose call it is, and when it began.
struct Origin {
    pid: u32,
    tid: u32,
    goid: Option<u64>,
    go_function: Option<String>,
    time_ns: u64,
}

impl<W: Write> StraceJson<W> {
    /// Writes to `out`, which should be buffered; errors call it `name`.
    pub fn new(options: LineOptions, out: W, name: &str, format: JsonFormat) -> Self {
        Self {
            calls: Calls::new(options),
            out: Objects::new(out, name, format),
            start_ns: 0,
            shown: 0,
            written: None,
            complete: false,
            paused: false,
            cost: None,
        }
    }

    /// Writes objects, one a line, to what hands them to [`JsonDumps`], which counts those that
    /// come to be written.
    pub fn for_dumps(options: LineOptions, formed: W, written: Written) -> Self {
        let sink = Self::new(options, formed, "memory", JsonFormat::Lines);
        Self {
            written: Some(written),
            ..sink
        }
    }

    fn run_start(&mut self, start: &RunStart, time_ns: u64) -> Result<(), SinkError> {
        self.calls.run_start(start);
        self.begin(start, time_ns)
    }

    fn begin(&mut self, start: &RunStart, time_ns: u64) -> Result<(), SinkError> {
        if !self.out.is_empty() {
            return Ok(());
        }
        self.start_ns = time_ns;
        let object = Start {
            schema: SCHEMA,
            when: self.when(time_ns),
            tracer_version: &start.tracer_version,
            kernel_release: &start.kernel_release,
            arch: &start.arch,
            cpus: start.cpus,
            pids: &start.pids,
            command: (!start.command.is_empty()).then_some(&start.command),
            string_limit: self.calls.options.decode.string_limit,
        };
        let text = text_of(&Object::Start(object));
        self.out.begin(&text)
    }

    fn when(&self, time_ns: u64) -> When {
        When::new(time_ns, self.start_ns, &self.calls.start)
    }

    fn who(&self, pid: u32, tid: u32, goid: Option<u64>) -> Who {
        Who {
            pid,
            tid,
            comm: self.calls.comms.of(tid),
            goid: goid.filter(|_| self.calls.options.goroutines),
        }
    }

    /// What stands after the goroutine in a line.
    fn go_function(&self, tid: u32) -> Option<String> {
        self.calls.go_frames.current(tid).map(str::to_owned)
    }

    fn whose(&self, event: &Event) -> Who {
        self.who(event.pid, event.tid, event.goid)
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) -> Result<(), SinkError> {
        let entry = self.calls.enter(event, enter);
        let waits = self.calls.options.whole_lines();
        match entry {
            Entry::Hidden => {}
            Entry::Endless if !self.calls.options.shows_endless_calls() => return Ok(()),
            Entry::Endless => {
                let decoded = self.decode(event.tid, enter);
                let origin = Origin {
                    go_function: self.go_function(event.tid),
                    ..Origin::of(event)
                };
                let outcome = open_end(CallStatus::Unfinished, true);
                return self.call(&origin, enter, Some(&decoded), outcome, None);
            }
            Entry::Begins => {
                let decoded = (!waits).then(|| self.decode(event.tid, enter));
                let note = Entered {
                    pid: event.pid,
                    goid: event.goid,
                    go_function: self.go_function(event.tid),
                    decoded,
                };
                self.calls.begun(event, enter, note);
            }
        }
        if !self.calls.leaves(enter) {
            return Ok(());
        }
        match self.calls.let_process_go(event) {
            Some(begun) if !waits => {
                let end = open_end(CallStatus::Detached, false);
                self.open_call(event.tid, begun, end)
            }
            _ => Ok(()),
        }
    }

    fn decode(&mut self, tid: u32, enter: &SyscallEnter) -> Decoded {
        Decoded {
            arguments: self.calls.decoder.first_arguments(enter),
            resumes: self.calls.resumes(tid, enter),
        }
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
        let Some(begun) = ended.begun else {
            return self.exit_alone(event, exit);
        };
        let Begun {
            enter,
            time_ns,
            note,
        } = begun;
        let mut decoded = match note.decoded {
            Some(decoded) => decoded,
            None => self.decode(event.tid, &enter),
        };
        let decoder = &mut self.calls.decoder;
        decoder.last_arguments(&enter, exit, &mut decoded.arguments);
        self.calls.settle(event, exit);
        let outcome = self.outcome(Some(&enter), exit);
        let origin = Origin {
            goid: note.goid,
            go_function: note.go_function,
            time_ns,
            ..Origin::of(event)
        };
        self.call(&origin, &enter, Some(&decoded), outcome, ended.took_ns)?;
        self.count_shown()
    }

    /// A call whose entry was not seen.
    fn exit_alone(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        let outcome = self.outcome(None, exit);
        let enter = SyscallEnter {
            nr: exit.nr,
            compat: exit.compat,
            ..SyscallEnter::default()
        };
        self.call(&Origin::of(event), &enter, None, outcome, None)?;
        self.count_shown()
    }

    fn outcome(&mut self, enter: Option<&SyscallEnter>, exit: &SyscallExit) -> Outcome {
        let text = self.calls.decoder.result(enter, exit);
        let number = (-4095..0).contains(&exit.ret).then(|| -exit.ret as u32);
        let ret = match number {
            None => Some(exit.ret),
            Some(number) if restarts(number) => None,
            Some(_) => Some(-1),
        };
        let named = |n| errno(n).map_or_else(|| format!("errno {n}"), |(name, _)| name.to_owned());
        let fd = format!("{}<", exit.ret);
        let shows_referent = self.shows_descriptors() && text.starts_with(&fd);
        Outcome {
            status: match number {
                None => CallStatus::Successful,
                Some(_) => CallStatus::Failed,
            },
            ret,
            errno: number,
            error: number.map(named),
            referent: shows_referent.then(|| referent(&text)).flatten(),
            result: Some(text),
        }
    }

    fn shows_descriptors(&self) -> bool {
        !self.calls.options.decode.descriptors.is_empty()
    }

    /// A call of which the end will not come.
    fn open_call(
        &mut self,
        tid: u32,
        begun: Begun<Entered>,
        end: Outcome,
    ) -> Result<(), SinkError> {
        let decoded = match begun.note.decoded {
            Some(decoded) => decoded,
            None => self.decode(tid, &begun.enter),
        };
        let origin = Origin {
            pid: begun.note.pid,
            tid,
            goid: begun.note.goid,
            go_function: begun.note.go_function,
            time_ns: begun.time_ns,
        };
        self.call(&origin, &begun.enter, Some(&decoded), end, None)
    }

    fn call(
        &mut self,
        origin: &Origin,
        enter: &SyscallEnter,
        decoded: Option<&Decoded>,
        outcome: Outcome,
        duration_ns: Option<u64>,
    ) -> Result<(), SinkError> {
        let descriptors = self.shows_descriptors();
        let name = self.calls.decoder.name(enter.nr, enter.compat);
        let options = &self.calls.options;
        let stacks = &self.calls.stacks;
        let frames = || stacks.frames(origin.pid, origin.tid);
        let call = Call {
            when: self.when(origin.time_ns),
            who: self.who(origin.pid, origin.tid, origin.goid),
            go_function: origin.go_function.as_deref(),
            syscall: &name,
            nr: enter.nr,
            compat: enter.compat,
            args: decoded.map(|d| d.arguments.iter().map(|a| arg(a, descriptors)).collect()),
            resumes: decoded.and_then(|d| d.resumes.as_deref()),
            outcome,
            duration_ns,
            instruction_pointer: match options.instruction_pointer {
                true => stacks.instruction_pointer(origin.tid),
                false => None,
            },
            stack: options
                .stacks
                .then(|| frames().map(|(at, name)| Frame::new(at, name)).collect()),
        };
        let text = text_of(&Object::Call(call));
        if self.calls.options.slowest > 0 {
            self.calls.keep_slow(duration_ns, origin.tid, text);
            return Ok(());
        }
        self.shown += 1;
        self.out.text(&text)
    }

    /// Lets all targets go once as many calls as asked for are shown.
    fn count_shown(&mut self) -> Result<(), SinkError> {
        if !self.calls.was_last() {
            return Ok(());
        }
        self.let_go(true)?;
        self.complete = true;
        Err(SinkError::Closed)
    }

    /// Ends the call of a thread that ended in it.
    fn abandon(&mut self, event: &Event) -> Result<(), SinkError> {
        let Some(begun) = self.calls.abandoned(event.tid) else {
            return Ok(());
        };
        let options = &self.calls.options;
        if options.whole_lines() && !options.shows_endless_calls() {
            return Ok(());
        }
        let end = open_end(CallStatus::Unfinished, true);
        self.open_call(event.tid, begun, end)
    }

    fn attached(&mut self, event: &Event, tids: &[u32]) -> Result<(), SinkError> {
        self.calls.threads.extend(tids);
        if self.is_quiet(Message::Attach) {
            return Ok(());
        }
        let when = self.when(event.time_ns);
        let pid = event.pid;
        self.out.event(&Object::Attach(Attach { when, pid, tids }))
    }

    fn losses(&mut self, event: &Event, losses: &Losses) -> Result<(), SinkError> {
        let count = lost_events(losses);
        if count == 0 {
            return Ok(());
        }
        let object = object::Lost {
            when: self.when(event.time_ns),
            lost: LostEvents::of(losses, count),
        };
        self.out.event(&Object::Lost(object))
    }

    /// Calls that have not returned, and those that were the slowest.
    fn let_go(&mut self, detaches: bool) -> Result<(), SinkError> {
        let status = match detaches {
            true => CallStatus::Detached,
            false => CallStatus::Unfinished,
        };
        let open = self.calls.unfinished();
        if !self.paused {
            self.open_calls(open, status)?;
        }
        for (_, text) in self.calls.slowest.take() {
            self.shown += 1;
            self.out.text(&text)?;
        }
        Ok(())
    }

    fn open_calls(
        &mut self,
        calls: Vec<(u32, Begun<Entered>)>,
        status: CallStatus,
    ) -> Result<(), SinkError> {
        if self.calls.options.whole_lines() && !self.calls.shows_detached_calls() {
            return Ok(());
        }
        calls
            .into_iter()
            .try_for_each(|(tid, begun)| self.open_call(tid, begun, open_end(status, false)))
    }

    fn run_end(&mut self, event: &Event, end: &RunEnd) -> Result<(), SinkError> {
        self.begin(&RunStart::default(), event.time_ns)?;
        if !self.complete {
            self.let_go(self.calls.detaches(end.reason))?;
        }
        let summary = Summary {
            when: self.when(event.time_ns),
            reason: match self.complete {
                true => "syscall_limit",
                false => reason(end.reason),
            },
            duration_ns: end.duration_ns,
            calls: self.written.as_ref().map_or(self.shown, Written::calls),
            unread_arguments: self.calls.decoder.faults(),
            lost: LostEvents::of(&end.losses, lost_events(&end.losses)),
            probe_hits: end.hits,
            own_cpu_ns: end.own_cpu_ns,
            command_wait_status: end.command_status,
            cost: self.cost.as_ref(),
        };
        let text = text_of(&Object::Summary(summary));
        self.out.end(Some(&text))?;
        self.out.flush()
    }

    fn thread_event(&mut self, event: &Event) -> Result<(), SinkError> {
        if !self.calls.admits(event) {
            return Ok(());
        }
        self.paused = false;
        match &event.body {
            Body::SyscallEnter(enter) => self.enter(event, enter),
            Body::SyscallExit(exit) => {
                self.exit(event, exit)?;
                self.held_signals(event.tid)
            }
            Body::Signal(signal) => self.signal(event, signal),
            Body::Fork(fork) => self.fork(event, fork),
            Body::Exec(exec) => self.exec(event, exec),
            Body::Exit(exit) => self.thread_exit(event, exit),
            _ => Ok(()),
        }
    }

    fn fact(&mut self, event: &Event) -> Result<(), SinkError> {
        let when = self.when(event.time_ns);
        match &event.body {
            Body::Threads(tids) => self.attached(event, tids),
            Body::Losses(losses) => self.losses(event, losses),
            Body::Process(info) => {
                let pid = event.pid;
                self.out
                    .event(&Object::Process(Process { when, pid, info }))
            }
            Body::Curbed(curbed) => self.out.event(&Object::Curbed(Curbed {
                when,
                probes: &curbed.probes,
                one_in: curbed.one_in,
            })),
            Body::Symbols(symbols) => {
                self.calls.name(event.pid, symbols);
                Ok(())
            }
            Body::Sample(sample) => {
                self.calls.stacks.note(event.pid, event.tid, sample);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Origin {
    const fn of(event: &Event) -> Self {
        Self {
            pid: event.pid,
            tid: event.tid,
            goid: event.goid,
            go_function: None,
            time_ns: event.time_ns,
        }
    }
}

/// The outcome of a call that has none; with `told` the text is strace's `?`.
fn open_end(status: CallStatus, told: bool) -> Outcome {
    Outcome {
        status,
        ret: None,
        errno: None,
        error: None,
        result: told.then(|| "?".to_owned()),
        referent: None,
    }
}

impl<W: Write> Sink for StraceJson<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => return self.run_start(start, event.time_ns),
            Body::RunEnd(end) => return self.run_end(event, end),
            Body::Cost(cost) => self.cost = Some(cost.json()),
            _ => {}
        }
        if self.complete {
            return Ok(());
        }
        self.begin(&RunStart::default(), event.time_ns)?;
        match &event.body {
            Body::SyscallEnter(_)
            | Body::SyscallExit(_)
            | Body::Signal(_)
            | Body::Fork(_)
            | Body::Exec(_)
            | Body::Exit(_) => self.thread_event(event),
            _ => self.fact(event),
        }
    }

    /// Keeps what later objects depend on. Tables of descriptors are not kept up to date: what they
    /// say is read from `/proc` as events come.
    fn skip(&mut self, event: &Event) -> Result<(), SinkError> {
        self.calls.skipped(event);
        match &event.body {
            Body::Exit(exit) => self.calls.gone(event, exit),
            Body::Threads(tids) => self.calls.threads.extend(tids),
            Body::Symbols(_) | Body::Sample(_) => return self.fact(event),
            Body::Cost(cost) => self.cost = Some(cost.json()),
            _ => {}
        }
        Ok(())
    }

    /// A call that is under way is told twice: now, as one that has no end, and when it ends.
    fn pause(&mut self) -> Result<(), SinkError> {
        let open = self.calls.under_way();
        self.open_calls(open, CallStatus::Detached)?;
        self.paused = true;
        self.out.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
