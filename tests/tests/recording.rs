//! A report of a recording is what the live command shows.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use tracer::event::Event;
use tracer::recording::{Reader, Writer};
use tracer::render::strace_count::{CountFormat, CountOptions, StraceCounts};
use tracer::render::strace_json::{JsonFormat, StraceJson};
use tracer::render::strace_line::{LineOptions, StraceLines};
use tracer::render::{
    GcFormat, GcRemarks, GcSink, RunQueueFormat, RunQueueSink, STACK_FORMATS, StackFormat,
    StackOutput, StackSink,
};
use tracer::sink::Sink;
use tracer_tests::{Place, place, whole_calls};

/// What each kind but profiles can be shown as.
const FORMATS: [(&str, &[&str]); 4] = [
    ("strace", &["text", "json", "ndjson"]),
    ("count", &["text", "json"]),
    ("sched", &["text", "json", "ndjson"]),
    ("gc", &["text", "json", "ndjson"]),
];

/// Records everything about a Go program that collects garbage.
fn record(place: &Place) -> String {
    let file = place.path("a.trc");
    let kinds = "strace,count,profile,offcpu,wall,sched,gc";
    let run = place
        .tracer(&["record", "-k", kinds, "-F", "499", "-o", &file])
        .launching(
            place.fixture("go/1.24.11/gcload"),
            &["-d", "500ms", "-forced", "3", "-wait"],
        )
        .run_interactive(|r| r.stdout().contains("\nforced "))
        .success();
    // Stacks may be missing, but no event.
    assert!(!run.stderr.contains("buffer full"), "{}", run.stderr);
    file
}

#[test]
fn each_kind_in_each_format_is_the_same_every_time_and_not_empty() {
    let Some(place) = place(true) else { return };
    let file = record(&place);
    let of_stacks: Vec<&str> = STACK_FORMATS.iter().map(|f| f.name).collect();
    let stacks = ["profile", "offcpu", "wall"].map(|kind| (kind, &of_stacks[..]));
    for (kind, formats) in FORMATS.into_iter().chain(stacks) {
        for format in formats {
            let output = place.path("output");
            let written = || {
                let args = [
                    "report", kind, "--format", format, "--force", "-o", &output, &file,
                ];
                let _ = place.tracer(&args).run().success();
                std::fs::read(&output).expect("an output")
            };
            let first = written();
            assert!(first.len() > 100, "{kind} as {format}:\n{first:?}");
            assert_eq!(first, written(), "{kind} as {format}");
            if kind != "strace" && *format != "pprof" {
                let run = place.tracer(&["report", kind, "--format", format, &file]);
                let shown = run.run().success().stdout;
                assert_eq!(first, shown.into_bytes(), "{kind} as {format}, in no file");
            }
        }
    }
    let all = place.tracer(&["report", &file]).run().success().stdout;
    for part in [
        "% time",
        " samples in ",
        "times off the CPU",
        ", accounted ",
        "run-queue latency",
        "gc 1 @",
    ] {
        assert!(all.contains(part), "no {part} in the whole report");
    }
}

#[test]
fn a_recording_is_private_and_knows_what_it_holds() {
    use std::os::unix::fs::PermissionsExt;
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let run = place.tracer(&["record", "-k", "count", "-o", &file]);
    let _ = run.launching("/bin/true", &[]).run().success();
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let run = place.tracer(&["report", "profile", &file]).run();
    let line = tracer_tests::one_line(&run, 1);
    assert!(line.ends_with("it was recorded with strace -c"), "{line}");
}

/// A writer whose bytes can be looked at while a sink owns it.
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

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

