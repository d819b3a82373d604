//! strace's options, against strace itself: the same program with the same options.
//!
//! Addresses become `ADDR`, times `#` digit by digit, and the inodes of sockets `#`. The programs
//! make no children, so that the ids of processes and the order of lines are no matter.

use std::process::{Command, Stdio};

use regex_lite::Regex;
use tracer_tests::{Place, Running, equal_but_cold, place, without_prefix};

fn replaced(pattern: &str, text: &str, by: &str) -> String {
    let pattern = Regex::new(pattern).expect("a valid pattern");
    pattern.replace_all(text, by).into_owned()
}

fn normal(text: &str) -> String {
    let text = replaced("0x[0-9a-f]{5,}", text, "ADDR");
    replaced(r"socket:\[[0-9]+\]", &text, "socket:[#]")
}

/// What a tracer writes with `-o FILE`, and its stdout.
fn trace(place: &Place, tracer: &mut Command, options: &[&str], program: &[&str]) -> [String; 2] {
    let file = place.path("trace");
    let _ = std::fs::remove_file(&file);
    tracer
        .args(["-o", &file])
        .args(options)
        .args(program)
        .env_remove("LD_LIBRARY_PATH")
        .current_dir(place.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = Running::spawn(tracer).finish();
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|e| panic!("{options:?}: {e}; {}", run.stderr));
    [text, run.stdout]
}

/// Both traces of a program, ours first.
fn both(place: &Place, options: &[&str], program: &[&str]) -> (String, String) {
    let [theirs, their_output] = trace(place, &mut Command::new("strace"), options, program);
    let mut ours = place.tracer(&["strace"]);
    let [ours, our_output] = trace(place, ours.command(), options, program);
    assert_eq!(
        programs_own(&our_output),
        programs_own(&their_output),
        "{options:?}"
    );
    let theirs = normal(&theirs);
    (with_cold_strings(&normal(&ours), &theirs), theirs)
}

