//! Stacks of Go code where frame pointers do not lead to the caller: before a function has set up its
//! frame, and in those that have none.

use tracer_tests::{Finished, Place, Running, duration, place, skip};

/// Stacks of folded text, root first, without the thread's name.
fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    let stack = |line| -> Option<(Vec<&str>, u64)> {
        let (frames, count) = str::rsplit_once(line, ' ')?;
        Some((frames.split(';').skip(1).collect(), count.parse().ok()?))
    };
    let stacks = text.lines().map(|line| stack(line).expect("is folded"));
    stacks.collect()
}

/// Releases with their fixture in a mode; none where there are no tables.
fn targets(place: &Place, mode: &str) -> Vec<(String, Running)> {
    if cfg!(not(target_arch = "x86_64")) {
        skip("tables of Go code are for x86-64");
        return Vec::new();
    }
    let start = |release: String| {
        let program = format!("go/{release}/leaves");
        let target = Running::ready(&mut place.command(&program, &[mode]));
        (release, target)
    };
    place.go_releases().into_iter().map(start).collect()
}

fn run(place: &Place, command: &str, options: &[&str], target: &Running) -> Finished {
    let lasts = duration(1000);
    let args = [
        command,
        "--no-kernel",
        "--max-overhead",
        "off",
        "-d",
        &lasts,
    ];
    let run = place.tracer(&args).args(options);
    run.args(&["-p", &target.pid_text()]).run().success()
}

fn profile(place: &Place, options: &[&str], target: &Running) -> String {
    let fast = ["-F", "1999", "--format", "folded"];
    run(place, "profile", &[&fast, options].concat(), target).stdout
}

/// How much of the stacks that end in `innermost` have the whole path, in percent.
fn whole(text: &str, path: &[&str], innermost: &[&str]) -> f64 {
    let path: Vec<&str> = [
        &["runtime.goexit", "runtime.main", "main.main", "main.work"],
        path,
    ]
    .concat();
    let (mut all, mut with) = (0, 0);
    for (frames, count) in folded(text) {
        if !frames.last().is_some_and(|last| innermost.contains(last)) {
            continue;
        }
        all += count;
        // Assembly functions have names of their own in some releases.
        let starts = |(frame, wanted): (&&str, &&str)| frame.starts_with(*wanted);
        let is_whole = frames.len() == path.len() && frames.iter().zip(&path).all(starts);
        with += u64::from(is_whole) * count;
    }
    assert!(all > 20, "only {all} samples in {innermost:?}:\n{text}");
    with as f64 * 100.0 / all as f64
}

#[test]
fn functions_without_a_frame_have_their_caller() {
    let Some(place) = place(true) else { return };
    let path = ["main.callLeaf", "main.leaf"];
    for (release, target) in targets(&place, "leaf") {
        let by_tables = profile(&place, &[], &target);
        let share = whole(&by_tables, &path, &["main.leaf"]);
        assert!(share > 99.0, "{release}: {share:.1} %\n{by_tables}");
        let by_pointers = profile(&place, &["--stacks", "fp"], &target);
        let share = whole(&by_pointers, &path, &["main.leaf"]);
        assert!(
            share < 1.0,
            "{release}: main.leaf has a frame: {share:.1} %"
        );
    }
}

#[test]
fn functions_that_set_up_their_frame_have_their_caller() {
    let Some(place) = place(true) else { return };
    for (release, target) in targets(&place, "framed") {
        let measure = |options: &[&str]| {
            let text = profile(&place, options, &target);
            let path = ["main.callFramed", "main.framed", "main.touch"];
            let framed = whole(&text, &path[..2], &["main.framed"]);
            (framed, whole(&text, &path, &["main.touch"]), text)
        };
        let (framed, touch, text) = measure(&[]);
        assert!(
            framed > 99.0 && touch > 99.0,
            "{release}: {framed:.1} %, {touch:.1} %\n{text}"
        );
        let (framed, touch, text) = measure(&["--stacks", "fp"]);
        assert!(
            framed + touch < 150.0,
            "{release}: {framed:.1} %, {touch:.1} %\n{text}"
        );
    }
}

