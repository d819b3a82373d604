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
//! a line is formed. Such lines are formed as events come, and kept as text
//! ([`FlightRecorder::of_lines`]).

mod heading;
mod lines;
mod ring;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Write;

use heading::Heading;
pub use lines::FormedLines;
pub use ring::Limits;
use ring::Ring;

use crate::event::{Body, Event, Exit, RunStart, StopReason};
use crate::sink::{Sink, SinkError};
use crate::syscall::print::exit_text;

/// Asks for dumps: the `CLOCK_MONOTONIC` time, in ns, of a request since the last call.
pub type Requests = Box<dyn FnMut() -> Option<u64>>;

/// A sink that keeps the last seconds for another one.
pub struct FlightRecorder<W> {
    inner: Box<dyn Sink>,
    kept: Kept,
    ring: Ring,
    /// An item of the ring.
    item: Vec<u8>,
    out: W,
    /// For messages.
    name: String,
    requests: Requests,
    /// A request that waits for what happened before it.
    requested_ns: Option<u64>,
    start: RunStart,
    /// What became of the process that ended last.
    last_end: Option<String>,
    newest_ns: u64,
    /// Something happened that no dump has.
    fresh: bool,
}

/// What is in the ring.
enum Kept {
    /// Events, and the calls that began before them and have not ended, by thread.
    Events(HashMap<u32, Event>),
    Lines(FormedLines),
}

impl<W> std::fmt::Debug for FlightRecorder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limits = self.ring.limits();
        f.debug_tuple("FlightRecorder").field(&limits).finish()
    }
}

impl<W: Write> FlightRecorder<W> {
    /// Keeps events for `inner`, which writes to the same output as this, `out`. Errors call that
    /// `name`.
    pub fn of_events(
        limits: Limits,
        inner: Box<dyn Sink>,
        (out, name): (W, &str),
        requests: Requests,
    ) -> Self {
        Self::new(
            limits,
            inner,
            Kept::Events(HashMap::new()),
            (out, name),
            requests,
        )
    }

    /// Keeps the lines that `inner` writes to `lines`, for `out`.
    pub fn of_lines(
        limits: Limits,
        inner: Box<dyn Sink>,
        lines: FormedLines,
        (out, name): (W, &str),
        requests: Requests,
    ) -> Self {
        Self::new(limits, inner, Kept::Lines(lines), (out, name), requests)
    }

    fn new(
        limits: Limits,
        inner: Box<dyn Sink>,
        kept: Kept,
        (out, name): (W, &str),
        requests: Requests,
    ) -> Self {
        Self {
            inner,
            kept,
            ring: Ring::new(limits),
            item: Vec::new(),
            out,
            name: name.to_owned(),
            requests,
            requested_ns: None,
            start: RunStart::default(),
            last_end: None,
            newest_ns: 0,
            fresh: true,
        }
    }

    fn keep(&mut self, event: &Event) -> Result<(), SinkError> {
        match &self.kept {
            Kept::Events(_) => {
                self.item.clear();
                if let Err(error) = postcard::to_io(event, &mut self.item) {
                    log::debug!("an event is not kept: {error}");
                    return Ok(());
                }
                self.ring.push(event.time_ns, &self.item);
            }
            Kept::Lines(_) => {
                self.inner.event(event)?;
                self.take_lines(event.time_ns);
            }
        }
        self.drop_excess()
    }

    fn take_lines(&mut self, time_ns: u64) {
        if let Kept::Lines(lines) = &self.kept {
            lines.take(|line| self.ring.push(time_ns, line));
        }
    }

    fn drop_excess(&mut self) -> Result<(), SinkError> {
        while self.ring.pop_excess(&mut self.item) {
            let Kept::Events(under_way) = &mut self.kept else {
                continue;
            };
            if let Some(event) = decoded(&self.item) {
                self.inner.skip(&event)?;
                note(under_way, event);
            }
        }
        Ok(())
    }

    /// Writes what is kept, under a line that says why and when.
    fn dump(&mut self, reason: &str, time_ns: u64) -> Result<(), SinkError> {
        self.ring.advance(time_ns);
        if let Kept::Lines(_) = self.kept {
            self.inner.pause()?;
            self.take_lines(time_ns);
        }
        self.drop_excess()?;
        let heading = Heading {
            reason,
            time_ns,
            oldest_ns: self.ring.oldest_ns(),
            dropped: (self.ring.dropped(), self.unit()),
            limits: self.ring.limits(),
        };
        let text = heading.text(&self.start) + "\n";
        self.write(text.as_bytes())?;
        self.write_kept()?;
        self.ring.clear_dropped();
        self.fresh = false;
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }

    const fn unit(&self) -> &'static str {
        match self.kept {
            Kept::Events(_) => "events",
            Kept::Lines(_) => "lines",
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let written = self.out.write_all(bytes);
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }

    /// Calls that are under way come first: what blocks is often what is looked for.
    fn write_kept(&mut self) -> Result<(), SinkError> {
        if let Kept::Events(under_way) = &self.kept {
            let mut begun: Vec<&Event> = under_way.values().collect();
            begun.sort_by_key(|event| event.time_ns);
            for event in begun {
                self.inner.event(event)?;
            }
        }
        while self.ring.pop(&mut self.item) {
            match &mut self.kept {
                Kept::Events(under_way) => {
                    if let Some(event) = decoded(&self.item) {
                        self.inner.event(&event)?;
                        note(under_way, event);
                    }
                }
                Kept::Lines(_) => {
                    let written = self.out.write_all(&self.item);
                    written.map_err(|e| SinkError::from_io(&self.name, e))?;
                }
            }
        }
        self.inner.pause()
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
        self.inner.event(event)
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

impl<W: Write> Sink for FlightRecorder<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) => {
                self.start = (**start).clone();
                return self.inner.event(event);
            }
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
