//! The objects of `tracer strace --format json` and `ndjson`: they are the lines, and what the
//! schema says.

#[path = "shared/json_schema.rs"]
mod json_schema;

use std::collections::BTreeSet;

use json_schema::Schema;
use serde_json::Value;
use tracer::event::{
    Body, Capture, Charge, Cost, Curbed, Event, Exec, Exit, Fork, FrameSymbol, KernelTime, Losses,
    ProbeLoss, ProcessInfo, RunEnd, RunStart, Sample, Signal, Space, SymbolOrigin,
    SymbolizedAddress, Symbols, SyscallEnter, SyscallExit,
};
use tracer::render::flight::{FlightRecorder, FormedLines, Kept, Limits};
use tracer::render::strace_json::{JsonDumps, JsonFormat, SCHEMA_TEXT, StraceJson, Written};
use tracer::render::strace_line::LineOptions;
use tracer::sink::Sink;
use tracer::syscall::qualify::DescriptorDetails;
use tracer_common::capture::{STACK_ARG, kind};
use tracer_tests::{Place, one_line, place, whole_calls};

fn objects(ndjson: &str) -> Vec<Value> {
    let object = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    ndjson.lines().map(object).collect()
}

/// Records a program; the name is that of the file.
fn record(place: &Place, name: &str, program: &str, args: &[&str]) -> String {
    let file = place.path(&format!("{name}.trc"));
    let run = place
        .tracer(&["record", "-f", "-k", "strace", "-o", &file])
        .launching(program, args)
        .run();
    assert!(run.stderr.contains(" 0 lost"), "{}", run.stderr);
    file
}

fn report(place: &Place, file: &str, args: &[&str]) -> String {
    let run = place.tracer(&["report", "strace", file]).args(args).run();
    run.success().stdout
}

/// Recordings of programs that between them do much.
fn recordings(place: &Place) -> Vec<String> {
    let fixture = |name: &str| place.fixture(name).display().to_string();
    let (expected, cold) = (place.path("expected"), place.path("cold"));
    let dir = place.dir().display().to_string();
    let script = "ls -l /nonexistent /etc | wc; cat /etc/hostname; (exit 3); kill -TERM $$";
    [
        (
            "zoo",
            fixture("c/syscall_zoo"),
            vec![dir.as_str(), &expected],
        ),
        ("cold", fixture("c/cold_memory"), vec![cold.as_str()]),
        ("eintr", fixture("c/signal_ends"), vec!["eintr"]),
        ("restart", fixture("c/signal_ends"), vec!["sleep"]),
        ("shell", "/bin/sh".to_owned(), vec!["-c", script]),
    ]
    .into_iter()
    .map(|(name, program, args)| record(place, name, &program, &args))
    .collect()
}

/// The line that an object stands for, if it has one.
fn line(object: &Value) -> Option<(u64, String)> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let line = match text("type") {
        "call" => {
            let args = object["args"].as_array().map_or(&[][..], Vec::as_slice);
            let args: Vec<&str> = args.iter().filter_map(|a| a["text"].as_str()).collect();
            let resumes = match object.get("resumes").and_then(Value::as_str) {
                Some(name) => format!("<... resuming interrupted {name} ...>"),
                None => String::new(),
            };
            let args = args.join(", ") + &resumes;
            format!("{}({args}) = {}", text("syscall"), text("result"))
        }
        "signal" => format!("--- {} ---", text("text")),
        "exit" => format!("+++ {} +++", text("text")),
        _ => return None,
    };
    Some((object["tid"].as_u64().expect("a thread"), line))
}

/// Without blanks, and without the mark of a call whose thread ended in it.
fn normal(line: &str) -> String {
    let line = line.replace(' ', "");
    line.replace(",<unfinished...>", "")
        .replace("<unfinished...>", "")
}

#[test]
fn the_texts_of_objects_are_the_lines_of_the_same_recording() {
    let Some(place) = place(true) else { return };
    for file in recordings(&place) {
        let text = format!("{file}.txt");
        let _ = report(&place, &file, &["-o", &text]);
        let text = std::fs::read_to_string(&text).expect("lines");
        let lines = whole_calls(&text).into_iter();
        let lines: Vec<_> = lines
            .map(|l| (l.tid.map(u64::from), normal(&l.text)))
            .collect();
        let json = objects(&report(&place, &file, &["--format", "ndjson"]));
        let told = json.iter().filter_map(line);
        let told: Vec<_> = told.map(|(tid, l)| (Some(tid), normal(&l))).collect();
        let differ = lines.iter().zip(&told).find(|(a, b)| a != b);
        assert_eq!(differ, None, "{file}");
        assert_eq!(lines.len(), told.len(), "{file}");
        assert!(lines.len() > 20, "{file}: {} lines", lines.len());
        let calls = json.iter().filter(|o| o["type"] == "call").count();
        assert_eq!(json.last().expect("a summary")["calls"], calls, "{file}");
    }
}

