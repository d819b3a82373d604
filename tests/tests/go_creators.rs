//! `tracer sched --creators` on a program that makes known numbers of goroutines.

use serde_json::Value;
use tracer_tests::{Place, Running, place, until};

/// The rows of a run of a program that makes 1,000 of each.
fn rows(place: &Place, program: &str) -> Vec<Value> {
    let mut target = Running::ready(&mut place.command(program, &["-n", "1000"]));
    let pid = target.pid_text();
    let options = [
        "sched",
        "--creators",
        "--max-overhead",
        "off",
        "--format",
        "json",
        "-p",
        &pid,
    ];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    until("all to run", || {
        target.stdout().contains("made").then_some(())
    });
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let document: Value = serde_json::from_str(&run.stdout).expect("a document");
    document[0]["go_creators"]
        .as_array()
        .expect("a list")
        .clone()
}

#[test]
fn every_goroutine_is_counted_at_the_statement_that_made_it() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let program = format!("go/{release}/creators");
        let all = rows(&place, &program);
        let of = |function: &str| {
            let mut rows = all.iter().filter(|row| row["function"] == function);
            let (Some(row), None) = (rows.next(), rows.next()) else {
                panic!("{program}: not one {function}: {all:?}");
            };
            let number = |field: &str| row[field].as_u64().expect("a number");
            let file = row["file"].as_str().expect("a file");
            assert!(file.ends_with("/creators/main.go"), "{program}: {file}");
            assert_eq!(number("created"), 1000, "{program}: {row}");
            assert_eq!(number("first_runs"), 1000, "{program}: {row}");
            let (p50, p95, p99) = (number("p50_ns"), number("p95_ns"), number("p99_ns"));
            let max = number("max_ns");
            assert!(
                0 < p50 && p50 <= p95 && p95 <= p99 && p99 <= max,
                "{program}: {row}"
            );
            assert!(max < 60_000_000_000, "{program}: {row}");
            (number("line"), number("ended"))
        };
        let (short, ended) = of("main.short");
        assert_eq!(ended, 1000, "{program}");
        let (long, ended) = of("main.long");
        // The program may end before all of them do.
        assert!(ended <= 1000, "{program}");
        assert!(short < long, "{program}");
    }
}

#[test]
fn the_table_names_function_and_line() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let mut target = Running::ready(&mut place.command(&format!("go/{release}/creators"), &[]));
    let pid = target.pid_text();
    let tracer = place.tracer(&["sched", "--creators", "-p", &pid]).attach();
    target.proceed();
    until("all to run", || {
        target.stdout().contains("made").then_some(())
    });
    let _ = target.finish().success();
    let text = tracer.finish().success().stdout;
    let line = text
        .lines()
        .find(|line| line.contains(" main.short main.go:"));
    assert!(
        line.is_some_and(|line| line.trim_start().starts_with("1000 ")),
        "{text}"
    );
}

#[test]
fn in_a_storm_first_runs_are_given_up_and_the_counts_go_on() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let program = format!("go/{release}/creators");
        let mut command = place.command(&program, &["-n", "1000", "-storm"]);
        let mut target = Running::ready(&mut command);
        let pid = target.pid_text();
        let options = ["sched", "--creators", "--format", "json", "-p", &pid];
        let tracer = place.tracer(&options).attach();
        let given_up = "over the budget of 2 %: go_first_run takes ";
        until("first runs to be given up", || {
            let said = tracer.stderr();
            let line = said.lines().find(|line| line.contains(given_up))?;
            assert!(line.contains(": detached after "), "{program}: {line}");
            Some(())
        });
        target.proceed();
        until("all to run", || {
            target.stdout().contains("made").then_some(())
        });
        let _ = target.finish().success();
        let run = tracer.finish().success();
        let document: Value = serde_json::from_str(&run.stdout).expect("a document");
        let rows = document[0]["go_creators"].as_array().expect("a list");
        for function in ["main.short", "main.long"] {
            let row = rows.iter().find(|row| row["function"] == function);
            let row = row.unwrap_or_else(|| panic!("{program}: no {function}: {rows:?}"));
            assert_eq!(row["created"], 1000, "{program}: {row}");
            assert_eq!(row["first_runs"], 0, "{program}: {row}");
        }
        assert!(run.stderr.contains(", 0 lost"), "{program}: {}", run.stderr);
    }
}
