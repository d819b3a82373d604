//! What begins a capture, and what samples are taken of.

use serde_json::Value;
use tracer_tests::{Place, Running, one_line, place, until};

/// Starts the tracer, which is to wait for a condition, and lets it begin to wait.
fn waiting(place: &Place, args: &[&str]) -> Running {
    let mut tracer = Running::start(place.tracer(args).command());
    until("the wait", || {
        let waits = tracer.stderr().contains("tracer: waiting for ");
        (waits || !tracer.is_running()).then_some(())
    });
    tracer
}

fn idle(place: &Place) -> Running {
    Running::ready(&mut place.command("c/waits", &[]))
}

#[test]
fn a_busy_process_is_captured_once_it_is_busy() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/cpu_split", &["60"]));
    let pid = target.pid_text();
    // However busy the machine is with other things.
    let condition = "cpu > 0.5%";
    let args = [
        "--when", condition, "--for", "200ms", "-d", "200ms", "-p", &pid,
    ];
    let run = place.tracer(&["profile"]).args(&args).run().success();
    let at = |text: &str| {
        let at = run.stderr.find(text);
        at.unwrap_or_else(|| panic!("no {text:?} in\n{}", run.stderr))
    };
    let steps = [
        at("tracer: waiting for cpu > 0.5 % during 200 ms\n"),
        at("tracer: cpu > 0.5 % during 200 ms: cpu is "),
        at("tracer: attached to "),
    ];
    assert!(steps.is_sorted(), "{}", run.stderr);
    assert!(run.stdout.contains(" samples in 0."), "{}", run.stdout);
}