#[test]
fn real_output_is_what_the_schema_says() {
    let Some(place) = place(true) else { return };
    let printed = place.tracer(&["schema", "strace"]).run().success().stdout;
    assert_eq!(printed, SCHEMA_TEXT);
    let mut schema = Schema::new(&printed);
    for file in recordings(&place) {
        for args in [&["-v", "-s", "4096"][..], &["-X", "raw", "-xx"]] {
            let args = [args, &["--format", "ndjson"]].concat();
            let lines = objects(&report(&place, &file, &args));
            for object in &lines {
                schema
                    .check(object)
                    .unwrap_or_else(|e| panic!("{file}: {e}"));
            }
            let args = [&args[..args.len() - 1], &["json"]].concat();
            let document: Value =
                serde_json::from_str(&report(&place, &file, &args)).expect("a document");
            schema
                .check(&document)
                .unwrap_or_else(|e| panic!("{file}: {e}"));
            let events = document["events"].as_array().expect("events");
            assert_eq!(document["start"], lines[0]);
            assert_eq!(events[..], lines[1..lines.len() - 1]);
            assert_eq!(Some(&document["summary"]), lines.last());
        }
    }
}

/// A live run, chosen and shown with options that add fields.
#[test]
fn a_live_run_goes_to_a_file_whose_name_says_the_format() {
    let Some(place) = place(true) else { return };
    let (file, read) = (place.path("a.ndjson"), place.path("read"));
    std::fs::write(&read, "text").expect("a file");
    let args = [
        "strace",
        "-k",
        "-y",
        "-Y",
        "-e",
        "trace=openat,close",
        "-o",
        &file,
    ];
    let run = place.tracer(&args).launching("/bin/cat", &[&read]).run();
    let _ = run.success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let mut schema = Schema::new(SCHEMA_TEXT);
    let objects = objects(&text);
    for object in &objects {
        schema.check(object).unwrap_or_else(|e| panic!("{e}"));
    }
    let opened = objects.iter().find(|o| o["args"][1]["value"] == *read);
    let opened = opened.expect("cat opens its argument");
    assert_eq!(
        (&opened["syscall"], &opened["status"]),
        (&"openat".into(), &"successful".into())
    );
    assert_eq!(opened["referent"], *read);
    assert_eq!(opened["comm"], "cat");
    assert!(opened["duration_ns"].as_u64().expect("it returned") > 0);
    assert!(!opened["stack"].as_array().expect("a stack").is_empty());
    let close = objects.iter().filter(|o| o["syscall"] == "close");
    let mut closed = close.map(|o| (&o["args"][0]["value"], &o["args"][0]["referent"]));
    assert!(closed.any(|c| c == (&opened["ret"], &read.as_str().into())));
    let only: BTreeSet<_> = objects
        .iter()
        .filter_map(|o| o["syscall"].as_str())
        .collect();
    assert_eq!(only, BTreeSet::from(["close", "openat"]));
}

#[test]
fn a_document_is_whole_when_the_trace_is_interrupted() {
    let Some(place) = place(true) else { return };
    let mut command = place.command("c/sleeper", &[]);
    let target = tracer_tests::Running::ready(&mut command);
    let file = place.path("a.json");
    let args = ["strace", "-o", &file, "-p", &target.pid_text()];
    let _ = place.tracer(&args).attach().interrupt().success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    Schema::new(SCHEMA_TEXT)
        .check(&document)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(document["summary"]["reason"], "interrupted");
    let mut events = document["events"].as_array().expect("events").iter();
    assert!(events.any(|e| e["type"] == "attach"), "{text}");
}

