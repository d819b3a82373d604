//! Round trips, damage and hostile input.

mod arbitrary;

use std::io;

use proptest::prelude::*;

use super::format::{self, MAX_FRAME, Major, Minor, Version};
use super::{ReadError, Reader, Writer};
use crate::event::{
    Body, CodeMapping, Event, FrameSymbol, OffCpuStack, RunEnd, RunStart, Sample, Space, StackEnd,
    SymbolizedAddress, Symbols, SyscallEnter, SyscallExit,
};
use crate::render::{
    GcFormat, GcRemarks, GcSink, GcSummarySink, GcTold, RunQueueFormat, RunQueueSink,
};
use crate::sink::{Sink, SinkError};

/// Bytes of the prologue that this build writes.
fn prologue_len() -> usize {
    let mut out = Vec::new();
    drop(Writer::new(&mut out, "a.trc").expect("memory"));
    out.len()
}

fn end(time_ns: u64) -> Event {
    event(time_ns, Body::RunEnd(Box::default()))
}

fn event(time_ns: u64, body: Body) -> Event {
    Event {
        time_ns,
        pid: 1234,
        tid: 1235,
        cpu: 1,
        goid: None,
        body,
    }
}

/// A complete recording: `events` and an end.
fn record(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "a.trc").expect("memory");
    for event in events {
        writer.event(event).expect("memory");
    }
    writer.event(&end(u64::MAX)).expect("memory");
    drop(writer);
    out
}

/// The events before the end or the first error, and that error.
fn read(bytes: &[u8]) -> (Vec<Event>, Option<ReadError>) {
    let reader = match Reader::new(bytes, "a.trc") {
        Ok(reader) => reader,
        Err(e) => return (Vec::new(), Some(e)),
    };
    let mut events = Vec::new();
    for next in reader {
        match next {
            Ok(event) => events.push(event),
            Err(e) => return (events, Some(e)),
        }
    }
    (events, None)
}

proptest! {
    #[test]
    fn any_events_read_back_as_they_were(
        mut events in prop::collection::vec(arbitrary::event(), 0..60),
        run_end in arbitrary::run_end(),
    ) {
        events.push(event(3, Body::RunEnd(Box::new(run_end))));
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, "a.trc").expect("memory");
        for event in &events {
            writer.event(event).expect("memory");
        }
        prop_assert_eq!(writer.events(), events.len() as u64);
        drop(writer);
        let (got, error) = read(&out);
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(got, events);
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read(&bytes).1.is_some());
    }

    /// A frame with a right checksum but arbitrary contents: lengths inside events included.
    #[test]
    fn arbitrary_payloads_do_no_harm(payload in prop::collection::vec(any::<u8>(), 1..2000)) {
        let mut bytes = format::prologue(format::CURRENT, "a fuzzer");
        let mut payload = payload;
        payload[0] = format::EVENTS;
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(format::frame_crc(&payload).to_le_bytes());
        bytes.extend(&payload);
        prop_assert!(read(&bytes).1.is_some());
    }

    #[test]
    fn a_changed_byte_is_found_and_what_came_before_it_is_read(
        events in prop::collection::vec(arbitrary::event(), 1..20),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bytes = record(&events);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let (got, error) = read(&bytes);
        prop_assert!(error.is_some());
        prop_assert!(got.len() <= events.len() + 1);
        prop_assert_eq!(&got[..got.len().min(events.len())], &events[..got.len().min(events.len())]);
    }

    #[test]
    fn a_cut_is_found_and_what_came_before_it_is_read(
        events in prop::collection::vec(arbitrary::event(), 1..20),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = record(&events);
        bytes.truncate(at.index(bytes.len()));
        let (got, error) = read(&bytes);
        let at_prologue = matches!(error, Some(ReadError::NotARecording { .. }));
        prop_assert!(at_prologue || matches!(error, Some(ReadError::CutOff { .. })), "{error:?}");
        prop_assert_eq!(at_prologue, bytes.len() < prologue_len());
        prop_assert!(got.len() <= events.len() + 1);
    }
}

