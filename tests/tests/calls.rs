//! The calls of a list, made for real, under strace and under us.
//!
//! Nearly all of them fail, so this is about what is read when a call begins; what is printed after
//! it, the same list tests with the results that strace injected.

use std::path::Path;
use std::process::{Command, Stdio};

use regex_lite::Regex;
use tracer_tests::{Place, Running, place, skip};

/// The list, as the golden file of the decoders.
const LIST: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tracer/src/syscall/golden/strace-6.1-structures.txt"
);

/// The lines between the two marks, with addresses that differ from run to run taken out.
fn run(place: &Place, tracer: &mut Command) -> Vec<String> {
    let file = place.path("trace");
    tracer
        .args(["-o", &file, "--"])
        .arg(place.fixture("c/call_list"))
        .arg(LIST)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let _ = Running::spawn(tracer).finish();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let lines: Vec<&str> = text.lines().collect();
    let marks: Vec<usize> = (0..lines.len())
        .filter(|&i| lines[i].starts_with("getppid()"))
        .collect();
    let [begin, end] = marks[..] else {
        panic!("{} marks in {} lines", marks.len(), lines.len())
    };
    // Readings of clocks, usage and the state of the machine.
    let readings = Regex::new(
        r"(tv_n?u?sec|tms_[a-z]+|ru_[a-z]+|uptime|loads|freeram|bufferram|sharedram|freeswap|procs|f_b?f[a-z]+|f_bavail)=[^,}\]]+",
    );
    let readings = readings.expect("a valid pattern");
    let own = Regex::new(r"^(times|getcpu|sysinfo|uname|get_robust_list)\(.*").expect("a pattern");
    let line = |l: &&str| {
        own.replace_all(&readings.replace_all(l, "$1=#"), "$1")
            .into_owned()
    };
    lines[begin + 1..end].iter().map(line).collect()
}

/// How many lines may differ: calls of which strace shows more, as the golden file lists them.
fn expected_differences() -> usize {
    let list = std::fs::read_to_string(LIST).expect("the list");
    let mut made = false;
    let mut count = 0;
    for line in list.lines() {
        match line.as_bytes().first() {
            Some(b'=') => made = true,
            Some(b'!') => made = false,
            Some(b'<') if made => count += 1,
            _ => {}
        }
    }
    count
}

#[test]
fn calls_of_the_list_print_as_under_strace() {
    let Some(place) = place(true) else { return };
    if !cfg!(target_arch = "x86_64") || !Path::new("/usr/bin/strace").exists() {
        return skip("the numbers are those of x86_64, and strace is the oracle");
    }
    let theirs = run(&place, &mut Command::new("strace"));
    let ours = run(&place, place.tracer(&["strace"]).command());
    assert!(theirs.len() > 900, "{} calls", theirs.len());
    assert_eq!(ours.len(), theirs.len());
    let differ = ours
        .iter()
        .zip(&theirs)
        .filter(|(ours, theirs)| ours != theirs);
    let differ: Vec<String> = differ
        .map(|(ours, theirs)| format!("  ours: {ours}\nstrace: {theirs}\n"))
        .collect();
    let allowed = expected_differences();
    assert!(
        differ.len() <= allowed,
        "{} differ, {allowed} may:\n{}",
        differ.len(),
        differ.concat()
    );
}
