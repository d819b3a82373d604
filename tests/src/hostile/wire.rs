//! Records of the ring buffer.

use std::hint::black_box;

use tracer::decode::{Decoded, decode};
use tracer::event::{Body, Capture, CaptureStatus, Event, GcTrigger, StackEnd};
use tracer::go::gc::GcCycle;
use tracer::go::layout::Layout;
use tracer::go::{Arch, Release};
use tracer_common::capture::status;
use tracer_common::event::{Kind, sample_flag, signal_flag, syscall_flag};

use super::input::Input;

/// Decodes records, each after a length of 16 bits. What was read at the end of a Go garbage
/// collection is interpreted by every known layout.
pub(super) fn decode_records(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let record = input.chunk();
        match decode(record) {
            Ok(Decoded::Event(event)) => check_event(&event, record),
            Ok(Decoded::LateExit { exit, .. }) => check_event(&exit, record),
            Ok(Decoded::GcRanges(ranges)) => gc_cycles(&ranges.ranges),
            Ok(Decoded::ExecArguments(given)) => assert!(given.strings.len() <= 64),
            Ok(Decoded::Lost(lost)) => drop(black_box(lost)),
            Err(error) => drop(black_box(error.to_string())),
        }
    }
}

/// What the programs of this build write is read back as it was.
fn check_event(event: &Event, record: &[u8]) {
    let again = encode(event).map(|record| decode(&record));
    if let Some(again) = again {
        assert_eq!(again, Ok(Decoded::Event(event.clone())), "{record:02x?}");
    }
}

fn gc_cycles(ranges: &[Option<Vec<u8>>]) {
    let Some(ranges) = ranges
        .iter()
        .map(Option::as_deref)
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    for (minor, patch) in [(19, 8), (21, 13), (24, 3), (24, 11), (27, 3)] {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let layout = Layout::for_release(Release::new(minor, patch), arch);
            let layout = layout.expect("a known release").layout;
            if let Ok(cycle) = GcCycle::decode(layout, &ranges) {
                assert!(cycle.to_string().len() < 400, "{cycle}");
            }
        }
    }
}

/// The record from which [`decode`] makes `event`; `None` for events that come from elsewhere.
/// Layout: `tracer_common::event`.
pub(super) fn encode(event: &Event) -> Option<Vec<u8>> {
    let (kind, body) = body(&event.body)?;
    let mut record = Vec::new();
    record.extend((kind as u16).to_ne_bytes());
    record.extend(event.cpu.to_ne_bytes());
    record.extend((32 + body.len() as u32).to_ne_bytes());
    record.extend(event.time_ns.to_ne_bytes());
    record.extend(event.pid.to_ne_bytes());
    record.extend(event.tid.to_ne_bytes());
    record.extend(event.goid.unwrap_or(0).to_ne_bytes());
    record.extend(body);
    Some(record)
}

fn body(body: &Body) -> Option<(Kind, Vec<u8>)> {
    let mut out = Vec::new();
    let kind = match body {
        Body::SyscallEnter(call) => {
            syscall(
                &mut out,
                call.nr,
                &call.captures,
                call.compat,
                call.captures_cut,
            );
            call.args
                .iter()
                .for_each(|arg| out.extend(arg.to_ne_bytes()));
            captures(&mut out, &call.captures);
            Kind::SyscallEnter
        }
        Body::SyscallExit(call) => {
            syscall(
                &mut out,
                call.nr,
                &call.captures,
                call.compat,
                call.captures_cut,
            );
            out.extend(call.ret.to_ne_bytes());
            captures(&mut out, &call.captures);
            Kind::SyscallExit
        }
        Body::Signal(signal) => {
            out.extend(signal.signo.to_ne_bytes());
            let has_info = u32::from(signal.info.is_some()) * signal_flag::HAS_INFO;
            let ignored = u32::from(signal.ignored) * signal_flag::IGNORED;
            out.extend((has_info | ignored).to_ne_bytes());
            out.extend(signal.info.as_deref().unwrap_or(&[0; 48]));
            Kind::Signal
        }
        Body::Fork(fork) => {
            task(&mut out, fork.child_pid, fork.child_tid, &fork.comm)?;
            Kind::Fork
        }
        Body::Exec(exec) => {
            task(&mut out, exec.old_tid, 0, &exec.comm)?;
            Kind::Exec
        }
        Body::Exit(exit) => {
            task(
                &mut out,
                exit.status,
                u32::from(exit.last_thread),
                &exit.comm,
            )?;
            let (pc, sp) = exit.place.unwrap_or_default();
            out.extend(pc.to_ne_bytes());
            out.extend(sp.to_ne_bytes());
            Kind::Exit
        }
        Body::Sample(sample) => {
            out.extend((sample.kernel.len() as u16).to_ne_bytes());
            out.extend((sample.user.len() as u16).to_ne_bytes());
            let end = match sample.user_end {
                StackEnd::Unknown => 0,
                StackEnd::Missing => sample_flag::NO_USER_STACK,
                StackEnd::Root => sample_flag::ROOT,
                StackEnd::Lost => sample_flag::LOST,
                StackEnd::Guessed => sample_flag::GUESSED,
            };
            let truncated = u32::from(sample.truncated) * sample_flag::TRUNCATED;
            out.extend((end | truncated).to_ne_bytes());
            comm(&mut out, &sample.comm)?;
            let stacks = sample.kernel.iter().chain(&sample.user);
            stacks.for_each(|address| out.extend(address.to_ne_bytes()));
            Kind::Sample
        }
        Body::GcTrigger(trigger) => {
            let number = match trigger {
                GcTrigger::Heap => 0,
                GcTrigger::Time => 1,
                GcTrigger::Forced => 2,
                GcTrigger::Other(number) => *number,
            };
            out.extend(number.to_ne_bytes());
            Kind::GoGcTrigger
        }
        _ => return None,
    };
    Some((kind, out))
}

fn syscall(out: &mut Vec<u8>, nr: u32, captures: &[Capture], compat: bool, cut: bool) {
    out.extend(nr.to_ne_bytes());
    out.extend((captures.len() as u16).to_ne_bytes());
    let compat = u16::from(compat) * syscall_flag::COMPAT;
    let cut = u16::from(cut) * syscall_flag::CAPTURES_CUT;
    out.extend((compat | cut).to_ne_bytes());
}

fn captures(out: &mut Vec<u8>, captures: &[Capture]) {
    for capture in captures {
        let status = match capture.status {
            CaptureStatus::Ok => status::OK,
            CaptureStatus::Truncated => status::TRUNCATED,
            CaptureStatus::Fault => status::FAULT,
            CaptureStatus::End => status::END,
        };
        out.extend([capture.arg, capture.kind, status, capture.index]);
        out.extend((capture.data.len() as u32).to_ne_bytes());
        out.extend(capture.wanted.to_ne_bytes());
        out.extend(&capture.data);
        out.resize(out.len().next_multiple_of(8), 0);
    }
}

fn task(out: &mut Vec<u8>, first: u32, second: u32, name: &str) -> Option<()> {
    out.extend(first.to_ne_bytes());
    out.extend(second.to_ne_bytes());
    comm(out, name)
}

/// `None` for a name that was longer before its bytes were replaced by valid UTF-8.
fn comm(out: &mut Vec<u8>, name: &str) -> Option<()> {
    let mut comm = [0; 16];
    comm.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    out.extend(comm);
    Some(())
}
