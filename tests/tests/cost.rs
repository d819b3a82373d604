//! What tracing costs is told at the end, and kept within a budget.

use std::process::Command;
use std::time::{Duration, Instant};

use tracer_tests::{Finished, Running, number_after, place, until};

/// The share of the target's CPU time that the last line tells, in tenths of a percent.
fn target_cost(run: &Finished) -> u64 {
    let end = run.stderr.lines().last().unwrap_or_default();
    let cost = end.split_once(", target cost ").and_then(|(_, rest)| {
        let (whole, tenths) = rest.split_once(" %")?.0.split_once('.')?;
        Some(whole.parse::<u64>().ok()? * 10 + tenths.parse::<u64>().ok()?)
    });
    cost.unwrap_or_else(|| panic!("no cost in {end:?}"))
}

/// A thread that does nothing but call the kernel, for some seconds.
fn flat_out(place: &tracer_tests::Place) -> Running {
    Running::ready(&mut place.command("c/getppid_loop", &["20000003", "1", "wait"]))
}

#[test]
fn the_last_line_tells_what_the_target_paid() {
    let Some(place) = place(true) else { return };
    let program = place.fixture("c/getppid_loop");
    let run = place.tracer(&["strace", "-c", "--probe-costs"]);
    let run = run.launching(program, &["1000003", "1"]).run().success();
    // A call takes about as long as its two probes.
    let cost = target_cost(&run);
    // On a host that is too busy to measure prices, that is no price of this one.
    let measured = !run.stderr.contains("(prices assumed)");
    assert!(!measured || (100..=1000).contains(&cost), "{}", run.stderr);
    for line in [
        " ns a syscall counted, ",
        "cost: syscall_count 1000",
        " of the target's ",
    ] {
        assert!(run.stderr.contains(line), "no {line:?} in\n{}", run.stderr);
    }
    let run = place.tracer(&["gc", "-d", "300ms"]);
    let run = run
        .launching(place.fixture("go/1.24.11/sleeper"), &["-n", "3"])
        .run();
    assert!(target_cost(&run) < 100, "{}", run.stderr);
}

#[test]
fn documents_and_recordings_have_the_cost() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let program = place.fixture("c/getppid_loop");
    let record = place.tracer(&["record", "-k", "count,sched", "-o", &file]);
    let run = record.launching(&program, &["300007", "1"]).run().success();
    assert!(target_cost(&run) > 0, "{}", run.stderr);
    for kind in ["count", "sched"] {
        let run = place.tracer(&["report", kind, "--format", "json", &file]);
        let run = run.run().success();
        let json: serde_json::Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e} in\n{}", run.stdout));
        let cost = if json.is_array() { &json[0] } else { &json };
        let cost = &cost["cost"];
        let percent = cost["target_cpu_percent"].as_f64();
        assert!(percent.is_some_and(|p| p > 0.0 && p <= 100.0), "{json}");
        let probes = cost["probes"].as_array().expect("probes");
        let counted = probes.iter().find(|p| p["probes"] == "syscall_count");
        let hits = counted.and_then(|p| p["hits"].as_u64()).unwrap_or(0);
        assert!((300_007..301_000).contains(&hits), "{json}");
    }
}

#[test]
fn a_trace_over_the_default_budget_is_told_once_and_goes_on() {
    let Some(place) = place(true) else { return };
    let mut target = flat_out(&place);
    let tracer = place.tracer(&["strace", "-c", "-d", "1500ms", "-p", &target.pid_text()]);
    let tracer = tracer.attach();
    target.proceed();
    let run = tracer.finish().success();
    let told = run
        .stderr
        .matches("over the budget of 2 %: syscall_count takes ");
    assert_eq!(told.count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("; going on, for a complete result"));
    assert!(
        number_after(&run.stderr, "tracer: 1.").is_some(),
        "{}",
        run.stderr
    );
    assert!(target.is_running());
}

