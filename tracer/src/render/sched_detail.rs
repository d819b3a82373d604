//! The lines of `GODEBUG=schedtrace,scheddetail=1`.

use std::fmt::{Display, Write};

use serde::Serialize;

use super::sched_trace::sched_trace_head;
use crate::go::{Release, SchedDetail, Scheduler};
use crate::term::printable;

/// Releases before this one print -1 for what there is none of, and numbers for truths
/// (runtime/proc.go, `schedtrace`).
const WITH_NIL: u16 = 20;

/// The lines as the release prints them, without the last newline.
#[must_use]
pub fn sched_detail_lines(state: &Scheduler, detail: &SchedDetail, release: Release) -> String {
    let words = Words { release };
    let mut text = sched_trace_head(state);
    let _ = write!(
        text,
        " gcwaiting={} nmidlelocked={} stopwait={} sysmonwait={}",
        words.truth(detail.gc_waiting),
        detail.idle_locked_threads,
        detail.stop_wait,
        words.truth(detail.sysmon_wait)
    );
    for (number, p) in detail.processors.iter().enumerate() {
        let _ = write!(
            text,
            "\n  P{number}: status={} schedtick={} syscalltick={} m={} runqsize={} gfreecnt={} \
             timerslen={}",
            p.status,
            p.sched_tick,
            p.syscall_tick,
            words.some(p.thread),
            p.run_queue,
            p.free_goroutines,
            p.timers
        );
    }
    for m in &detail.threads {
        let _ = write!(
            text,
            "\n  M{}: p={} curg={} mallocing={} throwing={} preemptoff={} locks={} dying={} \
             spinning={} blocked={} lockedg={}",
            m.id,
            words.some(m.processor),
            words.some(m.goroutine),
            m.mallocing,
            m.throwing,
            printable(&m.preempt_off),
            m.locks,
            m.dying,
            m.spinning,
            m.blocked,
            words.some(m.locked_goroutine)
        );
    }
    for g in &detail.goroutines {
        let _ = write!(
            text,
            "\n  G{}: status={}({}) m={} lockedm={}",
            g.id,
            g.status,
            printable(&g.wait_reason),
            words.some(g.thread),
            words.some(g.locked_thread)
        );
    }
    text
}

/// How a release writes what there is none of.
struct Words {
    release: Release,
}

impl Words {
    fn some(&self, value: Option<impl Display>) -> String {
        match value {
            Some(value) => value.to_string(),
            None if self.release.minor < WITH_NIL => "-1".to_owned(),
            None => "nil".to_owned(),
        }
    }

    fn truth(&self, value: bool) -> String {
        match self.release.minor < WITH_NIL {
            true => u8::from(value).to_string(),
            false => value.to_string(),
        }
    }
}

/// What `--scheddetail` adds to a line as an object. Names are those of the lines.
#[derive(Clone, Debug, Serialize)]
pub struct SchedDetailJson {
    pub gcwaiting: bool,
    pub nmidlelocked: i32,
    pub stopwait: i32,
    pub sysmonwait: bool,
    pub ps: Vec<PJson>,
    pub ms: Vec<MJson>,
    pub gs: Vec<GJson>,
}

/// A P.
#[derive(Clone, Debug, Serialize)]
pub struct PJson {
    pub id: usize,
    pub status: u32,
    pub schedtick: u32,
    pub syscalltick: u32,
    pub m: Option<i64>,
    pub runqsize: u32,
    pub gfreecnt: i32,
    pub timerslen: u32,
}

/// An M.
#[derive(Clone, Debug, Serialize)]
pub struct MJson {
    pub id: i64,
    pub p: Option<i32>,
    pub curg: Option<u64>,
    pub mallocing: i32,
    pub throwing: i32,
    pub preemptoff: String,
    pub locks: i32,
    pub dying: i32,
    pub spinning: bool,
    pub blocked: bool,
    pub lockedg: Option<u64>,
}

/// A G.
#[derive(Clone, Debug, Serialize)]
pub struct GJson {
    pub id: u64,
    pub status: u32,
    pub waitreason: String,
    pub m: Option<i64>,
    pub lockedm: Option<i64>,
}

