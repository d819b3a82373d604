//! Orders events by time, adds what they lack, and hands them to the sinks.

use std::collections::{HashMap, HashSet};
use std::io;

use aya::util::online_cpus;

use super::cold::ColdEntries;
use super::go_target::GoTarget;
use super::goroutines::CallGoroutines;
use super::losses::RingLosses;
use crate::cost::Captured;
use crate::decode::{Decoded, GcRanges, LostRecords, decode};
use crate::event::{Body, Event, GcAssists, unread};
use crate::process::MappingEvents;
use crate::sink::{Sink, SinkError};
use crate::symbol::Symbolizer;

/// Events younger than this wait, since another CPU may still be writing one with an earlier
/// time, in ns.
const ORDER_WINDOW_NS: u64 = 1_000_000;

pub(super) struct Pump<'a> {
    sinks: &'a mut [Box<dyn Sink>],
    /// Decoded, not yet handed on.
    pending: Vec<Event>,
    symbolizer: Option<Symbolizer>,
    /// For targets that may end before their mappings are read.
    mappings: Option<MappingEvents>,
    /// Names precede the first stack that needs them.
    names_at_once: bool,
    pub(super) go: HashMap<u32, GoTarget>,
    /// Processes known to live, when children are followed.
    pub(super) live: HashSet<u32>,
    /// Processes that replaced their program since this was last taken.
    pub(super) replaced: Vec<u32>,
    /// Parents and children of forks since this was last taken.
    pub(super) forked: Vec<(u32, u32)>,
    /// Processes that have ended since this was last taken.
    pub(super) gone: Vec<u32>,
    /// Go processes that have ended since this was last taken.
    pub(super) ended_go: Vec<u32>,
    /// Go processes that have ended, of which sums may still be to be told.
    pub(super) former_go: HashMap<u32, GoTarget>,
    /// What was copied from the targets' memory.
    pub(super) captured: Captured,
    pub(super) undecodable: u64,
    cold: ColdEntries,
    goroutines: CallGoroutines,
    losses: RingLosses,
    /// When the youngest event happened that was handed on.
    released_ns: u64,
    /// When the event happened that arrived last.
    newest_ns: u64,
    /// Events that came after younger ones were handed on.
    pub(super) late: u64,
    /// Strings, buffers and structures that are shown as addresses since they could not be read.
    pub(super) unread: u64,
    pub(super) delivered: u64,
    /// Stops of the world, by process.
    pub(super) stops: HashMap<u32, u64>,
    /// When all probes were attached. What the first ones saw before is not part of the run.
    pub(super) begin_ns: u64,
}

impl<'a> Pump<'a> {
    pub(super) fn new(sinks: &'a mut [Box<dyn Sink>], stacks: bool, names_at_once: bool) -> Self {
        Self {
            sinks,
            pending: Vec::new(),
            symbolizer: stacks.then(Symbolizer::new),
            mappings: None,
            names_at_once,
            go: HashMap::new(),
            live: HashSet::new(),
            replaced: Vec::new(),
            forked: Vec::new(),
            gone: Vec::new(),
            ended_go: Vec::new(),
            former_go: HashMap::new(),
            captured: Captured::default(),
            undecodable: 0,
            cold: ColdEntries::default(),
            goroutines: CallGoroutines::default(),
            losses: RingLosses::default(),
            released_ns: 0,
            newest_ns: 0,
            late: 0,
            unread: 0,
            delivered: 0,
            stops: HashMap::new(),
            begin_ns: 0,
        }
    }

    /// Prepares for the addresses of a process.
    pub(super) fn attach_symbols(&mut self, pid: u32) {
        if let Some(symbolizer) = &mut self.symbolizer {
            symbolizer.attach(pid);
        }
    }

