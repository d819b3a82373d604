//! What goes wrong is said in one line, with the documented exit code, and nothing stays behind.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use tracer::bpf::PROBES;
use tracer_tests::{
    Finished, Place, Running, assert_no_orphans, number_after, one_line, place, until,
};

fn assert_nothing_left() {
    let names: Vec<&str> = PROBES.iter().map(|p| p.program).collect();
    assert_no_orphans(&names);
}

/// A pid that nobody has: that of a child that was waited for.
fn dead_pid() -> String {
    let child = Running::start(&mut Command::new("/bin/true"));
    let pid = child.pid_text();
    let _ = child.finish();
    pid
}

const COMMANDS: [&[&str]; 6] = [
    &["strace"],
    &["strace", "-c"],
    &["profile"],
    &["offcpu"],
    &["sched"],
    &["gc"],
];

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
            &["profile", "--format", "pprof", "-p", "1"],
            "profile has no format pprof; it has: ",
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
            "-e fault= is not known; use -e trace=...",
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

#[test]
fn a_reader_that_goes_away_is_a_quiet_end() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/ring_flood", &["20000", "1", "wait"]));
    let mut tracer = place.tracer(&["strace", "-p", &target.pid_text()]);
    let mut head = Command::new("/usr/bin/head")
        .arg("-n1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("head");
    let pipe = head.stdin.take().expect("a pipe");
    tracer
        .command()
        .stdin(Stdio::null())
        .stdout(pipe)
        .stderr(Stdio::piped());
    let running = Running::spawn(tracer.command());
    // The command holds the pipe's writing end, too.
    drop(tracer);
    until("attaching", || {
        running.stderr().contains("attached to").then_some(())
    });
    target.proceed();
    let run = running.finish();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert!(
        !run.stderr.to_lowercase().contains("pipe"),
        "{}",
        run.stderr
    );
    let head = head.wait_with_output().expect("head ends");
    assert_eq!(head.stdout.iter().filter(|&&b| b == b'\n').count(), 1);
    assert!(target.is_running(), "the target goes on");
}

/// Copies a Go fixture with some of its bytes changed.
fn hostile_copy(place: &Place, name: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let copy = place.path("hostile");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(place.fixture(name), &copy).expect("a copy");
    let mut bytes = std::fs::read(&copy).expect("readable");
    change(&mut bytes);
    std::fs::write(&copy, bytes).expect("writable");
    copy
}

/// Where the file has a section, from its section headers.
fn section(bytes: &[u8], wanted: &str) -> std::ops::Range<usize> {
    let at = |offset: usize, size: usize| -> usize {
        let bytes = &bytes[offset..offset + size];
        bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
    };
    let (table, entry, count, names) = (at(0x28, 8), at(0x3a, 2), at(0x3c, 2), at(0x3e, 2));
    let header = |i: usize| table + i * entry;
    let names = at(header(names) + 0x18, 8);
    let found = (0..count).map(header).find(|&h| {
        let name = &bytes[names + at(h, 4)..];
        name.split(|&b| b == 0).next() == Some(wanted.as_bytes())
    });
    let header = found.unwrap_or_else(|| panic!("no section {wanted}"));
    let start = at(header + 0x18, 8);
    start..start + at(header + 0x20, 8)
}

/// A program that runs on while the tracer looks at a harmed file: it cannot be the one that is
/// mapped, so the tracer launches what it is to read and reads it before it runs.
fn assert_survives(place: &Place, file: &str, what: &str) {
    for command in [
        &["gc"][..],
        &["profile", "-F", "199"],
        &["strace", "-c"],
        &["strace", "--goroutines"],
    ] {
        let run = place
            .tracer(command)
            .args(&["-d", "2s"])
            .launching(file, &["-d", "200ms"])
            .run();
        let code = run.status.code();
        assert!(
            !run.stderr.contains("panicked"),
            "{what}, {command:?}: {}",
            run.stderr
        );
        assert!(
            !run.stderr.contains("unexpected error"),
            "{what}, {command:?}: {}",
            run.stderr
        );
        // The program may die of what was done to it; the tracer may not.
        assert!(
            code.is_some() || !run.stderr.contains("fatal runtime"),
            "{what}: {}",
            run.stderr
        );
        if command == ["gc"] && code == Some(5) {
            let line = one_line(&run, 5);
            assert!(line.contains(file), "{what}: {line}");
        }
    }
}

