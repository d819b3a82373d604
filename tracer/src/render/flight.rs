//! The last seconds of a trace, written when something happens.
//!
//! ```text
//! event ──▶ ring of encoded events ──▶ too old, or too many ──▶ Sink::skip of the inner sink
//!                     └──▶ a process ends badly, SIGUSR1, the end ──▶ its Sink::event
//! ```
//!
//! An event costs its encoding, and its decoding when it goes; no text is formed until a dump. The
//! inner sink is given every event once and in order, to skip or to show, so that it always knows
//! what it must, and nothing is written twice: a dump goes on where the one before it ended.
//!
//! What lines tell can depend on more than events: names of descriptors are read from `/proc` when
//! a line is formed. Such lines are formed as events come, and kept as text ([`Kept::Lines`]).
//!
//! Whatever the inner sink forms goes to memory. [`Dumps`] writes it, as lines or as objects.

mod dumps;
mod heading;
mod lines;
mod ring;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;

pub use dumps::{Dumps, TextDumps};
pub use heading::Heading;
pub use lines::FormedLines;
pub use ring::Limits;
use ring::Ring;

use crate::event::{Body, Event, Exit, RunStart, StopReason};
use crate::sink::{Sink, SinkError};
use crate::syscall::print::exit_text;

/// Asks for dumps: the `CLOCK_MONOTONIC` time, in ns, of a request since the last call.
pub type Requests = Box<dyn FnMut() -> Option<u64>>;

/// A sink that keeps the last seconds for another one.
pub struct FlightRecorder {
    inner: Box<dyn Sink>,
    /// What that one writes.
    formed: FormedLines,
    kept: Kept,
    /// Calls that began before what is in the ring, and have not ended, by thread: when that is
    /// events.
    under_way: HashMap<u32, Event>,
    ring: Ring,
    /// An item of the ring.
    item: Vec<u8>,
    dumps: Box<dyn Dumps>,
    requests: Requests,
    /// A request that waits for what happened before it.
    requested_ns: Option<u64>,
    /// What became of the process that ended last.
    last_end: Option<String>,
    newest_ns: u64,
    /// Something happened that no dump has.
    fresh: bool,
}

/// What is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Events, of which lines are formed when they are to be written.
    Events,
    /// Lines that are formed as their events come.
    Lines,
}

impl std::fmt::Debug for FlightRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limits = self.ring.limits();
        f.debug_tuple("FlightRecorder").field(&limits).finish()
    }
}

impl FlightRecorder {
    /// Keeps what `inner` is to show; what it writes goes to `formed`, and from there to `dumps`.
    #[must_use]
    pub fn new(
        (limits, kept): (Limits, Kept),
        inner: Box<dyn Sink>,
        formed: FormedLines,
        dumps: Box<dyn Dumps>,
        requests: Requests,
    ) -> Self {
        Self {
            inner,
            formed,
            kept,
            under_way: HashMap::new(),
            ring: Ring::new(limits),
            item: Vec::new(),
            dumps,
            requests,
            requested_ns: None,
            last_end: None,
            newest_ns: 0,
            fresh: true,
        }
    }

    fn keep(&mut self, event: &Event) -> Result<(), SinkError> {
        match self.kept {
            Kept::Events => {
                self.item.clear();
                if let Err(error) = postcard::to_io(event, &mut self.item) {
                    log::debug!("an event is not kept: {error}");
                    return Ok(());
                }
                self.ring.push(event.time_ns, &self.item);
            }
            Kept::Lines => {
                self.inner.event(event)?;
                self.keep_lines(event.time_ns);
            }
        }
        self.drop_excess()
    }

    fn keep_lines(&mut self, time_ns: u64) {
        let Ok(()) = self.formed.take::<Infallible>(|line| {
            self.ring.push(time_ns, line);
            Ok(())
        });
    }

    fn write_lines(&mut self) -> Result<(), SinkError> {
        self.formed.take(|line| self.dumps.line(line))
    }

    fn drop_excess(&mut self) -> Result<(), SinkError> {
        while self.ring.pop_excess(&mut self.item) {
            if self.kept == Kept::Lines {
                continue;
            }
            if let Some(event) = decoded(&self.item) {
                self.inner.skip(&event)?;
                note(&mut self.under_way, event);
            }
        }
        Ok(())
    }

    /// Writes what is kept, under a line that says why and when.
    fn dump(&mut self, reason: &str, time_ns: u64) -> Result<(), SinkError> {
        self.ring.advance(time_ns);
        if self.kept == Kept::Lines {
            self.inner.pause()?;
            self.keep_lines(time_ns);
        }
        self.drop_excess()?;
        let heading = Heading {
            reason,
            time_ns,
            oldest_ns: self.ring.oldest_ns(),
            dropped: (self.ring.dropped(), self.unit()),
            limits: self.ring.limits(),
        };
        self.dumps.heading(&heading)?;
        match self.kept {
            Kept::Events => self.write_events()?,
            Kept::Lines => {
                while self.ring.pop(&mut self.item) {
                    self.dumps.line(&self.item)?;
                }
            }
        }
        self.ring.clear_dropped();
        self.fresh = false;
        self.dumps.flush()
    }