/// Claims of huge lengths must fail before memory is taken for them.
#[test]
fn lengths_inside_events_are_bounded_by_the_frame() {
    let mut payload = vec![format::EVENTS, 0, 1, 1, 0, 0];
    payload.push(0); // SyscallEnter
    payload.extend([1, 0, 0, 0, 0, 0, 0]); // nr, args
    payload.extend([0xff; 9]); // captures: 2^64 - 1 of them
    payload.push(1);
    let mut bytes = format::prologue(format::CURRENT, "a fuzzer");
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(format::frame_crc(&payload).to_le_bytes());
    bytes.extend(&payload);
    let error = read(&bytes).1.expect("nonsense").to_string();
    assert!(error.contains("an event cannot be decoded"), "{error}");
}

#[test]
fn a_frame_length_is_not_believed() {
    let mut bytes = format::prologue(format::CURRENT, "a fuzzer");
    let at = bytes.len();
    bytes.extend((MAX_FRAME as u32 + 1).to_le_bytes());
    bytes.extend([0; 4]);
    assert_eq!(
        read(&bytes).1.expect("nonsense").to_string(),
        format!(
            "a.trc is damaged at byte {at} after 0 events: a frame of 4194305 bytes; what came \
             before is shown"
        )
    );
}

#[test]
fn damage_in_a_later_frame_leaves_the_earlier_ones_readable() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "a.trc").expect("memory");
    for i in 0..5000 {
        writer.event(&syscall_enter(i)).expect("memory");
    }
    drop(writer);
    let all = read(&out);
    assert_eq!(all.0.len(), 5000);
    assert!(
        matches!(all.1, Some(ReadError::CutOff { events: 5000, .. })),
        "a recording that was not ended says so: {:?}",
        all.1
    );

    let last = out.len() - 1;
    out[last] ^= 1;
    let (events, error) = read(&out);
    assert!(
        events.len() > 1000 && events.len() < 5000,
        "{}",
        events.len()
    );
    assert_eq!(events[999], syscall_enter(999));
    let error = error.expect("damaged").to_string();
    assert!(
        error.contains(&format!("after {} events", events.len())),
        "{error}"
    );
    assert!(error.contains("the checksum is wrong"), "{error}");
}

#[test]
fn missing_frames_and_trailing_bytes_are_told() {
    let (one, none) = (record(&[syscall_enter(1)]), record(&[]));
    let begin = prologue_len();
    // The end frame is 8 + 9 bytes; drop the frame of events before it.
    let mut without = one[..begin].to_vec();
    without.extend(&one[one.len() - 17..]);
    let error = read(&without).1.expect("frames are missing").to_string();
    assert!(
        error.contains("the file once held other events too"),
        "{error}"
    );

    let mut twice = none.clone();
    twice.extend(&none);
    let (events, error) = read(&twice);
    assert_eq!(events.len(), 1);
    let error = error.expect("two files in one").to_string();
    assert!(error.contains("bytes after the end"), "{error}");
}

#[test]
fn another_version_is_refused_with_what_wrote_it() {
    let newer = Version {
        major: Major(format::CURRENT.major.0 + 1),
        minor: Minor(7),
    };
    let bytes = format::prologue(newer, "tracer 9.8.7\x1b[2J");
    assert_eq!(
        read(&bytes).1.expect("unknown").to_string(),
        "a.trc was written by tracer 9.8.7\\u{1b}[2J in format 4.7, this tracer reads format 3.3; \
         read it with the version that wrote it"
    );
    assert_eq!(
        read(b"#!/bin/sh\nexit 0\n")
            .1
            .expect("a script")
            .to_string(),
        "a.trc is not a recording: it begins with something else; `tracer record -o FILE` makes \
         one"
    );
}