#[test]
fn harmed_executables_are_refused_or_read_as_far_as_they_go() {
    let Some(place) = place(true) else { return };
    let name = "go/1.24.11/gcload";
    let garbage = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
    for wanted in [
        ".gopclntab",
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".symtab",
        ".go.buildinfo",
    ] {
        let copy = hostile_copy(&place, name, |bytes| {
            let range = section(bytes, wanted);
            // The start stays: what begins well is read further.
            let middle = range.start + range.len().min(256) / 4;
            if wanted != ".gopclntab" {
                for (i, byte) in bytes[middle..range.end].iter_mut().enumerate() {
                    *byte = garbage(i);
                }
            } else {
                // The program needs its own table to run; only the names are harmed.
                for i in (range.start + range.len() / 64..range.start + range.len() / 16).step_by(3)
                {
                    bytes[i] ^= 0x55;
                }
            }
        });
        assert_survives(&place, &copy, wanted);
    }
    let header = hostile_copy(&place, name, |bytes| {
        // e_shoff, e_shnum, e_shstrndx: the kernel does not look at them.
        bytes[0x28..0x30].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes[0x3c..0x40].fill(0xff);
    });
    assert_survives(&place, &header, "section headers");
    assert_nothing_left();
}

#[test]
fn a_file_that_is_cut_while_it_is_looked_at_harms_nobody() {
    let Some(place) = place(true) else { return };
    // The running program keeps its own file; what /proc/PID/root leads to is another one.
    let copy = place.path("program");
    std::fs::copy(place.fixture("go/1.24.11/cpusplit"), &copy).expect("a copy");
    let mut command = Command::new(&copy);
    let target = Running::ready(command.args(["-d", "60s"]));
    std::fs::remove_file(&copy).expect("removed");
    for bytes in [
        &b""[..],
        b"\x7fELF",
        b"\x7fELF\x02\x01\x01\x00garbage that goes on",
    ] {
        std::fs::write(&copy, bytes).expect("writable");
        let args = [
            "profile",
            "-d",
            "300ms",
            "-F",
            "199",
            "-p",
            &target.pid_text(),
        ];
        let run = place.tracer(&args).run().success();
        assert!(run.stdout.contains("main.burnSixty"), "{}", run.stdout);
    }
}

#[test]
fn targets_that_end_while_they_are_attached_to_end_the_run() {
    let Some(place) = place(true) else { return };
    let pauses = [0u64, 3, 10, 20, 30, 45, 60, 80, 100];
    for (i, command) in COMMANDS[..5].iter().cycle().take(15).enumerate() {
        let mut target = Running::ready(&mut place.command("c/getppid_loop", &["10", "2", "wait"]));
        let pid = target.pid_text();
        let mut tracer = place.tracer(command).args(&["-p", &pid]);
        let tracer = Running::start(tracer.command());
        std::thread::sleep(std::time::Duration::from_millis(pauses[i % pauses.len()]));
        target.proceed();
        let _ = target.finish().success();
        let run = tracer.finish();
        let code = run.status.code();
        assert!(
            matches!(code, Some(0 | 4)),
            "{command:?}: {code:?}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("unexpected"), "{}", run.stderr);
        if code == Some(4) {
            let _ = one_line(&run, 4);
        }
    }
    assert_nothing_left();
}

#[test]
fn storms_of_threads_are_counted_exactly() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/threads_storm", &["1000", "1.5"]));
    let args = [
        "strace",
        "-c",
        "-e",
        "trace=getppid,clone3",
        "-p",
        &target.pid_text(),
    ];
    let tracer = place.tracer(&args).attach();
    let other = place
        .tracer(&[
            "offcpu",
            "--max-overhead",
            "off",
            "--format",
            "folded",
            "-p",
            &target.pid_text(),
        ])
        .attach();
    until("the end", || (!target.is_running()).then_some(()));
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    let calls = |name: &str| -> u64 {
        let row = run.stdout.lines().find(|l| l.ends_with(name));
        let cell = row.and_then(|l| l.split_whitespace().nth(3)).unwrap_or("0");
        cell.parse()
            .unwrap_or_else(|_| panic!("{name}: {cell}\n{}", run.stdout))
    };
    // Some were made before we had attached.
    let (called, cloned) = (calls(" getppid"), calls(" clone3"));
    assert!(called > made / 10 && called <= made, "{called} of {made}");
    assert!(
        called.abs_diff(cloned) <= 1,
        "{called} calls of {cloned} threads"
    );
    let _ = other.finish().success();
    assert_nothing_left();
}

