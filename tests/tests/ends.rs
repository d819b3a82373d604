//! However a target, a reader or the tracer itself ends: the result is whole, or nothing stays.

mod shared;

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use shared::assert_nothing_left;
use tracer_tests::{COMMANDS, Running, one_line, place, until};

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

#[test]
fn targets_that_end_while_they_are_attached_to_end_the_run() {
    let Some(place) = place(true) else { return };
    let pauses = [0u64, 3, 10, 20, 30, 45, 60, 80, 100];
    for (i, command) in COMMANDS[..7].iter().cycle().take(15).enumerate() {
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
fn a_stranger_with_the_targets_pid_is_not_traced() {
    let Some(place) = place(true) else { return };
    for more in [&[][..], &["-f"]] {
        let mut fixture = place.command("c/getppid_loop", &["1009", "1", "wait"]);
        let mut target = Running::ready(&mut fixture);
        let pid = target.pid_text();
        let args = ["strace", "-c", "-e", "trace=getppid", "-p", &pid];
        let tracer = place.tracer(&args).args(more).attach();
        // It does not learn of the end before the pid is another's.
        tracer.signal(libc::SIGSTOP);
        target.proceed();
        let _ = target.finish().success();
        let program = place.fixture("c/getppid_loop");
        let program = program.to_str().expect("text");
        let strange = [&*pid, program, "50021", "1"];
        let run = Running::start(&mut place.command("c/with_pid", &strange)).finish();
        tracer.signal(libc::SIGCONT);
        let _ = run.success();
        let table = tracer.finish().success().stdout;
        let row = table.lines().find(|l| l.ends_with(" getppid"));
        let calls = row.and_then(|l| l.split_whitespace().nth(3));
        assert_eq!(calls, Some("1009"), "{more:?}: {table}");
    }
    assert_nothing_left();
}

#[test]
fn a_tracer_that_is_killed_leaves_nothing_and_its_target_does_not_notice() {
    let Some(place) = place(true) else { return };
    let commands: [&[&str]; 6] = [
        &["strace", "-o", "/dev/null"],
        &["strace", "-c"],
        &["profile", "-F", "999"],
        &["offcpu"],
        &["sched", "--go", "--rounds"],
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
