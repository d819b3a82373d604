//! Recordings, and the events in them all the way to text.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use tracer::event::{Body, Event, RunEnd, RunStart};
use tracer::recording::{Reader, Writer};
use tracer::render::strace_count::{CountFormat, CountOptions, StraceCounts};
use tracer::render::strace_json::{JsonFormat, StraceJson};
use tracer::render::strace_line::{LineOptions, Precision, Prefix, StraceLines, Timestamp};
use tracer::render::{
    GcFormat, GcRemarks, GcSink, GcSummarySink, GcTold, RunQueueFormat, RunQueueSink,
    STACK_FORMATS, StackFormat, StackOutput, StackSink,
};
use tracer::sink::Sink;
use tracer::syscall::qualify::{QuietSet, StatusSet};
use tracer::term::is_control;

use super::input::{Input, push_chunk};

/// Bytes of output that any run may make: headings, and the frame of a picture.
const OUTPUT: usize = 128 << 10;
/// Bytes of output for each byte of input. The worst is an interval without events, whose tables
/// have headings all the same.
const OUTPUT_PER_BYTE: usize = 2 << 10;

const REMARKS: GcRemarks = GcRemarks {
    trigger: true,
    next: true,
};

/// Bytes of a message. The name of the program that wrote a recording has up to 255, and each may
/// be shown as eight.
const MESSAGE: usize = 3000;

/// Reads a recording to its end or its first error: as it is, and with all its checksums made
/// right, which a fuzzer would never hit upon.
pub(super) fn read_recording(bytes: &[u8]) {
    read(bytes);
    read(&repaired(bytes));
}

fn read(bytes: &[u8]) {
    let mut reader = match Reader::new(bytes, "file") {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.to_string().len() < MESSAGE, "{error}");
            return;
        }
    };
    assert!(reader.writer().len() < MESSAGE);
    let mut events = 0;
    for event in reader.by_ref() {
        match event {
            Ok(_) => events += 1,
            Err(error) => assert!(error.to_string().len() < MESSAGE, "{error}"),
        }
    }
    assert!(events <= bytes.len(), "{events} events");
    assert!(reader.next().is_none(), "it goes on after its end");
}

/// The same prologue and frames with the right magic number and checksums, and with lengths that
/// fit. Layout: the documentation of `tracer::recording`.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut input = Input::new(bytes);
    input.bytes(8);
    let mut out = b"\x89TRACE\r\n".to_vec();
    out.extend(input.bytes(4));
    let length = input.u8();
    let writer = input.bytes(usize::from(length));
    out.push(writer.len() as u8);
    out.extend(writer);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    input.bytes(4);
    while !input.is_empty() {
        let length = input.u32() as usize;
        input.bytes(4);
        let payload = input.bytes(length);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&(payload.len() as u64).to_le_bytes());
        crc.update(payload);
        out.extend((payload.len() as u32).to_le_bytes());
        out.extend(crc.finalize().to_le_bytes());
        out.extend(payload);
    }
    out
}

/// Feeds events, each as postcard after a length of 16 bits, to every sink. What they print is in
/// proportion and free of control characters, and a recording of them reads back the same.
pub(super) fn replay_events(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let options = input.u8();
    let mut events = vec![run_start()];
    while !input.is_empty() {
        if let Ok(event) = postcard::from_bytes::<Event>(input.chunk()) {
            events.push(event);
        }
    }
    events.push(run_end(&events));
    for (reader, output, mut sink) in sinks(options) {
        for event in &events {
            sink.event(event).expect("memory takes everything");
        }
        sink.flush().expect("memory takes everything");
        drop(sink);
        output.check(reader, OUTPUT + OUTPUT_PER_BYTE * bytes.len());
    }
    record_and_read_back(&events);
}

/// The events of a recording as [`replay_events`] takes them, for seeds.
pub(super) fn event_chunks<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut out = vec![0];
    for event in events {
        let bytes = postcard::to_stdvec(event).expect("events serialize");
        push_chunk(&mut out, &bytes);
    }
    out
}

/// Of a machine whose calls have names; the events may have a start of another.
fn run_start() -> Event {
    let start = RunStart {
        arch: "x86_64".to_owned(),
        ..RunStart::default()
    };
    fact(0, Body::RunStart(Box::new(start)))
}

fn run_end(events: &[Event]) -> Event {
    let last_ns = events.iter().map(|event| event.time_ns).max();
    fact(last_ns.unwrap_or(0), Body::RunEnd(Box::<RunEnd>::default()))
}

fn fact(time_ns: u64, body: Body) -> Event {
    Event {
        time_ns,
        pid: 0,
        tid: 0,
        cpu: 0,
        goid: None,
        body,
    }
}

/// Symbols are left out: those of a large process are recorded in parts. So is what follows the
/// end, which ends the file.
fn record_and_read_back(events: &[Event]) {
    let end = events
        .iter()
        .position(|event| matches!(event.body, Body::RunEnd(_)));
    let events = &events[..=end.expect("added by the caller")];
    let events = events
        .iter()
        .filter(|event| !matches!(event.body, Body::Symbols(_)));
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, "memory").expect("memory takes everything");
    for event in events.clone() {
        writer.event(event).expect("memory takes everything");
    }
    drop(writer);
    let reader = Reader::new(file.as_slice(), "memory").expect("just written");
    let read: Vec<Event> = reader.map(|event| event.expect("just written")).collect();
    assert_eq!(read.len(), events.clone().count());
    for (read, written) in read.iter().zip(events) {
        // Not a number differs from itself, so texts are compared.
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
    }
}

