//! `tracer sched --schedtrace` against `GODEBUG=schedtrace` of the same process at the same time.

use std::process::Stdio;

use regex_lite::Regex;
use serde_json::Value;
use tracer_tests::{Running, one_line, place, until};

/// Milliseconds and rounds go on; all else stands still in a program that waits.
fn standing(line: &str) -> String {
    let time = Regex::new(r"^SCHED \d+ms: ").expect("valid");
    let ticks = Regex::new(r"schedticks=\[( \d+)+ \]$").expect("valid");
    let line = time.replace(line, "SCHED #ms: ");
    ticks.replace(&line, "schedticks=[ # ]").into_owned()
}

fn milliseconds(line: &str) -> u64 {
    let number = line
        .strip_prefix("SCHED ")
        .and_then(|l| l.split_once("ms:"));
    number.expect("a line").0.parse().expect("a number")
}

#[test]
fn lines_are_those_of_the_runtime() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/goroutines");
        let mut command = place.command(&name, &["-n", "20"]);
        let target = Running::ready(command.env("GODEBUG", "schedtrace=20"));
        let count = || target.stderr().matches("SCHED ").count();
        let begun = count();
        until("lines of the runtime", || {
            (count() > begun + 5).then_some(())
        });
        let pid = target.pid_text();
        let args = ["sched", "--schedtrace", "20ms", "-d", "500ms", "-p", &pid];
        let run = place.tracer(&args).run().success();
        let theirs = target.stderr();
        let theirs: Vec<&str> = theirs.lines().filter(|l| l.starts_with("SCHED ")).collect();
        let ours: Vec<&str> = run.stdout.lines().collect();
        assert!(ours.len() > 5, "{name}: {ours:?}");
        let known: Vec<String> = theirs.iter().map(|line| standing(line)).collect();
        let found = ours.iter().filter(|line| known.contains(&standing(line)));
        assert!(
            found.count() * 2 > ours.len(),
            "{name}:\n{ours:#?}\n{theirs:#?}"
        );
        // The runtime counts from its first line.
        let (last, theirs) = (ours[ours.len() - 1], theirs[theirs.len() - 1]);
        let apart = milliseconds(last).abs_diff(milliseconds(theirs));
        assert!(apart < 1000, "{name}: {last}\n{theirs}");
    }
}

#[test]
fn lines_are_objects_for_scripts() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let target = Running::ready(&mut place.command(&format!("go/{release}/goroutines"), &[]));
    let pid = target.pid_text();
    let args = ["sched", "--schedtrace", "50ms", "-d", "300ms", "-p", &pid];
    let args = [&args[..], &["--format", "ndjson"]].concat();
    let run = place.tracer(&args).run().success();
    let line = run.stdout.lines().next().expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    let processors = line["gomaxprocs"].as_u64().expect("a number");
    for key in ["runqueues", "schedticks"] {
        let list = line[key].as_array().expect("a list");
        assert_eq!(list.len() as u64, processors, "{line}");
    }
    assert_eq!(line["pid"].to_string(), pid);
}

#[test]
fn a_process_that_ends_ends_the_lines() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let mut target = Running::ready(&mut place.command(&format!("go/{release}/goroutines"), &[]));
    let pid = target.pid_text();
    let file = place.path("lines");
    let mut tracer = place.tracer(&["sched", "--schedtrace", "10ms", "-o", &file, "-p", &pid]);
    let tracer = Running::spawn(tracer.command().stderr(Stdio::piped()));
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();
    until("a line", || lines().contains("SCHED ").then_some(()));
    target.close_stdin();
    let _ = target.finish().success();
    let run = tracer.finish().success();
    assert!(
        run.stderr.contains(" looks at the scheduler of "),
        "{}",
        run.stderr
    );
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let Some(place) = place(true) else { return };
    let run = place
        .tracer(&["sched", "--schedtrace", "1s"])
        .launching("/bin/true", &[])
        .run();
    assert!(
        one_line(&run, 2).contains("GODEBUG=schedtrace"),
        "{}",
        run.stderr
    );
    let sleeper = Running::spawn(std::process::Command::new("sleep").arg("60"));
    let pid = sleeper.pid_text();
    let run = place
        .tracer(&["sched", "--schedtrace", "1s", "-p", &pid])
        .run();
    let _ = one_line(&run, run.status.code().expect("an exit"));
    assert!(run.stderr.contains("is not a Go program"), "{}", run.stderr);
}

