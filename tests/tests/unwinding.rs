//! User stacks of programs without frame pointers, from the innermost function to the one with
//! which the thread began.

use std::process::{Command, Stdio};

use tracer_tests::{Finished, Place, Running, duration, is_emulated, place, skip, until};

/// As in the tests of stacks: not in step with the fixture's turns.
const SAMPLES_PER_SECOND: &str = "733";

/// Tables are made for x86-64.
fn place_with_tables() -> Option<Place> {
    if cfg!(not(target_arch = "x86_64")) {
        skip("unwind tables are for x86-64");
        return None;
    }
    place(true)
}

/// Samples of each stack of folded text, root first, without the thread's name.
fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    let stack = |line| -> Option<(Vec<&str>, u64)> {
        let (frames, count) = str::rsplit_once(line, ' ')?;
        Some((frames.split(';').skip(1).collect(), count.parse().ok()?))
    };
    text.lines()
        .map(|line| stack(line).unwrap_or_else(|| panic!("not folded: {line:?}")))
        .collect()
}

/// The share in percent of samples whose stacks are as wanted.
fn share(text: &str, wanted: impl Fn(&[&str]) -> bool) -> f64 {
    let stacks = folded(text);
    let total: u64 = stacks.iter().map(|(_, n)| n).sum();
    assert!(total > 20, "only {total} samples:\n{text}");
    let with = stacks.iter().filter(|(frames, _)| wanted(frames));
    with.map(|(_, n)| n).sum::<u64>() as f64 * 100.0 / total as f64
}

/// Whether the functions follow each other somewhere in a stack, outermost first.
fn has_path(frames: &[&str], path: &[&str]) -> bool {
    frames.windows(path.len()).any(|part| part == path)
}

fn tolerance() -> f64 {
    if is_emulated() { 15.0 } else { 6.0 }
}

fn profile(place: &Place, pid: &str, options: &[&str]) -> Finished {
    let args = [
        "profile",
        "--max-overhead",
        "off",
        "--no-kernel",
        "-F",
        SAMPLES_PER_SECOND,
        "-d",
        &duration(1000),
        "-p",
        pid,
    ];
    place.tracer(&args).args(options).run().success()
}

/// Profiles a mode of the fixture as folded stacks.
fn profile_mode(place: &Place, mode: &str, options: &[&str]) -> Finished {
    let target = Running::ready(&mut place.command("c/frameless", &[mode]));
    let folded = [&["--format", "folded"], options].concat();
    profile(place, &target.pid_text(), &folded)
}

/// The share of samples that reach the root, from the table's footer.
fn whole(text: &str) -> f64 {
    let line = text.lines().find(|l| l.contains(" of user stacks reach"));
    let line = line.unwrap_or_else(|| panic!("no share in\n{text}"));
    let share = line.split('%').next().and_then(|n| n.parse().ok());
    share.unwrap_or_else(|| panic!("no number in {line:?}"))
}

#[test]
fn frameless_functions_have_their_shares_below_all_their_callers() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let run = profile_mode(&place, "split", &[]);
    for (function, expected) in [
        ("burn_sixty", 60.0),
        ("burn_thirty", 30.0),
        ("burn_ten", 10.0),
    ] {
        let path = ["main", "turn", "descend", "descend", "descend", function];
        let share = share(&run.stdout, |frames| has_path(frames, &path));
        assert!(
            (share - expected).abs() <= tolerance(),
            "{function}: {share:.1} %\n{}",
            run.stdout
        );
    }
}

#[test]
fn frame_pointers_alone_do_not_get_there() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let run = profile_mode(&place, "split", &["--stacks", "fp"]);
    let path = [
        "main",
        "turn",
        "descend",
        "descend",
        "descend",
        "burn_sixty",
    ];
    let share = share(&run.stdout, |frames| has_path(frames, &path));
    assert!(share < 1.0, "the fixture has frame pointers: {share:.1} %");
}

#[test]
fn two_hundred_levels_are_whole_and_four_hundred_are_said_to_be_cut() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let run = profile_mode(&place, "deep", &["--stacks", "dwarf"]);
    let path: Vec<&str> = [&["main", "deep"][..], &["descend"; 200], &["leaf"]].concat();
    let deep = share(&run.stdout, |frames| has_path(frames, &path));
    assert!(deep > 90.0, "{deep:.1} %\n{}", run.stdout);
    let target = Running::ready(&mut place.command("c/frameless", &["beyond"]));
    let run = profile(&place, &target.pid_text(), &[]);
    let header = run.stdout.lines().next().unwrap_or_default();
    let number = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
    let samples = number(header).expect("a count");
    let truncated = header
        .rsplit(", ")
        .next()
        .and_then(number)
        .expect("a count");
    assert!(truncated * 10 > samples * 8, "{header}");
    assert!(whole(&run.stdout) < 20.0, "{}", run.stdout);
}