#[test]
fn storms_of_processes_are_followed_to_the_last() {
    let Some(place) = place(true) else { return };
    let script = "i=0; while [ $i -lt 150 ]; do /bin/true & i=$((i+1)); done; wait";
    let file = place.path("storm");
    let run = place.tracer(&["strace", "-f", "-e", "trace=execve", "-o", &file]);
    let run = run.launching("/bin/sh", &["-c", script]).run().success();
    assert!(run.stderr.contains(", 0 lost"), "{}", run.stderr);
    let text = std::fs::read_to_string(&file).expect("a trace");
    let count = |part: &str| text.lines().filter(|l| l.contains(part)).count();
    assert_eq!(count("+++ exited with 0 +++"), 151);
    assert_eq!(count("execve(\"/bin/true\""), 150);
}

#[test]
fn an_overrun_buffer_loses_nothing_silently() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/ring_flood", &["1200", "2", "wait"]));
    let file = place.path("trace");
    let args = [
        "strace",
        "-e",
        "trace=getppid",
        "--buffer-size",
        "64",
        "-o",
        &file,
        "-p",
    ];
    let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
    target.proceed();
    std::thread::sleep(std::time::Duration::from_millis(300));
    tracer.signal(libc::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_millis(300));
    tracer.signal(libc::SIGCONT);
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let count = |part: &str| text.lines().filter(|l| l.contains(part)).count() as u64;
    let shown = count("getppid() ") + count("<... getppid resumed>");
    // Beginnings and ends are lost, and counted, apart. Each end that arrived has a line.
    let end = run.stderr.lines().last().unwrap_or_default();
    let lost = number_after(end, "syscall_exit ring buffer full: ");
    let lost = lost.unwrap_or_else(|| panic!("nothing was lost: {end}"));
    assert!(shown > 0 && lost > 0, "{shown} shown: {end}");
    assert_eq!(shown + lost, made, "{shown} shown: {end}");
}

#[test]
fn damaged_recordings_are_exit_6_and_shown_as_far_as_they_can_be_read() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let run = place.tracer(&["record", "-k", "strace", "-o", &file]);
    let _ = run
        .launching(place.fixture("c/getppid_loop"), &["20011", "2"])
        .run()
        .success();
    let show = |file: &str| place.tracer(&["report", "strace", file]).run();
    let whole = show(&file).success().stdout;
    let bytes = std::fs::read(&file).expect("a recording");
    let harmed = place.path("harmed.trc");
    for (what, cut) in [("half", bytes.len() / 2), ("most", bytes.len() - 3)] {
        std::fs::write(&harmed, &bytes[..cut]).expect("writable");
        let run = show(&harmed);
        let line = one_line(&run, 6);
        assert!(line.contains(&harmed), "{what}: {line}");
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert!(lines.len() > 1000, "{what}: {} lines", lines.len());
        let same = lines
            .iter()
            .zip(whole.lines())
            .take_while(|(a, b)| *a == b)
            .count();
        assert!(
            same + 8 >= lines.len(),
            "{what}: {same} of {} lines are the same",
            lines.len()
        );
    }
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    std::fs::write(&harmed, &flipped).expect("writable");
    let _ = one_line(&show(&harmed), 6);
    std::fs::write(&harmed, "#!/bin/sh\necho no recording\n").expect("writable");
    let _ = one_line(&show(&harmed), 6);
    std::fs::write(&harmed, "").expect("writable");
    let _ = one_line(&show(&harmed), 6);
    let run = show(&place.path("nowhere.trc"));
    let _ = one_line(&run, 6);
}