impl SchedDetailJson {
    /// The detail of a process.
    #[must_use]
    pub fn of(detail: &SchedDetail) -> Self {
        let ps = detail.processors.iter().enumerate().map(|(id, p)| PJson {
            id,
            status: p.status,
            schedtick: p.sched_tick,
            syscalltick: p.syscall_tick,
            m: p.thread,
            runqsize: p.run_queue,
            gfreecnt: p.free_goroutines,
            timerslen: p.timers,
        });
        let ms = detail.threads.iter().map(|m| MJson {
            id: m.id,
            p: m.processor,
            curg: m.goroutine,
            mallocing: m.mallocing,
            throwing: m.throwing,
            preemptoff: m.preempt_off.clone(),
            locks: m.locks,
            dying: m.dying,
            spinning: m.spinning,
            blocked: m.blocked,
            lockedg: m.locked_goroutine,
        });
        let gs = detail.goroutines.iter().map(|g| GJson {
            id: g.id,
            status: g.status,
            waitreason: g.wait_reason.clone(),
            m: g.thread,
            lockedm: g.locked_thread,
        });
        Self {
            gcwaiting: detail.gc_waiting,
            nmidlelocked: detail.idle_locked_threads,
            stopwait: detail.stop_wait,
            sysmonwait: detail.sysmon_wait,
            ps: ps.collect(),
            ms: ms.collect(),
            gs: gs.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::{GoroutineDetail, ProcessorDetail, ThreadDetail};

    fn state() -> Scheduler {
        Scheduler {
            since_start_ns: 1_007_999_999,
            gomaxprocs: 1,
            threads: 6,
            need_spinning: Some(0),
            run_queue: 2,
            ..Scheduler::default()
        }
    }

    fn detail() -> SchedDetail {
        SchedDetail {
            processors: vec![ProcessorDetail {
                status: 1,
                sched_tick: 51,
                syscall_tick: 7,
                thread: Some(3),
                run_queue: 2,
                free_goroutines: 4,
                timers: 5,
            }],
            threads: vec![
                ThreadDetail {
                    id: 3,
                    processor: Some(0),
                    goroutine: Some(18),
                    locks: 1,
                    ..ThreadDetail::default()
                },
                ThreadDetail {
                    id: 0,
                    blocked: true,
                    locked_goroutine: Some(1),
                    preempt_off: "gcing".to_owned(),
                    ..ThreadDetail::default()
                },
            ],
            goroutines: vec![GoroutineDetail {
                id: 1,
                status: 4,
                wait_reason: "chan receive".to_owned(),
                thread: None,
                locked_thread: Some(0),
            }],
            ..SchedDetail::default()
        }
    }

    #[test]
    fn lines_are_those_of_each_release() {
        assert_eq!(
            sched_detail_lines(&state(), &detail(), Release::new(27, 3)),
            "SCHED 1007ms: gomaxprocs=1 idleprocs=0 threads=6 spinningthreads=0 needspinning=0 \
             idlethreads=0 runqueue=2 gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false\n  \
             P0: status=1 schedtick=51 syscalltick=7 m=3 runqsize=2 gfreecnt=4 timerslen=5\n  \
             M3: p=0 curg=18 mallocing=0 throwing=0 preemptoff= locks=1 dying=0 spinning=false \
             blocked=false lockedg=nil\n  \
             M0: p=nil curg=nil mallocing=0 throwing=0 preemptoff=gcing locks=0 dying=0 \
             spinning=false blocked=true lockedg=1\n  \
             G1: status=4(chan receive) m=nil lockedm=0"
        );
        let old = Scheduler {
            need_spinning: None,
            ..state()
        };
        let text = sched_detail_lines(&old, &detail(), Release::new(19, 8));
        assert!(
            text.contains(" runqueue=2 gcwaiting=0 nmidlelocked=0 "),
            "{text}"
        );
        assert!(text.contains("M0: p=-1 curg=-1 "), "{text}");
        assert!(
            text.ends_with("G1: status=4(chan receive) m=-1 lockedm=0"),
            "{text}"
        );
    }
}
