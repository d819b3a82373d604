//! `tracer goroutines --on-crash` on programs that die.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use serde_json::Value;
use tracer_tests::{Finished, Place, Running, number_after, one_line, place, until};

/// A death that was waited for.
struct Death {
    pid: String,
    /// What the tracer says of it.
    told: Finished,
    /// What the runtime printed itself.
    said: String,
}

impl Death {
    /// Lets a program of `n` goroutines that wait die in this way.
    fn of(place: &Place, program: &str, n: &str, way: &str, args: &[&str]) -> Self {
        let mut command = place.command(program, &["-n", n, way]);
        let mut target = Running::ready(command.env("GOTRACEBACK", "all"));
        let pid = target.pid_text();
        let args = [&["goroutines", "--on-crash", "-p", &*pid], args].concat();
        let mut tracer = place.tracer(&args).attach();
        target.proceed();
        if way == "spin" {
            until("a goroutine that runs", || {
                (cpu_ticks(&pid) > 20).then_some(())
            });
            target.signal(libc::SIGKILL);
        }
        if way == "exec" {
            until("the other program", || {
                target.stdout().contains("again ").then_some(())
            });
            until("it to be held", || holds_memory(&tracer).then_some(()));
            target.proceed();
        }
        until("its end", || (!target.is_running()).then_some(()));
        until("the dump", || (!tracer.is_running()).then_some(()));
        Self {
            told: tracer.finish(),
            pid,
            said: target.finish().stderr,
        }
    }

    /// The lines that say why, and the dump.
    fn parts(&self) -> (&str, &str) {
        self.told.stdout.split_once("\n\n").expect("two parts")
    }
}

/// User time of a process in ticks of 10 ms.
fn cpu_ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let rest = stat.rsplit_once(')').expect("a name").1;
    let field = rest.split_whitespace().nth(14 - 3).expect("utime");
    field.parse().expect("a number")
}

/// Whether a thread of the tracer waits in the memory of a process.
fn holds_memory(tracer: &Running) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", tracer.pid())).expect("it runs");
    let names = tasks
        .flatten()
        .map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.flatten().any(|name| name.trim() == "memory-hold")
}

/// Goroutines of a dump by their id: the rest of the text.
fn goroutines(dump: &str) -> BTreeMap<u64, String> {
    let parts = dump.split("\n\n").filter_map(|part| {
        let id = number_after(part.lines().next()?, "goroutine ")?;
        let text = part.split_once(" [")?.1;
        Some((id, text.trim_end().to_owned()))
    });
    parts.collect()
}

/// Ways to die, with what is told of each, and whether all its goroutines stand still.
const WAYS: [(&str, &str, bool); 4] = [
    ("panic", "panic: the beginning\n\tpanic: the end", true),
    (
        "nil",
        "panic: runtime error: invalid memory address or nil pointer dereference",
        true,
    ),
    ("map", "fatal error: concurrent map writes", false),
    (
        "deadlock",
        "fatal error: all goroutines are asleep - deadlock!",
        true,
    ),
];

#[test]
fn what_is_dumped_is_what_the_runtime_printed() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for (way, why, still) in WAYS {
            let name = format!("{release} {way}");
            let death = Death::of(&place, &format!("go/{release}/crash"), "1000", way, &[]);
            assert!(death.told.status.success(), "{name}: {}", death.told.stderr);
            let (first, dump) = death.parts();
            assert!(first.starts_with("crash of crash ("), "{name}: {first}");
            assert!(first.ends_with(&format!("): {why}")), "{name}: {first}");
            let theirs = goroutines(&death.said);
            let ours = goroutines(dump);
            let parked = ours.values().filter(|text| text.contains("main.parked("));
            assert_eq!(parked.count(), 1000, "{name}: {}", death.told.stdout);
            let dying = number_after(dump, "goroutine ").expect("one is first");
            for (id, text) in &theirs {
                if still || *id == dying || text.contains("main.parked(") {
                    assert_eq!(ours.get(id), Some(text), "{name}, goroutine {id}");
                }
            }
            assert_eq!(ours.len(), theirs.len(), "{name}");
            // Who dies of a deadlock is nobody.
            if way != "deadlock" {
                let theirs = number_after(&death.said, "\ngoroutine ");
                assert_eq!(theirs, Some(dying), "{name}");
            }
        }
    }
}