    /// Listens to what is mapped from now on, if addresses are to be named.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn listen_to_mappings(&mut self) -> io::Result<()> {
        if self.symbolizer.is_some() {
            let cpus = online_cpus().map_err(|(_, error)| error)?;
            self.mappings = Some(MappingEvents::listen(&cpus)?);
        }
        Ok(())
    }

    /// Takes one record from the ring buffer.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        match decode(bytes) {
            Ok(Decoded::Event(event)) => self.arrived(event),
            Ok(Decoded::LateExit { exit, late }) => {
                self.captured.note_captures(&late);
                self.cold.fill(&mut self.pending, exit.tid, late);
                self.arrived(exit);
            }
            Ok(Decoded::ExecArguments(given)) => {
                self.cold.fill_exec(&mut self.pending, &given);
            }
            Ok(Decoded::Lost(lost)) => self.pending.extend(self.losses.told(&lost)),
            Ok(Decoded::GcRanges(ranges)) => match self.gc_cycle(&ranges) {
                Some(events) => self.pending.extend(events),
                None => self.undecodable += 1,
            },
            Err(_) => self.undecodable += 1,
        }
    }

    fn arrived(&mut self, mut event: Event) {
        self.goroutines.complete(&mut event);
        if let Body::GoStop(stop) = &mut event.body
            && let Some(go) = self.go.get(&event.pid)
        {
            go.name_stop(stop);
        }
        self.captured.note(&event);
        self.cold.note(&event);
        if event.time_ns < self.released_ns {
            self.late += 1;
        }
        self.newest_ns = event.time_ns;
        self.pending.push(event);
    }

    /// Up to which time everything has arrived, but for what another CPU is still writing, when the
    /// ring buffer was looked at at `now_ns` and `is_empty` now. What is still in it is younger than
    /// what came out.
    pub(super) fn complete_ns(&self, now_ns: u64, is_empty: bool) -> u64 {
        let known_ns = match is_empty {
            true => now_ns,
            false => now_ns.min(self.newest_ns),
        };
        known_ns.saturating_sub(ORDER_WINDOW_NS)
    }

    /// Takes losses that no record has told of.
    pub(super) fn untold(&mut self, untold: &[LostRecords]) {
        for lost in untold {
            let event = self.losses.untold(lost);
            // What came after them may have been handed on.
            self.pending.extend(event.map(|e| Event {
                time_ns: e.time_ns.max(self.released_ns),
                ..e
            }));
        }
    }

    /// As [`Pump::release`], at the end: what is waited for does not come any more.
    ///
    /// # Errors
    /// The first sink's that takes no more.
    pub(super) fn release_all(&mut self, until_ns: u64) -> Result<(), SinkError> {
        self.cold.give_up();
        self.release(until_ns)
    }

    fn gc_cycle(&self, ranges: &GcRanges) -> Option<Vec<Event>> {
        let go = self.go.get(&ranges.pid)?;
        let (state, cycle) = go.gc_cycle(&ranges.ranges)?;
        let mut bodies = vec![Body::GcState(Box::new(state))];
        bodies.extend(ranges.assists.map(|assists| {
            Body::GcAssists(GcAssists {
                user_ns: go.gc_user_ns(&ranges.ranges),
                ..assists
            })
        }));
        bodies.push(Body::GcCycle(Box::new(cycle)));
        let event = |body| Event {
            time_ns: ranges.time_ns,
            pid: ranges.pid,
            tid: ranges.tid,
            cpu: ranges.cpu,
            goid: None,
            body,
        };
        Some(bodies.into_iter().map(event).collect())
    }

    /// Hands on, in order of time, the events up to `until_ns`, or up to the first entry that waits
    /// for what could not be read in it. Those of one thread are in order
    /// already, and the sort is stable.
    ///
    /// # Errors
    /// The first sink's that takes no more.
    pub(super) fn release(&mut self, until_ns: u64) -> Result<(), SinkError> {
        if let (Some(mappings), Some(symbolizer)) = (&mut self.mappings, &mut self.symbolizer) {
            symbolizer.told(mappings.take());
        }
        self.pending.sort_by_key(|e| e.time_ns);
        let until_ns = self.cold.hold(until_ns, self.pending.len());
        let ready = self.pending.partition_point(|e| e.time_ns <= until_ns);
        if let Some(youngest) = self.pending[..ready].last() {
            self.released_ns = self.released_ns.max(youngest.time_ns);
        }
        let rest = self.pending.split_off(ready);
        let ready = std::mem::replace(&mut self.pending, rest);
        for event in &ready {
            if event.time_ns >= self.begin_ns || is_about_processes(&event.body) {
                self.deliver(event)?;
            }
        }
        Ok(())
    }

    /// Hands one event to the sinks, after what must precede it.
    ///
    /// # Errors
    /// The first sink's that takes no more.
    pub(super) fn deliver(&mut self, event: &Event) -> Result<(), SinkError> {
        self.delivered += 1;
        self.note(event);
        if let Some(symbolizer) = &mut self.symbolizer {
            for names in symbolizer.observe(event) {
                send(self.sinks, &names)?;
            }
        }
        self.name_at_once(event)?;
        send(self.sinks, event)
    }

    /// Sends the names that must precede the event.
    fn name_at_once(&mut self, event: &Event) -> Result<(), SinkError> {
        match (&event.body, &mut self.symbolizer) {
            (Body::Sample(_), Some(symbolizer)) => {
                match self.names_at_once && symbolizer.has_pending() {
                    true => self.resolve(event.time_ns),
                    false => Ok(()),
                }
            }
            (Body::SyscallEnter(_), Some(symbolizer)) => {
                let names = symbolizer.resolve_call(event);
                names.iter().try_for_each(|n| send(self.sinks, n))
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, event: &Event) {
        match &event.body {
            Body::Fork(fork) if fork.child_pid != event.pid => {
                self.live.insert(fork.child_pid);
                self.forked.push((event.pid, fork.child_pid));
            }
            Body::Exec(_) => self.replaced.push(event.pid),
            Body::SyscallEnter(enter) => self.unread += enter.unread(),
            Body::SyscallExit(exit) => self.unread += unread(&exit.captures),
            Body::GoStop(_) => *self.stops.entry(event.pid).or_insert(0) += 1,
            Body::Exit(exit) if exit.last_thread => self.ended(event.pid),
            _ => {}
        }
    }

    /// A process is gone.
    pub(super) fn ended(&mut self, pid: u32) {
        self.live.remove(&pid);
        self.gone.push(pid);
        if let Some(go) = self.go.remove(&pid) {
            self.former_go.insert(pid, go);
            self.ended_go.push(pid);
        }
    }

    /// Sends the names of all addresses seen so far.
    ///
    /// # Errors
    /// The first sink's that takes no more.
    pub(super) fn resolve(&mut self, time_ns: u64) -> Result<(), SinkError> {
        let Some(symbolizer) = &mut self.symbolizer else {
            return Ok(());
        };
        for names in symbolizer.resolve_pending(time_ns) {
            send(self.sinks, &names)?;
        }
        Ok(())
    }

    /// What kept addresses from being named, one line each.
    pub(super) fn symbol_notices(&self) -> Vec<String> {
        let Some(stats) = self.symbolizer.as_ref().map(Symbolizer::stats) else {
            return Vec::new();
        };
        let mut notices = Vec::new();
        let lost = self.mappings.as_ref().map_or(0, MappingEvents::lost);
        if lost != 0 {
            notices.push(format!(
                "{lost} mappings of short-lived processes were not seen: some of their functions \
                 may have no names"
            ));
        }
        if stats.kernel_hidden {
            notices.push(
                "kernel addresses are hidden (kernel.kptr_restrict): kernel frames have no names"
                    .to_owned(),
            );
        }
        if stats.distrusted_files != 0 {
            notices.push(format!(
                "the debug information of {} files could not be read: functions are named from \
                 their symbol tables",
                stats.distrusted_files
            ));
        }
        if stats.unopened_files != 0 || stats.addresses_over_limit != 0 {
            notices.push(format!(
                "not named: {} files too many, {} addresses too many",
                stats.unopened_files, stats.addresses_over_limit
            ));
        }
        notices
    }

    /// Lets the sinks show what they have.
    ///
    /// # Errors
    /// The first sink's that takes no more.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.sinks.iter_mut().try_for_each(|s| s.flush())
    }
}

