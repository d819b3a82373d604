//! Sums of call durations from single events, where the kernel's own sums do not know what was
//! chosen.

use std::collections::HashMap;
use std::io::Write;

use tracer_common::histogram::bucket;

use super::call_group::{Group, Grouping, pid_in_tables};
use super::path_filter::is_about;
use super::strace_count::StraceCounts;
use super::strace_line::LineOptions;
use crate::event::{Body, Event, Latency, SyscallEnter, SyscallExit, SyscallLatency};
use crate::process::Descriptors;
use crate::sink::{Sink, SinkError};
use crate::syscall::filter::SyscallSet;
use crate::syscall::machine::Machine;
use crate::syscall::qualify::{Status, StatusSet};

/// Turns the calls chosen into measurements for a table, each in its group when the table has
/// groups.
#[derive(Debug)]
pub struct CallTimes<W> {
    table: StraceCounts<W>,
    calls: SyscallSet,
    statuses: StatusSet,
    paths: Vec<String>,
    min_time_ns: u64,
    grouping: Option<Grouping>,
    /// Descriptors are followed.
    follows: bool,
    descriptors: Descriptors,
    /// The events are of a recording: what they are about is not here.
    recorded: bool,
    /// Calls that have not returned, by thread.
    pending: HashMap<u32, Pending>,
}

#[derive(Debug)]
struct Pending {
    nr: u32,
    began_ns: u64,
    /// `None` when the call is not to be counted.
    chosen: Option<Option<Group>>,
}

impl<W: Write> CallTimes<W> {
    /// Chooses as lines with these options are chosen.
    pub fn new(options: &LineOptions, table: StraceCounts<W>) -> Self {
        Self::of(options, table, false)
    }

    /// Takes all calls of a recording.
    pub fn recorded(table: StraceCounts<W>) -> Self {
        Self::of(&LineOptions::default(), table, true)
    }

    fn of(options: &LineOptions, table: StraceCounts<W>, recorded: bool) -> Self {
        let by = table.by();
        Self {
            calls: options.calls,
            statuses: options.statuses,
            paths: options.paths.clone(),
            min_time_ns: options.min_time_ns,
            grouping: by.map(|by| Grouping::new(by, recorded)),
            follows: !options.paths.is_empty() || by.is_some_and(|by| by.follows_descriptors()),
            descriptors: Descriptors::default(),
            recorded,
            pending: HashMap::new(),
            table,
        }
    }

    fn table_pid(&self, pid: u32) -> u32 {
        pid_in_tables(self.recorded, pid)
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) {
        if self.follows {
            self.descriptors.enter(event.tid, enter);
        }
        let pid = self.table_pid(event.pid);
        let tables = Some(&mut self.descriptors);
        let chosen = self.calls.contains(enter.nr) && is_about(&self.paths, tables, pid, enter);
        // Also of calls not chosen: what descriptors refer to changes with them.
        let group = self.grouping.as_mut();
        let group = group.map(|g| g.enter(event, enter, &mut self.descriptors));
        let pending = Pending {
            nr: enter.nr,
            began_ns: event.time_ns,
            chosen: chosen.then_some(group),
        };
        self.pending.insert(event.tid, pending);
    }

    fn exit(&mut self, event: &Event, exit: &SyscallExit) {
        if self.follows {
            let pid = self.table_pid(event.pid);
            self.descriptors.exit(pid, event.tid, exit);
        }
        let begun = self.pending.remove(&event.tid);
        let begun = begun.filter(|begun| begun.nr == exit.nr);
        let took = begun
            .as_ref()
            .map(|begun| event.time_ns.saturating_sub(begun.began_ns));
        let chosen = match &begun {
            Some(begun) => begun.chosen.is_some(),
            // What it was about is not known.
            None => self.calls.contains(exit.nr) && self.paths.is_empty(),
        };
        let group = begun.and_then(|begun| begun.chosen.flatten());
        let grouping = self.grouping.as_mut();
        let group = grouping.map(|g| g.exit(event, exit, group, &mut self.descriptors));
        if !chosen || !self.wants(exit, took) {
            return;
        }
        let latency = SyscallLatency {
            nr: exit.nr,
            latency: one_call(took, is_error(exit)),
        };
        match group {
            Some(group) => self.table.add_to_group(&group, &latency),
            None => self.table.add(&latency),
        }
    }

    fn wants(&self, exit: &SyscallExit, took: Option<u64>) -> bool {
        let status = match is_error(exit) {
            true => Status::Failed,
            false => Status::Successful,
        };
        self.statuses.contains(status) && took.unwrap_or(0) >= self.min_time_ns
    }