/// The blocks of lines that begin with `SCHED `, without what goes on in a program that waits.
fn blocks(text: &str) -> Vec<String> {
    let time = Regex::new(r"^SCHED \d+ms: ").expect("valid");
    let ticks = Regex::new(r"(schedtick|syscalltick)=\d+").expect("valid");
    // The runtime prints from its monitor, M1 or with cgo M2, which holds locks then.
    let locks = Regex::new(r"^(  M[12]: .* locks=)\d+").expect("valid");
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("SCHED ") {
            blocks.push(Vec::new());
        }
        let line = time.replace(line, "SCHED #ms: ");
        let line = ticks.replace_all(&line, "$1=#");
        let line = locks.replace(&line, "$1#").into_owned();
        if let Some(block) = blocks.last_mut() {
            block.push(line);
        }
    }
    blocks.into_iter().map(|b| b.join("\n")).collect()
}

#[test]
fn detailed_lines_are_those_of_the_runtime() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "goroutines") {
            let name = format!("go/{release}/goroutines{build}");
            let mut command = place.command(&name, &["-n", "20"]);
            let debug = "schedtrace=20,scheddetail=1";
            let target = Running::ready(command.env("GODEBUG", debug));
            let count = || target.stderr().matches("SCHED ").count();
            let begun = count();
            until("lines of the runtime", || {
                (count() > begun + 5).then_some(())
            });
            let pid = target.pid_text();
            let args = ["sched", "--schedtrace", "20ms", "-d", "600ms", "-p", &pid];
            let args = [&args[..], &["--scheddetail"]].concat();
            let run = place.tracer(&args).run().success();
            let theirs = blocks(&target.stderr());
            let ours = blocks(&run.stdout);
            assert!(ours.len() > 5, "{name}: {ours:?}");
            let found = ours.iter().filter(|block| theirs.contains(block)).count();
            assert!(
                found * 2 > ours.len(),
                "{name}: {found} of {}\n{}\n----\n{}",
                ours.len(),
                ours[ours.len() / 2],
                theirs[theirs.len() - 2]
            );
            let parked = "G\\d+: status=4\\(chan receive\\) m=(nil|-1) lockedm=(nil|-1)";
            let parked = Regex::new(parked).expect("valid");
            assert!(parked.find_iter(&ours[0]).count() >= 20, "{}", ours[0]);
        }
    }
}

#[test]
fn details_are_objects_for_scripts() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let target = Running::ready(&mut place.command(&format!("go/{release}/goroutines"), &[]));
    let pid = target.pid_text();
    let args = ["sched", "--schedtrace", "50ms", "-d", "200ms", "-p", &pid];
    let args = [&args[..], &["--scheddetail", "--format", "ndjson"]].concat();
    let run = place.tracer(&args).run().success();
    let line = run.stdout.lines().next().expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        line["ps"].as_array().map(|l| l.len() as u64),
        line["gomaxprocs"].as_u64()
    );
    assert_eq!(
        line["ms"].as_array().map(|l| l.len() as u64),
        line["threads"].as_u64()
    );
    let waits = |g: &&Value| g["waitreason"] == "chan receive" && g["status"] == 4;
    assert!(
        line["gs"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(waits)
            .count()
            >= 3
    );
    let run = place.tracer(&["sched", "--scheddetail", "-p", &pid]).run();
    assert_eq!(run.status.code(), Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("--schedtrace <TIME>"), "{}", run.stderr);
}
