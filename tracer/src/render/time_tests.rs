//! Profiles of all time of threads, and of goroutines, in each format.

use super::stack_tests::{off_cpu_run, whole_run};
use super::{STACK_FORMATS, StackBy, StackFormat, StackOutput, StackSink, write_goroutine_waits};
use crate::event::{Body, Event, ThreadCpu};
use crate::report::{
    Frame, FrameKind, GoroutineWaitProfile, ProfileRun, StackTreeBuilder, ThreadStack, ThreadTotal,
    Unit,
};
use crate::sink::Sink;

/// All time of both threads, in ns.
pub(super) const ALL_NS: u64 = 1_502_000_800 + 90_000 + 400_000_000 + 100;

/// A thread that waits and runs, and one that ran for 100 ns, in which it was not sampled.
pub(super) fn wall_run() -> Vec<Event> {
    let time = |tid, elapsed_ns, cpu_ns| Event {
        tid,
        body: Body::ThreadCpu(Box::new(ThreadCpu {
            comm: "app".to_owned(),
            elapsed_ns,
            cpu_ns,
        })),
        ..whole_run()[1].clone()
    };
    let mut events = off_cpu_run();
    let times = [time(42, ALL_NS - 100, 400_000_000), time(43, 100, 100)];
    events.splice(1..1, [whole_run()[1].clone()].into_iter().chain(times));
    events
}

pub(super) fn wall_bytes(format: &str, states: bool) -> Vec<u8> {
    let format = StackFormat::named(format).expect("a format");
    shown(format, states, None, &wall_run())
}

fn shown(
    format: &'static StackFormat,
    states: bool,
    by: Option<StackBy>,
    events: &[Event],
) -> Vec<u8> {
    let output = StackOutput {
        format,
        by,
        ..StackOutput::default()
    };
    let mut out = Vec::new();
    let mut sink = StackSink::wall(output, &mut out, "out").by_state(states);
    for event in events {
        sink.event(event).expect("memory is writable");
    }
    out
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_a_thread_does_is_at_one_end_of_its_stacks() {
    let at_end = text(wall_bytes("folded", false));
    assert!(
        at_end.contains("app;runtime.main;main.main;main.work:_x;[on_CPU] 400000\n"),
        "{at_end}"
    );
    let at_root = text(wall_bytes("folded", true));
    assert!(
        at_root.contains("app;[on_CPU];runtime.main;main.main;main.work:_x 400000\n"),
        "{at_root}"
    );
}

/// What is left to account for is not known before.
#[test]
fn there_is_one_profile_for_the_whole_run() {
    let mut events = wall_run();
    let tick = Event {
        body: Body::Tick,
        ..events[1].clone()
    };
    events.insert(3, tick);
    for format in STACK_FORMATS {
        let once = shown(format, false, None, &wall_run());
        assert!(!once.is_empty(), "{format:?}");
        assert_eq!(shown(format, false, None, &events), once, "{format:?}");
    }
}

#[test]
fn tables_can_be_had_one_by_one() {
    let table = |by| text(shown(&STACK_FORMATS[0], false, by, &wall_run()));
    let has = |text: &str| (text.contains("  THREAD\n"), text.contains("FUNCTION "));
    assert_eq!(has(&table(None)), (true, true));
    assert_eq!(has(&table(Some(StackBy::Thread))), (true, false));
    assert_eq!(has(&table(Some(StackBy::Function))), (false, true));
}

#[test]
fn pictures_say_how_much_is_accounted_for() {
    let svg = text(wall_bytes("svg", false));
    assert!(svg.contains("Wall-clock time"), "{svg}");
    assert!(
        svg.contains("pid 42: 2 threads, 100.0% accounted, 2.00 s, 3 lost"),
        "{svg}"
    );
}

/// One goroutine that waits for 2 s, and one that runs for 1 s.
pub(super) fn goroutine_bytes(format: &str) -> Vec<u8> {
    let frame = |name: &str, kind| Frame {
        name: name.to_owned(),
        module: None,
        kind,
        inlined: false,
        file: None,
        line: None,
        code: None,
    };
    let mut tree = StackTreeBuilder::new(Unit::Nanoseconds);
    let waiting = [
        frame("[chan receive]", FrameKind::Thread),
        frame("main.wait", FrameKind::Go),
    ];
    let running = [frame("[running]", FrameKind::Thread)];
    let stacks = [(&waiting[..], 2_000_000_000), (&running[..], 1_000_000_000)];
    let by_thread = stacks.map(|(frames, value)| ThreadStack {
        node: tree.add(frames, value).expect("a node"),
        thread: 0,
        count: 0,
        value,
    });
    let all = ThreadTotal {
        pid: 7,
        tid: 7,
        comm: "goroutines".to_owned(),
        value: 3_000_000_000,
    };
    let profile = GoroutineWaitProfile {
        pid: 7,
        duration_ns: 2_000_000_000,
        looks: 201,
        time_ns: all.value,
        seen: 300,
        unreadable: 0,
        torn: 0,
        truncated: 0,
        over_limit: 0,
        reasons: Vec::new(),
        creators: Vec::new(),
        stacks: Vec::new(),
        run: ProfileRun {
            pids: vec![7],
            duration_ns: 2_000_000_000,
            ..ProfileRun::default()
        },
        together: vec![all],
        by_thread: by_thread.to_vec(),
        tree: tree.finish(),
    };
    let output = StackOutput {
        format: StackFormat::named(format).expect("a format"),
        ..StackOutput::default()
    };
    let mut out = Vec::new();
    write_goroutine_waits(profile, &output, &mut out).expect("memory is writable");
    out
}

#[test]
fn goroutines_have_every_format() {
    for format in STACK_FORMATS {
        assert!(!goroutine_bytes(format.name).is_empty(), "{format:?}");
    }
    assert_eq!(
        text(goroutine_bytes("folded")),
        "[chan_receive];main.wait 2000000\n[running] 1000000\n"
    );
    let svg = text(goroutine_bytes("svg"));
    assert!(svg.contains("pid 7: 201 looks, 2.00 s"), "{svg}");
    let json: serde_json::Value = serde_json::from_slice(&goroutine_bytes("json")).expect("JSON");
    assert_eq!(
        (&json["pid"], &json["run"]),
        (&7.into(), &serde_json::Value::Null)
    );
}
