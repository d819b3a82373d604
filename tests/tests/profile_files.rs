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

/// A location in what `pprof -raw` prints, `ID: ADDRESS M=MAPPING FUNCTION FILE:LINE:COLUMN s=LINE`
/// with a line more for each function that it is inlined into.
struct RawLocation {
    address: u64,
    mapping: Option<usize>,
    functions: Vec<String>,
}

/// `ID: START/LIMIT/OFFSET FILE BUILD-ID FLAGS`
struct RawMapping {
    memory: std::ops::Range<u64>,
    offset: u64,
    file: String,
    build_id: String,
}

fn hex(digits: &str) -> u64 {
    let bare = digits.strip_prefix("0x").unwrap_or(digits);
    u64::from_str_radix(bare, 16).unwrap_or_else(|e| panic!("{digits:?}: {e}"))
}

fn raw(text: &str) -> (Vec<RawLocation>, Vec<RawMapping>) {
    let (_, rest) = text.split_once("\nLocations\n").expect("locations");
    let (locations, mappings) = rest.split_once("\nMappings\n").expect("mappings");
    let mut found: Vec<RawLocation> = Vec::new();
    for line in locations.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().expect("a word");
        let Some(last) = found.last_mut().filter(|_| !first.ends_with(':')) else {
            let address = hex(words.next().expect("an address"));
            let mut words = words.peekable();
            let mapping = words.next_if(|word| word.starts_with("M="));
            found.push(RawLocation {
                address,
                mapping: mapping.map(|m| m[2..].parse().expect("a number")),
                functions: words.next().map(str::to_owned).into_iter().collect(),
            });
            continue;
        };
        last.functions.push(first.to_owned());
    }
    let mapping = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let numbers: Vec<u64> = words[1].split('/').map(hex).collect();
        RawMapping {
            memory: numbers[0]..numbers[1],
            offset: numbers[2],
            file: words[2].to_owned(),
            build_id: words[3].to_owned(),
        }
    };
    (found, mappings.lines().map(mapping).collect())
}

/// Names of the functions that are at addresses of a Go program, by its own distribution.
fn addr2line(program: &std::path::Path, addresses: &[u64]) -> Option<Vec<String>> {
    use std::io::Write as _;
    let mut command = tracer_tests::go_tool("addr2line")?;
    command.arg(program).stdin(std::process::Stdio::piped());
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let lines: String = addresses.iter().map(|a| format!("{a:#x}\n")).collect();
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(lines.as_bytes()).expect("it reads");
    drop(stdin);
    let run = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(run.stdout).expect("text");
    Some(text.lines().step_by(2).map(str::to_owned).collect())
}

#[test]
fn pprof_sees_addresses_in_the_mappings_of_their_files() {
    let Some(place) = place(true) else { return };
    let file = place.path("cpu.pb.gz");
    // Newer ones cannot be read by an older distribution's tools.
    let go = format!("go/{}/cpusplit", place.go_releases()[0]);
    for (fixture, args) in [("c/cpu_split", &["30"][..]), (&go, &["-d", "30s"])] {
        profile(&place, fixture, args, &["--force", "-o", &file]);
        let Some(text) = pprof(&["-raw"], &file) else {
            return;
        };
        let (locations, mappings) = raw(&text);
        let program = place.fixture(fixture);
        let path = program.to_str().expect("text");
        let main = &mappings[0];
        assert_eq!(main.file, path, "the program comes first: {text}");
        let own: Vec<_> = locations.iter().filter(|l| l.mapping == Some(1)).collect();
        assert!(own.len() > 5, "{text}");
        for location in &own {
            assert!(main.memory.contains(&location.address), "{text}");
        }
        if fixture == go {
            assert_eq!(main.memory.start - main.offset, 0x40_0000, "{text}");
            let addresses: Vec<u64> = own.iter().map(|l| l.address).collect();
            let Some(names) = addr2line(&program, &addresses) else {
                return;
            };
            for (location, name) in own.iter().zip(names) {
                let last = location.functions.last();
                assert_eq!(last, Some(&name), "{:#x}", location.address);
            }
            continue;
        }
        let notes = std::process::Command::new("readelf")
            .args(["-n", path])
            .output()
            .expect("binutils come with the compiler of the fixtures");
        let notes = String::from_utf8_lossy(&notes.stdout).into_owned();
        let id = notes
            .lines()
            .find_map(|l| l.trim().strip_prefix("Build ID: "));
        assert_eq!(Some(&main.build_id[..]), id, "{notes}");
        let library = mappings.iter().find(|m| m.file.contains("libc.so"));
        assert!(library.is_some_and(|m| m.build_id.len() == 40), "{text}");
        assert!(
            text.contains(" M=") && text.contains("[kernel.kallsyms]"),
            "{text}"
        );
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
