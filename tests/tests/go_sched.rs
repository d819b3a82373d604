//! `tracer sched --go`: looks at Go's scheduler against what the program says of itself, and the
//! control group's quota.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tracer_tests::{Place, Running, number_after, place, skip, until};

/// The report of a run, and what the program said.
fn report(place: &Place, name: &str, args: &[&str]) -> (Value, String) {
    let mut target = Running::ready(&mut place.command(name, &[args, &["-wait"]].concat()));
    let options = [
        "sched",
        "--go",
        "--format",
        "json",
        "-p",
        &target.pid_text(),
    ];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    // Both programs end with numbers; the end of their input would end one early.
    until("the end", || {
        let said = target.stdout();
        let ended = said.contains("\nforced ") || said.contains("metric /sched/latencies:seconds ");
        ended.then_some(())
    });
    let said = target.finish().success().stdout;
    let run = tracer.finish().success();
    let document: Value = serde_json::from_str(&run.stdout).expect("a document");
    (document[0]["go"][0].clone(), said)
}

fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn looks_agree_with_what_the_program_says() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/stops");
        let (go, said) = report(&place, &name, &["-stats", "200", "-spin", "2"]);
        let procs = number_after(&said, "gomaxprocs ").expect("a number");
        assert_eq!(number(&go["gomaxprocs"], "last"), procs, "{release}: {go}");
        let processors = go["processors"].as_array().expect("a list");
        assert_eq!(processors.len() as u64, procs, "{release}: {go}");
        assert!(number(&go, "looks") > 3, "{release}: {go}");
        let running = |p: &Value| p["running"].as_f64().expect("a share");
        let all: f64 = processors.iter().map(running).sum();
        assert!(all > 0.2, "{release}: somebody spins: {go}");
        let counted = number_after(&said, "metric /sched/latencies:seconds ").expect("a number");
        let seen = number(&go["latency"], "count");
        assert!(
            seen > 0 && seen <= counted,
            "{release}: {seen} of {counted}"
        );
        let minor: u32 = release
            .split('.')
            .nth(1)
            .expect("a part")
            .parse()
            .expect("a number");
        assert_eq!(
            go["created_per_second"].is_number(),
            minor >= 26,
            "{release}: {go}"
        );
    }
}

#[test]
fn goroutines_that_wait_for_a_p_are_seen_in_queues() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    // Many more that compute than there are Ps.
    let load = ["-d", "700ms", "-workers", "40", "-live", "1"];
    let (go, _) = report(&place, &format!("go/{release}/gcload"), &load);
    let most = |value: &Value| number(value, "max");
    let processors = go["processors"].as_array().expect("a list");
    let queued: u64 = processors.iter().map(|p| most(&p["queue"])).sum();
    assert!(queued + most(&go["global_queue"]) >= 10, "{go}");
    let longest = number(&go["latency"], "max_ns");
    assert!(longest > 100_000, "they wait: {go}");
}

/// A control group of version 1 or 2 with a fifth of a CPU, removed in the end.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let name = format!("tracer-test-{}", std::process::id());
        let old = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        if fs::create_dir(&old).is_ok() {
            let group = Self(old);
            let limited = fs::write(group.0.join("cpu.cfs_period_us"), "100000")
                .and_then(|()| fs::write(group.0.join("cpu.cfs_quota_us"), "20000"));
            return limited.is_ok().then_some(group);
        }
        let new = PathBuf::from("/sys/fs/cgroup").join(name);
        fs::create_dir(&new).ok()?;
        let group = Self(new);
        let limited = fs::write(group.0.join("cpu.max"), "20000 100000");
        limited.is_ok().then_some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes may still be on their way out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn a_quota_below_gomaxprocs_is_warned_of() {
    let Some(place) = place(true) else { return };
    let Some(group) = Group::new() else {
        return skip("no control group with a quota can be made here");
    };
    let release = &place.go_releases()[0];
    let name = format!("go/{release}/gcload");
    let mut command: Command = place.command(&name, &["-d", "1s", "-wait"]);
    let mut target = Running::ready(&mut command);
    fs::write(group.0.join("cgroup.procs"), target.pid_text()).expect("moved");
    let tracer = place
        .tracer(&["sched", "--go", "-p", &target.pid_text()])
        .attach();
    target.proceed();
    until("the end", || {
        target.stdout().contains("\nforced ").then_some(())
    });
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let text = &run.stdout;
    assert!(text.contains(", quota 0.2 CPUs, throttled for "), "{text}");
    assert!(
        text.contains(
            " is more than the 0.2 CPUs that the control group allows; GOMAXPROCS=1 fits"
        ),
        "{text}"
    );
    assert!(
        text.contains("warning: the control group was throttled in "),
        "{text}"
    );
}

#[test]
fn a_process_is_shown_as_text_each_interval() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let target = Running::ready(&mut place.command(&format!("go/{release}/goroutines"), &[]));
    let pid = target.pid_text();
    let run = place
        .tracer(&["sched", "--go", "-i", "200ms", "-d", "700ms", "-p", &pid])
        .run()
        .success();
    let headings = run.stdout.matches("Go scheduler of process ").count();
    assert!(headings >= 3, "{}", run.stdout);
    assert!(
        run.stdout.contains("\nP  RUNNING  SYSCALL  STOPPED"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("goroutines in the queue of all Ps 0.00"),
        "{}",
        run.stdout
    );
    let sleeper = Running::spawn(Command::new("sleep").arg("60"));
    let run = place
        .tracer(&["sched", "--go", "-p", &sleeper.pid_text()])
        .run();
    assert_eq!(run.status.code(), Some(5), "{}", run.stderr);
    assert!(run.stderr.contains("is not a Go program"), "{}", run.stderr);
}