/// Who reads an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// People, on a terminal.
    People,
    /// Programs, as JSON: it escapes the control characters of ASCII only.
    Programs,
    /// Programs, and it is no text.
    Binary,
}

/// Every way to show events. The bits of `options` choose among options.
fn sinks(options: u8) -> Vec<(Audience, Tally, Box<dyn Sink>)> {
    use Audience::{Binary, People, Programs};
    let mut all = Vec::new();
    let mut add = |audience, make: &dyn Fn(Tally) -> Box<dyn Sink>| {
        let tally = Tally::default();
        all.push((audience, tally.clone(), make(tally)));
    };
    add(People, &|out| {
        Box::new(StraceLines::new(line_options(options), out, "memory"))
    });
    for format in [JsonFormat::Document, JsonFormat::Lines] {
        add(Programs, &|out| {
            let options = json_options(options);
            Box::new(StraceJson::new(options, out, "memory", format))
        });
    }
    for (audience, format) in [(People, CountFormat::Text), (Programs, CountFormat::Json)] {
        let counts = counts(options, format);
        add(audience, &|out| {
            Box::new(StraceCounts::new(counts.clone(), out, "memory"))
        });
    }
    for format in STACK_FORMATS {
        let audience = match format.name {
            "json" | "speedscope" | "firefox" => Programs,
            "pprof" => Binary,
            _ => People,
        };
        let stacks = stacks(options, format);
        add(audience, &|out| {
            Box::new(StackSink::on_cpu(stacks.clone(), out, "memory"))
        });
        add(audience, &|out| {
            let sink = StackSink::off_cpu(stacks.clone(), out, "memory");
            Box::new(sink.by_state(options & 2 != 0))
        });
        add(audience, &|out| {
            let sink = StackSink::wall(stacks.clone(), out, "memory");
            Box::new(sink.by_state(options & 2 != 0))
        });
    }
    for (audience, format) in [
        (People, RunQueueFormat::Text { threads: 5 }),
        (Programs, RunQueueFormat::Json),
        (Programs, RunQueueFormat::Ndjson),
    ] {
        add(audience, &|out| {
            Box::new(RunQueueSink::new(out, "memory", format))
        });
    }
    for (audience, format) in [
        (People, GcFormat::Text(REMARKS)),
        (Programs, GcFormat::Json),
        (Programs, GcFormat::Ndjson),
    ] {
        add(audience, &|out| {
            Box::new(GcSink::new(out, "memory", format))
        });
    }
    add(People, &|out| {
        Box::new(GcSummarySink::new(out, "memory", GcTold::All))
    });
    all
}

fn line_options(bits: u8) -> LineOptions {
    let precision = (bits & 64 != 0).then_some(Precision::Microseconds);
    LineOptions {
        timestamp: Timestamp::of_count(bits & 3),
        prefix: [Prefix::Never, Prefix::WhenSeveral, Prefix::Bare][usize::from(bits >> 2 & 3) % 3],
        statuses: [StatusSet::ALL, StatusSet::SUCCESSFUL, StatusSet::FAILED]
            [usize::from(bits >> 4 & 3) % 3],
        relative: precision,
        durations: precision,
        goroutines: bits & 128 != 0,
        quiet: [QuietSet::ALL, QuietSet::NONE][usize::from(bits >> 7)],
        follow: true,
        ..LineOptions::default()
    }
}

fn json_options(bits: u8) -> LineOptions {
    LineOptions {
        stacks: bits & 1 != 0,
        instruction_pointer: bits & 2 != 0,
        slowest: usize::from(bits >> 2 & 1),
        limit: u64::from(bits & 8),
        ..line_options(bits)
    }
}

fn counts(bits: u8, format: CountFormat) -> CountOptions {
    CountOptions {
        histograms: bits & 1 != 0,
        format,
        ..CountOptions::default()
    }
}

fn stacks(bits: u8, format: &'static StackFormat) -> StackOutput {
    StackOutput {
        format,
        threads: bits & 1 != 0,
        ..StackOutput::default()
    }
}

/// A writer whose contents outlive the sink.
#[derive(Clone, Debug, Default)]
struct Tally(Rc<RefCell<Vec<u8>>>);

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tally {
    /// Names of a target are shown on terminals: nothing in them may steer one.
    fn check(&self, audience: Audience, most: usize) {
        let bytes = self.0.borrow();
        assert!(
            bytes.len() <= most,
            "{} bytes of output, not {most}",
            bytes.len()
        );
        if audience == Audience::Binary {
            return;
        }
        let text = std::str::from_utf8(&bytes).expect("output is UTF-8");
        if let Some(at) = text.find(|c| steers(c, audience)) {
            let start = text.floor_char_boundary(at.saturating_sub(60));
            let end = text.floor_char_boundary((at + 60).min(text.len()));
            panic!("a control character at {at}: {:?}", &text[start..end]);
        }
    }
}

/// Whether a character does something to a terminal but stand there.
fn steers(c: char, audience: Audience) -> bool {
    match audience {
        Audience::People => is_control(c) && !matches!(c, '\n' | '\t'),
        Audience::Programs | Audience::Binary => {
            c.is_ascii_control() && !matches!(c, '\n' | '\x7f')
        }
    }
}
