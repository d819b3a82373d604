//! Tables of calls by function, descriptor, path, peer and thread, and the slowest calls with their
//! stacks, of programs that make known numbers of calls.

use std::collections::BTreeMap;

use tracer_tests::{Finished, POLL, Place, Running, place};

const KEYS: [&str; 5] = ["function", "fd", "path", "peer", "thread"];

/// A row of a table with the columns `calls`, `syscall` and that of the key.
#[derive(Debug)]
struct Row {
    calls: u64,
    name: String,
    key: String,
}

/// The rows between the rules of a table, without the total.
fn rows(table: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (calls, rest) = line.trim_start().split_once(' ')?;
        let (name, key) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Row {
            calls: calls.parse().ok()?,
            name: name.to_owned(),
            key: key.trim().to_owned(),
        })
    };
    let body = table.lines().skip_while(|l| !l.starts_with("----")).skip(1);
    let body = body.take_while(|l| !l.starts_with("----"));
    body.map(|l| row(l).unwrap_or_else(|| panic!("no row: {l:?}")))
        .collect()
}

fn calls(rows: &[Row], name: &str, key: impl Fn(&str) -> bool) -> u64 {
    let chosen = rows.iter().filter(|r| r.name == name && key(&r.key));
    chosen.map(|r| r.calls).sum()
}

/// Calls by syscall, whatever the key.
fn sums(table: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in rows(table) {
        *sums.entry(row.name).or_default() += row.calls;
    }
    sums
}

fn assert_nothing_lost(run: &Finished) {
    assert!(run.stderr.contains(", 0 lost"), "{}", run.stderr);
}

/// The fixture, waiting, and its directory without links.
fn grouped_calls(place: &Place, program: &str) -> (Running, String) {
    let dir = place.dir().canonicalize().expect("a directory");
    let dir = dir.to_str().expect("text").to_owned();
    // Of a run before.
    let _ = std::fs::remove_file(place.path("link"));
    let target = Running::ready(&mut place.command(program, &[&dir]));
    (target, dir)
}

/// The tables by each key, and the plain one, of one run of the fixture.
struct Tables {
    plain: String,
    by: BTreeMap<&'static str, String>,
    target: Finished,
    pid: u32,
    dir: String,
}

impl Tables {
    fn take(place: &Place, program: &str) -> Self {
        let (mut target, dir) = grouped_calls(place, program);
        let pid = target.pid();
        let attach = |options: &[&str]| {
            let tracer = place.tracer(&["strace", "-c", "-U", "calls,name"]);
            tracer
                .args(options)
                .args(&["-p", &pid.to_string()])
                .attach()
        };
        let plain = attach(&[]);
        let by: Vec<_> = KEYS
            .iter()
            .map(|key| (*key, attach(&["--by", key])))
            .collect();
        target.proceed();
        let target = target.finish().success();
        let table = |tracer: Running| {
            let run = tracer.finish().success();
            assert_nothing_lost(&run);
            run.stdout
        };
        Self {
            plain: table(plain),
            by: by.into_iter().map(|(key, t)| (key, table(t))).collect(),
            target,
            pid,
            dir,
        }
    }

    fn rows(&self, key: &str) -> Vec<Row> {
        rows(&self.by[key])
    }
}

#[test]
fn every_key_adds_up_to_the_plain_table() {
    let Some(place) = place(true) else { return };
    let tables = Tables::take(&place, "c/grouped_calls");
    let plain = sums(&tables.plain);
    assert_eq!(plain["sendto"], 70, "{}", tables.plain);
    for (key, table) in &tables.by {
        assert_eq!(sums(table), plain, "{key}:\n{table}");
        let heading = table.lines().find(|l| l.contains("syscall")).expect("one");
        assert!(heading.ends_with(&format!(" {key}")), "{heading}");
    }
}

