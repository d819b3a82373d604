use super::*;
use crate::event::{Capture, Exec, Exit, Fork, Signal, StopReason};
use crate::syscall::qualify::{QuietSet, StatusSet};
use tracer_common::capture::kind;

fn at(time_us: u64, tid: u32, body: Body) -> Event {
    Event {
        time_ns: time_us * 1000,
        pid: 1 << 30,
        tid,
        cpu: 0,
        goid: Some(7),
        body,
    }
}

fn enter(time_us: u64, tid: u32, nr: u32, args: [u64; 6], captures: Vec<Capture>) -> Event {
    let enter = SyscallEnter {
        nr,
        args,
        captures,
        ..SyscallEnter::default()
    };
    at(time_us, tid, Body::SyscallEnter(enter))
}

fn exit(time_us: u64, tid: u32, nr: u32, ret: i64) -> Event {
    let exit = SyscallExit {
        nr,
        ret,
        ..SyscallExit::default()
    };
    at(time_us, tid, Body::SyscallExit(exit))
}

fn start() -> Event {
    let start = RunStart {
        wall_offset_ns: 1_700_000_000_000_000_000,
        arch: "x86_64".to_owned(),
        ..RunStart::default()
    };
    at(0, 0, Body::RunStart(Box::new(start)))
}

fn end(reason: StopReason) -> Event {
    let end = RunEnd {
        reason,
        ..RunEnd::default()
    };
    at(9_000_000, 0, Body::RunEnd(Box::new(end)))
}

