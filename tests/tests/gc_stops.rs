//! `tracer gc --stw`: every stop of the world of a program that counts them, and who delayed it.

use serde_json::Value;
use tracer_tests::{Place, Running, number_after, place};

/// One that stops the world, and one that delays it.
const PROCESSORS: &str = "2";

struct Stops {
    /// As the tracer found them.
    records: Vec<Value>,
    by_reason: Value,
    /// What the program says of itself.
    said: String,
    told: String,
}

impl Stops {
    fn of(place: &Place, release: &str, args: &[&str], debug: &str) -> Self {
        let name = format!("go/{release}/stops");
        let mut command = place.command(&name, &[args, &["-wait"]].concat());
        command.env("GODEBUG", debug).env("GOMAXPROCS", PROCESSORS);
        let mut target = Running::ready(&mut command);
        let options = ["gc", "--stw", "--format", "json", "-p", &target.pid_text()];
        let tracer = place.tracer(&options).attach();
        target.proceed();
        let said = target.finish().success().stdout;
        let run = tracer.finish().success();
        let document: Value = serde_json::from_str(&run.stdout).expect("a document");
        Self {
            records: document["stops"].as_array().expect("a list").clone(),
            by_reason: document["stop_totals"].clone(),
            said,
            told: run.stderr,
        }
    }

    fn count(&self, reason: &str) -> u64 {
        self.by_reason[reason]["stops"].as_u64().unwrap_or(0)
    }

    /// Functions of the goroutines that were last, a line each.
    fn last(&self) -> Vec<String> {
        let functions = |stop: &Value| {
            let frames = stop["last"]["frames"].as_array()?;
            let names = frames.iter().filter_map(|f| f["function"].as_str());
            Some(names.collect::<Vec<_>>().join(" "))
        };
        self.records.iter().filter_map(functions).collect()
    }
}

fn ns(record: &Value, field: &str) -> u64 {
    record[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field} in {record}"))
}

#[test]
fn every_stop_is_seen_with_its_reason() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let args = ["-gc", "7", "-stats", "11", "-procs", "5", "-stacks", "3"];
        let stops = Stops::of(&place, &release, &args, "");
        let all = &stops.by_reason;
        assert_eq!(stops.count("GC sweep termination"), 7, "{release}: {all}");
        assert!(stops.count("GC mark termination") >= 7, "{release}: {all}");
        assert_eq!(stops.count("read mem stats"), 11, "{release}: {all}");
        assert_eq!(stops.count("GOMAXPROCS"), 5, "{release}: {all}");
        assert_eq!(
            stops.count("all goroutines stack trace"),
            3,
            "{release}: {all}"
        );
        // The runtime's own count, from Go 1.22 on.
        let counted = number_after(&stops.said, "metric /sched/pauses/total/gc:seconds ");
        let minor: u32 = release
            .split('.')
            .nth(1)
            .expect("a part")
            .parse()
            .expect("a number");
        if minor >= 22 {
            let ours = stops.count("GC sweep termination") + stops.count("GC mark termination");
            assert_eq!(counted, Some(ours), "{release}: {}", stops.said);
        }
        for stop in &stops.records {
            assert_eq!(stop["stopping_is_exact"], minor >= 23, "{release}: {stop}");
            assert_eq!(stop["restart_seen"], true, "{release}: {stop}");
            let (stopping, total) = (ns(stop, "stopping_ns"), ns(stop, "total_ns"));
            assert!(stopping <= total, "{release}: {stop}");
            if stop["last"].is_object() {
                // Two tracks: the probe at the last P, and the runtime's own clock.
                let after = ns(&stop["last"], "after_ns");
                assert!(after <= stopping, "{release}: {stop}");
            }
        }
        assert!(
            !stops.told.contains("self-check"),
            "{release}: {}",
            stops.told
        );
    }
}

