//! `tracer strace` as its users type it.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use regex_lite::Regex;
use tracer_tests::{Line, Place, Running, place, until, without_prefix};

fn matches(pattern: &str, line: &str) -> bool {
    Regex::new(pattern).expect("a valid pattern").is_match(line)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Traces a program into a file and gives the lines.
fn trace(place: &Place, options: &[&str], program: PathBuf, args: &[&str]) -> Vec<String> {
    let file = place.path("trace");
    let run = place
        .tracer(&["strace", "-o", &file])
        .args(options)
        .launching(program, args)
        .run();
    assert!(run.stderr.contains(", 0 lost"), "{}", run.stderr);
    read(&file).lines().map(str::to_owned).collect()
}

#[test]
fn every_call_of_the_zoo_is_printed_as_the_zoo_says() {
    let Some(place) = place(true) else { return };
    let expected = place.path("expected");
    let dir = place.path("zoo");
    std::fs::create_dir(&dir).expect("a directory");
    let lines = trace(
        &place,
        &[],
        place.fixture("c/syscall_zoo"),
        &[&dir, &expected],
    );
    let is_mark = |l: &&String| l.starts_with("getppid()");
    let marks: Vec<usize> = (0..lines.len()).filter(|&i| is_mark(&&lines[i])).collect();
    let [begin, end] = marks[..] else {
        panic!("{} marks", marks.len())
    };
    let ours = &lines[begin + 1..end];
    let expected = read(&expected);
    let expected: Vec<&str> = expected.lines().collect();
    assert!(expected.len() > 90, "the zoo is smaller than it was");
    let mut wrong = String::new();
    for (ours, expected) in ours.iter().zip(&expected) {
        if ours != expected {
            wrong += &format!("ours: {ours}\n zoo: {expected}\n");
        }
    }
    assert_eq!(wrong, "");
    assert_eq!(ours.len(), expected.len());
}

#[test]
fn timestamps_and_durations_have_the_shape_of_strace() {
    let Some(place) = place(true) else { return };
    let cases = [
        ("-t", r"^[0-2][0-9]:[0-5][0-9]:[0-6][0-9] \S"),
        ("-tt", r"^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6} \S"),
        ("-ttt", r"^1[0-9]{9}\.[0-9]{6} \S"),
        ("-r", r"^ +[0-9]+\.[0-9]{6} \S"),
    ];
    for (option, pattern) in cases {
        let lines = trace(&place, &[option], "/bin/true".into(), &[]);
        assert!(lines.len() > 10, "{option}: {} lines", lines.len());
        for line in &lines {
            assert!(matches(pattern, line), "{option}: {line}");
        }
    }
    let lines = trace(&place, &["-T"], "/bin/true".into(), &[]);
    for line in lines
        .iter()
        .filter(|l| l.contains(" = ") && !l.contains(" = ?"))
    {
        assert!(matches(r" <[0-9]+\.[0-9]{6}>$", line), "{line}");
    }
}

#[test]
fn times_do_not_go_back_and_a_sleep_takes_its_time() {
    let Some(place) = place(true) else { return };
    let options = ["-ttt", "-T", "-e", "trace=clock_nanosleep,exit_group"];
    let lines = trace(&place, &options, "/bin/sleep".into(), &["0.25"]);
    let seconds =
        |l: &String| -> f64 { l.split(' ').next().unwrap_or("").parse().expect("a time") };
    assert!(
        lines.is_sorted_by_key(|l| (seconds(l) * 1e6) as u64),
        "{lines:?}"
    );
    let sleep = lines.iter().find(|l| l.contains("clock_nanosleep("));
    let sleep = sleep.unwrap_or_else(|| panic!("no sleep in {lines:?}"));
    let took = sleep
        .rsplit_once('<')
        .and_then(|(_, t)| t.trim_end_matches('>').parse::<f64>().ok());
    let took = took.unwrap_or_else(|| panic!("no duration in {sleep}"));
    assert!((0.25..5.0).contains(&took), "{sleep}");
    assert!(seconds(&lines[1]) - seconds(&lines[0]) >= 0.25, "{lines:?}");
}

#[test]
fn strings_are_cut_where_s_says() {
    let Some(place) = place(true) else { return };
    let text = "0123456789".repeat(30);
    let long = place.path("long");
    std::fs::write(&long, &text).expect("a file");
    let cases = [
        ("0", r#"""..."#.to_owned()),
        ("5", r#""01234"..."#.to_owned()),
        ("32", format!("\"{}\"...", &text[..32])),
        ("300", format!("\"{text}\"")),
        ("4096", format!("\"{text}\"")),
        // More than is ever copied.
        ("1000000", format!("\"{text}\"")),
    ];
    for (limit, shown) in cases {
        let options = ["-s", limit, "-e", "trace=read"];
        let lines = trace(&place, &options, "/bin/cat".into(), &[&long]);
        let wanted = format!("read(3, {shown}, 131072)");
        assert!(
            lines
                .iter()
                .any(|l| l.starts_with(&wanted) && l.ends_with(" = 300")),
            "-s {limit}: {wanted} not in {lines:#?}"
        );
    }
}

#[test]
fn expressions_choose_calls_as_in_strace() {
    let Some(place) = place(true) else { return };
    let expressions = [
        "trace=openat,close",
        "openat",
        "trace=%file",
        "trace=%desc",
        "trace=%memory",
        "trace=!%memory",
        "trace=/^m",
        "!close",
        "trace=none",
        "t=%process",
    ];
    for expression in expressions {
        let ours = trace(&place, &["-e", expression], "/bin/true".into(), &[]);
        let file = place.path("real");
        let real = Command::new("strace")
            .args(["-o", &file, "-e", expression, "/bin/true"])
            .env_remove("LD_LIBRARY_PATH")
            .status();
        assert!(real.is_ok_and(|s| s.success()), "strace -e {expression}");
        let names = |lines: Vec<String>| -> Vec<String> {
            let call = |l: &String| Line::parse(l).call().map(str::to_owned);
            lines.iter().filter_map(call).collect()
        };
        let real = read(&file).lines().map(str::to_owned).collect();
        assert_eq!(names(ours), names(real), "{expression}");
    }
}

#[test]
fn the_status_of_the_command_is_passed_on() {
    let Some(place) = place(true) else { return };
    let end = |options: &[&str], script: &str| {
        let run = place.tracer(options).launching("/bin/sh", &["-c", script]);
        run.run().status
    };
    for options in [
        &["strace", "-o", "/dev/null"][..],
        &["strace", "-c"],
        &["profile"],
    ] {
        assert_eq!(end(options, "exit 7").code(), Some(7), "{options:?}");
        assert_eq!(end(options, "exit 0").code(), Some(0), "{options:?}");
        let killed = end(options, "kill -TERM $$");
        assert_eq!(killed.signal(), Some(libc::SIGTERM), "{options:?}");
        let killed = end(options, "kill -KILL $$");
        assert_eq!(killed.signal(), Some(libc::SIGKILL), "{options:?}");
    }
}

#[test]
fn a_chain_of_execs_is_one_process_that_exits_with_seven() {
    let Some(place) = place(true) else { return };
    let chain = place.fixture("c/exec_chain");
    let file = place.path("trace");
    let run = place
        .tracer(&["strace", "-o", &file])
        .launching(&chain, &["5"])
        .run();
    assert_eq!(run.status.code(), Some(7), "{}", run.stderr);
    let text = read(&file);
    let count = |part: &str| text.lines().filter(|l| l.starts_with(part)).count();
    assert_eq!(count("execve(\"/proc/self/exe\", ["), 5, "{text}");
    assert_eq!(count("getppid()"), 6, "{text}");
    assert_eq!(text.lines().last(), Some("+++ exited with 7 +++"));
}

#[test]
fn a_process_that_was_attached_to_is_followed_through_exec() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/exec_chain", &["3"]));
    let tracer = place.tracer(&["strace", "-p", &target.pid_text()]).attach();
    target.proceed();
    let status = target.finish().status;
    assert_eq!(status.code(), Some(7));
    let run = tracer.finish().success();
    let count = |part: &str| run.stdout.lines().filter(|l| l.starts_with(part)).count();
    assert_eq!(count("execve(\"/proc/self/exe\", ["), 3, "{}", run.stdout);
    assert_eq!(count("getppid()"), 4, "{}", run.stdout);
}

#[test]
fn signals_and_deaths_have_lines() {
    let Some(place) = place(true) else { return };
    let script = [
        "-c",
        "trap 'echo caught' USR1; kill -USR1 $$; kill -TERM $$",
    ];
    let lines = trace(&place, &[], "/bin/sh".into(), &script);
    let has = |pattern: &str| lines.iter().any(|l| matches(pattern, l));
    let from = r"si_code=SI_USER, si_pid=[0-9]+, si_uid=0\} ---$";
    assert!(
        has(&format!("^--- SIGUSR1 \\{{si_signo=SIGUSR1, {from}")),
        "{lines:#?}"
    );
    assert!(has(r"^rt_sigreturn\("), "{lines:#?}");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("+++ killed by SIGTERM +++")
    );
    // How the kernel carries out a fatal signal. No tracer that stops its target sees it.
    assert!(!has("SIGKILL"), "{lines:#?}");
}

#[test]
fn a_file_of_several_processes_names_each_lines_thread() {
    let Some(place) = place(true) else { return };
    let lines = trace(
        &place,
        &["-f"],
        "/bin/sh".into(),
        &["-c", "/bin/true; /bin/true"],
    );
    assert!(
        lines.iter().all(|l| matches(r"^[0-9]+ +\S", l)),
        "{lines:#?}"
    );
    let mut exits = lines
        .iter()
        .filter(|l| l.ends_with("+++ exited with 0 +++"));
    assert_eq!(exits.by_ref().count(), 3, "{lines:#?}");
    let execs = lines
        .iter()
        .filter(|l| without_prefix(l).starts_with("execve("));
    assert_eq!(execs.count(), 3, "{lines:#?}");
}

#[test]
fn goroutine_ids_are_those_the_program_prints() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let program = format!("go/{release}/syscalls");
        let mut target = Running::ready(&mut place.command(&program, &["-n", "1009", "-g", "3"]));
        let pid = target.pid_text();
        let tracer = place
            .tracer(&["strace", "--goroutines", "-e", "trace=getppid", "-p", &pid])
            .attach();
        target.proceed();
        until("the calls", || {
            target.stdout().contains("total 1009").then_some(())
        });
        let said = target.stdout();
        target.proceed();
        let _ = target.finish().success();
        let run = tracer.finish().success();
        let lines: Vec<&str> = run
            .stdout
            .lines()
            .filter(|l| l.contains("getppid"))
            .collect();
        let said = said.lines().filter_map(|l| l.strip_prefix("goroutine "));
        let mut goroutines = 0;
        for words in said.map(|l| l.split(' ').collect::<Vec<_>>()) {
            let [id, thread, count] = words[..] else {
                panic!("{words:?}")
            };
            let begun = |l: &&&str| l.contains(" getppid(") && l.contains(thread);
            let of_thread: Vec<_> = lines.iter().filter(begun).collect();
            assert_eq!(
                of_thread.len().to_string(),
                count,
                "go{release}, thread {thread}"
            );
            let named = format!(r"\b(g|goroutine |G)?{id}\b");
            let other = of_thread
                .iter()
                .find(|l| !matches(&named, &l.replacen(thread, "", 1)));
            assert!(other.is_none(), "go{release}, goroutine {id}: {other:?}");
            goroutines += 1;
        }
        assert_eq!(goroutines, 3, "go{release}");
    }
}

