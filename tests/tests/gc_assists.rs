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

    /// Of the number of assists, the part of the rows that `is` takes; and of their time.
    fn shares(&self, table: &str, is: impl Fn(&Value) -> bool) -> (f64, f64) {
        let of = |field: &str| {
            let sum = |wanted: &dyn Fn(&Value) -> bool| -> u64 {
                let rows = self.rows(table).iter().filter(|row| wanted(row));
                rows.map(|row| number(&row[field])).sum()
            };
            sum(&is) as f64 / sum(&|_| true) as f64
        };
        (of("count"), of("time_ns"))
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
            // the collector, and how long each takes to who else wants the CPU: the ratio is a coarse one.
            let is_right = |(count, time): (f64, f64)| {
                (0.6..0.97).contains(&count) && (0.3..1.0).contains(&time)
            };
            for (table, heavy, light) in [
                ("functions", "main.heavy", "main.light"),
                ("creators", "main.startHeavy", "main.startLight"),
            ] {
                let of = |function: &str| seen.shares(table, |row| row["function"] == function);
                let (heavy, light) = (of(heavy), of(light));
                assert!(is_right(heavy), "{program}: {heavy:?}: {assists}");
                assert!(heavy.0 + light.0 > 0.95, "{program}: {light:?}: {assists}");
                println!("{program}: {table}: {heavy:.2?} and {light:.2?}");
            }
            let in_library = |row: &Value| {
                let within = row["within"].as_str().unwrap_or_default();
                row["function"] == "main.light" && within.contains('.')
            };
            let (within, _) = seen.shares("functions", in_library);
            assert!(within > 0.0, "{program}: {assists}");
            let ids = |kind: &str| seen.goroutines(kind);
            let of = |ids: &[u64]| {
                seen.shares("goroutines", |row| {
                    row["goid"].as_u64().is_some_and(|id| ids.contains(&id))
                })
            };
            assert_eq!(
                (ids("heavy").len(), ids("light").len()),
                (3, 2),
                "{}",
                seen.said
            );
            assert!(is_right(of(&ids("heavy"))), "{program}: {assists}");
            for one in ids("heavy") {
                assert!(of(&[one]).0 > 0.05, "{program}: {one}: {assists}");
            }
            assert!(of(&ids("spin")).0 == 0.0, "{program}: {assists}");

            sums_are_the_runtimes(&program, &seen, count, time_ns);
        }
    }
}

/// On a machine where others want the CPU a probe is where a thread loses it: some cycles are apart by time
/// slices, and only most must agree.
fn sums_are_the_runtimes(program: &str, seen: &Seen, count: u64, time_ns: u64) {
    let assists = &seen.document["assists"];
    let cycles = seen.document["cycles"].as_array().expect("cycles");
    let (mut ours, mut theirs, mut whole, mut agree) = (0, 0, 0, 0);
    for cycle in cycles.iter().filter(|c| c["assists"].is_object()) {
        let (seen_ns, count) = (
            number(&cycle["assists"]["time_ns"]),
            number(&cycle["assists"]["count"]),
        );
        let counted_ns = number(&cycle["cpu"]["assist"]);
        // What each of few Ps keeps, and the way of the probes into the kernel and back.
        let allowed = 40_000 + count * 4_000 + counted_ns / 10;
        whole += 1;
        agree += u64::from(seen_ns.abs_diff(counted_ns) <= allowed);
        ours += seen_ns;
        theirs += counted_ns;
        // The last line may not have been written before the program ended.
        let number = number(&cycle["number"]);
        if let Some((_, ms)) = seen.traced.iter().find(|(n, _)| *n == number) {
            // Printed with two digits at least.
            let apart = (ms * 1e6 - counted_ns as f64).abs();
            let digits = counted_ns as f64 * 0.1 + 2e3;
            assert!(apart <= digits, "{program}: cycle {number}: {ms} ms");
        }
    }
    assert_eq!(number(&assists["cycles"]), whole, "{program}");
    assert_eq!(number(&assists["seen_ns"]), ours, "{program}");
    assert_eq!(number(&assists["runtime_ns"]), theirs, "{program}");
    println!("{program}: {count} assists, {ours} ns in {whole} cycles, the runtime says {theirs}");
    assert!(agree * 2 > whole, "{program}: {agree} of {whole} cycles");
    assert!(
        ours.abs_diff(theirs) <= theirs / 2 + 10_000_000,
        "{program}: {ours} against {theirs}"
    );
    assert!(time_ns >= ours, "{program}");
    assert!(
        !seen.notices.contains("self-check"),
        "{program}: {}",
        seen.notices
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