#[test]
fn a_budget_that_was_given_is_kept_and_the_target_runs_on() {
    let Some(place) = place(true) else { return };
    let mut target = flat_out(&place);
    let args = [
        "strace",
        "-c",
        "--max-overhead",
        "0.5",
        "-p",
        &target.pid_text(),
    ];
    let tracer = place.tracer(&args).attach();
    let loaded = tracer_tests::Loaded::by(tracer.pid());
    let begun = Instant::now();
    target.proceed();
    let run = tracer.finish().success();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(target.is_running(), "the tracer ended first");
    let line = "tracer: over the budget of 0.5 %: syscall_count takes ";
    assert!(run.stderr.contains(line), "{}", run.stderr);
    assert!(run.stderr.contains(": detached after "), "{}", run.stderr);
    assert!(
        run.stdout.contains("getppid"),
        "what there was: {}",
        run.stdout
    );
    loaded.assert_gone();
    target.proceed();
    let said = target.finish().success().stdout;
    assert!(said.contains("\n20000003\n"), "{said}");
}

#[test]
fn no_budget_is_no_guard() {
    let Some(place) = place(true) else { return };
    for off in ["off", "0", "100"] {
        let mut target = flat_out(&place);
        let args = ["sched", "-d", "800ms", "--max-overhead", off, "-p"];
        let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
        target.proceed();
        let run = tracer.finish().success();
        assert!(!run.stderr.contains("over the budget"), "{}", run.stderr);
        assert!(run.stderr.contains("tracer: 0."), "{}", run.stderr);
    }
    for wrong in ["-1", "many", "nan"] {
        let over = format!("--max-overhead={wrong}");
        let run = place.tracer(&["sched", &over, "-p", "1"]).run();
        assert_eq!(run.status.code(), Some(2), "{}", run.stderr);
        assert!(
            run.stderr.contains("is no budget: give percent"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn rounds_of_gos_scheduler_are_given_up_and_the_rest_goes_on() {
    let Some(place) = place(true) else { return };
    let name = format!("go/{}/pingpong", place.go_releases()[1]);
    let mut target = Running::ready(&mut place.command(&name, &["-n", "30000011", "-wait"]));
    let args = ["sched", "--rounds", "-d", "2s", "-p", &target.pid_text()];
    let tracer = place.tracer(&args).attach();
    target.proceed();
    let run = tracer.finish().success();
    let line = "over the budget of 2 %: go_schedule takes ";
    assert!(run.stderr.contains(line), "{}", run.stderr);
    assert!(run.stdout.contains(", then detached\n"), "{}", run.stdout);
    assert!(
        run.stdout.contains("run-queue latency over "),
        "{}",
        run.stdout
    );
    assert!(target.is_running());
}

#[test]
fn sampled_switches_stand_for_all() {
    let Some(place) = place(true) else { return };
    // On one CPU it switches as often as it can.
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(place.fixture("c/bench_loop"));
    let mut target = Running::ready(pinned.args(["2500", "pipe"]));
    let args = ["offcpu", "--format", "json", "--max-overhead", "25", "-p"];
    let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
    target.proceed();
    until("the end", || target.stdout().contains("done").then_some(()));
    let said = target.finish().success().stdout;
    let run = tracer.finish().success();
    let line = ": from ";
    assert!(run.stderr.contains(line), "not sampled: {}", run.stderr);
    assert!(!run.stderr.contains("detached"), "{}", run.stderr);
    let trips = said
        .rsplit(" n ")
        .next()
        .and_then(|rest| rest.lines().next());
    let trips: f64 = trips
        .and_then(|n| n.trim().parse().ok())
        .expect("operations");
    let json: serde_json::Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e} in\n{}", run.stdout));
    assert!(json["one_in"].as_u64().is_some_and(|n| n > 1), "{json}");
    let count = json["count"].as_f64().expect("a count");
    // Each side waits once a round trip, or is preempted before it had to.
    assert!(
        (trips * 1.6..trips * 2.6).contains(&count),
        "{count} switches in {trips} round trips\n{}",
        run.stderr
    );
}