#[test]
fn each_call_is_in_its_group() {
    let Some(place) = place(true) else { return };
    let tables = Tables::take(&place, "c/grouped_calls");
    let dir = &tables.dir;

    let path = tables.rows("path");
    let of = |name, path_: &str| calls(&path, name, |k| k == path_);
    assert_eq!(of("write", &format!("{dir}/a")), 130, "{path:#?}");
    assert_eq!(of("write", &format!("{dir}/b")), 50, "{path:#?}");
    assert_eq!(of("openat", &format!("{dir}/missing")), 7, "{path:#?}");
    assert_eq!(of("openat", &format!("{dir}/a")), 2, "{path:#?}");
    assert_eq!(of("openat", dir), 1, "{path:#?}");
    assert_eq!(of("symlinkat", &format!("{dir}/link")), 1, "{path:#?}");

    let fd = tables.rows("fd");
    let writes = |file: &str| {
        let end = format!("<{dir}/{file}>");
        let mut writes: Vec<u64> = fd
            .iter()
            .filter(|r| r.name == "write" && r.key.ends_with(&end))
            .map(|r| r.calls)
            .collect();
        writes.sort_unstable();
        writes
    };
    assert_eq!(writes("a"), [130], "{fd:#?}");
    assert_eq!(writes("b"), [10, 40], "{fd:#?}");
    assert_eq!(calls(&fd, POLL, |k| k == "-"), 5, "{fd:#?}");

    let peer = tables.rows("peer");
    let mut peers = 0;
    for line in tables.target.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["peer", address, count] = words[..] {
            let sent = calls(&peer, "sendto", |k| k == address);
            assert_eq!(sent.to_string(), count, "{address}: {peer:#?}");
            peers += 1;
        }
    }
    assert_eq!(peers, 3);
    assert_eq!(calls(&peer, "connect", |k| k.starts_with("127.0.0.1:")), 2);
    assert_eq!(
        calls(&peer, "write", |k| k == "-"),
        calls(&peer, "write", |_| true)
    );

    let thread = tables.rows("thread");
    let main = format!("{}<grouped_calls>", tables.pid);
    assert_eq!(calls(&thread, "write", |k| k != main), 30, "{thread:#?}");
    assert_eq!(calls(&thread, "openat", |k| k != main), 0, "{thread:#?}");
    // And what it prints at the end.
    assert_eq!(calls(&thread, "write", |k| k == main), 151, "{thread:#?}");
}

#[test]
fn c_functions_that_call_the_library_are_found() {
    let Some(place) = place(true) else { return };
    for program in ["c/grouped_calls", "c/grouped_calls.static"] {
        functions_are_those_that_call(&Tables::take(&place, program));
    }
}

fn functions_are_those_that_call(tables: &Tables) {
    let function = tables.rows("function");
    for (name, by, count) in [
        ("write", "alpha", 100),
        ("write", "beta", 50),
        ("write", "gamma_work", 30),
        ("dup", "beta", 1),
        ("openat", "missing", 7),
        ("sendto", "talk", 60),
        ("sendto", "throw", 10),
        ("connect", "talk", 2),
        (POLL, "long_wait", 3),
        (POLL, "worker", 2),
    ] {
        let made = calls(&function, name, |k| k == by);
        assert_eq!(made, count, "{name} by {by}:\n{}", tables.by["function"]);
    }
}

/// Traces a Go program that was there before, since one that ends at once may have no names.
fn trace_go(place: &Place, release: &str, options: &[&str]) -> Finished {
    let file = place.path("file");
    let program = format!("go/{release}/grouped");
    let mut target = Running::ready(&mut place.command(&program, &[&file]));
    let tracer = place.tracer(&["strace"]).args(options);
    let tracer = tracer.args(&["-p", &target.pid_text()]).attach();
    target.proceed();
    let _ = target.finish().success();
    let run = tracer.finish().success();
    assert_nothing_lost(&run);
    run
}

#[test]
fn go_functions_are_found_below_the_standard_library() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let options = ["-c", "-U", "calls,name", "--by", "function"];
        let run = trace_go(&place, &release, &options);
        let rows = rows(&run.stdout);
        for (by, count) in [
            ("main.alpha", 100),
            ("main.(*journal).flush", 50),
            ("main.raw", 20),
        ] {
            let writes = calls(&rows, "write", |k| k == by);
            assert_eq!(writes, count, "{release}, {by}:\n{}", run.stdout);
        }
        assert_eq!(calls(&rows, "write", |k| k == "(no stack)"), 0, "{release}");
    }
}

#[test]
fn choices_of_calls_hold_for_groups() {
    let Some(place) = place(true) else { return };
    let table = |options: &[&str]| {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().canonicalize().expect("a directory");
        let path = path.to_str().expect("text").to_owned();
        let tracer = place.tracer(&["strace", "-c", "-U", "calls,name"]);
        let tracer = tracer.args(options);
        let run = tracer.launching(place.fixture("c/grouped_calls"), &[&path]);
        (rows(&run.run().success().stdout), path)
    };
    let (failed, dir) = table(&["-f", "-Z", "-e", "trace=openat", "--by", "path"]);
    let missing = calls(&failed, "openat", |k| k == format!("{dir}/missing"));
    assert_eq!(missing, 7, "{failed:#?}");
    assert!(failed.iter().all(|r| r.name == "openat"), "{failed:#?}");
    let (good, _) = table(&["-f", "-z", "-e", "trace=write,openat", "--by", "fd"]);
    assert!(good.iter().all(|r| r.name == "write" || r.name == "openat"));
    assert_eq!(
        calls(&good, "write", |k| k.ends_with("/a>")),
        130,
        "{good:#?}"
    );
}

