//! The printers against lines that strace printed for the same calls on the same memory.
//!
//! The captures are made from the memory by [`memory::Memory`], which does what the BPF side is to
//! do with the rules of the table, so rules and printers are tested together.

mod memory;

use std::collections::BTreeSet;
use std::fmt::Write;

use super::errno;
use super::filter;
use super::machine::Machine;
use super::print::Decoder;
use super::table;
use crate::event::{SyscallEnter, SyscallExit};
use memory::Memory;

const LINES: &str = include_str!("strace-6.1.txt");
const STRUCTURES: &str = include_str!("strace-6.1-structures.txt");
const NUMBERS: &str = include_str!("strace-6.1-numbers.txt");
const CLASSES: &str = include_str!("strace-6.1-classes.txt");
const STRING_LIMIT: usize = 32;

struct Case {
    nr: u32,
    args: [u64; 6],
    ret: i64,
    line: &'static str,
    /// What stands there before the call returns, where strace was seen to print it.
    begin: Option<&'static str>,
}

fn load(text: &'static str) -> (Memory, Vec<Case>) {
    let mut memory = Memory::new();
    let mut cases = Vec::new();
    let mut call = "";
    for line in text.lines() {
        if let Some(text) = line.strip_prefix('@') {
            let (offset, bytes) = text.split_once(' ').expect("offset and bytes");
            memory.set(hex(offset) as usize, bytes);
        } else if let Some(text) = line.strip_prefix("= ") {
            call = text;
        } else if let Some(text) = line.strip_prefix("> ") {
            cases.push(case(call, text));
        } else if let Some(text) = line.strip_prefix("< ") {
            cases.last_mut().expect("a call").line = text;
        } else if let Some(text) = line.strip_prefix("~ ") {
            cases.last_mut().expect("a call").begin = Some(text);
        }
    }
    (memory, cases)
}

fn case(text: &str, line: &'static str) -> Case {
    let words: Vec<_> = text.split(' ').collect();
    let mut args = [0; 6];
    for (arg, word) in args.iter_mut().zip(&words[1..7]) {
        *arg = hex(word);
    }
    Case {
        nr: words[0].parse().expect("a number"),
        args,
        ret: words[7].parse().unwrap_or_else(|_| -error(words[7])),
        line,
        begin: None,
    }
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).expect("hexadecimal")
}

fn error(name: &str) -> i64 {
    let is = |&number: &u32| errno::errno(number).is_some_and(|e| e.0 == name);
    (1..600).find(is).expect("an error name").into()
}

fn enter(memory: &Memory, case: &Case) -> SyscallEnter {
    SyscallEnter {
        nr: case.nr,
        args: case.args,
        captures: memory
            .captures(case.nr, &case.args, case.ret, STRING_LIMIT)
            .0,
        ..SyscallEnter::default()
    }
}

/// The lines were made on x86_64.
fn decoder() -> Decoder {
    let mut decoder = Decoder::new(STRING_LIMIT);
    decoder.set_machine(Some(Machine::X86_64));
    decoder
}

/// The whole line, padded as strace does.
fn line(memory: &Memory, case: &Case) -> String {
    let captures = memory.captures(case.nr, &case.args, case.ret, STRING_LIMIT);
    let enter = enter(memory, case);
    let exit = SyscallExit {
        nr: case.nr,
        ret: case.ret,
        captures: captures.1,
        ..SyscallExit::default()
    };
    let mut decoder = decoder();
    let mut line = decoder.begin(&enter);
    line += &decoder.rest(Some(&enter), &exit);
    line.push_str(") ");
    let result = decoder.result(Some(&enter), &exit);
    let _ = write!(
        line,
        "{:pad$}= {result}",
        "",
        pad = 40_usize.saturating_sub(line.len())
    );
    line
}

/// A list whose memory changes from call to call: each with the memory it had.
fn load_changing(text: &'static str) -> Vec<(Memory, Case)> {
    let mut memory = Memory::new();
    let mut cases: Vec<(Memory, Case)> = Vec::new();
    let mut call = "";
    for line in text.lines() {
        if line == "@" {
            memory.clear();
        } else if let Some(text) = line.strip_prefix('@') {
            let (offset, bytes) = text.split_once(' ').expect("offset and bytes");
            memory.set(hex(offset) as usize, bytes);
        } else if let Some(text) = line.strip_prefix("= ").or(line.strip_prefix("! ")) {
            call = text;
        } else if let Some(text) = line.strip_prefix("> ") {
            cases.push((memory.clone(), case(call, text)));
        } else if let Some(text) = line.strip_prefix("< ") {
            cases.last_mut().expect("a call").1.line = text;
        }
    }
    cases
}

