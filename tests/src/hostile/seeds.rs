//! Seeds made of real things: recordings of the fixtures, their files, this machine's `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use tracer::decode::decode;
use tracer::event::{Body, Event, SyscallEnter};
use tracer::recording::{Reader, Writer};
use tracer::sink::Sink;

use super::input::{Input, push_chunk};
use super::replay::event_chunks;
use super::syscalls::push_call;
use super::wire;
use crate::Place;

/// Events in one seed.
const EVENTS: usize = 60;
/// Seeds made of one recording.
const PER_RECORDING: usize = 40;

/// Writes seeds into `corpus/SURFACE/`: those that can be had here.
///
/// # Errors
/// A file cannot be read or written.
///
/// # Panics
/// When the tracer does not record (it needs root).
pub fn write_seeds(place: &Place, corpus: &Path) -> io::Result<()> {
    for (fixture, args) in RECORDED {
        let file = place.path("seed.trc");
        let kinds = "strace,count,profile,offcpu,sched,gc";
        let record = ["record", "--force", "-k", kinds, "-d", "1s", "-o", &file];
        let run = place
            .tracer(&record)
            .launching(place.fixture(fixture), args)
            .run();
        assert!(
            Path::new(&file).exists(),
            "nothing recorded:\n{}",
            run.stderr
        );
        of_recording(&fixture.replace('/', "-"), Path::new(&file), corpus)?;
    }
    for fixture in ["c/sleeper", "c/fork_tree", "c/syscall_zoo"] {
        let bytes = fs::read(place.fixture(fixture))?;
        for surface in ["executable", "symbolize", "unwind_table"] {
            put(corpus, surface, &fixture.replace('/', "-"), &bytes)?;
        }
    }
    for name in ["maps", "status", "limits", "smaps", "stat"] {
        let text = fs::read(format!("/proc/self/{name}"))?;
        put(corpus, "proc_text", name, &text[..text.len().min(8 << 10)])?;
        put(corpus, "doctor", name, &text[..text.len().min(2 << 10)])?;
    }
    let symbols = fs::read("/proc/kallsyms")?;
    put(
        corpus,
        "proc_text",
        "kallsyms",
        &symbols[..symbols.len().min(8 << 10)],
    )
}

/// The events in a seed of `recording`, up to its end, which is cut off.
///
/// # Panics
/// When it is not in the format of this build.
#[must_use]
pub fn recorded_events(seed: &[u8]) -> Vec<Event> {
    let reader = Reader::new(seed, "seed").expect("the format of this build");
    reader.map_while(Result::ok).collect()
}

/// The events in a seed of `replay`.
///
/// # Panics
/// When one is not what this build serializes.
#[must_use]
pub fn replayed_events(seed: &[u8]) -> Vec<Event> {
    let mut input = Input::new(seed);
    input.u8();
    let mut events = Vec::new();
    while !input.is_empty() {
        events.push(postcard::from_bytes(input.chunk()).expect("an event of this build"));
    }
    events
}

/// How many records of the ring buffer a seed of `decode` has.
///
/// # Panics
/// When one is not what the BPF programs of this build write.
#[must_use]
pub fn decoded_records(seed: &[u8]) -> usize {
    let mut input = Input::new(seed);
    let mut records = 0;
    while !input.is_empty() {
        let _ = decode(input.chunk()).expect("a record of this build");
        records += 1;
    }
    records
}

/// What is recorded, with arguments.
const RECORDED: &[(&str, &[&str])] = &[
    ("c/syscall_zoo", &[]),
    ("c/fork_tree", &[]),
    ("go/1.24.11/gcload", &["-d", "500ms", "-forced", "2"]),
    ("go/1.27.3/syscalls", &[]),
];

fn of_recording(name: &str, file: &Path, corpus: &Path) -> io::Result<()> {
    let reader = Reader::open(file).map_err(io::Error::other)?;
    let events: Vec<Event> = reader.map_while(Result::ok).collect();
    // Pieces from all over it.
    let step = (events.len() / PER_RECORDING).max(EVENTS);
    for (index, piece) in events.chunks(step).enumerate() {
        let piece = &piece[..piece.len().min(EVENTS)];
        let name = format!("{name}-{index}");
        put(corpus, "recording", &name, &recording(piece)?)?;
        put(corpus, "replay", &name, &event_chunks(piece))?;
        put(corpus, "decode", &name, &records(piece))?;
        put(corpus, "syscall", &name, &calls(piece))?;
    }
    Ok(())
}

fn recording(events: &[Event]) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, "memory")?;
    for event in events {
        writer.event(event).map_err(io::Error::other)?;
    }
    writer.flush().map_err(io::Error::other)?;
    drop(writer);
    Ok(file)
}

fn records(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in events.iter().filter_map(wire::encode) {
        push_chunk(&mut out, &record);
    }
    out
}

fn calls(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entered: HashMap<u32, &SyscallEnter> = HashMap::new();
    for event in events {
        match &event.body {
            Body::SyscallEnter(enter) => {
                entered.insert(event.tid, enter);
            }
            Body::SyscallExit(exit) => {
                if let Some(enter) = entered.remove(&event.tid) {
                    push_call(&mut out, enter, exit);
                }
            }
            _ => {}
        }
    }
    out
}

fn put(corpus: &Path, surface: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() < 4 {
        return Ok(());
    }
    let dir = corpus.join(surface);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(name), bytes)
}
