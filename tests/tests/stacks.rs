//! `tracer profile` and `tracer offcpu` on programs that know their own shares and times.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tracer_tests::{Finished, Place, Running, duration, is_emulated, number_after, place, until};

/// Samples of each stack of folded text, root first.
fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    let stack = |line| -> Option<(Vec<&str>, u64)> {
        let (frames, count) = str::rsplit_once(line, ' ')?;
        Some((frames.split(';').collect(), count.parse().ok()?))
    };
    text.lines()
        .map(|line| stack(line).unwrap_or_else(|| panic!("not folded: {line:?}")))
        .collect()
}

fn total(text: &str) -> u64 {
    folded(text).iter().map(|(_, n)| n).sum()
}

/// The share in percent of all samples that have each function in their stack.
fn shares(text: &str, functions: &[&'static str]) -> BTreeMap<&'static str, f64> {
    let stacks = folded(text);
    let total: u64 = stacks.iter().map(|(_, n)| n).sum();
    assert!(total > 100, "only {total} samples:\n{text}");
    let share = |function: &str| {
        let has = |frame: &&str| frame.split('+').next() == Some(function);
        let with = stacks.iter().filter(|(frames, _)| frames.iter().any(has));
        with.map(|(_, n)| n).sum::<u64>() as f64 * 100.0 / total as f64
    };
    functions.iter().map(|&f| (f, share(f))).collect()
}

/// Percentage points by which a share may be off. On an emulated machine timer interrupts come late
/// and together when the host is busy.
fn tolerance() -> f64 {
    if is_emulated() { 15.0 } else { 6.0 }
}

fn assert_split(text: &str, functions: [&'static str; 3]) {
    let shares = shares(text, &functions);
    for (function, expected) in functions.into_iter().zip([60.0, 30.0, 10.0]) {
        let share = shares[function];
        assert!(
            (share - expected).abs() <= tolerance(),
            "{function}: {share:.1} %\n{text}"
        );
    }
}

/// Not near a multiple of the fixtures' 100 turns a second: samples would fall on the same places
/// of a turn, turn after turn.
const SAMPLES_PER_SECOND: &str = "733";

const C_FUNCTIONS: [&str; 3] = ["burn_sixty", "burn_thirty", "burn_ten"];
const GO_FUNCTIONS: [&str; 3] = ["main.burnSixty", "main.burnThirty", "main.burnTen"];

/// Profiles a fixture that burns CPU for a while.
fn profile(place: &Place, target: &mut Command, options: &[&str]) -> Finished {
    let target = Running::ready(target);
    let run = place
        .tracer(&[
            "profile",
            "--max-overhead",
            "off",
            "-F",
            SAMPLES_PER_SECOND,
            "-d",
            &duration(1000),
            "-p",
            &target.pid_text(),
        ])
        .args(options)
        .run()
        .success();
    drop(target);
    run
}

#[test]
fn c_functions_have_their_shares() {
    let Some(place) = place(true) else { return };
    let mut target = place.command("c/cpu_split", &["30"]);
    let run = profile(&place, &mut target, &["--format", "folded"]);
    assert_split(&run.stdout, C_FUNCTIONS);
    let main = shares(&run.stdout, &["main"])["main"];
    assert!(main > 95.0, "callers are there: {main:.1} % below main");
}

#[test]
fn go_functions_of_every_release_have_their_shares() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let mut target = place.command(&format!("go/{release}/cpusplit"), &["-d", "30s"]);
        let run = profile(&place, &mut target, &["--format", "folded"]);
        assert_split(&run.stdout, GO_FUNCTIONS);
    }
}

#[test]
fn go_programs_after_strip_1_have_their_shares() {
    let Some(place) = place(true) else { return };
    let stripped = place.path("stripped");
    for release in place.go_releases() {
        let source = place.fixture(&format!("go/{release}/cpusplit"));
        let status = Command::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(&source)
            .status();
        assert!(
            status.is_ok_and(|s| s.success()),
            "strip {}",
            source.display()
        );
        let mut target = Command::new(&stripped);
        let run = profile(&place, target.args(["-d", "30s"]), &["--format", "folded"]);
        assert_split(&run.stdout, GO_FUNCTIONS);
    }
}

#[test]
fn go_programs_built_stripped_without_dwarf_or_as_pie_have_names() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "gcload") {
            let name = format!("go/{release}/gcload{build}");
            let mut target = place.command(&name, &["-d", "30s"]);
            let run = profile(&place, &mut target, &["--format", "folded", "--no-kernel"]);
            let shares = shares(&run.stdout, &["main.tree", "main.allocate"]);
            assert!(
                shares["main.tree"] > 20.0,
                "{name}: {shares:?}\n{}",
                run.stdout
            );
            assert!(shares["main.allocate"] > 20.0, "{name}: {shares:?}");
        }
    }
}

#[test]
fn every_format_tells_of_the_same_number_of_samples() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let target = Running::ready(&mut place.command("c/cpu_split", &["30"]));
    let run = place.tracer(&[
        "record",
        "-k",
        "profile",
        "--max-overhead",
        "off",
        "-F",
        SAMPLES_PER_SECOND,
        "-d",
        &duration(1000),
        "-o",
        &file,
    ]);
    let _ = run.args(&["-p", &target.pid_text()]).run().success();
    drop(target);
    let show = |format: &str| {
        let run = place.tracer(&["report", "profile", "--format", format, &file]);
        run.run().success().stdout
    };
    let samples = total(&show("folded"));
    assert!(samples > 100, "{samples} samples");
    let text = show("text");
    assert!(text.starts_with(&format!("{samples} samples ")), "{text}");
    let svg = show("svg");
    assert_well_formed(&svg);
    for function in C_FUNCTIONS {
        assert!(svg.contains(function), "{function} is not in the picture");
    }
    assert!(
        svg.replace(',', "")
            .contains(&format!("({samples} samples 100%)")),
        "the root has all"
    );
}

