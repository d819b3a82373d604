//! Texts that users read: help, usage errors, the shape of `doctor`.

use regex_lite::Regex;
use tracer_tests::{assert_golden, place};

const COMMANDS: [&str; 11] = [
    "strace", "profile", "offcpu", "wall", "sched", "gc", "heap", "record", "report", "doctor",
    "schema",
];

#[test]
fn help_of_the_tracer() {
    let Some(place) = place(false) else { return };
    let run = place.tracer(&["--help"]).run().success();
    assert_eq!(run.stderr, "");
    assert_golden("help.txt", &run.stdout);
}

#[test]
fn help_of_each_command() {
    let Some(place) = place(false) else { return };
    for command in COMMANDS {
        let run = place.tracer(&[command, "--help"]).run().success();
        assert!(
            run.stdout.lines().all(|l| l.chars().count() <= 100),
            "{command}: wide lines"
        );
        assert_golden(&format!("help-{command}.txt"), &run.stdout);
        let short = place.tracer(&[command, "-h"]).run().success();
        let lines = |text: &str| text.lines().count();
        assert!(lines(&short.stdout) <= lines(&run.stdout), "{command}");
    }
}

#[test]
fn usage_errors() {
    let Some(place) = place(false) else { return };
    let cases: [&[&str]; 17] = [
        &[],
        &["frobnicate"],
        &["strace"],
        &["strace", "--nonsense"],
        &["strace", "-p", "abc"],
        &["strace", "-p", "1", "--", "true"],
        &["strace", "-d", "10 parsecs", "-p", "1"],
        &["strace", "-i", "1s", "-p", "1"],
        &["strace", "-e", "trace=nosuchcall", "-p", "1"],
        &["strace", "-c", "-U", "calls,nonsense", "-p", "1"],
        &["profile", "--format", "perf.data", "-p", "1"],
        &["profile", "-F", "0", "-p", "1"],
        &[
            "offcpu",
            "--min-block",
            "2s",
            "--max-block",
            "1s",
            "-p",
            "1",
        ],
        &["offcpu", "--wakers", "--no-kernel", "-p", "1"],
        &["wall", "-a"],
        &["record", "-p", "1"],
        &["report"],
    ];
    let mut text = String::new();
    for args in cases {
        let run = place.tracer(args).run();
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert_eq!(run.stdout, "", "{args:?}");
        text += &format!("$ tracer {}\n{}\n", args.join(" "), run.stderr);
    }
    assert_golden("usage-errors.txt", &text);
}

/// What depends on the host: states, what is said of them, and so the width of columns.
fn redact(text: &str) -> String {
    let row =
        Regex::new(r"(?m)^([a-z-]+(?: -+[a-z]+)?) +(ok|limited|no|missing|unknown|works)\b.*$");
    let row = row.expect("a valid pattern");
    let remedy = Regex::new(r"(?m)^ +-> .*\n").expect("a valid pattern");
    let text = row.replace_all(text, "${1} STATE");
    remedy.replace_all(&text, "").into_owned()
}

#[test]
fn doctor_lists_the_same_on_every_host() {
    let Some(place) = place(true) else { return };
    let run = place.tracer(&["doctor"]).run();
    assert!(matches!(run.status.code(), Some(0 | 3)), "{}", run.stderr);
    assert_golden("doctor.txt", &redact(&run.stdout));
}

#[test]
fn doctor_is_a_document_for_scripts() {
    let Some(place) = place(true) else { return };
    let run = place.tracer(&["doctor", "--format", "json"]).run();
    let json: serde_json::Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e} in\n{}", run.stdout));
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_golden("doctor-keys.txt", &format!("{keys:?}\n"));
}