/// Names of the calls in the list of numbers: what the list of classes is about.
fn listed_calls() -> BTreeSet<&'static str> {
    let shown = NUMBERS.lines().filter_map(|l| l.strip_prefix("> "));
    shown.filter_map(|l| l.split('(').next()).collect()
}

#[test]
fn classes_have_the_members_that_strace_gives_them() {
    let known = listed_calls();
    let mut wrong = String::new();
    let mut count = 0;
    for list in CLASSES.split("\n\n").skip(1) {
        let mut lines = list.lines();
        let class = lines.next().expect("a class");
        let theirs: BTreeSet<&str> = lines.collect();
        let set = filter::parse(&format!("trace={class}")).expect("a class");
        let members = set
            .iter()
            .filter_map(|nr| table::lookup_on(Machine::X86_64, nr));
        let ours: BTreeSet<&str> = members.map(|row| row.name).collect();
        let ours: BTreeSet<&str> = ours.intersection(&known).copied().collect();
        for name in ours.symmetric_difference(&theirs) {
            let _ = writeln!(wrong, "{class}: {name} is in one of them alone");
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(count, 18);
}

#[test]
fn structures_print_as_strace_prints_them() {
    let cases = load_changing(STRUCTURES);
    let mut wrong = String::new();
    let mut count = 0;
    for (memory, case) in &cases {
        let got = line(memory, case);
        if got != case.line {
            count += 1;
            let _ = writeln!(wrong, "want {}\n got {got}", case.line);
        }
    }
    let total = cases.len();
    assert!(
        wrong.is_empty(),
        "{count} of {total} lines differ:\n{wrong}"
    );
    assert!(total > 150);
}

#[test]
fn numbers_print_as_strace_prints_them() {
    let (memory, cases) = load(NUMBERS);
    let mut wrong = String::new();
    for case in &cases {
        let got = line(&memory, case);
        if got != case.line {
            let _ = writeln!(wrong, "want {}\n got {got}", case.line);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() > 1500);
}

#[test]
fn calls_print_as_strace_prints_them() {
    let (memory, cases) = load(LINES);
    let mut wrong = String::new();
    let mut count = 0;
    for case in &cases {
        let expected = case.line;
        let got = line(&memory, case);
        if got != expected {
            count += 1;
            let _ = writeln!(wrong, "want {expected}\n got {got}");
        }
    }
    assert!(
        wrong.is_empty(),
        "{count} of {} lines differ:\n{wrong}",
        cases.len()
    );
    assert!(cases.len() > 300);
}

#[test]
fn calls_that_have_not_returned_print_as_strace_prints_them() {
    let (memory, cases) = load(LINES);
    let mut wrong = String::new();
    let mut count = 0;
    for case in &cases {
        let Some(expected) = case.begin else { continue };
        let got = decoder().begin(&enter(&memory, case));
        count += 1;
        if got != expected {
            let _ = writeln!(wrong, "want {expected}\n got {got}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 200);
}

/// Programs get arguments one by one; together they are the line.
#[test]
fn arguments_one_by_one_make_the_line() {
    let fixed = [LINES, NUMBERS].into_iter().flat_map(|text| {
        let (memory, cases) = load(text);
        cases.into_iter().map(move |case| (memory.clone(), case))
    });
    let mut seen = 0;
    for (memory, case) in fixed.chain(load_changing(STRUCTURES)) {
        let captures = memory.captures(case.nr, &case.args, case.ret, STRING_LIMIT);
        let enter = enter(&memory, &case);
        let exit = SyscallExit {
            nr: case.nr,
            ret: case.ret,
            captures: captures.1,
            ..SyscallExit::default()
        };
        let mut decoder = decoder();
        let whole = decoder.begin(&enter) + &decoder.rest(Some(&enter), &exit);
        let mut arguments = decoder.first_arguments(&enter);
        decoder.last_arguments(&enter, &exit, &mut arguments);
        let texts: Vec<&str> = arguments.iter().map(|a| a.text.as_str()).collect();
        let name = decoder.name(case.nr, false);
        assert_eq!(format!("{name}({}", texts.join(", ")), whole);
        seen += 1;
    }
    assert!(seen > 1000, "{seen} calls");
}