/// Every sink that the live commands have, each with its own output.
fn sinks() -> Vec<(&'static str, Shared, Box<dyn Sink>)> {
    let mut sinks: Vec<(&'static str, Shared, Box<dyn Sink>)> = Vec::new();
    let mut add = |name, make: &dyn Fn(Shared) -> Box<dyn Sink>| {
        let out = Shared::default();
        sinks.push((name, out.clone(), make(out)));
    };
    let stacks = |format: &'static StackFormat| StackOutput {
        format,
        ..StackOutput::default()
    };
    add("strace", &|out| {
        Box::new(StraceLines::new(LineOptions::default(), out, "out"))
    });
    for format in [JsonFormat::Document, JsonFormat::Lines] {
        add("strace", &|out| {
            let options = LineOptions::default();
            Box::new(StraceJson::new(options, out, "out", format))
        });
    }
    for format in [CountFormat::Text, CountFormat::Json] {
        let options = CountOptions {
            format,
            ..CountOptions::default()
        };
        add("count", &|out| {
            Box::new(StraceCounts::new(options.clone(), out, "out"))
        });
    }
    for format in STACK_FORMATS {
        add("profile", &|out| {
            Box::new(StackSink::on_cpu(stacks(format), out, "out"))
        });
        add("offcpu", &|out| {
            Box::new(StackSink::off_cpu(stacks(format), out, "out"))
        });
        add("wall", &|out| {
            Box::new(StackSink::wall(stacks(format), out, "out"))
        });
    }
    for format in [
        RunQueueFormat::Text { threads: 30 },
        RunQueueFormat::Json,
        RunQueueFormat::Ndjson,
    ] {
        add("sched", &|out| {
            Box::new(RunQueueSink::new(out, "out", format))
        });
    }
    for format in [
        GcFormat::Text(GcRemarks {
            trigger: true,
            next: true,
        }),
        GcFormat::Json,
        GcFormat::Ndjson,
    ] {
        add("gc", &|out| Box::new(GcSink::new(out, "out", format)));
    }
    sinks
}

fn feed(events: &[Event]) -> Vec<(&'static str, String)> {
    let mut sinks = sinks();
    for event in events {
        for (name, _, sink) in &mut sinks {
            let taken = sink.event(event).and_then(|()| sink.flush());
            taken.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    sinks
        .into_iter()
        .map(|(name, out, _)| (name, out.text()))
        .collect()
}

fn read(file: &Path) -> Vec<Event> {
    let reader = Reader::open(file).expect("a recording");
    reader
        .collect::<Result<_, _>>()
        .expect("an intact recording")
}

/// The live way is events into sinks; the other way is events into a file, from there into the
/// same sinks. Real events, every kind and format.
#[test]
fn events_that_went_through_a_file_are_shown_as_if_they_had_not() {
    let Some(place) = place(true) else { return };
    let events = read(Path::new(&record(&place)));
    assert!(events.len() > 1000, "{} events", events.len());
    let copy = place.path("copy.trc");
    let mut writer = Writer::create(Path::new(&copy), false).expect("a new file");
    for event in &events {
        writer.event(event).expect("written");
    }
    drop(writer);
    let again = read(Path::new(&copy));
    let (live, replayed) = (feed(&events), feed(&again));
    assert_eq!(live.len(), 11 + 3 * STACK_FORMATS.len());
    for ((name, live), (_, replayed)) in live.iter().zip(&replayed) {
        assert!(live.len() > 100, "{name}: {live}");
        assert_eq!(live, replayed, "{name}");
    }
}

/// The same run by two tracers at once: what is exact in one is exact in the other.
#[test]
fn a_live_trace_has_the_calls_of_a_recorded_one() {
    let Some(place) = place(true) else { return };
    let mut command = place.command("c/fork_tree", &["3", "101"]);
    let mut target = tracer_tests::Running::ready(&mut command);
    let pid = target.pid_text();
    let (file, live) = (place.path("a.trc"), place.path("live"));
    let live_args = ["strace", "-f", "-o", &live, "-p", &pid];
    let live_tracer = place.tracer(&live_args).attach();
    let record_args = ["record", "-f", "-k", "strace", "-o", &file, "-p", &pid];
    let recorder = place.tracer(&record_args).attach();
    target.proceed();
    let _ = target.finish().success();
    let _ = live_tracer.finish().success();
    let _ = recorder.finish().success();
    let reported = place.path("reported");
    let _ = place
        .tracer(&["report", "strace", "-o", &reported, &file])
        .run()
        .success();
    let normal = |path: &str| {
        let text = std::fs::read_to_string(path).expect("a trace");
        let line = |l: tracer_tests::Line| (l.tid, l.text.replace(' ', ""));
        let mut lines: Vec<_> = whole_calls(&text).into_iter().map(line).collect();
        lines.sort();
        lines
    };
    let (live, reported) = (normal(&live), normal(&reported));
    let differ = live.iter().zip(&reported).find(|(a, b)| a != b);
    assert_eq!(differ, None);
    assert_eq!(live.len(), reported.len());
    assert!(live.len() > 303, "{} lines", live.len());
}