#[test]
fn callbacks_and_leaves_of_the_c_library_have_their_callers() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let run = profile_mode(&place, "library", &[]);
    let below = |name: &'static str| {
        move |frames: &[&str]| {
            has_path(frames, &["main", "library"]) && frames.iter().any(|f| f.contains(name))
        }
    };
    let compare = share(&run.stdout, below("compare"));
    let memset = share(&run.stdout, |frames| {
        // Its name is a local one, which a stripped library has not.
        let at = frames.iter().position(|&f| f == "library");
        at.is_some_and(|at| frames.len() == at + 2 && !frames[at + 1].contains("time"))
    });
    let all = share(&run.stdout, |frames| has_path(frames, &["main", "library"]));
    assert!(compare > 20.0, "compare: {compare:.1} %\n{}", run.stdout);
    assert!(memset > 20.0, "memset: {memset:.1} %\n{}", run.stdout);
    assert!(all > 95.0, "{all:.1} %\n{}", run.stdout);
}

#[test]
fn a_handler_stands_on_what_its_signal_interrupted() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let run = profile_mode(&place, "signal", &[]);
    let share = share(&run.stdout, |frames| {
        let at = |name| frames.iter().position(|&f| f == name);
        match (at("interrupted"), at("on_signal"), at("leaf")) {
            (Some(interrupted), Some(handler), Some(leaf)) => {
                frames.contains(&"main") && interrupted < handler && handler < leaf
            }
            _ => false,
        }
    });
    assert!(share > 90.0, "{share:.1} %\n{}", run.stdout);
}

#[test]
fn libraries_loaded_later_are_learned() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let fixture = place.fixture("c/frameless");
    let script = format!("sleep 2 | '{}' load > /dev/null", fixture.display());
    let run = follow(&place, &["--format", "folded"], &script);
    let share = share(&run.stdout, |frames| has_path(frames, &["main", "load"]));
    // Known after a tenth of a second or so; what the shell does counts as well.
    assert!(share > 70.0, "{share:.1} %\n{}", run.stdout);
}

#[test]
fn programs_of_the_distribution_reach_their_root() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let busy = "while True: sorted(range(1000), key=lambda x: -x)";
    let mut command = Command::new("/usr/bin/python3");
    let python = Running::start(command.args(["-c", busy]));
    let mut command = Command::new("/usr/bin/gzip");
    let input = std::fs::File::open("/dev/zero").expect("always there");
    command.arg("-c").stdin(input);
    let gzip = Running::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    for target in [&python, &gzip] {
        until("CPU time", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", target.pid())).ok()?;
            let ticks = stat.rsplit(')').next()?.split(' ').nth(12)?;
            (ticks.parse::<u64>().ok()? > 5).then_some(())
        });
        let run = profile(&place, &target.pid_text(), &[]);
        let share = whole(&run.stdout);
        assert!(share > 95.0, "{share} %\n{}", run.stdout);
    }
}

#[test]
fn waits_of_a_frameless_program_are_below_main() {
    let Some(place) = place_with_tables() else {
        return;
    };
    for (mode, caller) in [("sleep", "pause_for"), ("read", "wait_for")] {
        let target = Running::ready(&mut place.command("c/frameless", &[mode]));
        let args = [
            "offcpu",
            "--max-overhead",
            "off",
            "--no-kernel",
            "-d",
            &duration(1000),
            "--format",
            "folded",
            "-p",
            &target.pid_text(),
        ];
        let run = place.tracer(&args).run().success();
        let stacks = folded(&run.stdout);
        let blocked = |wanted: &dyn Fn(&[&str]) -> bool| -> u64 {
            let with = stacks.iter().filter(|(frames, _)| wanted(frames));
            with.map(|(_, micros)| micros).sum()
        };
        let nap = blocked(&|f| f.contains(&"main") && has_path(f, &["nap", caller]));
        let of_main = blocked(&|f| f.contains(&"main"));
        assert!(nap > 500_000, "{mode}: {nap} µs\n{}", run.stdout);
        assert!(nap * 10 > of_main * 9, "{mode}: {nap} of {of_main} µs");
    }
}

