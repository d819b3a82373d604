//! `tracer strace --flight`: the last seconds, when something happens.

use std::os::unix::process::ExitStatusExt;

use serde_json::Value;
use tracer_tests::{Place, place, until};

const HEADING: &str = "=== tracer flight: ";

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// The dumps in a text: the rest of each heading, and the lines below it.
fn dumps(text: &str) -> Vec<(&str, Vec<&str>)> {
    let (before, dumps) = text.split_once(HEADING).unwrap_or((text, ""));
    assert_eq!(before, "", "nothing stands before the first heading");
    let dumps = dumps.split(HEADING).filter(|d| !d.is_empty());
    dumps
        .map(|dump| {
            let mut lines = dump.lines();
            (lines.next().unwrap_or_default(), lines.collect())
        })
        .collect()
}

fn count(lines: &[&str], word: &str) -> usize {
    let word = format!("\"{word}\"");
    lines.iter().filter(|l| l.contains(&word)).count()
}

fn launched(place: &Place, options: &[&str], acts: &[&str]) -> (tracer_tests::Finished, String) {
    let file = place.path("flight");
    let run = place
        .tracer(&["strace", "-o", &file])
        .args(options)
        .launching(place.fixture("c/acts"), acts)
        .run();
    (run, read(&file))
}

#[test]
fn a_crash_is_shown_with_the_seconds_before_it_and_passed_on() {
    let Some(place) = place(true) else { return };
    // With -y lines are kept, else events.
    for options in [&["--flight", "3s"][..], &["--flight", "3s", "-y"]] {
        let acts = ["old*3", "sleep:4000", "new*5", "abort"];
        let (run, text) = launched(&place, options, &acts);
        assert_eq!(run.status.signal(), Some(libc::SIGABRT), "{}", run.stderr);
        let dumps = dumps(&text);
        let [(heading, lines)] = &dumps[..] else {
            panic!("not one dump:\n{text}")
        };
        assert!(
            heading.contains(" (acts) killed by SIGABRT at "),
            "{heading}"
        );
        assert_eq!((count(lines, "old"), count(lines, "new")), (0, 5), "{text}");
        assert_eq!(lines.last(), Some(&"+++ killed by SIGABRT +++"), "{text}");
        let written = match options.len() {
            2 => "write(3, \"new\", 3)",
            _ => "write(3</dev/null>, \"new\", 3)",
        };
        assert!(text.contains(written), "{text}");
    }
}

#[test]
fn a_status_is_passed_on_and_the_end_of_a_child_shown_if_it_is_bad() {
    let Some(place) = place(true) else { return };
    let (run, text) = launched(&place, &["--flight", "1h"], &["one*2", "exit:7"]);
    assert_eq!(run.status.code(), Some(7));
    let [(heading, lines)] = &dumps(&text)[..] else {
        panic!("not one dump:\n{text}")
    };
    assert!(heading.contains(" (acts) exited with 7 at "), "{heading}");
    assert_eq!(count(lines, "one"), 2, "{text}");
    assert!(lines[0].starts_with("execve("), "{text}");

    let acts = place.fixture("c/acts").display().to_string();
    let script = format!("{acts} good'*1' exit:0; {acts} bad'*1' exit:3; {acts} last'*1'; true");
    let file = place.path("forks");
    let run = place
        .tracer(&["strace", "-f", "--flight", "1h", "-o", &file])
        .launching("/bin/sh", &["-c", &script])
        .run();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let text = read(&file);
    let [(bad, first), (end, second)] = &dumps(&text)[..] else {
        panic!("not two dumps:\n{text}")
    };
    assert!(bad.contains(" (acts) exited with 3 at "), "{bad}");
    assert!(end.contains(" (sh) exited with 0 at "), "{end}");
    let words = ["good", "bad", "last"];
    assert_eq!(words.map(|w| count(first, w)), [1, 1, 0], "{text}");
    assert_eq!(words.map(|w| count(second, w)), [0, 0, 1], "{text}");
}

#[test]
fn sigusr1_asks_for_a_dump_and_the_recording_goes_on() {
    let Some(place) = place(true) else { return };
    let acts = ["wait", "first*2", "wait", "second*3", "wait", "third*1"];
    let mut target = tracer_tests::Running::ready(&mut place.command("c/acts", &acts));
    let file = place.path("flight");
    let options = ["strace", "--flight", "1h,1M", "-T", "-o", &file];
    let tracer = place
        .tracer(&options)
        .args(&["-p", &target.pid_text()])
        .attach();
    for (at, word) in ["first*2", "second*3"].into_iter().enumerate() {
        target.proceed();
        until("the act", || {
            target
                .stdout()
                .contains(&format!("did {word}"))
                .then_some(())
        });
        assert_eq!(read(&file).matches(HEADING).count(), at, "only when asked");
        tracer.signal(libc::SIGUSR1);
        until("the dump", || {
            (read(&file).matches(HEADING).count() > at).then_some(())
        });
    }
    target.proceed();
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let text = read(&file);
    let dumps = dumps(&text);
    let headings: Vec<&str> = dumps.iter().map(|(h, _)| *h).collect();
    assert_eq!(dumps.len(), 3, "{headings:?}");
    assert!(headings[..2].iter().all(|h| h.starts_with("SIGUSR1 at ")));
    assert!(
        headings[2].contains(" (acts) exited with 0 at "),
        "{headings:?}"
    );
    let counts = |w| {
        dumps
            .iter()
            .map(|(_, lines)| count(lines, w))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts("first"), [2, 0, 0], "{text}");
    assert_eq!(counts("second"), [0, 3, 0], "{text}");
    assert_eq!(counts("third"), [0, 0, 1], "{text}");
    // The call that the target waits in.
    let waits = |lines: &[&str]| {
        lines
            .iter()
            .any(|l| l.starts_with("read(0") && l.ends_with(" <unfinished ...>"))
    };
    assert!(waits(&dumps[0].1) && waits(&dumps[1].1), "{text}");
    assert!(!run.stderr.contains("strace: "), "{}", run.stderr);
}