/// What a raw system call is made of, with the names of the release's functions.
fn is_system_call(frames: &[&str]) -> bool {
    matches!(frames, [first, second, last]
        if *first == "syscall.RawSyscall" && *second == "syscall.RawSyscall6"
            && last.ends_with(".Syscall6"))
}

#[test]
fn system_calls_have_all_their_callers() {
    let Some(place) = place(true) else { return };
    for (mode, command, caller) in [
        ("kernel", "profile", "main.callKernel"),
        ("sleep", "offcpu", "main.sleep"),
    ] {
        for (release, target) in targets(&place, mode) {
            let text = match command {
                "profile" => profile(&place, &[], &target),
                _ => run(&place, command, &["--format", "folded"], &target).stdout,
            };
            let (mut all, mut with) = (0, 0);
            for (frames, count) in folded(&text) {
                let last = frames.last().copied().unwrap_or_default();
                let at = frames.iter().position(|&frame| frame == caller);
                let is_whole = at.is_some_and(|at| {
                    frames[..at] == ["runtime.goexit", "runtime.main", "main.main", "main.work"]
                        && is_system_call(&frames[at + 1..])
                });
                if last.ends_with(".Syscall6") && frames.contains(&"main.main") {
                    all += count;
                    with += u64::from(is_whole) * count;
                }
            }
            assert!(all > 20, "{release}, {mode}:\n{text}");
            assert!(
                with * 100 > all * 99,
                "{release}, {mode}: {with} of {all}\n{text}"
            );
        }
    }
}

#[test]
fn the_runtimes_own_waits_have_their_callers() {
    let Some(place) = place(true) else { return };
    for (release, target) in targets(&place, "sleep") {
        let text = run(&place, "offcpu", &["--format", "folded"], &target).stdout;
        // futexsleep is what calls the assembly.
        let stacks = folded(&text);
        let futex = stacks
            .iter()
            .filter(|(f, _)| f.last() == Some(&"runtime.futex"));
        let futex: Vec<_> = futex.collect();
        assert!(!futex.is_empty(), "{release}:\n{text}");
        for (frames, _) in futex {
            let caller = frames.len().checked_sub(2).map(|at| frames[at]);
            let known = ["runtime.futexsleep", "runtime.futexwakeup"];
            // One that began before the run has its innermost frame alone.
            let lone = frames.len() <= 2;
            assert!(
                lone || caller.is_some_and(|caller| known.contains(&caller)),
                "{release}: {frames:?}"
            );
        }
    }
}

/// The share in percent of a row of a table.
fn share_of(text: &str, row: &str) -> f64 {
    let found = text
        .lines()
        .find(|line| line.ends_with(&format!("  {row}")));
    let share = found.and_then(|line| line.split('%').next()?.trim().parse().ok());
    share.unwrap_or_else(|| panic!("no {row} in\n{text}"))
}

#[test]
fn samples_are_told_apart_by_who_made_the_goroutine() {
    let Some(place) = place(true) else { return };
    let by_creator = ["-F", "499", "--by", "creator"];
    for release in place.go_releases() {
        for (fixture, args, creator) in [
            ("spinning", ["-n", "1"], "main.main"),
            ("cpusplit", ["-d", "60s"], "[main goroutine]"),
        ] {
            let program = format!("go/{release}/{fixture}");
            let target = Running::ready(&mut place.command(&program, &args));
            let text = run(&place, "profile", &by_creator, &target).stdout;
            let share = share_of(&text, creator);
            assert!(share > 95.0, "{program}: {share:.1} %\n{text}");
        }
    }
    let sleeper = Running::ready(&mut place.command("c/sleeper", &[]));
    let pid = sleeper.pid_text();
    let run = place.tracer(&["profile", "--by", "creator", "-p", &pid]);
    assert_eq!(run.run().status.code(), Some(5));
}
