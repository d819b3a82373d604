use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;

use super::*;
use crate::event::{Exec, Losses, ProbeLoss, RunEnd, SyscallEnter, SyscallExit};
use crate::render::strace_line::{Column, LineOptions, Notices, Outputs, Prefix, StraceLines};
use crate::syscall::table;

const MS: u64 = 1_000_000;
const LIMITS: Limits = Limits {
    window_ns: 1000 * MS,
    bytes: 1 << 20,
};

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Run {
    sink: FlightRecorder,
    out: Shared,
    request: Rc<Cell<Option<u64>>>,
}

fn options() -> LineOptions {
    LineOptions {
        prefix: Prefix::Bare,
        ..LineOptions::default()
    }
}

impl Run {
    fn new(limits: Limits, kept: Kept) -> Self {
        let (out, formed) = (Shared::default(), FormedLines::default());
        let request = Rc::new(Cell::new(None));
        let asked = Rc::clone(&request);
        let requests: Requests = Box::new(move || asked.take());
        let column = Outputs::One(Column::new(formed.clone(), "memory".to_owned()));
        let inner = StraceLines::with_outputs(options(), column, Notices::none());
        let dumps = Box::new(TextDumps::new(out.clone(), "out"));
        let inner = Box::new(inner);
        let sink = FlightRecorder::new((limits, kept), inner, formed, dumps, requests);
        let mut run = Self { sink, out, request };
        let start = RunStart {
            arch: std::env::consts::ARCH.to_owned(),
            wall_offset_ns: 1_700_000_000_000_000_000,
            pids: vec![100],
            ..RunStart::default()
        };
        run.at(0, 0, Body::RunStart(Box::new(start)));
        run
    }

    fn at(&mut self, ms: u64, tid: u32, body: Body) {
        let event = Event {
            time_ns: ms * MS,
            pid: 100,
            tid,
            cpu: 0,
            goid: None,
            body,
        };
        self.sink.event(&event).expect("a vector takes everything");
    }

    fn enter(&mut self, ms: u64, tid: u32, name: &str, argument: u64) {
        let enter = SyscallEnter {
            nr: table::by_name(name).expect("it is a call"),
            args: [argument, 0, 0, 0, 0, 0],
            ..SyscallEnter::default()
        };
        self.at(ms, tid, Body::SyscallEnter(enter));
    }

    fn exit(&mut self, ms: u64, tid: u32, name: &str) {
        let exit = SyscallExit {
            nr: table::by_name(name).expect("it is a call"),
            ..SyscallExit::default()
        };
        self.at(ms, tid, Body::SyscallExit(exit));
    }

    fn call(&mut self, ms: u64, tid: u32, descriptor: u64) {
        self.enter(ms, tid, "close", descriptor);
        self.exit(ms, tid, "close");
    }

    fn gone(&mut self, ms: u64, tid: u32, status: u32) {
        let exit = Exit {
            status,
            last_thread: true,
            comm: "app".to_owned(),
            place: None,
        };
        self.at(ms, tid, Body::Exit(exit));
    }

    fn end(&mut self, ms: u64, reason: StopReason) {
        let end = RunEnd {
            reason,
            ..RunEnd::default()
        };
        self.at(ms, 0, Body::RunEnd(Box::new(end)));
    }

    fn ask(&mut self, ms: u64) {
        self.request.set(Some(ms * MS));
        for _ in 0..2 {
            self.sink.flush().expect("a vector takes everything");
        }
    }

    /// What was written, with the padding before results taken out.
    fn text(&self) -> String {
        let text = String::from_utf8(self.out.0.borrow().clone()).expect("text");
        let lines = text.lines().map(|l| {
            let words: Vec<&str> = l.split_whitespace().collect();
            words.join(" ") + "\n"
        });
        lines.collect()
    }
}

const KINDS: [Kept; 2] = [Kept::Events, Kept::Lines];

#[test]
fn only_the_window_is_written_when_a_process_ends_badly() {
    for kept in KINDS {
        let mut run = Run::new(LIMITS, kept);
        run.call(100, 100, 3);
        run.call(900, 100, 4);
        run.call(1500, 100, 5);
        run.gone(1600, 100, 6);
        run.end(1700, StopReason::TargetExited);
        assert_eq!(
            run.text(),
            "=== tracer flight: process 100 (app) killed by SIGABRT at 2023-11-14 22:13:21.600000; \
             from 700 ms before ===\n\
             100 close(4) = 0\n\
             100 close(5) = 0\n\
             100 +++ killed by SIGABRT +++\n"
        );
    }
}