#[test]
fn variants_of_an_executable_tell_the_same() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "crash") {
            let program = format!("go/{release}/crash{build}");
            let death = Death::of(&place, &program, "20", "map", &[]);
            let (first, dump) = death.parts();
            // With the race detector mostly a reader finds out.
            assert!(
                first.contains(": fatal error: concurrent map "),
                "{program}: {first}"
            );
            assert_eq!(dump.matches("\nmain.parked()\n").count(), 20, "{program}");
        }
    }
}

#[test]
fn what_ran_when_it_was_killed_has_its_stack() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let program = format!("go/{release}/crash");
        let death = Death::of(&place, &program, "20", "spin", &["--format", "json"]);
        let document: Value = serde_json::from_str(&death.told.stdout).expect("JSON");
        assert_eq!(
            document["crash"]["why"][0], "killed by SIGKILL",
            "{release}"
        );
        assert_eq!(document["crash"]["wait_status"], 9, "{release}");
        let all = document["goroutines"].as_array().expect("a list");
        let spins = |g: &&Value| g["frames"][0]["function"] == "main.spin";
        let spinning = all
            .iter()
            .find(spins)
            .unwrap_or_else(|| panic!("{release}: {document}"));
        assert_eq!(spinning["stack"], "frames", "{release}");
    }
}

#[test]
fn another_program_in_its_place_is_followed() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let death = Death::of(&place, &format!("go/{release}/crash"), "20", "exec", &[]);
        let (first, dump) = death.parts();
        assert!(first.ends_with("\n\tpanic: the end"), "{release}: {first}");
        assert_eq!(
            dump.matches("\nmain.parked()\n").count(),
            7,
            "{release}: {dump}"
        );
    }
}

#[test]
fn an_end_without_a_crash_is_none() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let program = format!("go/{release}/crash");
    for (way, why) in [
        ("exit", "it exited with 0"),
        ("status", "it exited with 3, by its own"),
    ] {
        let death = Death::of(&place, &program, "20", way, &[]);
        assert_eq!(death.told.status.code(), Some(1), "{way}");
        let line = death.told.stderr.lines().last().expect("a line");
        let expected = format!("tracer: no crash of process {}: {why}", death.pid);
        assert!(line.starts_with(&expected), "{way}: {line}");
        assert_eq!(death.told.stdout, "", "{way}");
    }
    let target = Running::ready(&mut place.command(&program, &["exit"]));
    let pid = target.pid_text();
    let args = ["goroutines", "--on-crash", "-q", "-d", "50ms", "-p", &pid];
    let run = place.tracer(&args).run();
    assert!(one_line(&run, 1).contains("it had not crashed by then"));
    let run = place.tracer(&["goroutines", "-d", "1s", "-p", &pid]).run();
    assert!(one_line(&run, 2).contains("-d goes with --leaks or --on-crash"));
}

#[test]
fn memory_is_free_when_all_is_told_and_when_the_tracer_is_killed() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    for is_killed in [false, true] {
        let mut target =
            Running::ready(&mut place.command(&format!("go/{release}/crash"), &["panic"]));
        let pid = target.pid_text();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
        let address = maps.split('-').next().expect("a mapping");
        let address = u64::from_str_radix(address, 16).expect("a number");
        let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("it runs");
        let read = || memory.read_at(&mut [0; 4], address).expect("no error");
        let tracer = place
            .tracer(&["goroutines", "--on-crash", "-p", &pid])
            .attach();
        assert_eq!((read(), holds_memory(&tracer)), (4, true));
        if is_killed {
            tracer.signal(libc::SIGKILL);
            let _ = tracer.finish();
            target.proceed();
            until("its end", || (!target.is_running()).then_some(()));
        } else {
            target.proceed();
            until("its end", || (!target.is_running()).then_some(()));
            let _ = tracer.finish().success();
        }
        assert_eq!(read(), 0, "tracer killed: {is_killed}");
    }
}