#[test]
fn symbols_larger_than_a_frame_are_split() {
    let address = |address| SymbolizedAddress {
        space: Space::User,
        address,
        caller: false,
        frames: vec![FrameSymbol {
            function: "f".repeat(4000),
            ..FrameSymbol::default()
        }],
        module: None,
        module_offset: 0,
    };
    let addresses: Vec<_> = (0..1500).map(address).collect();
    let symbols = event(
        5,
        Body::Symbols(Box::new(Symbols {
            addresses: addresses.clone(),
        })),
    );
    let (events, error) = read(&record(&[syscall_enter(1), symbols, syscall_enter(2)]));
    assert!(error.is_none(), "{error:?}");
    let mut got = Vec::new();
    for event in &events {
        if let Body::Symbols(symbols) = &event.body {
            got.extend(symbols.addresses.iter().cloned());
        }
    }
    assert!(got == addresses, "{} of {}", got.len(), addresses.len());
    assert_eq!(events.len(), 2 + 2 + 1);
}

/// Takes a number of bytes, then fails like a full disk.
struct FullDisk<'a> {
    kept: &'a mut Vec<u8>,
    room: usize,
}

impl io::Write for FullDisk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = bytes.len().min(self.room);
        if room == 0 && !bytes.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.room -= room;
        self.kept.extend(&bytes[..room]);
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn on_a_full_disk_what_was_written_stays_readable() {
    let mut kept = Vec::new();
    let disk = FullDisk {
        kept: &mut kept,
        room: 200_000,
    };
    let mut writer = Writer::new(disk, "a.trc").expect("room");
    let error = (0..1_000_000)
        .find_map(|i| writer.event(&syscall_enter(i)).err())
        .expect("no room");
    assert!(matches!(&error, SinkError::Write { object, source }
        if object == "a.trc" && source.kind() == io::ErrorKind::StorageFull));
    writer.event(&syscall_enter(0)).expect_err("still full");
    drop(writer);

    let (events, error) = read(&kept);
    assert!(events.len() > 3000, "{}", events.len());
    assert!(matches!(error, Some(ReadError::CutOff { .. })), "{error:?}");
}

proptest! {
    /// Whatever was recorded, a report shows what the live run would have, and nothing panics.
    #[test]
    fn a_replay_prints_what_the_live_run_printed(
        events in prop::collection::vec(arbitrary::event(), 0..30),
        run_end in arbitrary::run_end(),
    ) {
        let mut events = events;
        events.push(event(3, Body::RunEnd(Box::new(run_end))));
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, "a.trc").expect("memory");
        let live = printed(events.iter().inspect(|e| writer.event(e).expect("memory")));
        drop(writer);
        let (replayed, error) = read(&bytes);
        prop_assert!(error.is_none());
        prop_assert_eq!(printed(replayed.iter()), live);
    }
}

/// What the sinks of this crate's tables and lines print of a stream.
fn printed<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<String> {
    let mut outputs: Vec<Vec<u8>> = vec![Vec::new(); 5];
    let [table, document, lines, trace, summary] = &mut outputs[..] else {
        unreachable!("there are five");
    };
    let remarks = GcRemarks {
        trigger: true,
        next: true,
    };
    let mut sinks: [Box<dyn Sink>; 5] = [
        Box::new(RunQueueSink::new(
            table,
            "",
            RunQueueFormat::Text { threads: 5 },
        )),
        Box::new(RunQueueSink::new(document, "", RunQueueFormat::Json)),
        Box::new(GcSink::new(lines, "", GcFormat::Ndjson)),
        Box::new(GcSink::new(trace, "", GcFormat::Text(remarks))),
        Box::new(GcSummarySink::new(summary, "", GcTold::All)),
    ];
    for event in events {
        for sink in &mut sinks {
            sink.event(event).expect("memory");
        }
    }
    drop(sinks);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    outputs.into_iter().map(text).collect()
}