#[test]
fn a_dump_that_is_asked_for_goes_on_where_the_one_before_ended() {
    for kept in KINDS {
        let mut run = Run::new(LIMITS, kept);
        run.call(100, 100, 3);
        run.ask(150);
        run.call(200, 100, 4);
        run.ask(5000);
        run.call(5100, 100, 5);
        run.gone(5200, 100, 0);
        run.end(5300, StopReason::TargetExited);
        assert_eq!(
            run.text(),
            "=== tracer flight: SIGUSR1 at 2023-11-14 22:13:20.150000; from 50.0 ms before ===\n\
             100 close(3) = 0\n\
             === tracer flight: SIGUSR1 at 2023-11-14 22:13:25.000000; nothing new in the last \
             1.00 s ===\n\
             === tracer flight: process 100 (app) exited with 0 at 2023-11-14 22:13:25.300000; \
             from 200 ms before ===\n\
             100 close(5) = 0\n\
             100 +++ exited with 0 +++\n"
        );
    }
}

#[test]
fn a_call_that_began_before_the_window_is_there_until_it_ends() {
    let mut run = Run::new(LIMITS, Kept::Events);
    run.enter(0, 101, "fsync", 9);
    run.enter(10, 102, "fsync", 8);
    run.call(2000, 100, 3);
    run.exit(2100, 102, "fsync");
    run.ask(2200);
    run.call(2300, 100, 4);
    run.exit(2400, 101, "fsync");
    run.end(2500, StopReason::Interrupted);
    let text = run.text();
    let dumps: Vec<&str> = text.split("=== tracer flight: ").collect();
    let lines = |dump: &str| dump.lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(
        lines(dumps[1]),
        "101 fsync(9 <unfinished ...>\n102 fsync(8 <unfinished ...>\n100 close(3) = 0\n\
         102 <... fsync resumed>) = 0"
    );
    assert_eq!(
        lines(dumps[2]),
        "101 fsync(9 <unfinished ...>\n100 close(4) = 0\n101 <... fsync resumed>) = 0"
    );
    assert!(
        dumps[2].starts_with("the trace was interrupted at "),
        "{text}"
    );
}

#[test]
fn what_does_not_fit_is_counted_and_losses_stand_where_they_happened() {
    let limits = Limits {
        bytes: 2000,
        ..LIMITS
    };
    let mut run = Run::new(limits, Kept::Events);
    for call in 0..500 {
        run.call(call, 100, call);
    }
    let losses = Losses {
        probes: vec![ProbeLoss {
            ring_full: 12,
            ..ProbeLoss::default()
        }],
        undecodable: 0,
    };
    run.at(500, 100, Body::Losses(losses));
    run.call(501, 100, 501);
    run.ask(502);
    let text = run.text();
    let heading = text.lines().next().expect("a heading");
    assert!(
        heading.contains("events of the last 1.00 s did not fit in 1.95 KiB"),
        "{heading}"
    );
    let dropped: usize = heading
        .split(' ')
        .skip_while(|w| *w != "before;")
        .nth(1)
        .and_then(|w| w.parse().ok())
        .expect(heading);
    let shown = text.lines().filter(|l| l.contains("close(")).count();
    let pairs = 1000 - dropped;
    // The end of a call whose begin was dropped is `<... close resumed>`.
    assert_eq!(shown - 1, pairs / 2 + pairs % 2, "{text}");
    assert!(shown > 10, "{text}");
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    assert_eq!(
        last,
        [
            "100 close(501) = 0",
            "<lost 12 events>",
            "100 close(499) = 0"
        ]
    );
}

#[test]
fn an_execve_in_a_thread_is_under_way_as_the_process() {
    let mut under_way = HashMap::new();
    let event = |tid, body| Event {
        time_ns: 1,
        pid: 100,
        tid,
        cpu: 0,
        goid: None,
        body,
    };
    note(
        &mut under_way,
        event(105, Body::SyscallEnter(SyscallEnter::default())),
    );
    let exec = Exec {
        old_tid: 105,
        comm: String::new(),
    };
    note(&mut under_way, event(100, Body::Exec(exec)));
    assert_eq!(under_way.keys().collect::<Vec<_>>(), [&100]);
    note(
        &mut under_way,
        event(100, Body::SyscallExit(SyscallExit::default())),
    );
    assert!(under_way.is_empty());
}

#[test]
fn nothing_is_written_without_a_reason() {
    let mut run = Run::new(LIMITS, Kept::Events);
    run.call(1, 100, 3);
    run.gone(2, 101, 0);
    run.sink.flush().expect("a vector takes everything");
    assert_eq!(run.text(), "");
}