#[test]
fn what_is_made_of_lines_is_refused() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.json");
    let cases: [(&[&str], &str); 4] = [
        (&["-ff", "-o", &file], "-ff and --output-separately"),
        (&["-C", "--format", "ndjson"], "-C prints a table"),
        (&["-e", "read=3", "--format", "json"], "-e read="),
        (
            &["--format", "csv"],
            "strace has no format csv; it has: text, json, ndjson",
        ),
    ];
    for (args, why) in cases {
        let run = place
            .tracer(&["strace"])
            .args(args)
            .launching("/bin/true", &[])
            .run();
        let line = one_line(&run, 2);
        assert!(line.starts_with(why), "{args:?}: {line}");
    }
    let run = place.tracer(&["schema", "nonsense"]).run();
    assert_eq!(
        one_line(&run, 2),
        "no output has a schema nonsense; there is: strace, count"
    );
    let run = place.tracer(&["schema"]).run().success();
    assert!(run.stdout.starts_with("strace "), "{}", run.stdout);
}

/// No process has this id (`PID_MAX_LIMIT` is 2^22), so `/proc` does not interfere.
const PID: u32 = 1 << 30;

fn at(time_ns: u64, body: Body) -> Event {
    Event {
        time_ns,
        pid: PID,
        tid: PID,
        cpu: 0,
        goid: Some(7),
        body,
    }
}

fn call(time_ns: u64, enter: SyscallEnter, ret: i64) -> [Event; 2] {
    let exit = SyscallExit {
        nr: enter.nr,
        ret,
        compat: enter.compat,
        ..SyscallExit::default()
    };
    [
        at(time_ns, Body::SyscallEnter(enter)),
        at(time_ns + 1, Body::SyscallExit(exit)),
    ]
}

fn plain_call(nr: u32, args: [u64; 6]) -> SyscallEnter {
    SyscallEnter {
        nr,
        args,
        ..SyscallEnter::default()
    }
}

fn open(data: &[u8]) -> SyscallEnter {
    let capture = Capture {
        kind: kind::STRING,
        data: data.to_vec(),
        ..Capture::default()
    };
    SyscallEnter {
        captures: vec![capture],
        ..plain_call(2, [0x7000, 0, 0, 0, 0, 0])
    }
}

fn cost() -> Cost {
    Cost {
        charges: vec![Charge::default()],
        kernel: Some(KernelTime::default()),
        ..Cost::default()
    }
}

fn stack() -> [Event; 2] {
    let symbol = SymbolizedAddress {
        space: Space::User,
        address: 0x5000,
        caller: false,
        frames: vec![FrameSymbol {
            function: "main.f".to_owned(),
            origin: SymbolOrigin::Go,
            ..FrameSymbol::default()
        }],
        module: Some("/bin/x".to_owned()),
        module_offset: 0x10,
    };
    let sample = Sample {
        comm: "x".to_owned(),
        kernel: Vec::new(),
        user: vec![0x5000],
        user_end: tracer::event::StackEnd::Unknown,
        truncated: false,
    };
    let addresses = vec![symbol];
    [
        at(1, Body::Symbols(Box::new(Symbols { addresses }))),
        at(1, Body::Sample(sample)),
    ]
}

/// Events after which every field was there.
fn everything() -> Vec<Event> {
    let losses = Losses {
        probes: vec![ProbeLoss {
            ring_full: 3,
            ..ProbeLoss::default()
        }],
        undecodable: 1,
    };
    let start = RunStart {
        arch: "x86_64".to_owned(),
        ..RunStart::default()
    };
    let mut events = vec![
        at(0, Body::RunStart(Box::new(start))),
        at(0, Body::Process(Box::<ProcessInfo>::default())),
        at(0, Body::Threads(vec![PID])),
    ];
    events.extend(stack());
    events.extend(call(2, open(b"/no/\xff"), 5));
    events.extend(call(4, plain_call(2, [0x7000, 0, 0, 0, 0, 0]), -2));
    events.extend(call(6, plain_call(3, [5, 0, 0, 0, 0, 0]), 0));
    events.extend(call(8, plain_call(219, [0; 6]), 0));
    let mut write = plain_call(1, [1, 0x7000, 40, 0, 0, 0]);
    write.captures.push(Capture {
        arg: 1,
        kind: kind::BUFFER,
        wanted: 40,
        data: vec![b'a'; 40],
        ..Capture::default()
    });
    events.extend(call(10, write, 40));
    let mut from_go = plain_call(39, [0; 6]);
    from_go.captures.push(Capture {
        arg: STACK_ARG,
        kind: kind::STACK,
        data: 0x5000_u64.to_le_bytes().to_vec(),
        ..Capture::default()
    });
    events.extend(call(12, from_go, 1));
    let compat = SyscallEnter {
        compat: true,
        ..plain_call(4, [0; 6])
    };
    events.extend(call(13, compat, 0));
    let (comm, child_pid, child_tid) = ("x".to_owned(), PID, PID + 1);
    events.extend([
        at(
            14,
            Body::Signal(Signal {
                signo: 10,
                info: Some(vec![0; 48]),
                ignored: false,
            }),
        ),
        at(
            15,
            Body::Fork(Fork {
                child_pid,
                child_tid,
                comm: comm.clone(),
            }),
        ),
        at(
            16,
            Body::Exec(Exec {
                old_tid: PID,
                comm: comm.clone(),
            }),
        ),
        at(17, Body::Losses(losses)),
        at(18, Body::Curbed(Box::<Curbed>::default())),
        at(
            19,
            Body::Exit(Exit {
                status: 9,
                last_thread: true,
                comm,
                place: None,
            }),
        ),
        at(20, Body::Cost(Box::new(cost()))),
        at(21, Body::RunEnd(Box::<RunEnd>::default())),
    ]);
    events
}