#[test]
fn children_are_threads_of_their_own() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/fork_tree", &["11", "101"]));
    let args = [
        "strace",
        "-f",
        "-c",
        "-U",
        "calls,name",
        "--by",
        "thread",
        "-p",
    ];
    let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
    target.proceed();
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    assert_nothing_lost(&run);
    let rows = rows(&run.stdout);
    assert_eq!(calls(&rows, "getppid", |_| true), made, "{}", run.stdout);
    let callers: Vec<_> = rows.iter().filter(|r| r.name == "getppid").collect();
    assert_eq!(callers.len(), 11, "{}", run.stdout);
    assert!(callers.iter().all(|r| r.calls == 101), "{}", run.stdout);
}

#[test]
fn a_recording_of_calls_has_the_same_groups() {
    let Some(place) = place(true) else { return };
    let (mut target, dir) = grouped_calls(&place, "c/grouped_calls");
    let file = place.path("a.trc");
    let record = [
        "record",
        "-k",
        "strace",
        "-o",
        &file,
        "-p",
        &target.pid_text(),
    ];
    let recorder = place.tracer(&record).attach();
    target.proceed();
    let _ = target.finish().success();
    assert_nothing_lost(&recorder.finish().success());
    let report = |options: &[&str]| {
        let run = place.tracer(&["report"]).args(options).args(&[&file]);
        run.run().success().stdout
    };
    let plain = report(&["count", "-U", "calls,name"]);
    assert_eq!(sums(&plain)["sendto"], 70, "{plain}");
    for key in ["fd", "path", "peer", "thread"] {
        let table = report(&["strace", "-c", "-U", "calls,name", "--by", key]);
        assert_eq!(sums(&table), sums(&plain), "{key}:\n{table}");
        let same = report(&["count", "-U", "calls,name", "--by", key]);
        assert_eq!(table, same);
    }
    let path = rows(&report(&["count", "-U", "calls,name", "--by", "path"]));
    let writes = calls(&path, "write", |k| k.starts_with(&dir) && k.ends_with("/b"));
    assert_eq!(writes, 50, "{path:#?}");
    let missing = calls(&path, "openat", |k| k == format!("{dir}/missing"));
    assert_eq!(missing, 7, "{path:#?}");
    let refused = place.tracer(&["report", "count", "--by", "function", &file]);
    let refused = refused.run();
    let line = tracer_tests::one_line(&refused, 2);
    assert!(line.contains("is not recorded"), "{line}");
}

#[test]
fn a_key_needs_a_table() {
    let Some(place) = place(true) else { return };
    let run = place.tracer(&["strace", "--by", "fd"]);
    let run = run.launching("/bin/true", &[]).run();
    let line = tracer_tests::one_line(&run, 2);
    assert!(
        line.contains("--by is about the table of -c or -C"),
        "{line}"
    );
}

#[test]
fn json_has_a_column_of_keys() {
    let Some(place) = place(true) else { return };
    let file = place.path("counts.json");
    let options = [
        "strace",
        "-c",
        "--by",
        "path",
        "-U",
        "calls,name",
        "-o",
        &file,
    ];
    let options = [&options[..], &["-e", "trace=write", "--format", "json"]].concat();
    let dir = place.path("");
    let run = place.tracer(&options);
    let run = run.launching(place.fixture("c/grouped_calls"), &[&dir]);
    let _ = run.run().success();
    let text = std::fs::read_to_string(&file).expect("written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["table"]["columns"][2]["key"], "path");
    let all = json["table"]["rows"].as_array().expect("rows");
    let row = all.iter().find(|r| r[0] == 50).expect("the writes of beta");
    assert_eq!(row[1], "write");
    assert!(row[2].as_str().is_some_and(|p| p.ends_with("/b")), "{row}");
}

#[test]
fn lines_and_a_table_by_key_go_together() {
    let Some(place) = place(true) else { return };
    let options = [
        "strace",
        "-C",
        "--by",
        "fd",
        "-U",
        "calls,name",
        "-e",
        "trace=dup",
    ];
    let out = place.path("out");
    let dir = place.path("");
    let tracer = place.tracer(&options).args(&["-o", &out]);
    let run = tracer.launching(place.fixture("c/grouped_calls"), &[&dir]);
    let _ = run.run().success();
    let text = std::fs::read_to_string(&out).expect("written");
    assert!(text.starts_with("dup("), "{text}");
    let rows = rows(&text);
    assert_eq!(calls(&rows, "dup", |k| k.ends_with("/b>")), 1, "{text}");
}

/// The lines of calls, each with the frames below it.
fn with_stacks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix(" > ") {
            Some(frame) => all.last_mut().expect("a call before it").1.push(frame),
            None => all.push((line, Vec::new())),
        }
    }
    all
}