/// What changes whom the other events are about.
const fn is_about_processes(body: &Body) -> bool {
    matches!(body, Body::Fork(_) | Body::Exec(_) | Body::Exit(_))
}

fn send(sinks: &mut [Box<dyn Sink>], event: &Event) -> Result<(), SinkError> {
    sinks.iter_mut().try_for_each(|s| s.event(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SyscallEnter;

    fn event(time_ns: u64) -> Event {
        Event {
            time_ns,
            pid: 1,
            tid: 1,
            cpu: 0,
            goid: None,
            body: Body::SyscallEnter(SyscallEnter::default()),
        }
    }

    #[test]
    fn what_waits_in_the_ring_buffer_is_not_late() {
        const S: u64 = 1_000_000_000;
        let mut sinks = [];
        let mut pump = Pump::new(&mut sinks, false, false);
        pump.arrived(event(5_000_000));
        assert_eq!(pump.complete_ns(S, false), 4_000_000);
        pump.release(pump.complete_ns(S, false)).expect("no sink");
        assert_eq!(pump.delivered, 0);
        pump.arrived(event(7_000_000));
        pump.release(pump.complete_ns(S, false)).expect("no sink");
        assert_eq!((pump.delivered, pump.late), (1, 0));
        assert_eq!(pump.complete_ns(S, true), S - ORDER_WINDOW_NS);
        pump.release(pump.complete_ns(S, true)).expect("no sink");
        assert_eq!((pump.delivered, pump.late), (2, 0));
        pump.arrived(event(6_900_000));
        pump.arrived(event(7_000_000));
        assert_eq!(pump.late, 1);
    }
}
