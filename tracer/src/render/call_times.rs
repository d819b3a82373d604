//! Sums of call durations from single events, where the kernel's own sums do not know what was
//! chosen.

use std::collections::HashMap;

use tracer_common::histogram::bucket;

use super::path_filter::is_about;
use super::strace_line::LineOptions;
use crate::event::{Body, Event, Latency, SyscallEnter, SyscallExit, SyscallLatency};
use crate::process::Descriptors;
use crate::sink::{Sink, SinkError};
use crate::syscall::filter::SyscallSet;
use crate::syscall::qualify::{Status, StatusSet};

/// Turns the calls chosen into measurements for a table.
#[derive(Debug)]
pub struct CallTimes<S> {
    table: S,
    calls: SyscallSet,
    statuses: StatusSet,
    paths: Vec<String>,
    min_time_ns: u64,
    descriptors: Descriptors,
    /// Number and begin of calls that have not returned, by thread.
    pending: HashMap<u32, (u32, u64)>,
}

impl<S: Sink> CallTimes<S> {
    /// Chooses as lines with these options are chosen.
    pub fn new(options: &LineOptions, table: S) -> Self {
        Self {
            table,
            calls: options.calls,
            statuses: options.statuses,
            paths: options.paths.clone(),
            min_time_ns: options.min_time_ns,
            descriptors: Descriptors::default(),
            pending: HashMap::new(),
        }
    }

    fn enter(&mut self, event: &Event, enter: &SyscallEnter) {
        if !self.paths.is_empty() {
            self.descriptors.enter(event.tid, enter);
        }
        let tables = Some(&mut self.descriptors);
        if self.calls.contains(enter.nr) && is_about(&self.paths, tables, event.pid, enter) {
            self.pending.insert(event.tid, (enter.nr, event.time_ns));
        }
    }

    fn exit(&mut self, event: &Event, exit: &SyscallExit) -> Result<(), SinkError> {
        if !self.paths.is_empty() {
            self.descriptors.exit(event.pid, event.tid, exit);
        }
        let begun = self.pending.remove(&event.tid);
        let Some((nr, began)) = begun.filter(|(nr, _)| *nr == exit.nr) else {
            return Ok(());
        };
        let failed = (-4095..0).contains(&exit.ret);
        let status = match failed {
            true => Status::Failed,
            false => Status::Successful,
        };
        let took = event.time_ns.saturating_sub(began);
        if !self.statuses.contains(status) || took < self.min_time_ns {
            return Ok(());
        }
        let latency = Latency {
            count: 1,
            errors: u64::from(failed),
            total_ns: took,
            min_ns: took,
            max_ns: took,
            buckets: vec![(bucket(took) as u16, 1)],
        };
        self.measured(event, SyscallLatency { nr, latency })
    }

    fn measured(&mut self, event: &Event, latency: SyscallLatency) -> Result<(), SinkError> {
        self.table.event(&Event {
            body: Body::SyscallLatency(Box::new(latency)),
            ..event.clone()
        })
    }
}

impl<S: Sink> Sink for CallTimes<S> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match &event.body {
            Body::RunStart(start) if !self.paths.is_empty() => {
                start
                    .pids
                    .iter()
                    .for_each(|&pid| self.descriptors.attach(pid));
                self.table.event(event)
            }
            Body::SyscallEnter(enter) => {
                self.enter(event, enter);
                Ok(())
            }
            Body::SyscallExit(exit) => self.exit(event, exit),
            Body::Fork(fork) => {
                self.descriptors.fork(event.pid, fork);
                Ok(())
            }
            Body::Exec(exec) => {
                self.descriptors.exec(event.pid, exec);
                Ok(())
            }
            Body::Exit(exit) => {
                self.pending.remove(&event.tid);
                if exit.last_thread {
                    self.descriptors.gone(event.pid);
                }
                Ok(())
            }
            _ => self.table.event(event),
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.table.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::strace_count::{CountOptions, StraceCounts};
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
}
