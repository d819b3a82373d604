//! Files of profiles, as the tools that read them see them.

use tracer_tests::{Place, Running, duration, go_pprof, place};

/// Not near a multiple of the fixtures' 100 turns a second.
const SAMPLES_PER_SECOND: &str = "733";

/// Profiles a fixture that burns CPU for a while.
fn profile(place: &Place, fixture: &str, args: &[&str], options: &[&str]) {
    let target = Running::ready(&mut place.command(fixture, args));
    let pid = target.pid_text();
    let common = [
        "profile",
        "--max-overhead",
        "off",
        "-F",
        SAMPLES_PER_SECOND,
        "-d",
        &duration(1000),
        "-p",
        &pid,
    ];
    let _ = place.tracer(&common).args(options).run().success();
    drop(target);
}

/// What `go tool pprof` says of a file.
fn pprof(options: &[&str], file: &str) -> Option<String> {
    let mut command = go_pprof()?;
    let run = command.args(options).arg(file).output().expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{errors}\n{said}");
    Some(said)
}

/// Cumulative share in percent of a function in the rows of `-top`.
fn share(top: &str, function: &str) -> f64 {
    let row = top
        .lines()
        .find(|row| row.ends_with(&format!(" {function}")));
    let row = row.unwrap_or_else(|| panic!("no {function} in\n{top}"));
    let share = row
        .split_whitespace()
        .nth(4)
        .and_then(|s| s.strip_suffix('%'));
    share
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| panic!("no share: {row}"))
}

#[test]
fn pprof_opens_profiles_of_c_and_go() {
    let Some(place) = place(true) else { return };
    let file = place.path("cpu.pb.gz");
    let go = format!("go/{}/cpusplit", place.go_releases()[0]);
    let of_c = ["burn_sixty", "burn_thirty", "burn_ten"];
    let of_go = ["main.burnSixty", "main.burnThirty", "main.burnTen"];
    let cases = [
        ("c/cpu_split", &["30"][..], of_c, "File: cpu_split"),
        (&go, &["-d", "30s"], of_go, "File: cpusplit"),
    ];
    for (fixture, args, functions, binary) in cases {
        profile(&place, fixture, args, &["--force", "-o", &file]);
        let Some(top) = pprof(&["-top", "-nodecount=100"], &file) else {
            return;
        };
        assert!(top.contains(binary), "{top}");
        assert!(top.contains("Type: cpu\n"), "{top}");
        for (function, expected) in functions.into_iter().zip([60.0, 30.0, 10.0]) {
            let share = share(&top, function);
            assert!(
                (share - expected).abs() <= 15.0,
                "{function}: {share} %\n{top}"
            );
        }
        let samples = pprof(&["-top", "-sample_index=samples"], &file).expect("as before");
        assert!(samples.contains("Type: samples\n"), "{samples}");
        let peek = pprof(&["-peek", functions[0]], &file).expect("as before");
        assert!(
            peek.contains(functions[0]) && peek.contains("main"),
            "{peek}"
        );
        let tags = pprof(&["-tags"], &file).expect("as before");
        for label in ["thread:", "comm:", "pid:"] {
            assert!(tags.contains(label), "{tags}");
        }
        let lines = pprof(&["-top", "-lines", "-nodecount=100"], &file).expect("as before");
        if fixture == go {
            assert!(
                lines.contains("main.go:"),
                "Go programs know their lines: {lines}"
            );
        }
    }
}

#[test]
fn pprof_opens_waits() {
    let Some(place) = place(true) else { return };
    let file = place.path("off.pprof");
    let mut target = Running::ready(&mut place.command("c/sleeper", &["1"]));
    let pid = target.pid_text();
    let args = ["offcpu", "--max-overhead", "off", "-o", &file, "-p", &pid];
    let tracer = place.tracer(&args).attach();
    target.proceed();
    let _ = target.finish().success();
    let _ = tracer.finish().success();
    let Some(top) = pprof(&["-top", "-nodecount=100"], &file) else {
        return;
    };
    assert!(top.contains("Type: delay\n"), "{top}");
    assert!(share(&top, "sleep_ten_ms") > 20.0, "{top}");
    assert!(share(&top, "sleep_fifty_ms") > 20.0, "{top}");
}