#[test]
fn the_slowest_calls_come_with_arguments_and_stacks() {
    let Some(place) = place(true) else { return };
    let dir = place.path("");
    let out = place.path("out");
    let chosen = format!("trace={POLL},write");
    let options = ["strace", "-f", "--slowest", "5", "-e", &chosen];
    let tracer = place.tracer(&options).args(&["-T", "-o", &out]);
    let run = tracer.launching(place.fixture("c/grouped_calls"), &[&dir]);
    let _ = run.run().success();
    let text = std::fs::read_to_string(&out).expect("written");
    let calls = with_stacks(&text);
    assert_eq!(calls.len(), 5, "{text}");
    for (call, frames) in calls {
        // All polls last longer than any write, but on a machine that is busy indeed.
        let function = match call {
            _ if call.contains("poll(NULL, 0, 30)") => "(long_wait+0x",
            _ if call.contains("poll(NULL, 0, {tv_sec=0, tv_nsec=30000000}") => "(long_wait+0x",
            _ if call.contains("poll(NULL, 0, 20)") => "(worker+0x",
            _ if call.contains("poll(NULL, 0, {tv_sec=0, tv_nsec=20000000}") => "(worker+0x",
            _ if call.contains(" write(") => "(",
            _ => panic!("{call}"),
        };
        // Below those of the C library.
        let mut innermost = frames.iter().take(3);
        assert!(
            innermost.any(|f| f.contains(function)),
            "{function} in {frames:?}"
        );
    }
}

#[test]
fn calls_chosen_by_duration_have_stacks() {
    let Some(place) = place(true) else { return };
    let dir = place.path("");
    let out = place.path("out");
    let options = [
        "strace",
        "-f",
        "-k",
        "--min-time",
        "25ms",
        "-e",
        &format!("trace={POLL}"),
    ];
    let tracer = place.tracer(&options).args(&["-o", &out]);
    let run = tracer.launching(place.fixture("c/grouped_calls"), &[&dir]);
    let _ = run.run().success();
    let text = std::fs::read_to_string(&out).expect("written");
    let calls = with_stacks(&text);
    // In ms, or as a `timespec`.
    let is_long = |call: &str| call.contains("30)") || call.contains("tv_nsec=30000000}");
    let long = calls.iter().filter(|(call, _)| is_long(call));
    assert_eq!(long.clone().count(), 3, "{text}");
    for (call, frames) in long {
        let has = frames.iter().any(|f| f.contains("(long_wait+0x"));
        assert!(has, "{call}: {frames:?}");
    }
}

#[test]
fn the_slowest_calls_of_go_programs_have_their_own_stacks() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let run = trace_go(&place, &release, &["--slowest", "30", "-e", "trace=write"]);
        let text = run.stdout;
        let calls = with_stacks(&text);
        assert_eq!(calls.len(), 30, "{text}");
        for (call, frames) in calls {
            let function = match call {
                _ if call.contains("\"a\"") => "(main.alpha+0x",
                _ if call.contains("\"c\"") => "(main.raw+0x",
                _ => "(main.(*journal).flush+0x",
            };
            let has = frames.iter().any(|f| f.contains(function));
            assert!(has, "{release}: no {function} in {frames:?} of {call}");
        }
    }
}

#[test]
fn the_stack_of_an_execve_is_that_of_the_program_before() {
    let Some(place) = place(true) else { return };
    for options in [&["--slowest", "1"][..], &["-k"]] {
        let mut shell = std::process::Command::new("/bin/sh");
        let script = "echo ready $$; read line; exec /bin/true argument";
        let mut target = Running::ready(shell.args(["-c", script]));
        let tracer = place
            .tracer(&["strace", "-e", "trace=execve"])
            .args(options)
            .args(&["-p", &target.pid_text()])
            .attach();
        target.proceed();
        let _ = target.finish().success();
        let run = tracer.finish().success();
        let calls = with_stacks(&run.stdout);
        let execve = calls.iter().find(|(call, _)| call.starts_with("execve("));
        let (call, frames) = execve.unwrap_or_else(|| panic!("none in {}", run.stdout));
        assert!(call.contains("\"/bin/true\", [\"/bin/true\", \"argument\"]"));
        assert!(call.contains(" = 0"), "{call}");
        // With debug information its inner name is known.
        assert!(frames[0].contains("execve+0x"), "{options:?}: {frames:?}");
        let shell = std::fs::canonicalize("/bin/sh").expect("a shell");
        let begin = format!("{}(", shell.display());
        let callers = frames[1..].iter().filter(|f| f.starts_with(&begin));
        assert!(callers.count() > 0, "{options:?}: {frames:?}");
    }
}
