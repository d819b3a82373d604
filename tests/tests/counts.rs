//! Exact numbers of calls that programs are known to make.

use tracer_tests::{Finished, Running, place};

/// Column `calls` of a syscall in the table of `strace -c`.
fn calls_of(table: &str, name: &str) -> u64 {
    let row = |l: &&str| l.split_whitespace().last() == Some(name);
    table.lines().filter(row).map(calls_in_row).sum()
}

fn calls_in_row(row: &str) -> u64 {
    let calls = row.split_whitespace().nth(3);
    calls
        .and_then(|c| c.parse().ok())
        .unwrap_or_else(|| panic!("no calls in {row:?}"))
}

/// Calls in a trace: those on one line, and those cut in two by another thread's line.
fn getppid_lines(trace: &str) -> u64 {
    let count = |part: &str| trace.lines().filter(|l| l.contains(part)).count() as u64;
    let resumed = count("<... getppid resumed>");
    assert_eq!(count("getppid( <unfinished ...>"), resumed);
    count("getppid() ") + resumed
}

fn lost(tracer: &Finished) -> u64 {
    let end = tracer.stderr.lines().last().unwrap_or_default();
    let words: Vec<&str> = end.split_whitespace().collect();
    let at = words.iter().position(|w| w.starts_with("lost"));
    at.and_then(|i| words[i - 1].parse().ok())
        .unwrap_or_else(|| panic!("no losses in {end:?}"))
}

#[test]
fn a_million_calls_of_one_thread_and_of_four_are_counted_exactly() {
    let Some(place) = place(true) else { return };
    for threads in ["1", "4"] {
        let program = place.fixture("c/getppid_loop");
        let run = place.tracer(&["strace", "-c"]);
        let run = run
            .launching(program, &["1000003", threads])
            .run()
            .success();
        assert_eq!(
            calls_of(&run.stdout, "getppid"),
            1_000_003,
            "{}",
            run.stdout
        );
        assert_eq!(lost(&run), 0);
    }
}

#[test]
fn calls_of_an_attached_process_are_counted_exactly() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/getppid_loop", &["200003", "3", "wait"]));
    let tracer = place
        .tracer(&["strace", "-c", "-p", &target.pid_text()])
        .attach();
    target.proceed();
    tracer_tests::until("the calls", || {
        target.stdout().contains("200003").then_some(())
    });
    let run = tracer.interrupt().success();
    assert_eq!(calls_of(&run.stdout, "getppid"), 200_003, "{}", run.stdout);
    assert_eq!(
        calls_of(&run.stdout, tracer_tests::NEW_THREAD),
        3,
        "{}",
        run.stdout
    );
    assert!(target.is_running(), "the target goes on");
    let _ = target.finish().success();
}

#[test]
fn a_hundred_thousand_calls_are_a_hundred_thousand_lines() {
    let Some(place) = place(true) else { return };
    for threads in ["1", "4"] {
        let file = place.path(threads);
        // In a file: on stdout the program's own line could stand in the midst of one of ours.
        let run = place
            .tracer(&["strace", "-e", "trace=getppid", "-o", &file])
            .launching(place.fixture("c/getppid_loop"), &["100003", threads])
            .run()
            .success();
        let trace = std::fs::read_to_string(&file).expect("a trace");
        assert_eq!((getppid_lines(&trace), lost(&run)), (100_003, 0));
    }
}

#[test]
fn the_calls_of_all_children_are_counted_with_f_and_those_of_none_without() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/fork_tree", &["37", "101"]));
    let pid = target.pid_text();
    let table = place.tracer(&["strace", "-f", "-c", "-p", &pid]).attach();
    let lines = place.tracer(&["strace", "-f", "-p", &pid]).attach();
    let alone = place.tracer(&["strace", "-c", "-p", &pid]).attach();
    target.proceed();
    let made = target.finish().success().count();
    assert_eq!(made, 37 * 101);
    let table = table.finish().success();
    assert_eq!(calls_of(&table.stdout, "getppid"), made, "{}", table.stdout);
    let lines = lines.finish().success();
    assert_eq!((getppid_lines(&lines.stdout), lost(&lines)), (made, 0));
    let exits = lines
        .stdout
        .lines()
        .filter(|l| l.contains("+++ exited with "));
    assert_eq!(exits.count(), 38);
    let alone = alone.finish().success();
    assert_eq!(calls_of(&alone.stdout, "getppid"), 0, "{}", alone.stdout);
    assert_eq!(calls_of(&alone.stdout, "clone"), 37, "{}", alone.stdout);
}

#[test]
fn columns_are_those_asked_for_and_percentiles_are_in_order() {
    let Some(place) = place(true) else { return };
    let run = place
        .tracer(&["strace", "-c", "-e", "trace=getppid"])
        .args(&["-U", "calls,p50,p90,p99,max,name"])
        .launching(place.fixture("c/getppid_loop"), &["50021", "2"])
        .run()
        .success();
    let row = run.stdout.lines().find(|l| l.ends_with(" getppid"));
    let row = row.unwrap_or_else(|| panic!("no row in\n{}", run.stdout));
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells.len(), 6, "{row}");
    assert_eq!((cells[0], cells[5]), ("50021", "getppid"));
    let times: Vec<f64> = cells[1..5]
        .iter()
        .map(|c| c.parse().unwrap_or_else(|_| panic!("{c} in {row}")))
        .collect();
    // All in microseconds.
    assert!(times.is_sorted() && times[0] > 0.0, "{row}");
}

#[test]
fn intervals_add_up_to_the_whole() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/ring_flood", &["1500", "2", "wait"]));
    let args = ["strace", "-c", "-i", "300ms", "-e", "trace=getppid", "-p"];
    let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
    target.proceed();
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    let tables = run.stdout.lines().filter(|l| l.contains("% time")).count();
    assert!(tables >= 4, "{tables} tables in 1.5 s:\n{}", run.stdout);
    assert_eq!(calls_of(&run.stdout, "getppid"), made, "{}", run.stdout);
}

#[test]
fn json_has_the_same_numbers() {
    let Some(place) = place(true) else { return };
    let run = place
        .tracer(&["strace", "-c", "--format", "json", "-e", "trace=getppid"])
        .launching(place.fixture("c/getppid_loop"), &["30011", "2"])
        .run()
        .success();
    let first = run.stdout.find('{').expect("a document");
    let end = run.stdout.rfind('}').expect("a document") + 1;
    let json: serde_json::Value = serde_json::from_str(&run.stdout[first..end])
        .unwrap_or_else(|e| panic!("{e} in\n{}", run.stdout));
    let table = &json["table"];
    let keys: Vec<_> = (0..6)
        .map(|i| table["columns"][i]["key"].as_str())
        .collect();
    let calls = keys
        .iter()
        .position(|k| *k == Some("calls"))
        .expect("a column");
    assert_eq!(table["rows"][0][calls], 30_011, "{json}");
    assert_eq!(table["rows"][0][5], "getppid", "{json}");
}