/// A small check of XML: tags nest, attributes are quoted, one root.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    let mut roots = 0;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let end_of = |mark: &str| rest.find(mark).map(|i| i + mark.len());
        let end = if rest.starts_with("<!--") {
            end_of("-->")
        } else if rest.starts_with("<![CDATA[") {
            end_of("]]>")
        } else {
            end_of(">")
        };
        let end = end.unwrap_or_else(|| panic!("not closed: {:.60}", rest));
        let tag = &rest[..end];
        rest = &rest[end..];
        if tag.starts_with("<?") || tag.starts_with("<!") {
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_matches(['<', '>', '/']).split_whitespace().next();
        let name = name.unwrap_or_else(|| panic!("no name: {tag}"));
        if tag.starts_with("</") {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with("/>") {
            roots += usize::from(open.is_empty());
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    assert_eq!(roots, 1);
}

#[test]
fn a_deleted_program_keeps_its_names() {
    let Some(place) = place(true) else { return };
    let copy = place.path("copy");
    for (fixture, args, functions) in [
        ("c/cpu_split".to_owned(), ["30", ""], C_FUNCTIONS),
        (
            format!("go/{}/cpusplit", place.go_releases()[0]),
            ["-d", "30s"],
            GO_FUNCTIONS,
        ),
    ] {
        std::fs::copy(place.fixture(&fixture), &copy).expect("a copy");
        let mut command = Command::new(&copy);
        let target = Running::ready(command.args(args.iter().filter(|a| !a.is_empty())));
        std::fs::remove_file(&copy).expect("removed");
        assert!(!Path::new(&copy).exists());
        let args = [
            "profile",
            "--max-overhead",
            "off",
            "-F",
            SAMPLES_PER_SECOND,
            "-d",
            &duration(1500),
            "--format",
            "folded",
            "-p",
        ];
        let run = place
            .tracer(&args)
            .args(&[&target.pid_text()])
            .run()
            .success();
        assert_split(&run.stdout, functions);
    }
}

/// Time blocked (µs) and waits of the stack with a function, from the JSON report.
fn blocked(folded_text: &str, function: &str) -> u64 {
    let has = |frames: &Vec<&str>| frames.contains(&function);
    folded(folded_text)
        .iter()
        .filter(|(f, _)| has(f))
        .map(|(_, n)| n)
        .sum()
}

#[test]
fn sleeps_are_all_seen_and_take_their_time() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let mut target = Running::ready(&mut place.command("c/sleeper", &["1"]));
    let args = [
        "record",
        "-k",
        "offcpu",
        "--max-overhead",
        "off",
        "-o",
        &file,
        "-p",
        &target.pid_text(),
    ];
    let tracer = place.tracer(&args).attach();
    target.proceed();
    let said = target.finish().success().stdout;
    let _ = tracer.finish().success();
    let show = |format: &str| {
        let run = place.tracer(&["report", "offcpu", "--format", format, &file]);
        run.run().success().stdout
    };
    let stacks = show("folded");
    let text = show("text");
    for (function, waits) in [("sleep_ten_ms", 100_u64), ("sleep_fifty_ms", 20)] {
        let measured = number_after(&said, &format!("{function} {waits} ")).expect("its own time");
        let micros = blocked(&stacks, function);
        assert!(
            (950_000..=1_300_000).contains(&micros),
            "{function}: {micros} µs\n{stacks}"
        );
        assert!(
            micros <= measured / 1000,
            "{function}: {micros} µs of {measured} ns"
        );
        let block = text.split("\n\n").find(|b| b.contains(function));
        let block = block.unwrap_or_else(|| panic!("no {function} in\n{text}"));
        let seen = block.split(" in ").nth(1).and_then(|rest| {
            let (count, rest) = rest.split_once(' ')?;
            rest.starts_with("wait").then(|| count.parse().ok())?
        });
        // A thread that is preempted on its way to sleep, until after its timer, never waits: it
        // was runnable all the time, and is shown so.
        let fewest: u64 = waits - 2;
        assert!(
            seen.is_some_and(|n: u64| (fewest..=waits).contains(&n)),
            "{function}: not {waits} waits:\n{block}"
        );
    }
}

#[test]
fn a_go_threads_raw_sleep_is_under_its_function() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/sleeper");
        let mut target = Running::ready(&mut place.command(&name, &["-n", "23"]));
        // All waits, at any cost: a busy machine can make it more than the budget.
        let exact = ["offcpu", "--max-overhead", "off"];
        let args = ["--format", "folded", "-p", &target.pid_text()];
        let tracer = place.tracer(&exact).args(&args).attach();
        target.proceed();
        until("the end", || {
            target.stdout().contains("main.waitReceive").then_some(())
        });
        let said = target.finish().success().stdout;
        let run = tracer.finish().success();
        let measured = number_after(&said, "main.rawSleep 23 ").expect("its own time") / 1000;
        let micros = blocked(&run.stdout, "main.rawSleep");
        // A thread that is preempted on its way to sleep, until after its timer, never waits.
        assert!(micros >= 20 * 19_500, "{name}: {micros} µs\n{}", run.stdout);
        assert!(
            micros <= measured,
            "{name}: {micros} µs of {measured}\n{}",
            run.stdout
        );
    }
}
