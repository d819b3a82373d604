//! Compares lines with those of strace itself, option by option, on programs of one process.
//!
//! Before that, addresses become `ADDR`, the process's id `PID`, and numbers of inodes `#`: of a
//! socket that is closed at once nobody may have read it.

use std::path::Path;
use std::process::{Command, Stdio};

use regex_lite::Regex;
use tracer_tests::{Place, Running, equal_but_cold, place, skip};

/// A shell that calls nothing but the kernel: it sends signals to itself, and opens files whose
/// names mean its own.
const SHELL: &str = "trap '' TERM; trap : USR1; kill -USR1 $$; kill -TERM $$; \
                     read a < /proc/self/comm; read a < /dev/stdin; read a < /proc/mounts; \
                     kill -0 1; umask 077; exit 3";

/// The lines of a program's trace by one of both tracers.
fn trace(place: &Place, tracer: &mut Command, options: &[&str], program: &[&str]) -> Vec<String> {
    let file = place.path("trace");
    let _ = std::fs::remove_file(&file);
    tracer
        .args(options)
        .args(["-o", &file, "--"])
        .args(program)
        .env("LC_ALL", "C")
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = Running::spawn(tracer);
    let _ = run.finish();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    normal(&text)
}

/// The id of the process, as its C library learns it.
fn pid(text: &str) -> Option<String> {
    let own = Regex::new(r"set_tid_address\(0x[0-9a-f]+\) += ([0-9]+)").expect("a valid pattern");
    own.captures(text).map(|found| found[1].to_owned())
}

fn normal(text: &str) -> Vec<String> {
    let patterns = [
        (r" +(= [^=]*)$", " $1"),
        (r"0x[0-9a-f]{5,}", "ADDR"),
        (r"/\* [0-9]+ vars \*/", "VARS"),
        (r":\[([0-9]+|\?)\]", ":[#]"),
        (
            r"(st_ino|st_[amc]time(_nsec)?|tv_n?sec|si_[us]time|si_pid)=[^,}]+",
            "$1=#",
        ),
        (r"/\* 2[0-9]{3}-[^*]*\*/", "#"),
        (r"getppid\(\) = .*", "getppid() = #"),
        // What was mapped too much to have it aligned, by chance.
        (r"munmap\(ADDR, [0-9]+\)", "munmap(ADDR, #)"),
        // That is not a program's.
        (r"getrandom\([^,]*", "getrandom(#"),
    ];
    let own = pid(text).map(|pid| Regex::new(&format!(r"\b{pid}\b")).expect("a number"));
    let compile = |(p, with): (&str, &'static str)| (Regex::new(p).expect("a valid pattern"), with);
    let patterns = patterns.map(compile);
    let line = |line: &str| {
        let line = match &own {
            Some(own) => own.replace_all(line, "PID").into_owned(),
            None => line.to_owned(),
        };
        patterns.iter().fold(line, |line, (pattern, with)| {
            pattern.replace_all(&line, *with).into_owned()
        })
    };
    text.lines().map(line).collect()
}

/// What a line says of how the process was before it ran the program is not compared: it was the
/// tracer's own.
fn same(ours: &str, theirs: &str) -> bool {
    ours == theirs || equal_but_cold(ours, theirs) || ours.contains("execve(")
}

#[test]
fn each_option_shows_what_strace_shows() {
    let Some(place) = place(true) else { return };
    let shell = ["/bin/sh", "-c", SHELL];
    let id = ["/usr/bin/id", "-u", "nobody"];
    let options: [&[&str]; 14] = [
        &["-X", "raw"],
        &["-X", "verbose"],
        &["-Y"],
        &["-f", "-Y"],
        &["-e", "decode-pids=comm"],
        &["-y"],
        &["-yy"],
        &["-f", "-yy", "-v"],
        &["-v", "-s", "300"],
        &["-x"],
        &["-xx"],
        &["-n"],
        &["-a", "0", "-qq"],
        &["-Z", "-e", "signal=!USR1"],
    ];
    let mut wrong = String::new();
    for options in options {
        for program in [&shell[..], &id] {
            if !Path::new(program[0]).exists() {
                skip(&format!("{} is not installed", program[0]));
                continue;
            }
            let theirs = trace(&place, &mut Command::new("strace"), options, program);
            let ours = trace(
                &place,
                place.tracer(&["strace", "--no-redact"]).command(),
                options,
                program,
            );
            assert!(theirs.len() > 2, "{options:?}: {theirs:?}");
            if ours.len() != theirs.len() {
                wrong += &format!(
                    "{options:?} {}: {} lines, strace has {}\n",
                    program[0],
                    ours.len(),
                    theirs.len()
                );
            }
            for (ours, theirs) in ours.iter().zip(&theirs) {
                // Before Linux 5.15 the kernel has one name for all of these protocols, and strace
                // says what the kernel calls it.
                let ours = &match theirs.contains("<UNIX:[") {
                    true => ours.replace("<UNIX-STREAM:[", "<UNIX:["),
                    false => ours.clone(),
                };
                if !same(ours, theirs) {
                    wrong += &format!("{options:?}\n  ours: {ours}\nstrace: {theirs}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Other names of options, and abbreviations, that strace takes.
#[test]
fn names_that_strace_accepts_are_accepted() {
    let Some(place) = place(true) else { return };
    for option in [
        "--failing-only",
        "--silence=exit",
        "--pidns-translation",
        "--decode-pids=all",
        "--decode-fd=all",
        "--timestamps=ns",
        "--follow",
        "--summary-w",
        "--stack-trace",
    ] {
        let file = place.path("out");
        let args = ["strace", "-c", option, "--force", "-o", &file];
        let args = match option {
            "--summary-w" => args.to_vec(),
            _ => [&args[..1], &args[2..]].concat(),
        };
        let run = place.tracer(&args).launching("/bin/true", &[]).run();
        assert_eq!(run.status.code(), Some(0), "{option}: {}", run.stderr);
    }
    for (option, why) in [
        ("--daemonize=pgroup", "-D/--daemonize is not supported: "),
        ("-w", "-w/--summary-wall-clock is about the table of -c"),
        ("-Ucalls", "-U/--summary-columns is about the table of -c"),
        ("-Sfoo", "invalid sortby: 'foo'"),
        ("--decode-pids=foo", "invalid detail 'foo' of ids"),
    ] {
        let run = place.tracer(&["strace", option]);
        let run = run.launching("/bin/true", &[]).run();
        let line = tracer_tests::one_line(&run, 2);
        assert!(line.starts_with(why), "{option}: {line}");
    }
}
