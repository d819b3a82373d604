//! What goes wrong is said in one line, with the documented exit code, and nothing stays behind.

mod shared;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use shared::assert_nothing_left;
use tracer_tests::{COMMANDS, Finished, Place, Running, one_line, place, until};

/// A pid that nobody has: that of a child that was waited for.
fn dead_pid() -> String {
    let child = Running::start(&mut Command::new("/bin/true"));
    let pid = child.pid_text();
    let _ = child.finish();
    pid
}

#[test]
fn a_pid_that_nobody_has_is_exit_4() {
    let Some(place) = place(true) else { return };
    for command in COMMANDS {
        let pid = dead_pid();
        let run = place.tracer(command).args(&["-p", &pid]).run();
        let line = one_line(&run, 4);
        assert!(line.starts_with(&format!("no process {pid}: ")), "{line}");
        assert_eq!(run.stdout, "", "{command:?}");
    }
    assert_nothing_left();
}

#[test]
fn a_thread_id_is_exit_4_and_the_process_is_named() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("go/1.24.11/gcload", &["-d", "30s"]));
    let pid = target.pid_text();
    let tid = until("a second thread", || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let names = tasks
            .flatten()
            .filter_map(|t| t.file_name().into_string().ok());
        names.into_iter().find(|t| *t != pid)
    });
    for command in COMMANDS {
        let run = place.tracer(command).args(&["-p", &tid]).run();
        let line = one_line(&run, 4);
        assert!(
            line.contains(&format!("give its process, {pid},")),
            "{line}"
        );
    }
}

#[test]
fn without_rights_it_is_exit_3() {
    let Some(place) = place(true) else { return };
    // The binary and its directory may be closed to others.
    let binary = place.path("tracer");
    std::fs::copy(place.tracer_file(), &binary).expect("a copy");
    open_to_all(&place);
    for command in COMMANDS.iter().filter(|c| c[0] != "gc") {
        let mut unprivileged = Command::new(&binary);
        unprivileged.args(*command).args(["--", "/bin/true"]);
        let run = as_nobody(&mut unprivileged);
        let line = one_line(&run, 3);
        assert!(line.contains("CAP_BPF") && line.contains("sudo"), "{line}");
    }
    let mut doctor = Command::new(&binary);
    let run = as_nobody(doctor.arg("doctor"));
    let missing = |l: &str| l.starts_with("privileges ") && l.contains(" missing ");
    assert!(run.stdout.lines().any(missing), "{}", run.stdout);
    assert!(matches!(run.status.code(), Some(0 | 3)), "{}", run.status);
}

fn open_to_all(place: &Place) {
    use std::os::unix::fs::PermissionsExt;
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.dir(), all).expect("our directory");
}

fn as_nobody(command: &mut Command) -> Finished {
    const NOBODY: u32 = 65534;
    let command = command
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::spawn(command).finish()
}

#[test]
fn gc_of_what_is_not_go_is_exit_5() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/sleeper", &[]));
    let run = place.tracer(&["gc", "-p", &target.pid_text()]).run();
    let line = one_line(&run, 5);
    assert!(
        line.contains("is not a Go program that can be read"),
        "{line}"
    );
    let run = place.tracer(&["gc"]).launching("/bin/true", &[]).run();
    let line = one_line(&run, 5);
    assert!(line.contains("/bin/true"), "{line}");
    assert_nothing_left();
}

#[test]
fn usage_errors_are_exit_2() {
    let Some(place) = place(false) else { return };
    let cases: [(&[&str], &str); 7] = [
        (
            &["strace"],
            "no target: give -p PID, --comm NAME, --all or -- CMD",
        ),
        (
            &["profile", "--format", "csv", "-p", "1"],
            "profile has no format csv; it has: ",
        ),
        (
            &["gc", "--format", "svg", "-p", "1"],
            "gc has no format svg; it has: text, json, ndjson",
        ),
        (
            &["strace", "-e", "trace=nosuchcall", "-p", "1"],
            "nosuchcall",
        ),
        (
            &["strace", "-e", "fault=open", "-p", "1"],
            "-e fault= is not supported: tracer never changes what its target does",
        ),
        (&["strace", "-c", "-U", "nonsense", "-p", "1"], "nonsense"),
        (&["strace", "-c", "-S", "nonsense", "-p", "1"], "nonsense"),
    ];
    for (args, text) in cases {
        let run = place.tracer(args).run();
        let line = one_line(&run, 2);
        assert!(line.contains(text), "{args:?}: {line}");
        assert_eq!(run.stdout, "");
    }
    // The parser's own messages have several lines.
    let parser: [&[&str]; 5] = [
        &["frobnicate"],
        &["strace", "--nonsense"],
        &["strace", "-d", "10 parsecs", "-p", "1"],
        &["profile", "-F", "0", "-p", "1"],
        &["strace", "-i", "1s", "-p", "1"],
    ];
    for args in parser {
        let run = place.tracer(args).run();
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
}

#[test]
fn a_format_is_refused_before_anything_is_attached_or_written() {
    let Some(place) = place(true) else { return };
    let file = place.path("out.svg");
    let args = ["strace", "--format", "svg", "-o", &file];
    let run = place.tracer(&args).launching("/bin/true", &[]).run();
    let _ = one_line(&run, 2);
    assert!(!std::path::Path::new(&file).exists());
}

#[test]
fn outputs_that_cannot_be_written_are_exit_1() {
    let Some(place) = place(true) else { return };
    let existing = place.path("existing");
    std::fs::write(&existing, "precious").expect("a file");
    let missing = place.path("missing/file");
    let directory = place.path("");
    for command in [
        &["profile"][..],
        &["offcpu"],
        &["gc"],
        &["sched"],
        &["record"],
    ] {
        let refused = |file: &str| {
            let run = place.tracer(command).args(&["-o", file, "-d", "100ms"]);
            let target = place.fixture("go/1.24.11/gcload");
            let run = run.launching(target, &["-d", "50ms"]).run();
            let line = one_line(&run, 1).to_owned();
            assert!(line.contains(file), "{command:?}: {line}");
            line
        };
        assert!(refused(&existing).contains("exists already"));
        assert!(refused(&missing).contains("No such file or directory"));
        let _ = refused(&directory);
        assert_eq!(std::fs::read(&existing).expect("still there"), b"precious");
    }
    assert_nothing_left();
}

#[test]
fn a_full_disk_is_exit_1_and_does_not_stop_the_program() {
    let Some(place) = place(true) else { return };
    let commands: [&[&str]; 4] = [&["strace"], &["strace", "-c"], &["profile"], &["sched"]];
    for command in commands {
        let mut target =
            Running::ready(&mut place.command("c/getppid_loop", &["30011", "2", "wait"]));
        let args = ["-o", "/dev/full", "-d", "30s", "-p", &target.pid_text()];
        let tracer = place.tracer(command).args(&args).attach();
        target.proceed();
        until("the calls", || {
            target.stdout().contains("30011").then_some(())
        });
        let target = target.finish().success();
        assert_eq!(target.count(), 30_011);
        let run = tracer.finish();
        assert_eq!(run.status.code(), Some(1), "{command:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("/dev/full: No space left on device"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("unexpected error"), "{}", run.stderr);
    }
    // A recording begins with a header, before anything is attached.
    let run = place.tracer(&["record", "-o", "/dev/full"]);
    let run = run.launching("/bin/true", &[]).run();
    let line = one_line(&run, 1);
    assert!(
        line.contains("/dev/full: No space left on device"),
        "{line}"
    );
    assert_nothing_left();
}