    const fn unit(&self) -> &'static str {
        match self.kept {
            Kept::Events => "events",
            Kept::Lines => "lines",
        }
    }

    /// Calls that are under way come first: what blocks is often what is looked for.
    fn write_events(&mut self) -> Result<(), SinkError> {
        let mut begun: Vec<&Event> = self.under_way.values().collect();
        begun.sort_by_key(|event| event.time_ns);
        for event in begun {
            self.inner.event(event)?;
        }
        while self.ring.pop(&mut self.item) {
            if let Some(event) = decoded(&self.item) {
                self.inner.event(&event)?;
                note(&mut self.under_way, event);
            }
            self.write_lines()?;
        }
        self.inner.pause()?;
        self.write_lines()
    }

    /// A process that ends by a signal, or with a status that is not 0 (2 is that of a Go program
    /// that panics), is what the last seconds are kept for.
    fn ended(&mut self, event: &Event, exit: &Exit) -> Result<(), SinkError> {
        let how = exit_text(exit.status);
        let reason = format!("process {} ({}) {how}", event.pid, exit.comm);
        if exit.status != 0 {
            self.dump(&reason, event.time_ns)?;
        }
        self.last_end = Some(reason);
        Ok(())
    }

    fn run_end(&mut self, event: &Event, reason: StopReason) -> Result<(), SinkError> {
        let last_end = self.last_end.take();
        let text = match reason {
            StopReason::TargetExited => last_end.unwrap_or_else(|| "the target ended".to_owned()),
            StopReason::Interrupted => "the trace was interrupted".to_owned(),
            StopReason::Duration => "the time of the trace is over".to_owned(),
            StopReason::OverBudget => "the trace cost too much".to_owned(),
            StopReason::OutputClosed | StopReason::OutputFailed => return Ok(()),
        };
        if self.fresh {
            self.dump(&text, event.time_ns)?;
        }
        self.inner.event(event)?;
        let mut last = None;
        self.formed.take::<SinkError>(|line| {
            if let Some(line) = last.replace(line.to_vec()) {
                self.dumps.line(&line)?;
            }
            Ok(())
        })?;
        self.dumps.end(last.as_deref())
    }

    fn run_start(&mut self, event: &Event, start: &RunStart) -> Result<(), SinkError> {
        self.inner.event(event)?;
        let mut formed = None;
        let Ok(()) = self.formed.take::<Infallible>(|line| {
            formed = Some(line.to_vec());
            Ok(())
        });
        self.dumps.begin(start, event.time_ns, formed.as_deref())
    }
}

/// What the ring holds was encoded here.
fn decoded(bytes: &[u8]) -> Option<Event> {
    postcard::from_bytes(bytes).ok()
}

/// An event leaves the ring.
fn note(under_way: &mut HashMap<u32, Event>, event: Event) {
    match &event.body {
        Body::SyscallEnter(_) => {
            under_way.insert(event.tid, event);
        }
        Body::SyscallExit(_) | Body::Exit(_) => {
            under_way.remove(&event.tid);
        }
        // The thread takes the id of the process's first one.
        Body::Exec(exec) if exec.old_tid != event.tid => {
            let call = under_way.remove(&exec.old_tid);
            under_way.remove(&event.tid);
            under_way.extend(call.map(|call| {
                (
                    event.tid,
                    Event {
                        tid: event.tid,
                        ..call
                    },
                )
            }));
        }
        _ => {}
    }
}

impl Sink for FlightRecorder {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => return self.run_start(event, start),
            Body::Cost(_) => return self.inner.event(event),
            Body::RunEnd(end) => return self.run_end(event, end.reason),
            _ => {}
        }
        self.newest_ns = self.newest_ns.max(event.time_ns);
        self.fresh |= event.tid != 0 || matches!(event.body, Body::Losses(_));
        self.keep(event)?;
        match &event.body {
            Body::Exit(exit) if exit.last_thread => self.ended(event, exit),
            _ => Ok(()),
        }
    }

    /// Called after each look at the ring buffer. What happened just before a request is there only
    /// after the next look.
    fn flush(&mut self) -> Result<(), SinkError> {
        if let Some(time_ns) = self.requested_ns.take() {
            self.dump("SIGUSR1", self.newest_ns.max(time_ns))?;
        }
        self.requested_ns = (self.requests)();
        Ok(())
    }
}