/// The objects of a file, of which there is one a line.
fn objects(file: &str) -> Vec<Value> {
    let text = read(file);
    let object = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(object).collect()
}

fn written_words(objects: &[Value], word: &str) -> usize {
    let is = |o: &&Value| o["syscall"] == "write" && o["args"][1]["value"] == word;
    objects.iter().filter(is).count()
}

#[test]
fn dumps_are_objects_where_the_format_is() {
    let Some(place) = place(true) else { return };
    // With -y objects are kept, else events.
    for options in [&["--flight", "3s"][..], &["--flight", "3s", "-y"]] {
        let file = place.path("flight.ndjson");
        let acts = ["old*3", "sleep:4000", "new*5", "abort"];
        let run = place
            .tracer(&["strace", "-o", &file])
            .args(options)
            .launching(place.fixture("c/acts"), &acts)
            .run();
        assert_eq!(run.status.signal(), Some(libc::SIGABRT), "{}", run.stderr);
        let objects = objects(&file);
        let types: Vec<&str> = objects.iter().filter_map(|o| o["type"].as_str()).collect();
        assert_eq!(types[..2], ["start", "dump"]);
        assert_eq!(types[types.len() - 2..], ["exit", "summary"]);
        let reason = objects[1]["reason"].as_str().expect("a reason");
        assert!(reason.ends_with(" (acts) killed by SIGABRT"), "{reason}");
        let words = |w| written_words(&objects, w);
        assert_eq!((words("old"), words("new")), (0, 5), "{objects:?}");
        let calls = types.iter().filter(|t| **t == "call").count();
        assert_eq!(objects.last().expect("a summary")["calls"], calls);
        let back = objects[1]["reaches_back_ns"].as_u64().expect("not empty");
        assert!(back <= 3_000_000_000, "{back}");
        if options.len() == 3 {
            let new = objects.iter().find(|o| o["args"][1]["value"] == "new");
            assert_eq!(new.expect("it")["args"][0]["referent"], "/dev/null");
        }
    }
}

#[test]
fn a_document_of_dumps_is_whole_and_has_a_waiting_call_in_each() {
    let Some(place) = place(true) else { return };
    let acts = ["wait", "first*2", "wait", "second*3", "wait"];
    let mut target = tracer_tests::Running::ready(&mut place.command("c/acts", &acts));
    let file = place.path("flight.json");
    let tracer = place
        .tracer(&["strace", "--flight", "1h", "-o", &file])
        .args(&["-p", &target.pid_text()])
        .attach();
    target.proceed();
    until("the act", || {
        target.stdout().contains("did first*2").then_some(())
    });
    tracer.signal(libc::SIGUSR1);
    until("the dump", || {
        read(&file).contains("\"type\":\"dump\"").then_some(())
    });
    target.proceed();
    until("the act", || {
        target.stdout().contains("did second*3").then_some(())
    });
    let _ = tracer.interrupt().success();
    target.proceed();
    let _ = target.finish().success();
    let document: Value = serde_json::from_str(&read(&file)).expect("a document");
    assert_eq!(document["summary"]["reason"], "interrupted");
    let events = document["events"].as_array().expect("events");
    let dumps: Vec<&[Value]> = events
        .split(|e| e["type"] == "dump")
        .filter(|d| !d.is_empty())
        .collect();
    assert_eq!(dumps.len(), 2, "{document:#}");
    for dump in &dumps {
        let last = dump.last().expect("it is not empty");
        let call = (&last["syscall"], &last["status"], &last["ret"]);
        assert_eq!(call, (&"read".into(), &"detached".into(), &Value::Null));
    }
    // What the target waited in at the first dump ended before the second.
    let ended = dumps[1].iter().find(|e| e["syscall"] == "read");
    assert_eq!(ended.expect("it")["status"], "successful");
    let words = |w| [dumps[0], dumps[1]].map(|d| written_words(d, w));
    assert_eq!((words("first"), words("second")), ([2, 0], [0, 3]));
}

#[test]
fn the_end_of_the_trace_writes_what_is_kept() {
    let Some(place) = place(true) else { return };
    let mut target =
        tracer_tests::Running::ready(&mut place.command("c/acts", &["word*4", "wait"]));
    let tracer = place
        .tracer(&["strace", "--flight", "1h", "-p", &target.pid_text()])
        .attach();
    let run = tracer.interrupt().success();
    assert!(
        run.stdout
            .starts_with("=== tracer flight: the trace was interrupted at "),
        "{}",
        run.stdout
    );
    target.proceed();
    let _ = target.finish().success();
    let run = place
        .tracer(&["strace", "--flight", "10s", "-c", "-p", "1"])
        .run();
    assert_eq!(run.status.code(), Some(2));
}