/// Sleeps are shares of the time of a thread that does nothing else.
#[test]
fn pprof_opens_all_time_and_goroutines() {
    let Some(place) = place(true) else { return };
    let file = place.path("wall.pprof");
    let mut target = Running::ready(&mut place.command("c/sleeper", &["1"]));
    let pid = target.pid_text();
    let args = ["wall", "--max-overhead", "off", "-o", &file, "-p", &pid];
    let tracer = place.tracer(&args).attach();
    target.proceed();
    let _ = target.finish().success();
    let _ = tracer.finish().success();
    let Some(top) = pprof(&["-top", "-nodecount=100"], &file) else {
        return;
    };
    assert!(top.contains("Type: time\n"), "{top}");
    assert!(share(&top, "sleep_ten_ms") > 20.0, "{top}");
    assert!(share(&top, "[blocked]") > 80.0, "{top}");
    let file = place.path("goroutines.pprof");
    let go = format!("go/{}/goroutines", place.go_releases()[0]);
    let target = Running::ready(&mut place.command(&go, &["-n", "20"]));
    let pid = target.pid_text();
    let args = [
        "offcpu",
        "--goroutines",
        "-d",
        "300ms",
        "-o",
        &file,
        "-p",
        &pid,
    ];
    let _ = place.tracer(&args).run().success();
    let top = pprof(&["-top", "-nodecount=100"], &file).expect("as before");
    assert!(top.contains("Type: time\n"), "{top}");
    assert!(share(&top, "main.inReceive") > 5.0, "{top}");
    assert!(share(&top, "[chan receive]") > 5.0, "{top}");
    drop(target);
}

#[test]
fn files_have_no_passwords_unless_they_are_asked_for() {
    let Some(place) = place(true) else { return };
    let run = |options: &[&str]| {
        let args = ["profile", "-d", &duration(200), "--format", "json"];
        let program = place.fixture("c/cpu_split");
        let run = place.tracer(&args).args(options);
        run.launching(program, &["1", "--password=hunter2", "--token", "t0k3n"])
            .run()
            .stdout
    };
    let file = |options: &[&str]| {
        let file = place.path("cpu.json");
        let _ = run(&[&["--force", "-o", &file], options].concat());
        std::fs::read_to_string(&file).expect("a profile")
    };
    let redacted = file(&[]);
    let expected = r#""1","--password=[redacted]","--token","[redacted]"]"#;
    assert!(redacted.contains(expected), "{redacted}");
    assert!(!redacted.contains("hunter2") && !redacted.contains("t0k3n"));
    assert!(file(&["--no-redact"]).contains("hunter2"));
    assert!(!file(&["--redact", "cpu_(split)"]).contains("cpu_split\""));
    assert!(run(&[]).contains("hunter2"), "a terminal is no file");
}

#[test]
fn growth_is_told_from_two_recordings() {
    let Some(place) = place(true) else { return };
    let record = |name: &str, fixture: &str, args: &[&str]| {
        let file = place.path(name);
        let target = Running::ready(&mut place.command(fixture, args));
        let pid = target.pid_text();
        let args = [
            "record",
            "-k",
            "profile",
            "--max-overhead",
            "off",
            "-F",
            SAMPLES_PER_SECOND,
            "-d",
            &duration(1000),
            "-o",
            &file,
            "-p",
            &pid,
        ];
        let _ = place.tracer(&args).run().success();
        file
    };
    let go = format!("go/{}/cpusplit", place.go_releases()[0]);
    let before = record("a.trc", "c/cpu_split", &["30"]);
    let after = record("b.trc", &go, &["-d", "30s"]);
    let run = place.tracer(&["report", "diff", "--top", "500", &before, &after]);
    let text = run.run().success().stdout;
    let change = |function: &str| {
        let row = text.lines().find(|l| l.contains(function));
        let row = row.unwrap_or_else(|| panic!("no {function} in\n{text}"));
        row.split_whitespace().nth(3).map(|n| n.parse::<f64>())
    };
    assert!(
        matches!(change(" main.burnSixty "), Some(Ok(n)) if n > 1.0),
        "{text}"
    );
    assert!(
        matches!(change(" burn_sixty "), Some(Ok(n)) if n < -1.0),
        "{text}"
    );
    let picture = place.path("diff.svg");
    let args = ["report", "diff", &before, &after, "-o", &picture];
    let _ = place.tracer(&args).run().success();
    let svg = std::fs::read_to_string(&picture).expect("a picture");
    assert!(svg.contains("main.burnSixty (") && svg.contains("growth"));
    let args = ["report", "diff", "-k", "offcpu", &before, &after];
    let refused = place.tracer(&args).run();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
}
