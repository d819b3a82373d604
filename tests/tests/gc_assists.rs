//! `tracer gc --assists` on a program whose goroutines allocate at a known ratio.

use serde_json::Value;
use tracer_tests::{Place, Running, duration, number_after, place};

const BUILDS: [&str; 3] = ["", "-stripped", "-pie"];

/// What a run showed, and what the program and its runtime said.
struct Seen {
    document: Value,
    /// The program's own lines.
    said: String,
    /// Assist time that the runtime printed, in ms, by cycle.
    traced: Vec<(u64, f64)>,
    notices: String,
}

fn see(place: &Place, program: &str) -> Seen {
    let args = ["-d", &duration(3000), "-live", "24", "-wait"];
    let mut command = place.command(program, &args);
    let mut target = Running::ready(command.env("GODEBUG", "gctrace=1"));
    let pid = target.pid_text();
    let options = [
        "gc",
        "--assists",
        "--max-overhead",
        "off",
        "--format",
        "json",
        "-p",
        &pid,
    ];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    let target = target.finish().success();
    let run = tracer.finish().success();
    Seen {
        document: serde_json::from_str(&run.stdout).expect("a document"),
        said: target.stdout,
        traced: target.stderr.lines().filter_map(traced).collect(),
        notices: run.stderr,
    }
}

/// The number of the cycle and the time of assists of `gc 7 @0.1s 2%: … ms clock, 0.1+ASSIST/…`.
fn traced(line: &str) -> Option<(u64, f64)> {
    let number = number_after(line, "gc ")?;
    let cpu = line.split(" ms clock, ").nth(1)?;
    let assist = cpu.split('+').nth(1)?.split('/').next()?;
    Some((number, assist.parse().ok()?))
}

impl Seen {
    fn rows(&self, table: &str) -> &Vec<Value> {
        self.document["assists"][table].as_array().expect("rows")
    }

    /// Sum of the shares of the rows that `is` takes.
    fn share(&self, table: &str, is: impl Fn(&Value) -> bool) -> f64 {
        let rows = self.rows(table).iter().filter(|row| is(row));
        rows.map(|row| row["share"].as_f64().expect("a number"))
            .sum()
    }

    fn of_function(&self, table: &str, function: &str) -> f64 {
        self.share(table, |row| row["function"] == function)
    }

    /// Ids that the program printed for goroutines of a kind.
    fn goroutines(&self, kind: &str) -> Vec<u64> {
        let lines = self.said.lines().filter_map(|l| l.strip_prefix(kind));
        lines.filter_map(|id| id.trim().parse().ok()).collect()
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn who_allocates_assists_and_as_long_as_the_runtime_says() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in BUILDS {
            let program = format!("go/{release}/assists{build}");
            let seen = see(&place, &program);
            let assists = &seen.document["assists"];
            let (count, time_ns) = (number(&assists["count"]), number(&assists["time_ns"]));
            assert!(count >= 20, "{program}: only {count} assists: {assists}");

            // 9 of 11 units, by place, by statement, by goroutine. Which assists there are is up to
            // the collector: the ratio is a coarse one.
            for (table, heavy, light) in [
                ("functions", "main.heavy", "main.light"),
                ("creators", "main.startHeavy", "main.startLight"),
            ] {
                let share = seen.of_function(table, heavy);
                assert!(
                    (0.6..0.99).contains(&share),
                    "{program}: {share}: {assists}"
                );
                let rest = seen.of_function(table, light);
                assert!((0.01..0.4).contains(&rest), "{program}: {rest}: {assists}");
                assert!(share + rest > 0.9, "{program}: {assists}");
            }
            let in_library = |row: &Value| {
                let within = row["within"].as_str().unwrap_or_default();
                row["function"] == "main.light" && within.contains('.')
            };
            assert!(
                seen.share("functions", in_library) > 0.0,
                "{program}: {assists}"
            );
            let ids = |kind: &str| seen.goroutines(kind);
            let of = |ids: &[u64]| {
                seen.share("goroutines", |row| {
                    row["goid"].as_u64().is_some_and(|id| ids.contains(&id))
                })
            };
            assert_eq!(
                (ids("heavy").len(), ids("light").len()),
                (3, 2),
                "{}",
                seen.said
            );
            assert!(
                (0.6..0.99).contains(&of(&ids("heavy"))),
                "{program}: {assists}"
            );
            for one in ids("heavy") {
                assert!(
                    (0.1..0.6).contains(&of(&[one])),
                    "{program}: {one}: {assists}"
                );
            }
            assert!(of(&ids("spin")) == 0.0, "{program}: {assists}");

            sums_are_the_runtimes(&program, &seen, count, time_ns);
        }
    }
}

fn sums_are_the_runtimes(program: &str, seen: &Seen, count: u64, time_ns: u64) {
    let assists = &seen.document["assists"];
    let cycles = seen.document["cycles"].as_array().expect("cycles");
    let (mut ours, mut theirs, mut printed) = (0, 0, 0.0);
    for cycle in cycles.iter().filter(|c| c["assists"].is_object()) {
        ours += number(&cycle["assists"]["time_ns"]);
        theirs += number(&cycle["cpu"]["assist"]);
        let number = number(&cycle["number"]);
        let line = seen.traced.iter().find(|(n, _)| *n == number);
        printed += line
            .unwrap_or_else(|| panic!("{program}: no cycle {number}"))
            .1
            * 1e6;
    }
    assert_eq!(number(&assists["seen_ns"]), ours, "{program}");
    assert_eq!(number(&assists["runtime_ns"]), theirs, "{program}");
    // What each of few Ps keeps, and the way of the probes into the kernel and back.
    let slack = cycles.len() as f64 * 40e3 + count as f64 * 6e3;
    let allowed = slack + theirs as f64 * 0.1;
    let apart = (ours as f64 - theirs as f64).abs();
    assert!(apart <= allowed, "{program}: {ours} against {theirs}");
    // Printed with two digits at least.
    let apart = (printed - theirs as f64).abs();
    assert!(
        apart <= theirs as f64 * 0.1 + cycles.len() as f64 * 2e3,
        "{program}"
    );
    assert!(time_ns >= ours, "{program}");
    assert!(
        !seen.notices.contains("self-check"),
        "{program}: {}",
        seen.notices
    );
    println!(
        "{program}: {count} assists, {ours} ns in {} cycles, the runtime says {theirs}",
        number(&assists["cycles"])
    );
}

#[test]
fn the_text_ends_with_three_tables() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let program = format!("go/{release}/assists");
    let mut target =
        Running::ready(&mut place.command(&program, &["-d", &duration(1500), "-wait"]));
    let pid = target.pid_text();
    let options = ["gc", "--assists", "--max-overhead", "off", "-p", &pid];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    let _ = target.finish().success();
    let text = tracer.finish().success().stdout;
    let end = text
        .split("\nGC assists: ")
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"));
    let heads: Vec<&str> = end.lines().filter(|l| l.contains(" SHARE ")).collect();
    assert_eq!(heads.len(), 3, "{text}");
    assert!(end.contains(" main.heavy main.go:"), "{text}");
    assert!(end.contains(" main.startHeavy main.go:"), "{text}");
    assert!(end.contains(" of main.startHeavy main.go:"), "{text}");
    assert!(end.contains("the runtime counted "), "{text}");
}
