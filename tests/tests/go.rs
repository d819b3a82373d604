//! `tracer gc` against GODEBUG=gctrace=1, and `tracer sched`, on every Go release.

use std::collections::BTreeMap;

use tracer_tests::{Place, Running, number_after, place, skip, until};

/// Lines about garbage collections by their number.
fn cycles(text: &str) -> BTreeMap<u64, &str> {
    let number = |l: &str| number_after(l, "gc ").filter(|_| l.contains(" @"));
    let lines = text.lines().filter(|l| l.starts_with("gc "));
    lines.filter_map(|l| Some((number(l)?, l))).collect()
}

/// Asserts that our lines are those of the program itself wherever both have the cycle, and gives
/// the number of such cycles.
fn assert_same_cycles(ours: &str, theirs: &str, of: &str) -> usize {
    let (ours, theirs) = (cycles(ours), cycles(theirs));
    let mut both = 0;
    for (number, line) in &ours {
        if let Some(theirs) = theirs.get(number) {
            assert_eq!(line, theirs, "{of}");
            both += 1;
        }
    }
    both
}

fn forced(text: &str) -> u64 {
    cycles(text)
        .values()
        .filter(|l| l.ends_with(" (forced)"))
        .count() as u64
}

const LOAD: [&str; 5] = ["-d", "400ms", "-forced", "7", "-wait"];

fn attached(place: &Place, name: &str) {
    let mut command = place.command(name, &LOAD);
    let mut target = Running::ready(command.env("GODEBUG", "gctrace=1"));
    let tracer = place.tracer(&["gc", "-p", &target.pid_text()]).attach();
    target.proceed();
    until("the end", || {
        target.stdout().contains("\nforced ").then_some(())
    });
    let target = target.finish().success();
    let run = tracer.finish().success();
    let both = assert_same_cycles(&run.stdout, &target.stderr, name);
    assert_eq!(forced(&run.stdout), 7, "{name}:\n{}", run.stdout);
    assert_eq!(number_after(&target.stdout, "\nforced "), Some(7));
    // Every cycle that began after we had attached.
    let all = number_after(&target.stdout, "gc cycles ").expect("a count");
    let first = *cycles(&run.stdout).keys().next().expect("cycles");
    assert_eq!(
        both as u64,
        all - first + 1,
        "{name}: some are missing\n{}",
        run.stdout
    );
    let before = cycles(&target.stderr).len() - both;
    assert!(
        before <= 4,
        "{name}: {before} cycles before the first of ours"
    );
}

fn launched(place: &Place, name: &str) {
    let run = place
        .tracer(&["gc", "-o", &place.path("gc.txt"), "--force"])
        .env("GODEBUG", "gctrace=1")
        .launching(place.fixture(name), &LOAD)
        .run_interactive(|r| r.stdout().contains("\nforced "))
        .success();
    let ours = std::fs::read_to_string(place.path("gc.txt")).expect("our lines");
    let both = assert_same_cycles(&ours, &run.stderr, name);
    let all = number_after(&run.stdout, "gc cycles ").expect("a count");
    assert_eq!(both as u64, all, "{name}: from the first cycle on:\n{ours}");
    assert_eq!(forced(&ours), 7, "{name}:\n{ours}");
}

/// Of those that the fixtures are built for: tests of their own, for they take their time.
enum Releases {
    Oldest,
    Between,
    Newest,
}

fn of(which: Releases, check: fn(&Place, &str)) {
    let Some(place) = place(true) else { return };
    let releases = place.go_releases();
    let last = releases.len() - 1;
    let chosen = match which {
        Releases::Oldest => 0..1,
        Releases::Between => 1..last.max(1),
        Releases::Newest => last..releases.len(),
    };
    if chosen.is_empty() {
        return skip(&format!(
            "Go fixtures are built with {} alone",
            releases.join(", ")
        ));
    }
    for release in &releases[chosen] {
        for variant in place.go_variants(release, "gcload") {
            check(&place, &format!("go/{release}/gcload{variant}"));
        }
    }
}

#[test]
fn gc_lines_of_the_oldest_release_are_the_runtimes_own_when_attached() {
    of(Releases::Oldest, attached);
}

#[test]
fn gc_lines_of_the_releases_between_are_the_runtimes_own_when_attached() {
    of(Releases::Between, attached);
}

#[test]
fn gc_lines_of_the_newest_release_are_the_runtimes_own_when_attached() {
    of(Releases::Newest, attached);
}

#[test]
fn gc_lines_of_the_oldest_release_are_the_runtimes_own_when_launched() {
    of(Releases::Oldest, launched);
}

#[test]
fn gc_lines_of_the_releases_between_are_the_runtimes_own_when_launched() {
    of(Releases::Between, launched);
}

#[test]
fn gc_lines_of_the_newest_release_are_the_runtimes_own_when_launched() {
    of(Releases::Newest, launched);
}

#[test]
fn go_schedules_at_least_twice_a_round_trip() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/pingpong");
        let mut target = Running::ready(&mut place.command(&name, &["-n", "20011", "-wait"]));
        let tracer = place
            .tracer(&[
                "sched",
                "--rounds",
                "--max-overhead",
                "off",
                "-p",
                &target.pid_text(),
            ])
            .attach();
        target.proceed();
        let _ = target.finish().success();
        let run = tracer.finish().success();
        let hits = number_after(&run.stdout, "runtime.schedule: ");
        let hits = hits.unwrap_or_else(|| panic!("{name}: no rounds in\n{}", run.stdout));
        assert!(hits >= 2 * 20_011, "{name}: {hits}");
        assert!(hits < 10 * 20_011, "{name}: {hits}");
    }
}

#[test]
fn a_thread_that_sleeps_120_times_is_switched_at_least_as_often() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/sleeper", &["1"]));
    let exact = ["sched", "--max-overhead", "off"];
    let args = ["--format", "json", "-p", &target.pid_text()];
    let tracer = place.tracer(&exact).args(&args).attach();
    target.proceed();
    until("the end", || {
        target.stdout().contains("sleep_fifty_ms").then_some(())
    });
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let json: serde_json::Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e} in\n{}", run.stdout));
    let switches = number_after(&json.to_string(), "\"switches\":");
    let switches = switches.unwrap_or_else(|| panic!("no switches in {json}"));
    assert!((120..2000).contains(&switches), "{switches}: {json}");
}