#[test]
fn a_launched_command_inherits_no_descriptor_of_ours() {
    let Some(place) = place(true) else { return };
    let list = ["-c", "ls -l /proc/self/fd"];
    let plain = Running::start(Command::new("/bin/sh").args(list))
        .finish()
        .success();
    for options in [&["strace", "-o", "/dev/null"][..], &["profile", "-o"]] {
        let svg = place.path("p.svg");
        let options = match options {
            ["profile", _] => vec!["profile", "-o", &svg],
            other => other.to_vec(),
        };
        let traced = place
            .tracer(&options)
            .launching("/bin/sh", &list)
            .run()
            .success();
        let count = |text: &str| text.lines().filter(|l| l.contains(" -> ")).count();
        assert_eq!(
            count(&traced.stdout),
            count(&plain.stdout),
            "{}",
            traced.stdout
        );
    }
}

#[test]
fn a_command_that_cannot_be_run_is_named() {
    let Some(place) = place(true) else { return };
    let run = place
        .tracer(&["strace"])
        .launching("/nowhere/nothing", &[])
        .run();
    let line = tracer_tests::one_line(&run, 4);
    assert_eq!(
        line,
        "cannot run /nowhere/nothing: No such file or directory (os error 2)"
    );
}

#[test]
fn a_command_that_ends_at_once_has_names_in_its_stacks() {
    let Some(place) = place(true) else { return };
    let program = place.fixture("c/getppid_loop");
    for _ in 0..5 {
        let options = ["-k", "-e", "trace=getppid"];
        let lines = trace(&place, &options, program.clone(), &["7", "1"]);
        let calls = lines.iter().filter(|l| l.contains("getppid()")).count();
        let frames = lines
            .iter()
            .filter(|l| l.contains("/getppid_loop(call+0x"))
            .count();
        assert_eq!((calls, frames), (7, 7), "{lines:#?}");
    }
}
