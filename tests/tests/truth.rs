//! What a trace says is what happened, and where it says nothing it says so.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use regex_lite::Regex;
use tracer_tests::{Place, Running, number_after, place, whole_calls};

/// Lines of a run, those of one process after the other, from the first `getppid` of the first on;
/// addresses and ids of the processes have no value.
fn lines(trace: &str) -> Vec<String> {
    let calls = whole_calls(trace);
    let pids: BTreeSet<_> = calls.iter().map(|l| l.tid).collect();
    let mut lines = Vec::new();
    for pid in &pids {
        lines.extend(calls.iter().filter(|l| l.tid == *pid));
    }
    let first = lines.iter().position(|l| l.text.starts_with("getppid("));
    let ids = pids.iter().flatten().map(u32::to_string);
    let ids = format!(r"\b({})\b", ids.collect::<Vec<_>>().join("|"));
    let patterns = [
        (r" +(= [^=]*)$", " $1"),
        (&ids, "PID"),
        (r"^getppid\(\) = .*", "getppid()"),
        (r"0x[0-9a-f]{5,}", "ADDR"),
        (r"tv_nsec=[0-9]{6,}", "tv_nsec=#"),
        // What was left of a timer, and what was mapped too much to have it aligned, by chance.
        (r"tv_sec=299, tv_usec=[0-9]+", "tv_sec=299, tv_usec=#"),
        (r"munmap\(ADDR, [0-9]+\)", "munmap(ADDR, #)"),
        (r#"^getrandom\("[^"]*""#, "getrandom(#"),
    ]
    .map(|(p, with)| (Regex::new(p).expect("a valid pattern"), with));
    let normal = |line: &str| {
        let line = line.to_owned();
        patterns.iter().fold(line, |line, (pattern, with)| {
            pattern.replace_all(&line, *with).into_owned()
        })
    };
    let rest = lines.into_iter().skip(first.unwrap_or(0));
    rest.map(|l| normal(&l.text)).collect()
}

/// What strace and we say of a program, and our last words.
fn both(place: &Place, fixture: &str, args: &[&str]) -> (Vec<String>, Vec<String>, String) {
    let file = place.path("trace");
    let program = place.fixture(fixture);
    let run = |tracer: &mut Command| {
        let tracer = tracer
            .args(["-f", "-o", &file, "--"])
            .arg(&program)
            .args(args)
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let stderr = Running::spawn(tracer).finish().stderr;
        let text = std::fs::read_to_string(&file).expect("a trace");
        (lines(&text), stderr)
    };
    let (theirs, _) = run(&mut Command::new("strace"));
    let (ours, end) = run(place.tracer(&["strace"]).command());
    (ours, theirs, end)
}

#[test]
fn memory_that_was_never_touched_is_shown_as_strace_shows_it() {
    let Some(place) = place(true) else { return };
    let out = place.path("out");
    let (ours, theirs, end) = both(&place, "c/cold_memory", &[&out]);
    assert!(
        theirs.iter().any(|l| l.contains(r#"["/bin/true", "one"]"#)),
        "{theirs:#?}"
    );
    // The child may end before its parent waits, or after.
    let in_place = |lines: Vec<String>| -> Vec<String> {
        let (signals, mut others): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|l| l.contains("SIGCHLD"));
        others.extend(signals);
        others
    };
    assert_eq!(in_place(ours), in_place(theirs));
    assert!(end.contains(", 1 argument unread"), "only (char *)8: {end}");
}

#[test]
fn a_number_in_the_place_of_an_address_is_not_unread_memory() {
    let Some(place) = place(true) else { return };
    let file = place.path("trace");
    let script = "import fcntl, os\n\
                  end, _ = os.pipe()\n\
                  for _ in range(9): fcntl.fcntl(end, fcntl.F_SETFL, os.O_NONBLOCK)";
    let run = place
        .tracer(&["strace", "-e", "trace=fcntl", "-o", &file])
        .launching("/usr/bin/python3", &["-c", script])
        .run()
        .success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let set = text.matches(", F_SETFL, O_RDONLY|O_NONBLOCK)").count();
    assert_eq!(set, 9, "{text}");
    assert!(!run.stderr.contains("unread"), "{}", run.stderr);
}

#[test]
fn signals_stand_where_strace_has_them() {
    let Some(place) = place(true) else { return };
    let hows = [
        "segv", "trap", "abort", "term", "realtime", "alarm", "pipe", "restart", "eintr", "sleep",
        "child", "ignored",
    ];
    for how in hows {
        let (ours, theirs, _) = both(&place, "c/signal_ends", &[how]);
        assert!(
            theirs.iter().any(|l| l.starts_with("--- SIG")),
            "{how}: {theirs:#?}"
        );
        assert_eq!(ours, theirs, "{how}");
    }
}

#[test]
fn what_happens_one_after_the_other_is_shown_so() {
    let Some(place) = place(true) else { return };
    let file = place.path("trace");
    let run = place
        .tracer(&["strace", "-f", "-e", "trace=write", "-o", &file])
        .launching(place.fixture("c/token_ring"), &["8", "500"])
        .run()
        .success();
    assert!(run.stderr.contains(", 0 lost"), "{}", run.stderr);
    let trace = std::fs::read_to_string(&file).expect("a trace");
    let numbers: Vec<u64> = trace
        .lines()
        .filter_map(|l| number_after(l.get(l.find(" write(")?..)?, ", \""))
        .collect();
    let wrong = numbers.windows(2).position(|w| w[1] != w[0] + 1);
    assert_eq!(wrong, None, "{:?}", wrong.map(|at| &numbers[at..]));
    assert_eq!((numbers.first(), numbers.len()), (Some(&0), 4000));
}