fn written(options: LineOptions, format: JsonFormat, events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut sink = StraceJson::new(options, &mut out, "out", format);
    for event in events {
        let _ = sink.event(event);
    }
    drop(sink);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn lines(options: LineOptions, events: &[Event]) -> Vec<serde_json::Value> {
    let text = written(options, JsonFormat::Lines, events);
    let object = |line| serde_json::from_str(line).expect("an object");
    text.lines().map(object).collect()
}

fn path(arg: u8, data: &[u8]) -> Capture {
    Capture {
        arg,
        kind: kind::STRING,
        data: data.to_vec(),
        ..Capture::default()
    }
}

fn openat(time_us: u64, name: &[u8], ret: i64) -> [Event; 2] {
    let args = [(-100i64).cast_unsigned(), 0x7000, 0o2_000_000, 0, 0, 0];
    [
        enter(time_us, 5, 257, args, vec![path(1, name)]),
        exit(time_us + 3, 5, 257, ret),
    ]
}

#[test]
fn a_call_is_an_object_with_typed_arguments() {
    let events = [vec![start()], openat(1_000_000, b"/a", -2).to_vec()].concat();
    let text = written(LineOptions::default(), JsonFormat::Lines, &events);
    let call = text.lines().nth(1).expect("a call");
    let expected = concat!(
        r#"{"type":"call","time":"2023-11-14T22:13:21.000000000Z","elapsed_ns":1000000000,"#,
        r#""pid":1073741824,"tid":5,"syscall":"openat","nr":257,"args":["#,
        r#"{"name":"dirfd","type":"fd","value":-100,"text":"AT_FDCWD"},"#,
        r#"{"name":"path","type":"path","value":"/a","text":"\"/a\"","address":28672},"#,
        r#"{"name":"flags","type":"flags","value":524288,"text":"O_RDONLY|O_CLOEXEC"}],"#,
        r#""status":"failed","ret":-1,"errno":2,"error":"ENOENT","#,
        r#""result":"-1 ENOENT (No such file or directory)","duration_ns":3000}"#
    );
    assert_eq!(call, expected);
}

#[test]
fn what_was_not_read_or_not_seen_is_marked() {
    let events = [
        start(),
        exit(1, 5, 3, 0),
        enter(2, 5, 2, [0x7000, 0, 0, 0, 0, 0], Vec::new()),
        exit(3, 5, 2, 3),
        enter(4, 5, 500, [1, 2, 3, 4, 5, 6], Vec::new()),
        exit(5, 5, 500, -600),
        enter(6, 5, 231, [3, 0, 0, 0, 0, 0], Vec::new()),
    ];
    let objects = lines(LineOptions::default(), &events);
    assert!(objects[1]["args"].is_null() && objects[1]["duration_ns"].is_null());
    let path = &objects[2]["args"][0];
    assert!(path["value"].is_null());
    assert_eq!(
        (&path["unread"], &path["address"]),
        (&true.into(), &0x7000.into())
    );
    assert_eq!(objects[3]["syscall"], "syscall_0x1f4");
    assert_eq!(objects[3]["error"], "errno 600");
    assert_eq!(objects[3]["args"][5]["name"], "arg5");
    let ends = (
        &objects[4]["status"],
        &objects[4]["result"],
        &objects[4]["ret"],
    );
    assert_eq!(
        ends,
        (&"unfinished".into(), &"?".into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_document_is_whole_however_the_trace_ends() {
    let document = |events: &[Event]| -> serde_json::Value {
        let text = written(LineOptions::default(), JsonFormat::Document, events);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"))
    };
    let empty = document(&[start(), end(StopReason::Interrupted)]);
    assert_eq!(empty["events"], serde_json::json!([]));
    assert_eq!(empty["summary"]["reason"], "interrupted");
    let [began, ended] = openat(1, b"/a", 3);
    let open = document(&[start(), began.clone(), end(StopReason::Interrupted)]);
    assert_eq!(open["events"][0]["status"], "detached");
    assert_eq!(open["summary"]["calls"], 1);
    let broken_off = document(&[start(), began.clone(), ended.clone(), began.clone()]);
    assert!(broken_off["summary"].is_null());
    assert_eq!(broken_off["events"].as_array().map(Vec::len), Some(1));
    let unannounced = document(&[began, ended]);
    assert_eq!(unannounced["start"]["schema"], SCHEMA);
    let nothing = written(LineOptions::default(), JsonFormat::Document, &[]);
    assert_eq!(nothing, "", "nothing was traced");
}

#[test]
fn calls_are_chosen_as_lines_are() {
    let events = [
        vec![start()],
        openat(1, b"/a", -2).to_vec(),
        openat(10, b"/b", 3).to_vec(),
        vec![end(StopReason::TargetExited)],
    ]
    .concat();
    let paths = |options| -> Vec<String> {
        let objects = lines(options, &events);
        let calls = objects.iter().filter(|o| o["type"] == "call");
        calls
            .map(|o| o["args"][1]["value"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    let all = LineOptions::default;
    assert_eq!(paths(all()), ["/a", "/b"]);
    let statuses = StatusSet::FAILED;
    assert_eq!(paths(LineOptions { statuses, ..all() }), ["/a"]);
    assert_eq!(
        paths(LineOptions {
            min_time_ns: 4000,
            ..all()
        }),
        [""; 0]
    );
    assert_eq!(
        paths(LineOptions {
            slowest: 1,
            ..all()
        }),
        ["/a"]
    );
    assert_eq!(paths(LineOptions { limit: 1, ..all() }), ["/a"]);
    let limited = lines(LineOptions { limit: 1, ..all() }, &events);
    assert_eq!(
        limited.last().expect("a summary")["reason"],
        "syscall_limit"
    );
}

#[test]
fn lives_are_told_unless_they_are_not_wanted() {
    let signal = Signal {
        signo: 17,
        info: Some(
            [17u32, 0, 1, 0, 77, 1000, 0, 0]
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .chain([0; 16])
                .collect(),
        ),
        ignored: false,
    };
    let fork = Fork {
        child_pid: 1 << 30,
        child_tid: 6,
        comm: "x".to_owned(),
    };
    let exec = Exec {
        old_tid: 6,
        comm: "ls".to_owned(),
    };
    let ends = Exit {
        status: 0x8b,
        last_thread: true,
        comm: "ls".to_owned(),
        place: None,
    };
    let events = [
        start(),
        at(1, 5, Body::Fork(fork)),
        at(2, 5, Body::Signal(signal)),
        enter(3, 5, 34, [0; 6], Vec::new()),
        enter(4, 6, 59, [0; 6], Vec::new()),
        at(5, 5, Body::Exec(exec)),
        exit(6, 5, 59, 0),
        at(7, 5, Body::Exit(ends)),
    ];
    let types = |quiet| -> Vec<String> {
        let options = LineOptions {
            quiet,
            ..LineOptions::default()
        };
        let objects = lines(options, &events);
        objects
            .iter()
            .map(|o| o["type"].as_str().expect("text").to_owned())
            .collect()
    };
    let all = ["start", "fork", "signal", "call", "exec", "call", "exit"];
    assert_eq!(types(QuietSet::NONE), all);
    // A death by a signal is told as the signal is.
    assert_eq!(
        types(QuietSet::ALL),
        ["start", "signal", "call", "call", "exit"]
    );
    let objects = lines(LineOptions::default(), &events);
    assert_eq!(objects[2]["info"]["si_pid"], 77);
    assert_eq!(objects[2]["signal"], "SIGCHLD");
    assert_eq!(
        (&objects[3]["syscall"], &objects[3]["status"]),
        (&"pause".into(), &"unfinished".into())
    );
    assert_eq!(
        (&objects[5]["tid"], &objects[5]["syscall"]),
        (&5.into(), &"execve".into())
    );
    assert_eq!(objects[6]["signal"], "SIGSEGV");
    assert_eq!(objects[6]["core_dumped"], true);
}

#[test]
fn values_do_not_depend_on_how_text_is_shown() {
    let mut options = LineOptions {
        goroutines: true,
        ..LineOptions::default()
    };
    options.decode.escapes = crate::syscall::print::Escapes::AllHex;
    options.decode.constants = crate::syscall::print::Constants::Numbers;
    let events = [vec![start()], openat(1, b"/\xff", 3).to_vec()].concat();
    let objects = lines(options, &events);
    let args = &objects[1]["args"];
    assert_eq!(args[1]["text"], r#""\x2f\xff""#);
    assert_eq!(args[1]["bytes_hex"], "2fff");
    assert_eq!(args[1]["value"], "/\u{fffd}");
    assert_eq!(args[2]["text"], "0x80000");
    assert_eq!(objects[1]["goid"], 7);
}

#[test]
fn sendfile_tells_what_became_of_its_offset_where_it_stands() {
    let word = |data: u64| Capture {
        arg: 2,
        kind: kind::STRUCT,
        data: data.to_le_bytes().to_vec(),
        ..Capture::default()
    };
    let returned = SyscallExit {
        nr: 40,
        ret: 80,
        captures: vec![word(80)],
        ..SyscallExit::default()
    };
    let events = [
        start(),
        enter(1, 5, 40, [1, 3, 0x7000, 100, 0, 0], vec![word(0)]),
        at(2, 5, Body::SyscallExit(returned)),
    ];
    let objects = lines(LineOptions::default(), &events);
    let texts: Vec<_> = objects[1]["args"]
        .as_array()
        .expect("arguments")
        .iter()
        .map(|a| &a["text"])
        .collect();
    assert_eq!(texts, ["1", "3", "[0] => [80]", "100"]);
}

#[test]
fn clone_has_its_arguments_by_the_names_that_strace_gives_them() {
    let mut sink_options = LineOptions::default();
    sink_options.decode.argument_names = true;
    let events = [
        start(),
        enter(1, 5, 56, [0x11, 0x9000, 0, 0, 0, 0], Vec::new()),
        exit(2, 5, 56, 6),
    ];
    let objects = lines(sink_options, &events);
    let args = &objects[1]["args"];
    assert_eq!(
        (&args[0]["name"], &args[0]["value"]),
        (&"child_stack".into(), &0x9000.into())
    );
    assert_eq!(
        (&args[1]["name"], &args[1]["value"]),
        (&"flags".into(), &0x11.into())
    );
    assert_eq!(args[1]["text"], "flags=SIGCHLD");
}