/// What a program printed, without the variables that tests set for the tracer alone.
fn programs_own(output: &str) -> String {
    let of_tests = |line: &&str| !line.starts_with("NO_COLOR=") && !line.starts_with("TZ=");
    output
        .lines()
        .filter(of_tests)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Our lines, with their strings where ours lay on a page that the program had not touched when the
/// call began: we show an address then.
fn with_cold_strings(ours: &str, theirs: &str) -> String {
    let mut their_lines = theirs.lines();
    let mut text = String::new();
    for line in ours.lines() {
        let their_line = their_lines.next().unwrap_or_default();
        text += match equal_but_cold(line, their_line) {
            true => their_line,
            false => line,
        };
        text.push('\n');
    }
    text
}

const TRUE: &[&str] = &["/bin/true"];
const CALLS: &str = "trace=openat,read,close,mmap,exit_group";

#[test]
fn forms_of_arguments_are_those_of_strace() {
    let Some(place) = place(true) else { return };
    let cases: &[&[&str]] = &[
        &["-x"],
        &["-xx"],
        &["--strings-in-hex=non-ascii-chars"],
        &["--strings-in-hex"],
        &["-X", "abbrev"],
        &["-n"],
        &["--syscall-number", "-a", "60"],
        &["-a0"],
        &["-e", "raw=all"],
        &["-e", "raw=!openat", "-e", "verbose=none"],
        &["-y"],
        &["--decode-fds"],
        &["-e", "decode-fds=path"],
        &["-yy"],
        &["-e", "read=3"],
        &["-e", "read=!3"],
    ];
    for options in cases {
        let options: Vec<&str> = [&["-e", CALLS], *options].concat();
        let (ours, theirs) = both(&place, &options, TRUE);
        assert!(theirs.lines().count() > 5, "{options:?}: {theirs}");
        assert_eq!(ours, theirs, "{options:?}");
    }
    for form in ["raw", "verbose"] {
        let options = ["-e", "trace=openat,read,close", "-X", form];
        let (ours, theirs) = both(&place, &options, TRUE);
        assert_eq!(ours, theirs, "{form}");
    }
}

#[test]
fn calls_are_chosen_as_strace_chooses_them() {
    let Some(place) = place(true) else { return };
    let missing = place.path("missing");
    let program = ["/bin/cat", "/etc/passwd", &missing];
    let cases: &[&[&str]] = &[
        &["-z"],
        &["-Z"],
        &["-Z", "-z"],
        &["-e", "status=failed"],
        &["-e", "status=!failed"],
        &["--status=unfinished"],
        &["-e", "status=none"],
        &["-P", "/etc/passwd"],
        &["-P", "/etc/passwd", "-P", "/etc/ld.so.cache"],
        &["--trace-path=/lib/x86_64-linux-gnu/libc.so.6"],
        &["-qq"],
        &["-e", "quiet=exit"],
        &["--quiet=all"],
        &["-e", "trace=close@64,?nosuch,read@32"],
        &["--trace=%desc", "-e", "signal=none"],
    ];
    for options in cases {
        let options: Vec<&str> = [&["-e", "trace=openat,close,exit_group"], *options].concat();
        let (ours, theirs) = both(&place, &options, &program);
        assert_eq!(ours, theirs, "{options:?}");
    }
}

#[test]
fn times_have_the_forms_of_strace() {
    let Some(place) = place(true) else { return };
    let cases: &[&[&str]] = &[
        &["-t"],
        &["-tt"],
        &["-ttt"],
        &["-r"],
        &["-r", "-t"],
        &["-T"],
        &["--absolute-timestamps"],
        &["--absolute-timestamps=unix,ms"],
        &["--absolute-timestamps=precision:ns"],
        &["--absolute-timestamps=none", "-r"],
        &["--relative-timestamps=s", "--syscall-times=s"],
        &["--relative-timestamps=ms", "--syscall-times=ms"],
        &["--relative-timestamps=ns", "--syscall-times=ns"],
        &["-ttt", "--relative-timestamps=us", "--syscall-times", "-n"],
    ];
    let shape = |text: &str| {
        let text = replaced("[0-9]", text, "#");
        // The seconds of a slow machine may have more digits.
        replaced("= +#+", &text, "= #")
    };
    for options in cases {
        let options: Vec<&str> = [&["-e", "trace=openat,exit_group"], *options].concat();
        let (ours, theirs) = both(&place, &options, TRUE);
        assert_eq!(shape(&ours), shape(&theirs), "{options:?}");
    }
}

#[test]
fn written_data_is_dumped_as_strace_dumps_it() {
    let Some(place) = place(true) else { return };
    let program = ["/bin/echo", "a line that is longer than a row\u{e9}"];
    for set in ["1", "all", "!1", "none"] {
        let options = ["-e", "trace=write", "-e", &format!("write={set}")];
        let (ours, theirs) = both(&place, &options, &program);
        assert_eq!(ours, theirs, "write={set}");
    }
}

#[test]
fn environment_and_user_are_those_asked_for() {
    let Some(place) = place(true) else { return };
    let options = [
        "-E",
        "FOO=a=b",
        "-E",
        "HOME",
        "-E",
        "BAR=",
        "-e",
        "trace=none",
    ];
    let (ours, theirs) = both(&place, &options, &["/usr/bin/env"]);
    assert_eq!(ours, theirs);
    let options = ["-u", "nobody", "-e", "trace=getuid,geteuid,getgroups"];
    let (ours, theirs) = both(&place, &options, &["/usr/bin/id"]);
    assert_eq!(ours, theirs);
    let run = place
        .tracer(&["strace", "-u", "no such user", "/bin/true"])
        .run();
    let line = tracer_tests::one_line(&run, 2);
    assert!(
        line.starts_with("cannot find user 'no such user'"),
        "{line}"
    );
}

#[test]
fn a_file_for_each_thread_has_its_lines_alone() {
    let Some(place) = place(true) else { return };
    let base = place.path("each");
    let script = ["-c", "/bin/true; /bin/true"];
    let run = place
        .tracer(&["strace", "-ff", "-o", &base])
        .launching("/bin/sh", &script)
        .run()
        .success();
    assert!(!run.stderr.contains("attached\n"), "{}", run.stderr);
    let files: Vec<String> = std::fs::read_dir(place.dir())
        .expect("a directory")
        .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
        .filter(|path| path.starts_with(&format!("{base}.")))
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a trace");
        let last = text.lines().last();
        assert_eq!(last, Some("+++ exited with 0 +++"), "{file}");
        assert!(!text.contains("resumed>"), "{file}:\n{text}");
        assert!(
            text.lines().all(|l| without_prefix(l) == l),
            "{file}:\n{text}"
        );
    }
}