#[test]
fn a_tracer_that_is_killed_leaves_nothing_and_its_target_does_not_notice() {
    let Some(place) = place(true) else { return };
    let commands: [&[&str]; 6] = [
        &["strace", "-o", "/dev/null"],
        &["strace", "-c"],
        &["profile", "-F", "999"],
        &["offcpu"],
        &["sched", "--go"],
        &["gc"],
    ];
    for (i, command) in commands.iter().enumerate() {
        let mut target = place.command("go/1.24.11/pingpong", &["-n", "1000003", "-wait"]);
        let mut target = Running::ready(&mut target);
        let tracer = place
            .tracer(command)
            .args(&["-p", &target.pid_text()])
            .attach();
        target.proceed();
        std::thread::sleep(std::time::Duration::from_millis([5, 40, 17, 90, 33, 60][i]));
        let loaded = tracer_tests::Loaded::by(tracer.pid());
        tracer.signal(libc::SIGKILL);
        drop(tracer);
        loaded.assert_gone();
        let target = target.finish().success();
        assert!(target.stdout.contains("\n1000003 "), "{}", target.stdout);
        assert_eq!(target.stderr, "");
    }
    assert_nothing_left();
}

#[test]
fn an_interrupt_prints_the_whole_result() {
    let Some(place) = place(true) else { return };
    let commands: [(&[&str], &str); 4] = [
        (&["strace", "-c"], "getppid"),
        (
            &["profile", "-F", "499", "--max-overhead", "off"],
            " samples in ",
        ),
        (
            &["sched", "--max-overhead", "off"],
            "run-queue latency over ",
        ),
        (&["strace"], "getppid() "),
    ];
    for (command, text) in commands {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let mut target = place.command("c/ring_flood", &["300", "2", "wait"]);
            let mut target = Running::ready(&mut target);
            let tracer = place
                .tracer(command)
                .args(&["-p", &target.pid_text()])
                .attach();
            let loaded = tracer_tests::Loaded::by(tracer.pid());
            target.proceed();
            std::thread::sleep(std::time::Duration::from_millis(200));
            tracer.signal(signal);
            let run = tracer.finish().success();
            assert!(run.stdout.contains(text), "{command:?}: {}", run.stdout);
            let end = run.stderr.lines().last().unwrap_or_default();
            assert!(
                end.contains(" events, ") && end.contains(" lost"),
                "{}",
                run.stderr
            );
            loaded.assert_gone();
            let _ = target.finish().success();
        }
    }
}

#[test]
fn a_second_interrupt_quits_at_once() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/getppid_loop", &["5", "1", "wait"]));
    // Nobody reads the pipe, so the result cannot be printed and the first interrupt hangs.
    let fifo = place.path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.is_ok_and(|s| s.success()));
    let keep = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("a pipe");
    fill(&keep);
    let out = OpenOptions::new().write(true).open(&fifo).expect("a pipe");
    let mut tracer = place.tracer(&["strace", "-c", "-p", &target.pid_text()]);
    tracer
        .command()
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped());
    let mut tracer = Running::spawn(tracer.command());
    until("attaching", || {
        tracer.stderr().contains("attached to").then_some(())
    });
    let loaded = tracer_tests::Loaded::by(tracer.pid());
    tracer.signal(libc::SIGINT);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(tracer.is_running(), "it waits for its reader");
    tracer.signal(libc::SIGINT);
    let run = tracer.finish();
    assert!(!run.status.success(), "{}", run.status);
    loaded.assert_gone();
    assert!(target.is_running());
    drop(keep);
}

/// Fills a pipe, so that the next writer waits.
fn fill(pipe: &File) {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let set = |flags: i32| {
        // SAFETY: the descriptor is valid.
        unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags) };
    };
    set(libc::O_NONBLOCK);
    let mut pipe = pipe;
    while pipe.write(&[b'x'; 4096]).is_ok() {}
    while pipe.write(b"x").is_ok() {}
    set(0);
}