#[test]
fn who_copies_much_at_a_time_delays_stops() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let stops = Stops::of(&place, &release, &["-stats", "25", "-copy", "4"], "");
        let last = stops.last();
        let copier = last.iter().filter(|l| l.contains("main.copier")).count();
        assert!(copier > 0, "{release}: {last:#?}");
    }
}

#[test]
fn who_cannot_be_preempted_delays_stops() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let args = ["-stats", "10", "-spin", "20"];
        let stops = Stops::of(&place, &release, &args, "asyncpreemptoff=1");
        let last = stops.last();
        let spinner = last.iter().filter(|l| l.contains("main.spinner")).count();
        assert!(spinner > 0, "{release}: {last:#?}");
    }
}

#[test]
fn lines_name_who_was_last() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let args = ["-gc", "1", "-stats", "20", "-copy", "4", "-wait"];
    let mut command = place.command(&format!("go/{release}/stops"), &args);
    let mut target = Running::ready(command.env("GOMAXPROCS", PROCESSORS));
    let tracer = place
        .tracer(&["gc", "--stw", "-p", &target.pid_text()])
        .attach();
    target.proceed();
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let lines = |of: &str| run.stdout.lines().filter(|l| l.starts_with(of)).count();
    assert_eq!(lines("gc "), 1, "{}", run.stdout);
    assert!(lines("stw @") >= 22, "{}", run.stdout);
    // On one CPU it waits for that of the thread that stops the world.
    let runs = |l: &str| {
        std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1)
            || l.contains(" on a CPU")
    };
    let copier = |l: &&str| l.contains(" in main.copier (main.go:") && runs(l);
    assert!(run.stdout.lines().any(|l| copier(&l)), "{}", run.stdout);
    let summary = "stw read mem stats: 20 times, ";
    assert!(run.stderr.contains(summary), "{}", run.stderr);
}

#[test]
fn a_program_that_was_launched_is_followed_from_its_first_stop() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    for build in ["", "-pie"] {
        let file = place.path("stops.json");
        let load = ["-d", "50ms", "-forced", "6"];
        let options = ["gc", "--stw", "--format", "json", "-o", &file, "--force"];
        let _ = place
            .tracer(&options)
            .launching(place.fixture(&format!("go/{release}/gcload{build}")), &load)
            .run_interactive(|r| r.stdout().contains("\nforced "))
            .success();
        let text = std::fs::read_to_string(&file).expect("a file");
        let document: Value = serde_json::from_str(&text).expect("a document");
        let cycles = document["cycles"].as_array().map_or(0, Vec::len) as u64;
        let sweeps = &document["stop_totals"]["GC sweep termination"]["stops"];
        assert_eq!(sweeps.as_u64(), Some(cycles), "gcload{build}");
        assert!(cycles >= 6, "gcload{build}: {cycles}");
    }
}

#[test]
fn a_program_that_is_not_gos_is_refused() {
    let Some(place) = place(true) else { return };
    let sleeper = Running::spawn(std::process::Command::new("sleep").arg("60"));
    let run = place
        .tracer(&["gc", "--stw", "-p", &sleeper.pid_text()])
        .run();
    assert_eq!(run.status.code(), Some(5), "{}", run.stderr);
    assert!(run.stderr.contains("is not a Go program"), "{}", run.stderr);
}

#[test]
fn the_runtime_counts_as_many_stops_as_are_seen() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let load = ["-d", "1m", "-live", "1", "-wait"];
        let mut target = Running::ready(&mut place.command(&format!("go/{release}/gcload"), &load));
        let options = ["gc", "--stw", "-d", "700ms", "-p", &target.pid_text()];
        let tracer = place.tracer(&options).attach();
        target.proceed();
        let run = tracer.finish().success();
        target.close_stdin();
        let _ = target.finish();
        assert!(run.stdout.matches("stw @").count() > 10, "{}", run.stdout);
        assert!(
            !run.stderr.contains("self-check"),
            "{release}: {}",
            run.stderr
        );
    }
}
