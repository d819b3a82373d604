//! The documents of `tracer strace -c --format json` are what their schema says.

#[path = "shared/json_schema.rs"]
mod json_schema;

use json_schema::Schema;
use serde_json::Value;
use tracer::event::{
    Body, Charge, Cost, Event, KernelTime, Latency, Losses, RunEnd, RunStart, SyscallLatency,
};
use tracer::render::strace_count::{CountFormat, CountOptions, SCHEMA_TEXT, StraceCounts};
use tracer::sink::Sink;
use tracer_tests::place;

const ALL_COLUMNS: &str = "time-percent,total-time,min-time,max-time,avg-time,calls,errors,p50,\
                           p90,p95,p99,p99.9,max,name";

/// One document a line.
fn documents(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|l| l.starts_with('{'));
    let document = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines.map(document).collect()
}

#[test]
fn real_tables_are_what_the_schema_says() {
    let Some(place) = place(true) else { return };
    let printed = place.tracer(&["schema", "count"]).run().success().stdout;
    assert_eq!(printed, SCHEMA_TEXT);
    let mut schema = Schema::new(&printed);
    let by = ["path", "fd", "peer", "thread", "function"];
    let by = by.map(|key| vec!["--by", key, "--histogram"]);
    let others = [vec![], vec!["-U", ALL_COLUMNS, "--histogram"], vec!["-z"]];
    for options in by.iter().chain(&others) {
        let file = place.path("count.json");
        let _ = place
            .tracer(&["strace", "-f", "-c", "-o", &file])
            .args(options)
            .launching("/bin/sh", &["-c", "ls -l /nonexistent / | wc; true"])
            .run()
            .success();
        let text = std::fs::read_to_string(&file).expect("a document");
        let [document] = &documents(&text)[..] else {
            panic!("not one document: {text}")
        };
        schema
            .check(document)
            .unwrap_or_else(|e| panic!("{options:?}: {e}"));
        let table = &document["table"];
        let (columns, rows) = (&table["columns"], &table["rows"]);
        let width = |row: &Value| row.as_array().expect("a row").len();
        let rows = rows.as_array().expect("rows");
        assert!(rows.len() > 5, "{options:?}: {document}");
        assert!(rows.iter().all(|row| width(row) == width(columns)));
        assert_eq!(width(&table["total"]), width(columns), "{options:?}");
        assert!(document["cost"]["target_ns"].is_u64(), "{options:?}");
    }
}

#[test]
fn each_interval_and_a_recording_give_such_documents() {
    let Some(place) = place(true) else { return };
    let mut schema = Schema::new(SCHEMA_TEXT);
    let mut target =
        tracer_tests::Running::ready(&mut place.command("c/ring_flood", &["700", "2", "wait"]));
    let (table, trace) = (place.path("count.json"), place.path("a.trc"));
    let count = ["strace", "-c", "-i", "200ms", "-o", &table, "-p"];
    let record = ["record", "-k", "count", "-o", &trace, "-p"];
    let pid = target.pid_text();
    let count = place.tracer(&count).args(&[&pid]).attach();
    let record = place.tracer(&record).args(&[&pid]).attach();
    target.proceed();
    let _ = target.finish().success();
    let _ = (count.finish().success(), record.finish().success());
    let text = std::fs::read_to_string(&table).expect("documents");
    let live = documents(&text);
    assert!(live.len() > 1, "{text}");
    let report = place.tracer(&["report", "count", &trace, "--format", "json"]);
    let recorded = documents(&report.run().success().stdout);
    assert_eq!(recorded.len(), 1);
    for document in live.iter().chain(&recorded) {
        schema.check(document).unwrap_or_else(|e| panic!("{e}"));
    }
}

fn event(body: Body) -> Event {
    Event {
        time_ns: 0,
        pid: 0,
        tid: 0,
        cpu: 0,
        goid: None,
        body,
    }
}

/// A document with every field there is.
fn everything() -> Value {
    let latency = SyscallLatency {
        nr: 0,
        latency: Latency {
            count: 1,
            total_ns: 5000,
            min_ns: 5000,
            max_ns: 5000,
            buckets: vec![(100, 1)],
            ..Latency::default()
        },
    };
    let losses = Losses {
        undecodable: 1,
        ..Losses::default()
    };
    let cost = Cost {
        charges: vec![Charge::default()],
        kernel: Some(KernelTime::default()),
        ..Cost::default()
    };
    let options = CountOptions {
        histograms: true,
        format: CountFormat::Json,
        ..CountOptions::default()
    };
    let mut sink = StraceCounts::new(options, Vec::new(), "out");
    for body in [
        Body::RunStart(Box::<RunStart>::default()),
        Body::SyscallLatency(Box::new(latency)),
        Body::Losses(losses),
        Body::Cost(Box::new(cost)),
        Body::RunEnd(Box::<RunEnd>::default()),
    ] {
        sink.event(&event(body)).expect("memory takes everything");
    }
    serde_json::from_slice(&sink.into_inner()).expect("a document")
}

/// A field that is in no document has no place in the schema, and the other way round.
#[test]
fn the_schema_names_every_field_and_no_other() {
    let mut schema = Schema::new(SCHEMA_TEXT);
    let document = everything();
    schema.check(&document).unwrap_or_else(|e| panic!("{e}"));
    let named = schema.properties();
    let unseen: Vec<_> = named.difference(&schema.seen).collect();
    assert_eq!(unseen, [""; 0]);
    for field in ["schema", "table"] {
        let mut broken = document.clone();
        let _ = broken.as_object_mut().expect("it is one").remove(field);
        assert!(schema.check(&broken).is_err(), "{field}");
    }
    let mut broken = document;
    broken["table"]["surprise"] = 1.into();
    assert!(schema.check(&broken).is_err());
}
