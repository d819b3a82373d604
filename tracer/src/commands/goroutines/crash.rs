//! Waits for a Go process to crash, and writes what its goroutines did.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::GoroutinesArgs;
use super::dump;
use super::held::Held;
use super::image::Image;
use crate::commands::execute::{Exit, block_on};
use crate::error::ExpectedError;
use crate::event::{Body, Event, StopReason};
use crate::go::crash::Crash;
use crate::go::goroutine::{EndedThreads, Snapshot};
use crate::session::{Capture, Plan, TargetSpec, comm, now_ns, run};
use crate::sink::{Sink, SinkError};
use crate::syscall::print::exit_text;
use crate::syscall::signal::push_signal;
use crate::term::{self, notice, plural};

/// How long the memory of a process is held after its end, at most.
const LIMIT: Duration = Duration::from_secs(5);
/// Time between two tries to read a program that has just begun.
const RETRY: Duration = Duration::from_millis(20);
/// Tries until one is taken for no Go program.
const TRIES: u32 = 250;

pub(super) fn execute(args: &GoroutinesArgs, pid: u32) -> anyhow::Result<Exit> {
    args.format()?;
    let watch = Rc::new(RefCell::new(Watch::of(pid)?));
    await_end(args, pid, &watch)?;
    let result = result(args, &watch.borrow());
    // Writing may take any time.
    watch.borrow_mut().held = None;
    let (text, summary) = result?;
    args.write(&text)?;
    if !args.quiet {
        notice(&summary);
    }
    Ok(Exit::DONE)
}

fn await_end(args: &GoroutinesArgs, pid: u32, watch: &Rc<RefCell<Watch>>) -> anyhow::Result<()> {
    let mut plan = Plan::new(TargetSpec::Pids(vec![pid]), vec![Capture::Ends]);
    plan.duration = args.duration;
    plan.notices = !args.quiet;
    let sink: Box<dyn Sink> = Box::new(Shared(Rc::clone(watch)));
    let outcome = block_on(run(&plan, || Ok(vec![sink])))??;
    let has_ended = watch.borrow().end.is_some();
    if !has_ended && outcome.end.reason != StopReason::TargetExited {
        return Err(no_crash(pid, "it had not crashed by then".to_owned()));
    }
    Ok(())
}

/// The dump, and what is told of it.
fn result(args: &GoroutinesArgs, watch: &Watch) -> anyhow::Result<(String, String)> {
    let death = watch.judge()?;
    let held = death.held;
    let threads = EndedThreads::new(&held.memory, held.process.runtime.layout, &watch.places);
    let image = Image::of_ended(
        &held.process,
        &held.memory,
        &threads,
        death.time_ns,
        &watch.comm,
    );
    let mut snapshot = image.read(args.labels).map_err(|error| {
        match now_ns().saturating_sub(death.time_ns) < LIMIT.as_nanos() as u64 {
            true => error.into(),
            false => no_crash(watch.pid, format!("it took longer than {LIMIT:?} to read")),
        }
    })?;
    let first = death.crash.as_ref().map_or(0, |crash| crash.goroutine);
    // Stable: the others stay in their order.
    snapshot.goroutines.sort_by_key(|g| g.address != first);
    let why = death.why();
    let text = match args.format()? {
        "json" => {
            let mut document = dump::json(args, &image, &snapshot)?;
            document["crash"] = death.json(&snapshot);
            format!("{document}\n")
        }
        _ => {
            let dump = dump::text(args, &image, &snapshot)?;
            let (comm, pid) = (&watch.comm, watch.pid);
            format!("crash of {comm} ({pid}): {}\n\n{dump}", why.join("\n\t"))
        }
    };
    let count = plural(snapshot.goroutines.len() as u64, "goroutine", "goroutines");
    Ok((text, format!("{count} at the crash: {}", why.join("; "))))
}

fn no_crash(pid: u32, why: String) -> anyhow::Error {
    ExpectedError::NoResult {
        result: format!("crash of process {pid}"),
        why,
    }
    .into()
}

/// What is seen of the process while it runs, and of its end.
struct Watch {
    pid: u32,
    comm: String,
    /// `None` after a clean exit, and while it runs a program that cannot be read.
    held: Option<Held>,
    /// When to try again to read a program that has just begun, and how often that was tried.
    retry: Option<(Instant, u32)>,
    /// Where the user code of its threads was at their end.
    places: Vec<(u64, u64)>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
struct End {
    /// As `wait4` reports it.
    status: u32,
    /// Ns of the monotonic clock.
    time_ns: u64,
}

/// A crash, and the memory of the process.
struct Death<'a> {
    held: &'a Held,
    status: Option<u32>,
    time_ns: u64,
    crash: Option<Crash>,
    /// Name of the signal that the runtime died of.
    signal: Option<String>,
}