/// The first bytes of this format's every body, so that an accidental change of the event model
/// is noticed: see `format` for the version to raise.
#[test]
fn the_encoding_is_the_one_of_this_version() {
    let start = RunStart {
        wall_offset_ns: -1,
        arch: "x86_64".to_owned(),
        pids: vec![300],
        ..RunStart::default()
    };
    let run_end = RunEnd {
        duration_ns: 1,
        command_status: Some(256),
        ..RunEnd::default()
    };
    for (body, want) in [
        (
            Body::SyscallEnter(SyscallEnter {
                nr: 257,
                args: [1, 2, 3, 4, 5, u64::MAX],
                ..SyscallEnter::default()
            }),
            "0081020102030405ffffffffffffffffff01000000",
        ),
        (
            Body::SyscallExit(SyscallExit {
                nr: 0,
                ret: -2,
                ..SyscallExit::default()
            }),
            "010003000000",
        ),
        (Body::GoSchedules(300), "0cac02"),
        (
            Body::RunStart(Box::new(start)),
            "0d0100067838365f3634000001ac020000000000",
        ),
        (
            Body::Sample(Sample {
                comm: "a".to_owned(),
                kernel: vec![1],
                user: Vec::new(),
                user_end: StackEnd::Guessed,
                truncated: true,
            }),
            "0601610101000401",
        ),
        (
            Body::OffCpuStack(Box::new(OffCpuStack {
                comm: "a".to_owned(),
                state: 1,
                user: vec![7],
                truncated: true,
                count: 2,
                blocked_ns: 3,
                runnable_ns: 4,
                max_ns: 5,
                ..OffCpuStack::default()
            })),
            "0a016101000107000102030405",
        ),
        (Body::Tick, "10"),
        (Body::RunEnd(Box::new(run_end)), "12"),
        (Body::Threads(vec![300]), "1301ac02"),
        (
            Body::Code(vec![CodeMapping {
                start: 0x1000,
                end: 0x3000,
                offset: 7,
                file: "a".to_owned(),
                build_id: Some(vec![9]),
            }]),
            "1c0180208060070161010109",
        ),
    ] {
        let bytes = postcard::to_stdvec(&body).expect("serializes");
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert!(hex.starts_with(want), "{body:?}: {hex}");
    }
}

fn syscall_enter(i: u64) -> Event {
    let body = Body::SyscallEnter(SyscallEnter {
        nr: 0,
        args: [3, 0x7ffd_1234_5678 + i, 4096, 0, 0, 0],
        ..SyscallEnter::default()
    });
    event(1_000_000_000_000 + i * 2000, body)
}

fn syscall_exit(i: u64) -> Event {
    let body = Body::SyscallExit(SyscallExit {
        nr: 0,
        ret: 4096,
        captures: vec![crate::event::Capture {
            arg: 1,
            kind: 2,
            index: 0,
            wanted: 4096,
            data: vec![b'x'; 32],
            ..crate::event::Capture::default()
        }],
        ..SyscallExit::default()
    });
    event(1_000_000_000_500 + i * 2000, body)
}

/// A read(2) with 32 captured bytes costs less than twice what the wire record does; prints the
/// speed, which depends on the machine.
#[test]
fn a_syscall_is_small_and_quick_to_write_and_read() {
    const CALLS: u64 = 100_000;
    let events: Vec<Event> = (0..CALLS)
        .flat_map(|i| [syscall_enter(i), syscall_exit(i)])
        .collect();
    let begin = std::time::Instant::now();
    let bytes = record(&events);
    let written = begin.elapsed().as_secs_f64();
    let begin = std::time::Instant::now();
    let (got, error) = read(&bytes);
    let took = begin.elapsed().as_secs_f64();
    assert!(error.is_none());
    assert_eq!(got.len(), events.len() + 1);

    let count = events.len() as f64;
    println!(
        "{:.1} bytes per event, {:.2} M events/s written, {:.2} M events/s read",
        bytes.len() as f64 / count,
        count / written / 1e6,
        count / took / 1e6
    );
    assert!(bytes.len() as u64 / CALLS < 90, "{}", bytes.len());
}