#[test]
fn an_idle_process_is_not_captured() {
    let Some(place) = place(true) else { return };
    let target = idle(&place);
    let pid = target.pid_text();
    let mut tracer = waiting(&place, &["wall", "--when", "cpu > 90%", "-p", &pid]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(tracer.is_running(), "{}", tracer.stderr());
    assert!(!tracer.stderr().contains("attached"), "{}", tracer.stderr());
    drop(target);
    let run = tracer.finish();
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    let why = "no capture: the target ended before cpu > 90 % during 1.00 s; cpu was at most ";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn every_metric_begins_a_capture_of_every_kind() {
    let Some(place) = place(true) else { return };
    let target = idle(&place);
    let pid = target.pid_text();
    let recording = place.path("a.trc");
    let commands: [&[&str]; 4] = [
        &["profile"],
        &["offcpu"],
        &["wall"],
        &["record", "-k", "sched", "-o", &recording],
    ];
    // It has six threads.
    let conditions = [
        ("threads > 5", "threads is 6 "),
        ("fds < 1000", "fds is "),
        ("rss < 1G", "rss is "),
        ("runqueue < 1000%", "runqueue is "),
    ];
    for (command, (condition, value)) in commands.into_iter().zip(conditions) {
        let args = [
            "--when", condition, "--for", "1ms", "-d", "50ms", "-p", &pid,
        ];
        let run = place.tracer(command).args(&args).run().success();
        let told = run.stderr.contains(value) && run.stderr.contains("; capturing\n");
        assert!(told, "{condition}: {}", run.stderr);
    }
    let host = [
        "--all",
        "--when",
        "cpu < 100000%",
        "--for",
        "1ms",
        "-d",
        "50ms",
    ];
    let run = place.tracer(&["profile"]).args(&host).run().success();
    assert!(run.stderr.contains(": cpu is "), "{}", run.stderr);
}

#[test]
fn a_wait_that_is_interrupted_shows_how_far_it_came() {
    let Some(place) = place(true) else { return };
    let target = idle(&place);
    let pid = target.pid_text();
    let tracer = waiting(&place, &["offcpu", "--when", "threads > 70", "-p", &pid]);
    // The first look comes at once.
    std::thread::sleep(std::time::Duration::from_millis(300));
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    let why = "no capture: interrupted before threads > 70 during 1.00 s; threads was at most 6\n";
    assert!(run.stderr.ends_with(why), "{}", run.stderr);
}

#[test]
fn a_condition_that_never_comes_leaves_no_file() {
    let Some(place) = place(true) else { return };
    let (new, old) = (place.path("a.svg"), place.path("old.svg"));
    std::fs::write(&old, "old").expect("writable");
    for (command, file) in [
        (&["profile"][..], &new),
        (&["offcpu"], &new),
        (&["wall"], &new),
        (&["record", "-k", "sched"], &new),
        (&["profile", "--force"], &old),
    ] {
        let target = idle(&place);
        let pid = target.pid_text();
        let args = ["--when", "threads > 70", "-o", file, "-p", &pid];
        let tracer = waiting(&place, &[command, &args].concat());
        tracer.signal(libc::SIGINT);
        let run = tracer.finish();
        assert_eq!(run.status.code(), Some(1), "{command:?}: {}", run.stderr);
        assert!(run.stderr.contains("no capture"), "{}", run.stderr);
    }
    assert!(!std::path::Path::new(&new).exists());
    assert_eq!(std::fs::read(&old).expect("readable"), b"old");
    // What cannot be written is told before the wait.
    let args = ["--when", "cpu > 1000%", "-o", &old, "-p", "1"];
    let run = place.tracer(&["profile"]).args(&args).run();
    assert!(one_line(&run, 1).contains("exists"), "{}", run.stderr);
}

#[test]
fn children_that_are_followed_count_and_are_captured() {
    let Some(place) = place(true) else { return };
    // The first child is there before; the second begins when a line is read, and ends with the
    // shell.
    let script = "sleep 20 & echo ready $$; read line; while kill -0 $$; do :; done & wait";
    let shell = || Running::ready(std::process::Command::new("/bin/sh").args(["-c", script]));
    let mut target = shell();
    let pid = target.pid_text();
    let condition = ["--when", "threads > 1", "--for", "1ms", "-d", "300ms"];
    let args = [&["profile", "--format", "json", "-f"][..], &condition].concat();
    let tracer = waiting(&place, &[&args[..], &["-p", &pid]].concat());
    target.proceed();
    let run = tracer.finish().success();
    drop(target);
    let told = "threads > 1 during 1.00 ms: threads is 2 ";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let profile: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let pids = profile["run"]["pids"].as_array().expect("a list");
    assert_eq!(pids.len(), 2, "{pids:?}");
    assert!(profile["samples"].as_u64() > Some(5), "{}", run.stderr);

    let mut target = shell();
    let pid = target.pid_text();
    let args = [&["profile"][..], &condition, &["-p", &pid]].concat();
    let tracer = waiting(&place, &args);
    target.proceed();
    std::thread::sleep(std::time::Duration::from_millis(500));
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    let why = "threads was at most 1\n";
    assert!(run.stderr.ends_with(why), "{}", run.stderr);
}

#[test]
fn conditions_that_cannot_be_are_usage_errors() {
    let Some(place) = place(false) else { return };
    for (args, why) in [
        (&["--when", "load > 3", "-p", "1"][..], "is no metric"),
        (&["--when", "cpu > 5M", "-p", "1"], "is no limit of cpu"),
        (
            &["--when", "rss > 1", "--all"],
            "--when with --all takes cpu",
        ),
        (&["--for", "1s", "-p", "1"], "--when"),
        (&["--when", "cpu > 5", "--", "true"], "cannot be used with"),
        (
            &["-e", "wishes", "-p", "1"],
            "use one of cpu-clock, cycles,",
        ),
    ] {
        let run = place.tracer(&["profile"]).args(args).run();
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(why), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn every_page_fault_is_a_sample() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/page_toucher", &[]));
    let pid = target.pid_text();
    let args = [
        "profile",
        "-e",
        "page-faults",
        "--max-overhead",
        "off",
        "-d",
        "5m",
    ];
    let tracer = place
        .tracer(&args)
        .args(&["--format", "json", "-p", &pid])
        .attach();
    target.proceed();
    until("the work", || {
        target.stdout().contains("done\n").then_some(())
    });
    let run = tracer.interrupt().success();
    drop(target);
    let profile: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(profile["event"], "page-faults");
    assert_eq!(profile["sample_hz"], 0);
    let functions = profile["functions"].as_array().expect("rows");
    let touch = functions.iter().find(|f| f["name"] == "touch_pages");
    let touched = touch.and_then(|f| f["total"].as_u64());
    let touched = touched.unwrap_or_else(|| panic!("no touch_pages in {profile}"));
    // A fault that is interrupted is tried again, and counts again. Lost ones are told.
    let lost = profile["run"]["lost"].as_u64().expect("a number");
    assert!(
        (5000..=5100).contains(&(touched + lost)),
        "{touched} samples, {lost} lost; {}",
        run.stderr
    );
}

#[test]
fn what_the_machine_does_not_count_is_refused_in_a_line() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/cpu_split", &["60"]));
    let pid = target.pid_text();
    for event in ["cycles", "cache-misses"] {
        let args = ["-e", event, "-d", "300ms", "--format", "json", "-p", &pid];
        let run = place.tracer(&["profile"]).args(&args).run();
        if run.status.success() {
            let profile: Value = serde_json::from_str(&run.stdout).expect("JSON");
            assert_eq!(profile["event"], event);
            continue;
        }
        let line = one_line(&run, 3);
        let start = format!("the kernel refuses samples of {event}: this machine does not count");
        assert!(line.starts_with(&start), "{line}");
        assert!(line.contains("-e cpu-clock works everywhere"), "{line}");
    }
}
