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
        "-P",
        "/etc/ld.so.cache",
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
    let calls = slowest.lines().filter(|l| !l.starts_with(" > "));
    assert_eq!(calls.count(), 2, "{slowest}");
    assert!(slowest.lines().any(|l| l.starts_with(" > ")), "{slowest}");
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

/// What becomes of an option of strace.
enum Fate {
    /// The trace of `/bin/true` is that of strace, digits of times and addresses aside.
    Same(&'static [&'static str]),
    /// It means something else here, or needs a target of its own: another test is about it.
    Elsewhere,
    /// Refused in one line that begins so.
    Refused(&'static [&'static str], &'static str),
}
use Fate::{Elsewhere, Refused, Same};

/// Every option of `strace --help`, short or long.
const OPTIONS: &[(&str, Fate)] = &[
    ("-e", Same(&["-e", "trace=close"])),
    ("-E", Same(&["-E", "FOO=1"])),
    ("--env", Same(&["--env=FOO=1"])),
    ("-p", Elsewhere),
    ("--attach", Elsewhere),
    ("-u", Same(&["-u", "root"])),
    ("--user", Same(&["--user=root"])),
    ("-b", Same(&["-b", "execve"])),
    ("--detach-on", Same(&["--detach-on=execve"])),
    ("-D", Refused(&["-D"], "-D/--daemonize is not supported: ")),
    (
        "-DD",
        Refused(&["-DD"], "-D/--daemonize is not supported: "),
    ),
    (
        "-DDD",
        Refused(&["-DDD"], "-D/--daemonize is not supported: "),
    ),
    (
        "--daemonize",
        Refused(&["--daemonize"], "-D/--daemonize is not supported: "),
    ),
    ("-f", Same(&["-f"])),
    ("-ff", Elsewhere),
    ("--follow-forks", Same(&["--follow-forks"])),
    ("--output-separately", Elsewhere),
    ("-I", Same(&["-I", "2"])),
    ("--interruptible", Same(&["--interruptible=waiting"])),
    ("--trace", Same(&["--trace=%file,exit_group"])),
    ("--signal", Same(&["--signal=none"])),
    ("--status", Same(&["--status=failed"])),
    ("-P", Same(&["-P", "/etc/ld.so.cache"])),
    ("--trace-path", Same(&["--trace-path=/etc/ld.so.cache"])),
    ("-z", Same(&["-z"])),
    ("--successful-only", Same(&["--successful-only"])),
    ("-Z", Same(&["-Z"])),
    ("--failed-only", Same(&["--failed-only"])),
    ("-a", Same(&["-a", "50"])),
    ("--columns", Same(&["--columns=20"])),
    ("--abbrev", Same(&["--abbrev=none", "--trace=openat"])),
    ("--verbose", Same(&["--verbose=none"])),
    ("--raw", Same(&["--raw=close"])),
    ("--read", Same(&["--read=3"])),
    ("--write", Same(&["--write=1"])),
    ("--quiet", Same(&["--quiet=exit"])),
    (
        "--kvm",
        Refused(&["--kvm=vcpu"], "--kvm is not supported: "),
    ),
    ("--decode-fds", Same(&["--decode-fds=all"])),
    // `-i` is --interval.
    ("-i", Elsewhere),
    ("--instruction-pointer", Same(&["--instruction-pointer"])),
    // The frames of strace come from unwind tables.
    ("-k", Elsewhere),
    ("--stack-traces", Elsewhere),
    ("-n", Same(&["-n"])),
    ("--syscall-number", Same(&["--syscall-number"])),
    ("-o", Elsewhere),
    ("--output", Elsewhere),
    ("-A", Elsewhere),
    ("--output-append-mode", Elsewhere),
    ("-q", Same(&["-q"])),
    ("-qq", Same(&["-qq"])),
    ("-qqq", Same(&["-qqq"])),
    ("-r", Same(&["-r"])),
    ("--relative-timestamps", Same(&["--relative-timestamps=ns"])),
    ("-s", Same(&["-s", "5"])),
    ("--string-limit", Same(&["--string-limit=7"])),
    (
        "--absolute-timestamps",
        Same(&["--absolute-timestamps=unix,ms"]),
    ),
    ("-t", Same(&["-t"])),
    ("-tt", Same(&["-tt"])),
    ("-ttt", Same(&["-ttt"])),
    ("-T", Same(&["-T"])),
    ("--syscall-times", Same(&["--syscall-times=ns"])),
    ("-v", Same(&["-v", "--trace=openat"])),
    ("--no-abbrev", Same(&["--no-abbrev", "--trace=openat"])),
    ("--strings-in-hex", Same(&["--strings-in-hex=non-ascii"])),
    ("-x", Same(&["-x"])),
    ("-xx", Same(&["-xx"])),
    ("-X", Same(&["-X", "raw"])),
    (
        "--const-print-style",
        Same(&["--const-print-style=verbose"]),
    ),
    ("-y", Same(&["-y"])),
    ("-yy", Same(&["-yy"])),
    ("--decode-pids", Same(&["--decode-pids=pidns"])),
    ("-Y", Same(&["-Y"])),
    ("-c", Elsewhere),
    ("--summary-only", Elsewhere),
    ("-C", Same(&["-C", "-w", "-U", "calls,name", "-S", "name"])),
    (
        "--summary",
        Same(&["-w", "--summary", "-U", "calls,name", "-S", "name"]),
    ),
    (
        "-O",
        Same(&["-w", "-O", "1us", "-C", "-U", "calls,name", "-S", "name"]),
    ),
    (
        "--summary-syscall-overhead",
        Same(&["--summary-syscall-overhead=1us"]),
    ),
    (
        "-S",
        Same(&[
            "-S",
            "calls",
            "-C",
            "-w",
            "-U",
            "calls,name",
            "--trace=close,read",
        ]),
    ),
    (
        "--summary-sort-by",
        Same(&["-w", "--summary-sort-by=name", "-C", "-U", "name,calls"]),
    ),
    (
        "-U",
        Same(&["-w", "-U", "name,errors,calls", "-C", "-S", "name"]),
    ),
    (
        "--summary-columns",
        Same(&["-w", "--summary-columns=name,calls", "-C", "-S", "name"]),
    ),
    ("-w", Same(&["-w", "-C", "-U", "name,calls", "-S", "name"])),
    (
        "--summary-wall-clock",
        Same(&[
            "--summary-wall-clock",
            "-C",
            "-U",
            "calls,name",
            "-S",
            "name",
        ]),
    ),
    (
        "--inject",
        Refused(&["--inject=all:error=EIO"], "--inject is not supported: "),
    ),
    (
        "--fault",
        Refused(&["--fault=all"], "--fault is not supported: "),
    ),
    // `-d` is --duration.
    ("-d", Elsewhere),
    ("--debug", Elsewhere),
    ("-h", Elsewhere),
    ("--help", Elsewhere),
    ("--seccomp-bpf", Same(&["--seccomp-bpf", "-f"])),
    ("--tips", Same(&["--tips=none"])),
    ("-V", Elsewhere),
    ("--version", Elsewhere),
];