    fn note(&mut self, event: &Event) {
        let pid = self.table_pid(event.pid);
        match &event.body {
            Body::RunStart(start) if self.recorded => {
                let machine = Machine::named(&start.arch);
                self.calls = self.calls.on(machine);
                self.descriptors.set_machine(machine);
            }
            Body::RunStart(start) if self.follows => {
                for &pid in &start.pids {
                    self.descriptors.attach(pid);
                }
            }
            Body::Fork(fork) => {
                let child_pid = self.table_pid(fork.child_pid);
                let fork = crate::event::Fork {
                    child_pid,
                    ..fork.clone()
                };
                self.descriptors.fork(pid, &fork);
            }
            Body::Exec(exec) => {
                self.descriptors.exec(pid, exec);
                // A thread that is not the leader takes the leader's id.
                if let Some(call) = self.pending.remove(&exec.old_tid) {
                    self.pending.insert(event.tid, call);
                }
            }
            Body::Exit(exit) => {
                self.pending.remove(&event.tid);
                if exit.last_thread {
                    self.descriptors.gone(pid);
                }
            }
            _ => {}
        }
        if let Some(grouping) = &mut self.grouping {
            grouping.note(event);
        }
    }
}

const fn is_error(exit: &SyscallExit) -> bool {
    exit.ret >= -4095 && exit.ret < 0
}

/// The measurement of one call; without a duration when its beginning was not seen.
fn one_call(took: Option<u64>, failed: bool) -> Latency {
    let ns = took.unwrap_or(0);
    Latency {
        count: 1,
        errors: u64::from(failed),
        total_ns: ns,
        min_ns: ns,
        max_ns: ns,
        buckets: took.map(|ns| (bucket(ns) as u16, 1)).into_iter().collect(),
    }
}

impl<W: Write> Sink for CallTimes<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::SyscallEnter(enter) => {
                self.enter(event, enter);
                Ok(())
            }
            Body::SyscallExit(exit) => {
                self.exit(event, exit);
                Ok(())
            }
            // A recording may have the kernel's own sums of the same calls.
            Body::SyscallLatency(_) => Ok(()),
            _ => {
                self.note(event);
                self.table.event(event)
            }
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.table.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::call_group::GroupBy;
    use crate::render::strace_count::CountOptions;
    use crate::syscall::count::parse_columns;

    fn at(time_ns: u64, body: Body) -> Event {
        Event {
            time_ns,
            pid: 1 << 30,
            tid: 1 << 30,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn call(time_ns: u64, nr: u32, ret: i64) -> [Event; 2] {
        let enter = SyscallEnter {
            nr,
            ..SyscallEnter::default()
        };
        let exit = SyscallExit {
            nr,
            ret,
            ..SyscallExit::default()
        };
        [
            at(time_ns, Body::SyscallEnter(enter)),
            at(time_ns + 2_000_000, Body::SyscallExit(exit)),
        ]
    }

    #[test]
    fn only_what_was_chosen_counts() {
        let columns = parse_columns("calls,errors,total-time,name").expect("valid");
        let table = StraceCounts::new(
            CountOptions {
                columns,
                names_clock: false,
                ..CountOptions::default()
            },
            Vec::new(),
            "out",
        );
        let options = LineOptions {
            statuses: StatusSet::FAILED,
            ..LineOptions::default()
        };
        let mut times = CallTimes::new(&options, table);
        let events = [call(0, 3, 0), call(10, 3, -9), call(20, 0, -5)].concat();
        for event in &events {
            times.event(event).expect("written");
        }
        times
            .event(&at(99, Body::RunEnd(Box::default())))
            .expect("written");
        let text = String::from_utf8(times.table.into_inner()).expect("text");
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(rows[2], ["1", "1", "0.002000", "read"], "{text}");
        assert_eq!(rows[3], ["1", "1", "0.002000", "close"], "{text}");
        assert_eq!(rows[5], ["2", "2", "0.004000", "total"], "{text}");
    }

    #[test]
    fn groups_are_those_of_the_calls() {
        let columns = parse_columns("calls,errors,name").expect("valid");
        let options = CountOptions {
            columns,
            names_clock: false,
            by: Some(GroupBy::Fd),
            ..CountOptions::default()
        };
        let table = StraceCounts::new(options, Vec::new(), "out");
        let mut times = CallTimes::recorded(table);
        // read(0), twice, and one more that was under way.
        let events = [call(0, 0, 1), call(10, 0, -9), call(20, 0, 1)].concat();
        let sums = SyscallLatency {
            nr: 0,
            latency: one_call(Some(1), false),
        };
        let end = [
            at(98, Body::SyscallLatency(Box::new(sums))),
            at(99, Body::RunEnd(Box::default())),
        ];
        for event in events[..4].iter().chain(&events[5..]).chain(&end) {
            times.event(event).expect("written");
        }
        let text = String::from_utf8(times.table.into_inner()).expect("text");
        let rows: Vec<String> = text
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows[0], "calls errors syscall fd", "{text}");
        assert_eq!(rows[2], "2 1 read 0", "{text}");
        assert_eq!(rows[3], "1 read (entry not seen)", "{text}");
        assert_eq!(rows[5], "3 1 total", "{text}");
        assert!(rows[6].starts_with("1 calls had begun before tracing"));
        assert!(
            text.lines()
                .all(|l| l == l.trim_end() || l.contains("total"))
        );
    }
}