#[test]
fn new_programs_have_their_own_tables() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let fixture = place.fixture("c/frameless");
    let turn = format!("sleep 0.7 | '{}' split > /dev/null", fixture.display());
    let script = format!("{turn}; {turn}; {turn}");
    let run = follow(&place, &["--format", "folded"], &script);
    let stacks = folded(&run.stdout);
    let sum = |wanted: &dyn Fn(&[&str]) -> bool| -> u64 {
        let burns = |frames: &[&str]| frames.iter().any(|f| f.starts_with("burn_"));
        let with = stacks.iter().filter(|(f, _)| burns(f) && wanted(f));
        with.map(|(_, n)| n).sum()
    };
    let all = sum(&|_| true);
    let whole = sum(&|f| has_path(f, &["main", "turn", "descend"]));
    assert!(all > 100, "{all} samples\n{}", run.stdout);
    // The first milliseconds of a program pass before its mappings are read.
    assert!(whole * 10 > all * 8, "{whole} of {all}\n{}", run.stdout);
}

#[test]
fn forked_children_have_their_parents_tables() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let count = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let script = format!("({count}); ({count}); ({count})");
    let run = follow(&place, &[], &script);
    let share = whole(&run.stdout);
    assert!(share > 80.0, "{share} %\n{}", run.stdout);
}

/// Profiles a shell and its children.
fn follow(place: &Place, options: &[&str], script: &str) -> Finished {
    let args = [
        "profile",
        "-f",
        "--max-overhead",
        "off",
        "--no-kernel",
        "-F",
        SAMPLES_PER_SECOND,
    ];
    let run = place.tracer(&args).args(options);
    run.launching("/bin/sh", &["-c", script]).run().success()
}

/// The functions below each line of a call, innermost first.
fn stacks_of_calls(text: &str) -> Vec<Vec<&str>> {
    let mut stacks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let frame = line.strip_prefix(" > ").map(|frame| {
            let name = frame.split_once('(').map_or("", |(_, rest)| rest);
            name.split(['+', ')']).next().unwrap_or_default()
        });
        match (frame, stacks.last_mut()) {
            (Some(frame), Some(stack)) => stack.push(frame),
            (Some(_), None) => panic!("a frame before all calls:\n{text}"),
            (None, _) => stacks.push(Vec::new()),
        }
    }
    stacks
}

#[test]
fn calls_of_a_frameless_program_are_below_main() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let target = Running::ready(&mut place.command("c/frameless", &["sleep"]));
    let chosen = ["strace", "-e", "trace=nanosleep,clock_nanosleep"];
    let trace = |options: &[&str]| {
        let run = place.tracer(&chosen).args(options);
        let run = run.args(&["-d", &duration(1000), "-p", &target.pid_text()]);
        run.run().success().stdout
    };
    let is_whole = |frames: &Vec<&str>| {
        let path = ["pause_for", "nap", "sleeping", "main"];
        frames.windows(4).any(|part| part == path) && frames.last() == Some(&"_start")
    };
    // The first line may be of a call that was under way.
    let all = trace(&["-k"]);
    let stacks = stacks_of_calls(&all);
    assert!(stacks.len() > 4, "{all}");
    assert!(stacks[1..stacks.len() - 1].iter().all(is_whole), "{all}");
    let slowest = trace(&["--slowest", "3"]);
    let stacks = stacks_of_calls(&slowest);
    assert_eq!(stacks.len(), 3, "{slowest}");
    assert!(
        stacks.iter().filter(|s| is_whole(s)).count() >= 2,
        "{slowest}"
    );
    let pointers = trace(&["-k", "--stacks", "fp"]);
    let stacks = stacks_of_calls(&pointers);
    assert!(
        stacks.len() > 4 && !stacks.iter().any(is_whole),
        "{pointers}"
    );
}

#[test]
fn a_launched_program_has_its_tables_after_its_first_calls() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let fixture = place.fixture("c/frameless");
    let script = format!("sleep 1 | '{}' sleep > /dev/null", fixture.display());
    let run = place
        .tracer(&[
            "strace",
            "-f",
            "-k",
            "-e",
            "trace=nanosleep,clock_nanosleep",
        ])
        .launching("/bin/sh", &["-c", &script])
        .run()
        .success();
    let mut stacks = stacks_of_calls(&run.stdout);
    stacks.retain(|frames| frames.contains(&"pause_for"));
    assert!(stacks.len() > 20, "{}", run.stdout);
    let whole = stacks.iter().filter(|frames| frames.contains(&"main"));
    assert!(whole.count() * 10 > stacks.len() * 6, "{}", run.stdout);
}