#[test]
fn output_is_added_or_piped() {
    let Some(place) = place(true) else { return };
    let file = place.path("added");
    for _ in 0..2 {
        let options = ["strace", "-A", "-o", &file, "-e", "trace=none"];
        let _ = place
            .tracer(&options)
            .launching("/bin/true", &[])
            .run()
            .success();
    }
    let text = std::fs::read_to_string(&file).expect("a trace");
    assert_eq!(text, "+++ exited with 0 +++\n".repeat(2));
    let pipe = format!("|tr a-z A-Z > {file}");
    let options = ["strace", "-o", &pipe, "-e", "trace=none"];
    let _ = place
        .tracer(&options)
        .launching("/bin/true", &[])
        .run()
        .success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    assert_eq!(text, "+++ EXITED WITH 0 +++\n");
}

#[test]
fn lines_and_table_come_together() {
    let Some(place) = place(true) else { return };
    let options = ["-e", "trace=openat", "-C", "-w", "-U", "calls,errors,name"];
    let (ours, theirs) = both(&place, &options, TRUE);
    assert_eq!(ours, theirs);
    // Sums of what only each event tells.
    let options = [
        "-e",
        "trace=openat,close",
        "-c",
        "-z",
        "-U",
        "calls,name",
        "-w",
        "-S",
        "name",
    ];
    let (ours, theirs) = both(&place, &options, TRUE);
    assert_eq!(ours, theirs);
}

#[test]
fn notices_of_processes_go_to_stderr() {
    let Some(place) = place(true) else { return };
    let script = ["-c", "/bin/true; true"];
    let run = |options: &[&str]| {
        let options = [&["strace", "-f", "-e", "trace=none"], options].concat();
        place
            .tracer(&options)
            .launching("/bin/sh", &script)
            .run()
            .success()
    };
    let told = run(&[]);
    let attached = |text: &str| {
        let lines = text.lines().filter(|l| l.starts_with("strace: Process "));
        lines.filter(|l| l.ends_with(" attached")).count()
    };
    assert_eq!(attached(&told.stderr), 1, "{}", told.stderr);
    assert_eq!(attached(&told.stdout), 0, "{}", told.stdout);
    assert_eq!(told.stdout.matches("+++ exited with 0 +++").count(), 2);
    assert_eq!(run(&["-q"]).stderr, "");
    let silent = run(&["-qq"]).stdout;
    assert!(
        silent.lines().all(|l| l.starts_with("--- SIGCHLD {")),
        "{silent}"
    );
    assert_eq!(run(&["-qq", "-e", "signal=none"]).stdout, "");
}

#[test]
fn a_process_that_executes_a_program_is_let_go() {
    let Some(place) = place(true) else { return };
    let options = [
        "strace",
        "-f",
        "-b",
        "execve",
        "-e",
        "trace=execve",
        "-e",
        "signal=none",
    ];
    let script = ["-c", "/bin/true; exit 3"];
    let run = place.tracer(&options).launching("/bin/sh", &script).run();
    assert_eq!(run.status.code(), Some(3));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("execve(") && lines[0].ends_with(" = 0"));
    assert!(lines[1].ends_with(" <detached ...>"), "{lines:#?}");
    assert_eq!(lines[2], "+++ exited with 3 +++");
}

#[test]
fn slow_calls_are_found() {
    let Some(place) = place(true) else { return };
    let run = |options: &[&str]| {
        let options = [&["strace"], options].concat();
        let run = place
            .tracer(&options)
            .launching("/bin/sleep", &["0.2"])
            .run();
        run.success().stdout
    };
    let slow = run(&["--min-time", "100ms", "-qq"]);
    assert_eq!(slow.lines().count(), 1, "{slow}");
    assert!(slow.starts_with("clock_nanosleep("), "{slow}");
    let slowest = run(&["--slowest", "2", "-T"]);
    assert_eq!(slowest.lines().count(), 2, "{slowest}");
    assert!(slowest.starts_with("clock_nanosleep("), "{slowest}");
}

#[test]
fn what_is_not_there_is_refused_in_a_line() {
    let Some(place) = place(true) else { return };
    let cases: &[&[&str]] = &[
        &["-D"],
        &["-e", "inject=open:error=EIO"],
        &["-e", "fault=all"],
        &["--kvm=vcpu"],
        &["--secontext"],
        &["-e", "signal=nosuch"],
        &["-e", "status=nosuch"],
        &["-e", "read=x"],
        &["-o", "|cat", "-ff"],
        &["-c", "-ff", "-o", "x"],
    ];
    for options in cases {
        let options = [&["strace"], *options].concat();
        let run = place.tracer(&options).launching("/bin/true", &[]).run();
        let line = tracer_tests::one_line(&run, 2);
        assert!(!line.is_empty(), "{options:?}");
        assert_eq!(run.stdout, "", "{options:?}");
    }
}
