//! Expressions of a user, and arguments of a target.

use std::hint::black_box;

use tracer::event::{Capture, CaptureStatus, SyscallEnter, SyscallExit};
use tracer::syscall::filter;
use tracer::syscall::machine::Machine;
use tracer::syscall::print::{Decoder, siginfo_text};
use tracer::term::parse_duration;

use super::input::{Input, push_chunk};

/// Characters of one call: two paths of 4096 bytes, each byte escaped as four characters, and some
/// structures.
const MOST_TEXT: usize = 60_000;
/// `-s`.
const STRING_LIMIT: usize = 32;

/// What follows `-e`, and the other options with a grammar.
pub(super) fn parse_filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A command line has an end; a regular expression in it can be as long.
    let text = &text[..text.floor_char_boundary(4096)];
    match filter::parse(text) {
        Ok(set) => {
            let numbers = set.iter().count();
            assert_eq!(numbers == 0, set.is_empty() || numbers == 0);
            let inverted = filter::parse(&inverted(text)).expect("the complement is a set too");
            for nr in [0, 1, 59, 334, 511, 512, u32::MAX] {
                assert_ne!(set.contains(nr), inverted.contains(nr), "{nr}");
            }
        }
        Err(error) => assert!(error.to_string().len() < 200 + 8 * text.len(), "{error}"),
    }
    let _ = black_box(parse_duration(text));
}

/// The same expression for all other calls.
fn inverted(text: &str) -> String {
    for prefix in ["trace=", "t="] {
        if let Some(terms) = text.strip_prefix(prefix) {
            return format!("{prefix}!{terms}");
        }
    }
    format!("!{text}")
}

/// Prints calls with any arguments, results and captured bytes. Each call is a chunk.
pub(super) fn print_calls(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let mut call = Input::new(input.chunk());
        print_call(&mut call);
    }
}

fn print_call(input: &mut Input<'_>) {
    let (nr, flags) = (u32::from(input.u16() % 600), input.u8());
    let args = std::array::from_fn(|_| argument(input));
    let ret = argument(input).cast_signed();
    let entry_captures = input.u8() % 16;
    let enter = SyscallEnter {
        nr,
        args,
        captures: (0..entry_captures).map(|_| capture(input)).collect(),
        compat: flags & 1 != 0,
        captures_cut: flags & 2 != 0,
    };
    let mut captures = Vec::new();
    while !input.is_empty() && captures.len() < 32 {
        captures.push(capture(input));
    }
    let exit = SyscallExit {
        nr,
        ret,
        captures,
        compat: flags & 1 != 0,
        captures_cut: flags & 4 != 0,
    };
    for machine in [Machine::X86_64, Machine::Aarch64] {
        check_text(machine, &enter, &exit, flags & 8 == 0);
    }
    for capture in &enter.captures {
        assert!(siginfo_text(nr, Some(&capture.data)).len() < 500);
    }
}

fn check_text(machine: Machine, enter: &SyscallEnter, exit: &SyscallExit, entry_seen: bool) {
    let mut decoder = Decoder::new(STRING_LIMIT);
    decoder.set_machine(Some(machine));
    let mut text = decoder.begin(enter);
    let seen = entry_seen.then_some(enter);
    text += &decoder.rest(seen, exit);
    text += &decoder.result(seen, exit);
    let printable = |c: char| c.is_ascii() && !c.is_ascii_control();
    assert!(
        text.len() < MOST_TEXT,
        "{} characters for {}",
        text.len(),
        enter.nr
    );
    assert!(text.chars().all(printable), "{text:?}");
    let _ = decoder.complete_at_entry(enter);
    let _ = decoder.never_returns(enter);
}

/// A byte says how wide the value is, so that small ones, bits and pointers are all near.
fn argument(input: &mut Input<'_>) -> u64 {
    match input.u8() {
        small @ 0..192 => u64::from(small),
        bit @ 192..208 => 1 << (bit - 192) << (input.u8() % 48),
        208..224 => u64::from(input.u16()),
        224..232 => u64::from(input.u32()),
        232..240 => input.u64(),
        240..248 => u64::from(input.u8()).wrapping_neg(),
        248.. => 0x7ffc_0000_1000,
    }
}

fn capture(input: &mut Input<'_>) -> Capture {
    let [arg, kind, index, status] = std::array::from_fn(|_| input.u8());
    let wanted = argument(input);
    Capture {
        arg: arg % 7,
        kind: kind % 9,
        index: index % 40,
        status: [
            CaptureStatus::Ok,
            CaptureStatus::Ok,
            CaptureStatus::Truncated,
            CaptureStatus::Fault,
            CaptureStatus::End,
        ][usize::from(status % 5)],
        wanted,
        data: input.chunk().to_vec(),
    }
}

/// A call as [`print_calls`] takes it, for seeds.
pub(super) fn push_call(out: &mut Vec<u8>, enter: &SyscallEnter, exit: &SyscallExit) {
    let mut call = Vec::new();
    call.extend((enter.nr as u16).to_le_bytes());
    call.push(u8::from(enter.compat));
    for value in enter.args.into_iter().chain([exit.ret.cast_unsigned()]) {
        call.push(232);
        call.extend(value.to_le_bytes());
    }
    call.push(enter.captures.len().min(15) as u8);
    for capture in enter.captures.iter().take(15).chain(&exit.captures) {
        let status = match capture.status {
            CaptureStatus::Ok => 0,
            CaptureStatus::Truncated => 2,
            CaptureStatus::Fault => 3,
            CaptureStatus::End => 4,
        };
        call.extend([capture.arg, capture.kind, capture.index, status, 232]);
        call.extend(capture.wanted.to_le_bytes());
        push_chunk(&mut call, &capture.data);
    }
    push_chunk(out, &call);
}