/// The options that the help of strace lists.
fn options_of_strace() -> Vec<String> {
    let help = Command::new("strace").arg("--help").output();
    let help = String::from_utf8(help.expect("strace").stdout).expect("ASCII");
    let option = Regex::new(r"(?m)^ {2,3}(-[^ ].*)$").expect("a valid pattern");
    let name = Regex::new(r"(?:^|, | )(--?[A-Za-z][a-zA-Z-]*)").expect("a valid pattern");
    let mut all = Vec::new();
    for line in option.captures_iter(&help) {
        let text = line[1].split("  ").next().unwrap_or_default().to_owned();
        all.extend(name.captures_iter(&text).map(|c| c[1].to_owned()));
    }
    all
}

#[test]
fn every_option_of_strace_is_the_same_or_accounted_for() {
    let Some(place) = place(true) else { return };
    let known = |name: &str| OPTIONS.iter().any(|o| o.0 == name);
    let listed = options_of_strace();
    assert!(listed.len() > 80, "{listed:?}");
    let missing: Vec<_> = listed.iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let shape = |text: &str| {
        let text = replaced("[0-9a-f]{16}", text, "ADDR");
        let text = replaced(r"[0-9]+(\.[0-9]+)", &text, "#$1");
        replaced(r"[0-9]{2,}", &text, "#")
    };
    let mut wrong = String::new();
    for (name, fate) in OPTIONS {
        match fate {
            Same(options) => {
                let options = [&["-e", CALLS], *options].concat();
                let (ours, theirs) = both(&place, &options, TRUE);
                let (ours, theirs) = (shape(&ours), shape(&theirs));
                if ours != theirs {
                    wrong += &format!("{name}: {options:?}\n  ours: {ours}\ntheirs: {theirs}\n");
                }
            }
            Refused(options, begin) => {
                let run = place.tracer(&[&["strace"], *options].concat());
                let run = run.launching("/bin/true", &[]).run();
                let line = tracer_tests::one_line(&run, 2);
                assert!(line.starts_with(begin), "{name}: {line}");
            }
            Elsewhere => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn stacks_of_calls_are_named() {
    let Some(place) = place(true) else { return };
    let Some(release) = place.go_releases().pop() else {
        tracer_tests::skip("there is no Go release");
        return;
    };
    let fixture = place.fixture(&format!("go/{release}/syscalls"));
    let run = place.tracer(&["strace", "-k", "-e", "trace=write"]);
    let run = run.launching(fixture, &["-n", "2"]).run().success();
    let frames = run.stdout.lines().filter(|l| l.starts_with(" > "));
    let named = Regex::new(r"/syscalls\(main\.main\+0x[0-9a-f]+\) \[0x[0-9a-f]+\]$");
    let named = named.expect("a valid pattern");
    assert!(frames.clone().any(|f| named.is_match(f)), "{}", run.stdout);
    assert!(frames.clone().any(|f| f.contains("(os.(*File).Write+0x")));
}

#[test]
fn a_number_of_calls_ends_the_trace() {
    let Some(place) = place(true) else { return };
    let run = place.tracer(&["strace", "--syscall-limit=3", "--color=always"]);
    let run = run.launching("/bin/true", &[]).run().success();
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
    assert!(
        run.stdout.starts_with("\u{1b}[36mexecve\u{1b}[0m("),
        "{}",
        run.stdout
    );
}
