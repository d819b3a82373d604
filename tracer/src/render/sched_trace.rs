//! The line of `GODEBUG=schedtrace`.

use std::fmt::Write;

use serde::Serialize;

use super::sched_detail::SchedDetailJson;
use crate::go::{Release, SchedDetail, Scheduler};

/// From this release on the lengths of queues stand apart from their brackets, and the rounds of
/// each P follow (runtime/proc.go, `schedtrace`: read in the sources of 1.21 to 1.27).
const WITH_TICKS: u16 = 25;

/// The line as the release prints it, without a newline. Milliseconds count from the start of the
/// program: the runtime counts from its first line, which it prints when the program starts.
#[must_use]
pub fn sched_trace_line(state: &Scheduler, release: Release) -> String {
    let mut line = sched_trace_head(state);
    let list = |of: &dyn Fn(usize) -> u32| {
        let texts = (0..state.processors.len()).map(|i| of(i).to_string());
        texts.collect::<Vec<_>>().join(" ")
    };
    let queues = list(&|i| state.processors[i].run_queue);
    let _ = match release.minor {
        WITH_TICKS.. => {
            let ticks = list(&|i| state.processors[i].ticks);
            write!(line, " [ {queues} ] schedticks=[ {ticks} ]")
        }
        _ => write!(line, " [{queues}]"),
    };
    line
}

/// The line up to the length of the queue of all Ps.
pub(super) fn sched_trace_head(state: &Scheduler) -> String {
    let mut line = format!(
        "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={}",
        state.since_start_ns / 1_000_000,
        state.gomaxprocs,
        state.idle_processors,
        state.threads,
        state.spinning
    );
    if let Some(need) = state.need_spinning {
        let _ = write!(line, " needspinning={need}");
    }
    let _ = write!(
        line,
        " idlethreads={} runqueue={}",
        state.idle_threads, state.run_queue
    );
    line
}

/// A line as an object. Names are those of the line.
#[derive(Clone, Debug, Serialize)]
pub struct SchedTraceJson {
    pub pid: u32,
    pub ms: u64,
    pub gomaxprocs: i32,
    pub idleprocs: i32,
    pub threads: i64,
    pub spinningthreads: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needspinning: Option<u32>,
    pub idlethreads: i32,
    pub runqueue: i32,
    /// Goroutines in the queue of each P.
    pub runqueues: Vec<u32>,
    /// Rounds of the scheduler of each P.
    pub schedticks: Vec<u32>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub detail: Option<SchedDetailJson>,
}

impl SchedTraceJson {
    /// The state of a process.
    #[must_use]
    pub fn of(pid: u32, state: &Scheduler, detail: Option<&SchedDetail>) -> Self {
        Self {
            pid,
            ms: state.since_start_ns / 1_000_000,
            gomaxprocs: state.gomaxprocs,
            idleprocs: state.idle_processors,
            threads: state.threads,
            spinningthreads: state.spinning,
            needspinning: state.need_spinning,
            idlethreads: state.idle_threads,
            runqueue: state.run_queue,
            runqueues: state.processors.iter().map(|p| p.run_queue).collect(),
            schedticks: state.processors.iter().map(|p| p.ticks).collect(),
            detail: detail.map(SchedDetailJson::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::Processor;

    #[test]
    fn lines_are_those_of_each_release() {
        let processor = |run_queue, ticks| Processor {
            status: 1,
            run_queue,
            ticks,
        };
        let mut state = Scheduler {
            since_start_ns: 1_007_999_999,
            gomaxprocs: 2,
            idle_processors: 0,
            threads: 6,
            spinning: 1,
            need_spinning: Some(1),
            idle_threads: 3,
            run_queue: 2,
            processors: vec![processor(1, 51), processor(0, 52)],
        };
        assert_eq!(
            sched_trace_line(&state, Release::new(27, 3)),
            "SCHED 1007ms: gomaxprocs=2 idleprocs=0 threads=6 spinningthreads=1 needspinning=1 \
             idlethreads=3 runqueue=2 [ 1 0 ] schedticks=[ 51 52 ]"
        );
        assert_eq!(
            sched_trace_line(&state, Release::new(24, 11)),
            "SCHED 1007ms: gomaxprocs=2 idleprocs=0 threads=6 spinningthreads=1 needspinning=1 \
             idlethreads=3 runqueue=2 [1 0]"
        );
        state.need_spinning = None;
        assert_eq!(
            sched_trace_line(&state, Release::new(19, 8)),
            "SCHED 1007ms: gomaxprocs=2 idleprocs=0 threads=6 spinningthreads=1 idlethreads=3 \
             runqueue=2 [1 0]"
        );
    }
}