fn written(format: JsonFormat) -> String {
    let mut options = LineOptions {
        follow: true,
        goroutines: true,
        comms: true,
        stacks: true,
        instruction_pointer: true,
        ..LineOptions::default()
    };
    options.decode.descriptors = DescriptorDetails::PATH;
    let mut out = Vec::new();
    let mut sink = StraceJson::new(options, &mut out, "out", format);
    for event in everything() {
        sink.event(&event).expect("memory takes everything");
    }
    drop(sink);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// What a dump of the same adds.
fn dumped(kept: Kept) -> String {
    let mut options = LineOptions {
        follow: true,
        ..LineOptions::default()
    };
    options.decode.descriptors = DescriptorDetails::PATH;
    let limits = Limits {
        window_ns: 1 << 40,
        bytes: 1 << 20,
    };
    let (formed, counted) = (FormedLines::default(), Written::default());
    let inner = StraceJson::for_dumps(options, formed.clone(), counted.clone());
    let out = FormedLines::default();
    let dumps = JsonDumps::new(out.clone(), "out", JsonFormat::Document, counted);
    let (inner, dumps) = (Box::new(inner), Box::new(dumps));
    let never = Box::new(|| None);
    let mut sink = FlightRecorder::new((limits, kept), inner, formed, dumps, never);
    for event in everything() {
        sink.event(&event).expect("memory takes everything");
    }
    drop(sink);
    out.text()
}

/// A field that is in no output has no place in the schema, and the other way round.
#[test]
fn the_schema_names_every_field_and_no_other() {
    let mut schema = Schema::new(SCHEMA_TEXT);
    for object in objects(&written(JsonFormat::Lines)) {
        if object["syscall"] == "getpid" {
            assert_eq!(object["go_function"], "main.f");
        }
        schema.check(&object).unwrap_or_else(|e| panic!("{e}"));
    }
    let document: Value = serde_json::from_str(&written(JsonFormat::Document)).expect("a document");
    schema.check(&document).unwrap_or_else(|e| panic!("{e}"));
    for kept in [Kept::Events, Kept::Lines] {
        let dumped: Value = serde_json::from_str(&dumped(kept)).expect("a document");
        schema.check(&dumped).unwrap_or_else(|e| panic!("{e}"));
        let of_type = |kind| {
            let events = dumped["events"].as_array().expect("events");
            events.iter().filter(|e| e["type"] == kind).count()
        };
        assert_eq!(of_type("dump"), 1, "{dumped}");
        assert_eq!(dumped["summary"]["calls"], of_type("call"), "{dumped}");
        assert_eq!(of_type("call"), 7, "{dumped}");
    }
    let unseen: Vec<_> = schema
        .properties()
        .difference(&schema.seen)
        .cloned()
        .collect();
    assert_eq!(unseen, [""; 0]);
}

#[test]
fn a_value_that_breaks_the_schema_is_found() {
    let mut schema = Schema::new(SCHEMA_TEXT);
    let exit = objects(&written(JsonFormat::Lines));
    let exit = exit.iter().find(|o| o["type"] == "exit").expect("an end");
    let broken = |key: &str, value: Option<Value>| {
        let mut exit = exit.clone();
        let fields = exit.as_object_mut().expect("an object");
        match value {
            Some(value) => fields.insert(key.to_owned(), value),
            None => fields.remove(key),
        };
        exit
    };
    assert_eq!(schema.check(exit), Ok(()));
    for (key, value) in [
        ("pid", None),
        ("pid", Some("1".into())),
        ("pid", Some((-1).into())),
        ("type", Some("end".into())),
        ("surprise", Some(1.into())),
    ] {
        assert!(schema.check(&broken(key, value)).is_err(), "{key}");
    }
}