impl Watch {
    fn of(pid: u32) -> Result<Self, ExpectedError> {
        Ok(Self {
            pid,
            comm: comm(pid),
            held: Some(Held::open(pid)?),
            retry: None,
            places: Vec::new(),
            end: None,
        })
    }

    /// A thread ended where its user code was at `place`.
    fn ended(&mut self, place: Option<(u64, u64)>, end: Option<End>) {
        self.places.extend(place);
        let Some(end) = end else { return };
        self.end = Some(end);
        match &self.held {
            // Nobody wants the memory of one that is done.
            Some(_) if end.status == 0 => self.held = None,
            Some(held) => held.memory.hold().limit(LIMIT),
            None => {}
        }
    }

    /// The process runs another program now, in other memory.
    fn replaced(&mut self) {
        self.places.clear();
        self.held = None;
        self.retry = Some((Instant::now(), 0));
    }

    /// The program may have been replaced before its events were seen.
    fn recheck(&mut self) {
        if self.held.as_ref().is_some_and(|held| !held.is_current()) {
            self.replaced();
        }
    }

    /// Tries to read a program that has just begun: its runtime needs some time until it can be.
    fn reopen(&mut self) {
        let now = Instant::now();
        let Some((_, tries)) = self
            .retry
            .filter(|(at, _)| *at <= now && self.end.is_none())
        else {
            return;
        };
        match Held::open(self.pid) {
            Ok(held) => {
                self.held = Some(held);
                self.comm = comm(self.pid);
                self.retry = None;
            }
            Err(_) if tries < TRIES => self.retry = Some((now + RETRY, tries + 1)),
            Err(error) => {
                notice(&format!("it runs another program now: {error}"));
                self.retry = None;
            }
        }
    }

    /// Why it died, if that was a crash.
    fn judge(&self) -> anyhow::Result<Death<'_>> {
        let status = self.end.map(|end| end.status);
        let how = status.map_or("it ended before it was watched".to_owned(), |status| {
            format!("it {}", exit_text(status))
        });
        let Some(held) = &self.held else {
            let why = match status {
                Some(0) | None => how,
                Some(_) => format!("{how}, after it had begun another program"),
            };
            return Err(no_crash(self.pid, why));
        };
        let runtime = &held.process.runtime;
        let crash = Crash::find(&held.memory, runtime, held.process.print_log);
        let is_killed = status.is_some_and(|status| status & 0x7f != 0);
        if crash.is_none() && !is_killed {
            return Err(no_crash(self.pid, format!("{how}, by its own will")));
        }
        let threads = EndedThreads::new(&held.memory, runtime.layout, &self.places);
        let frame = crash
            .as_ref()
            .and_then(|crash| threads.signal_frame(crash.thread));
        Ok(Death {
            held,
            status,
            time_ns: self.end.map_or_else(now_ns, |end| end.time_ns),
            crash,
            signal: frame.map(|frame| {
                let mut name = String::new();
                push_signal(&mut name, frame.signo);
                name
            }),
        })
    }
}

impl Death<'_> {
    /// What the runtime said, or else how the process ended; a line for each panic.
    fn why(&self) -> Vec<String> {
        let said = self.crash.as_ref().map_or(&[][..], |crash| &crash.why);
        if !said.is_empty() {
            return said
                .iter()
                .map(|line| term::printable(line).into_owned())
                .collect();
        }
        let status = self.status.map(exit_text).unwrap_or_default();
        let text = match (&self.signal, &self.crash) {
            (Some(signal), _) => format!("{signal}, {status}"),
            (None, Some(_)) => format!("the runtime gave up, {status}"),
            (None, None) => status,
        };
        vec![text]
    }

    fn json(&self, snapshot: &Snapshot) -> serde_json::Value {
        let of_crash = |crash: &Crash| {
            let mut all = snapshot.goroutines.iter();
            Some(all.find(|g| g.address == crash.goroutine)?.descriptor.id)
        };
        json!({
            "why": self.why(),
            "goroutine": self.crash.as_ref().and_then(of_crash),
            "wait_status": self.status,
        })
    }
}

/// The watch, which outlives the run.
struct Shared(Rc<RefCell<Watch>>);

impl Sink for Shared {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        let mut watch = self.0.borrow_mut();
        match &event.body {
            Body::RunStart(_) => watch.recheck(),
            Body::Exec(_) if event.pid == watch.pid => watch.replaced(),
            Body::Exit(exit) if event.pid == watch.pid => {
                let end = exit.last_thread.then_some(End {
                    status: exit.status,
                    time_ns: event.time_ns,
                });
                watch.ended(exit.place, end);
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.borrow_mut().reopen();
        Ok(())
    }
}
