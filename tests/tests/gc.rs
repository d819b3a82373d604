//! `tracer gc` in depth: hundreds of cycles against GODEBUG=gctrace=1, and what paces the next one
//! and the thresholds against runtime/metrics.

use std::collections::BTreeMap;

use serde_json::Value;
use tracer_tests::{Place, Running, duration, minor, number_after, place, until};

/// Lines about garbage collections by their number.
fn cycles(text: &str) -> BTreeMap<u64, &str> {
    let lines = text
        .lines()
        .filter(|l| l.starts_with("gc ") && l.contains(" @"));
    lines
        .filter_map(|l| Some((number_after(l, "gc ")?, l)))
        .collect()
}

#[test]
fn two_hundred_cycles_of_each_release_are_the_runtimes_own() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/gcload");
        let time = duration(1500);
        let load = ["-d", &time, "-live", "2", "-forced", "150", "-wait"];
        let mut command = place.command(&name, &load);
        let mut target = Running::ready(command.env("GODEBUG", "gctrace=1"));
        let tracer = place.tracer(&["gc", "-p", &target.pid_text()]).attach();
        target.proceed();
        until("the end", || {
            target.stdout().contains("\nforced ").then_some(())
        });
        let target = target.finish().success();
        let run = tracer.finish().success();
        let (ours, theirs) = (cycles(&run.stdout), cycles(&target.stderr));
        assert!(ours.len() >= 200, "{name}: only {}", ours.len());
        for (number, line) in &ours {
            assert_eq!(theirs.get(number), Some(line), "{name}");
        }
        let forced = ours.values().filter(|l| l.ends_with(" (forced)")).count();
        assert_eq!(forced, 150, "{name}");
        let (first, last) = (ours.keys().next(), ours.keys().last());
        let all = last.zip(first).map(|(last, first)| last - first + 1);
        assert_eq!(all, Some(ours.len() as u64), "{name}: some are missing");
        assert!(!run.stderr.contains("self-check"), "{name}: {}", run.stderr);
        println!(
            "{name}: {} cycles equal, {forced} of them forced",
            ours.len()
        );
    }
}

/// Cycles of the fixture that collects when it is told to, what it says of itself, and our stderr.
fn stops(
    place: &Place,
    release: &str,
    args: &[&str],
    env: &[(&str, &str)],
) -> (Vec<Value>, String, String) {
    let name = format!("go/{release}/stops");
    let mut command = place.command(&name, &[args, &["-wait"]].concat());
    let mut target = Running::ready(command.envs(env.iter().copied()));
    let options = ["gc", "--format", "ndjson", "-p", &target.pid_text()];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    let target = target.finish().success();
    let run = tracer.finish().success();
    let lines = run.stdout.lines();
    let cycles = lines.map(|l| serde_json::from_str(l).expect("an object"));
    (cycles.collect(), target.stdout, run.stderr)
}

fn metric(text: &str, name: &str) -> Option<u64> {
    number_after(text, &format!("metric {name} "))
}

#[test]
fn the_next_goal_is_the_runtimes_own() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let env = [("GOGC", "50")];
        let (cycles, said, _) = stops(&place, &release, &["-gc", "5", "-live", "12"], &env);
        let last = &cycles.last().expect("cycles")["pacing"];
        assert_eq!(cycles.len(), 5, "{release}");
        assert_eq!(
            last["goal"].as_u64(),
            metric(&said, "/gc/heap/goal:bytes"),
            "{last}\n{said}"
        );
        // Go before 1.21 has no such metric.
        let gogc = metric(&said, "/gc/gogc:percent").or((minor(&release) < 21).then_some(50));
        assert_eq!(last["gogc"].as_u64(), gogc, "{release}");
        assert_eq!(last["goal_by"], "Gogc", "{release}");
        assert_eq!(last["memory_limit"], Value::Null, "{release}");
        // Nor is it known how it computes the trigger.
        let trigger = last["trigger"].as_u64();
        let within = trigger > Some(12 << 20) && trigger < last["goal"].as_u64();
        assert_eq!(within, minor(&release) >= 21, "{release}: {last}");
        // What was to be the goal was the goal.
        for pair in cycles.windows(2) {
            let planned = pair[0]["pacing"]["goal"].as_u64().expect("a goal");
            let was = pair[1]["heap_goal"].as_u64().expect("a goal");
            assert!(was >= planned, "{release}: {planned}, then {was}");
        }
        let forced = cycles.last().map(|c| c["counters"]["forced"].as_u64());
        assert_eq!(forced, Some(metric(&said, "/gc/cycles/forced:gc-cycles")));
    }
}

#[test]
fn a_goal_near_the_memory_limit_is_warned_of() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let env = [("GOMEMLIMIT", "64MiB")];
        let (cycles, said, told) = stops(&place, &release, &["-gc", "3", "-live", "40"], &env);
        let last = &cycles.last().expect("cycles")["pacing"];
        assert_eq!(last["goal_by"], "MemoryLimit", "{release}: {last}");
        assert_eq!(last["memory_limit"].as_u64(), Some(64 << 20));
        let said_limit = metric(&said, "/gc/gomemlimit:bytes");
        let has_metric = minor(&release) >= 21;
        assert_eq!(said_limit, has_metric.then_some(64 << 20), "{release}");
        // The goal follows the rest of the memory, which moves on.
        let goal = last["goal"].as_u64().expect("a goal");
        let now = metric(&said, "/gc/heap/goal:bytes").expect("a number");
        assert!(
            goal.abs_diff(now) < 4 << 20,
            "{release}: {goal}, then {now}"
        );
        // Go 1.19 leaves less to the heap: just not enough.
        let near = |c: &Value| c["pacing"]["goal"].as_u64() > Some((64 << 20) / 100 * 85);
        let is_near = cycles.iter().any(near);
        assert!(is_near || minor(&release) < 21, "{release}: {last}");
        for warning in [
            ": the heap goal of ",
            " % of GOMEMLIMIT (64.0 MiB), more than 85 %",
        ] {
            assert_eq!(told.contains(warning), is_near, "{release}: {told}");
        }
        assert!(!told.contains("self-check"), "{told}");
    }
}

#[test]
fn remarks_follow_the_line_in_brackets() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let mut target =
        Running::ready(&mut place.command(&format!("go/{release}/stops"), &["-gc", "2", "-wait"]));
    let options = ["gc", "--trigger", "--next", "-p", &target.pid_text()];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.stdout);
    let end = " P (forced) [forced] [no next: GOGC=off and no GOMEMLIMIT]";
    assert!(lines.iter().all(|l| l.ends_with(end)), "{}", run.stdout);
}
