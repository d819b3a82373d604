//! `tracer offcpu` and `tracer wall` on a program whose threads know their own times, and
//! `offcpu --goroutines` on goroutines of known number.

use serde_json::Value;
use tracer_tests::{Finished, Place, Running, number_after, place, until};

/// Attaches to the fixture, lets it do its work, and ends the tracer while the fixture waits for
/// its second line. Returns what the fixture said of itself, too.
fn at_work(place: &Place, args: &[&str]) -> (Finished, String) {
    let mut target = Running::ready(&mut place.command("c/waits", &[]));
    let pid = target.pid_text();
    let args = [args, &["--max-overhead", "off", "-d", "5m", "-p", &pid]].concat();
    let tracer = place.tracer(&args).attach();
    target.proceed();
    until("the work", || {
        target.stdout().contains("done\n").then_some(())
    });
    let said = target.stdout();
    let run = tracer.interrupt().success();
    drop(target);
    (run, said)
}

/// The three numbers of a thread: CPU time, and ns of its two kinds of waits.
fn own(said: &str, thread: &str) -> [u64; 3] {
    let line = said.lines().find(|l| l.starts_with(thread));
    let numbers = line.unwrap_or_else(|| panic!("no {thread} in\n{said}"));
    let mut numbers = numbers.split(' ').skip(1).map(|n| n.parse().expect("ns"));
    [(); 3].map(|()| numbers.next().expect("three numbers"))
}

fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    let line = |line: &'_ str| -> Option<(usize, u64)> {
        let (frames, value) = line.rsplit_once(' ')?;
        Some((frames.len(), value.parse().ok()?))
    };
    let lines = text.lines();
    lines
        .map(|text| {
            let (len, value) = line(text).unwrap_or_else(|| panic!("not folded: {text:?}"));
            (text[..len].split(';').collect(), value)
        })
        .collect()
}

/// µs of the stacks that have all of these frames.
fn with(text: &str, frames: &[&str]) -> u64 {
    let has = |stack: &[&str], frame: &str| {
        // As the format writes it.
        let frame = frame.replace(' ', "_");
        stack.iter().any(|f| f.split('/').next() == Some(&frame))
    };
    folded(text)
        .iter()
        .filter(|(stack, _)| frames.iter().all(|frame| has(stack, frame)))
        .map(|(_, value)| value)
        .sum()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

fn report(place: &Place, args: &[&str]) -> String {
    place.tracer(args).run().success().stdout
}

#[test]
fn waits_that_the_run_cuts_off_count() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let (_, said) = at_work(&place, &["record", "-k", "offcpu", "-o", &file]);
    let profile = json(&report(
        &place,
        &["report", "offcpu", "--format", "json", &file],
    ));
    let number = |of: &str| profile[of].as_u64().expect("a number");
    // The first thread and "parked", at least: a thread that has ended is off the CPU no more.
    assert!(number("open") >= 2, "{}", number("open"));
    // They and the four others were waiting when the tracer came.
    assert!(number("before_run") >= 6, "{}", number("before_run"));
    let threads = report(
        &place,
        &["report", "offcpu", "--threads", "--format", "folded", &file],
    );
    let duration_us = profile["run"]["duration_ns"].as_u64().expect("ns") / 1000;
    let parked = with(&threads, &["parked", "[since before the run]"]);
    assert!(
        parked.abs_diff(duration_us) <= duration_us / 50,
        "{parked} µs of {duration_us}\n{threads}"
    );
    for (function, measured) in [
        ("nap", own(&said, "napper")[1]),
        ("doze", own(&said, "napper")[2]),
    ] {
        let us = with(&threads, &["napper", function]);
        let least = if function == "nap" { 280_000 } else { 25_000 };
        assert!(us >= least, "{function}: {us} µs\n{threads}");
        assert!(
            us <= measured / 1000,
            "{function}: {us} µs of {measured} ns"
        );
    }
    let text = report(&place, &["report", "offcpu", &file]);
    assert!(
        text.contains("still open at the end, and count until then"),
        "{text}"
    );
    assert!(
        text.contains(" before the run, and count from then on"),
        "{text}"
    );
    let states = report(
        &place,
        &["report", "offcpu", "--states", "--format", "folded", &file],
    );
    let asleep = with(&states, &["[interruptible]", "nap"]);
    assert!(asleep >= 280_000, "{asleep} µs\n{states}");
    assert_eq!(with(&states, &["[preempted]", "nap"]), 0, "{states}");
}

#[test]
fn only_waits_of_some_length_are_shown() {
    let Some(place) = place(true) else { return };
    let args = ["offcpu", "--format", "folded", "--min-block", "5ms"];
    let (run, said) = at_work(&place, &args);
    assert!(with(&run.stdout, &["nap"]) >= 280_000, "{}", run.stdout);
    let dozed = own(&said, "napper")[2] / 1000;
    let long = with(&run.stdout, &["doze"]);
    assert!(
        long < dozed.max(10_000),
        "{long} µs of {dozed}\n{}",
        run.stdout
    );
    let args = ["offcpu", "--format", "folded", "--max-block", "5ms"];
    let (run, _) = at_work(&place, &args);
    assert_eq!(with(&run.stdout, &["nap"]), 0, "{}", run.stdout);
    assert_eq!(with(&run.stdout, &["parked"]), 0, "{}", run.stdout);
    assert!(with(&run.stdout, &["doze"]) >= 15_000, "{}", run.stdout);
}

#[test]
fn wakers_are_those_who_wake() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.svg");
    let args = ["offcpu", "--format", "folded", "--wakers"];
    let (run, said) = at_work(&place, &args);
    let waited = own(&said, "woken")[1] / 1000;
    let stacks = &run.stdout;
    let woken = with(stacks, &["wait_for_waker", "[woken by]", "wake", "waker"]);
    assert!(
        woken >= 200_000 && woken <= waited,
        "{woken} µs of {waited}\n{stacks}"
    );
    // No other thread writes into that pipe.
    let otherwise = with(stacks, &["wait_for_waker", "[woken by]"]) - woken;
    assert_eq!(otherwise, 0, "{stacks}");
    // Sleepers are woken by a timer, in an interrupt, whatever that interrupts.
    let timer = with(stacks, &["nap", "[woken by]", "[interrupt]"]);
    assert!(timer >= 250_000, "{timer} µs\n{stacks}");
    let (run, _) = at_work(&place, &["offcpu", "--wakers"]);
    let block = run
        .stdout
        .split("\n\n")
        .find(|b| b.contains("    wait_for_waker (") && b.contains("\n  woken by\n"));
    let block = block.unwrap_or_else(|| panic!("none in\n{}", run.stdout));
    let (wait, waker) = block.split_once("\n  woken by\n").expect("just seen");
    assert!(wait.contains("wait_for_waker (waits)"), "{block}");
    assert!(
        waker.contains("wake (waits)") && waker.contains("thread waker/"),
        "{block}"
    );
    let (_, _) = at_work(&place, &["offcpu", "--wakers", "-o", &file]);
    let svg = std::fs::read_to_string(&file).expect("a picture");
    assert!(svg.contains("[woken_by]"), "no wakers in the picture");
}

/// Both ends of a wait are those of times on the CPU, too; only what a CPU does in the moment in
/// which measuring ends may be missing.
#[track_caller]
fn assert_near(what: &str, found: u64, expected: u64) {
    let tolerance = expected / 1000 + 20_000;
    assert!(
        found.abs_diff(expected) <= tolerance,
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn there_is_no_table_of_waits_by_cpu() {
    let Some(place) = place(false) else { return };
    for command in ["offcpu", "wall"] {
        let run = place.tracer(&[command, "--by", "cpu", "-p", "1"]).run();
        assert_eq!(run.status.code(), Some(2), "{}", run.stderr);
        assert!(
            run.stderr.contains("--by thread and function"),
            "{}",
            run.stderr
        );
    }
    let args = ["offcpu", "--goroutines", "--by", "thread", "-p", "1"];
    assert_eq!(place.tracer(&args).run().status.code(), Some(2));
}

fn sum(time: &Value) -> u64 {
    let of = |key: &str| time[key].as_u64().expect("ns");
    of("on_cpu_ns") + of("runnable_ns") + of("blocked_ns")
}

#[test]
fn all_time_of_all_threads_is_accounted_for() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let (_, said) = at_work(&place, &["record", "-k", "wall", "-F", "733", "-o", &file]);
    let profile = json(&report(
        &place,
        &["report", "wall", "--format", "json", &file],
    ));
    let threads = profile["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), 6, "{profile}");
    let elapsed = profile["elapsed_ns"].as_u64().expect("ns");
    assert_near("all threads", sum(&profile["accounted"]), elapsed);
    let duration = profile["run"]["duration_ns"].as_u64().expect("ns");
    for thread in threads {
        let (comm, own_elapsed) = (&thread["comm"], thread["elapsed_ns"].as_u64());
        let own_elapsed = own_elapsed.expect("ns");
        assert_near(&comm.to_string(), sum(thread), own_elapsed);
        let lives = comm == "parked" || comm == "waits";
        if lives {
            assert_near("a thread that lives on", own_elapsed, duration);
        }
        assert!(own_elapsed <= duration, "{thread}");
    }
    let of = |name: &str| {
        threads
            .iter()
            .find(|t| t["comm"] == name)
            .expect("it is there")
    };
    for name in ["burner", "napper", "woken", "waker"] {
        let cpu = of(name)["on_cpu_ns"].as_u64().expect("ns");
        let measured = own(&said, name)[0];
        // The way from one thread to the next is told of either, and a thread's own clock runs from
        // behind its beginning to before its end.
        assert!(
            cpu.abs_diff(measured) <= measured / 20 + 1_000_000,
            "{name}: {cpu} ns, by its own clock {measured}"
        );
    }
    let total = profile["tree"]["nodes"].as_array().expect("nodes");
    let total: u64 = total.iter().filter_map(|n| n["self"].as_u64()).sum();
    assert_eq!(total, sum(&profile["accounted"]), "the tree has all of it");
    let stacks = report(&place, &["report", "wall", "--format", "folded", &file]);
    let burnt = with(&stacks, &["burn", "[on CPU]"]);
    let cpu = of("burner")["on_cpu_ns"].as_u64().expect("ns") / 1000;
    // Each line is rounded.
    let most = cpu + stacks.lines().count() as u64;
    assert!(
        burnt >= cpu * 9 / 10 && burnt <= most,
        "{burnt} µs of {cpu}\n{stacks}"
    );
    assert!(with(&stacks, &["nap", "[blocked]"]) >= 280_000, "{stacks}");
    let text = report(&place, &["report", "wall", &file]);
    assert!(text.starts_with("threads 6, elapsed "), "{text}");
    let svg = report(&place, &["report", "wall", "--format", "svg", &file]);
    assert!(
        svg.contains("burn") && svg.contains("accounted"),
        "not in the picture"
    );
}

#[test]
fn threads_that_come_and_go_add_up() {
    let Some(place) = place(true) else { return };
    let program = place.fixture("c/threads_in_turn");
    let args = ["wall", "--max-overhead", "off", "--format", "json", "-o"];
    let file = place.path("a.json");
    let run = place.tracer(&args).args(&[&file]).launching(program, &[]);
    let _ = run.run().success();
    let profile = json(&std::fs::read_to_string(&file).expect("written"));
    assert_eq!(
        profile["threads"].as_array().map(Vec::len),
        Some(6),
        "{profile}"
    );
    let elapsed = profile["elapsed_ns"].as_u64().expect("ns");
    // The threads last some 20 ms each.
    let accounted = sum(&profile["accounted"]);
    assert!(
        accounted.abs_diff(elapsed) <= elapsed / 50,
        "{accounted} of {elapsed}\n{profile}"
    );
}

#[test]
fn idle_threads_of_every_go_release_are_one_row() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/sleeper");
        let mut target = Running::ready(&mut place.command(&name, &["-n", "10"]));
        let pid = target.pid_text();
        let args = [
            "wall",
            "--max-overhead",
            "off",
            "--format",
            "json",
            "-p",
            &pid,
        ];
        let tracer = place.tracer(&args).attach();
        target.proceed();
        until("the end", || {
            target.stdout().contains("main.waitReceive").then_some(())
        });
        drop(target.finish().success());
        let profile = json(&tracer.finish().success().stdout);
        let elapsed = profile["elapsed_ns"].as_u64().expect("ns");
        let accounted = sum(&profile["accounted"]);
        assert!(
            accounted.abs_diff(elapsed) <= elapsed / 50,
            "{name}: {accounted} of {elapsed}"
        );
        assert!(
            profile["idle_ns"].as_u64().expect("ns") > elapsed / 4,
            "{name}: {profile}"
        );
        let frames = profile["tree"]["frames"].as_array().expect("frames");
        let idle = frames.iter().filter(|f| f["name"] == "[idle Go thread]");
        assert_eq!(idle.count(), 1, "{name}");
        let raw = profile["functions"].as_array().expect("rows");
        let raw = raw.iter().find(|f| f["name"] == "main.rawSleep");
        let raw = raw.unwrap_or_else(|| panic!("{name}: {profile}"));
        let slept = raw["total_ns"].as_u64().expect("ns");
        assert!(slept >= 8 * 20_000_000, "{name}: {slept} ns");
    }
}

/// A profile of goroutines as JSON, and the stacks with an innermost function in it.
struct GoroutineProfile(Value);

impl GoroutineProfile {
    fn stack(&self, function: &str) -> &Value {
        let profile = &self.0;
        let frames = profile["tree"]["frames"].as_array().expect("frames");
        let nodes = profile["tree"]["nodes"].as_array().expect("nodes");
        let name_of = |node: &Value| {
            let node = &nodes[node.as_u64().expect("an index") as usize];
            &frames[node["frame"].as_u64().expect("an index") as usize]["name"]
        };
        let stacks = profile["stacks"].as_array().expect("stacks");
        let found = stacks.iter().find(|s| name_of(&s["node"]) == function);
        found.unwrap_or_else(|| panic!("no {function} in {profile}"))
    }

    fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().expect("a number")
    }
}

#[test]
fn goroutines_that_stand_still_are_counted_exactly() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/goroutines");
        let target = Running::ready(&mut place.command(&name, &["-n", "20"]));
        let pid = target.pid_text();
        let args = ["offcpu", "--goroutines", "-d", "300ms", "-p", &pid];
        for options in [&[][..], &["--every", "10ms"]] {
            let profile = place.tracer(&args).args(&["--format", "json"]);
            let profile = profile.args(options).run().success();
            let profile = GoroutineProfile(json(&profile.stdout));
            let duration = profile.number("duration_ns");
            let measured = options.is_empty();
            let looks = profile.number("looks");
            assert!(if measured { looks == 0 } else { looks >= 2 }, "{looks}");
            for (function, reason) in [
                ("main.inReceive", "chan receive"),
                ("main.inSend", "chan send"),
            ] {
                let stack = profile.stack(function);
                assert_eq!(stack["reason"], reason);
                assert_eq!(stack["open"], 20);
                let time = stack["time_ns"].as_u64().expect("ns");
                assert!(
                    time.abs_diff(20 * duration) <= 20,
                    "{name}: {time} of {duration}"
                );
                if measured {
                    assert_eq!(
                        (&stack["waits"], &stack["max_ns"]),
                        (&20.into(), &duration.into())
                    );
                }
            }
        }
        let text = place.tracer(&args).run().success().stdout;
        assert!(text.contains(" goroutines waited on average in "), "{text}");
        assert!(
            text.contains("[chan receive], 20.0 goroutines on average in 20 waits, longest "),
            "{text}"
        );
        assert!(text.contains("\n    main.inReceive\n"), "{text}");
        let text = place.tracer(&args).args(&["--every", "10ms"]).run();
        let text = text.success().stdout;
        assert!(text.contains(" goroutines on average in "), "{text}");
        assert!(
            text.contains("[chan receive], 20.0 goroutines on average, 20 at the end"),
            "{text}"
        );
        let text = place.tracer(&args).args(&["--by", "creator"]).run();
        let text = text.success().stdout;
        // The first waits for the end of stdin.
        for (creator, share) in [("main.main", "99.6%"), ("[main goroutine]", "0.4%")] {
            let row = text
                .lines()
                .find(|line| line.ends_with(&format!("  {creator}")));
            let row = row.unwrap_or_else(|| panic!("no {creator} in\n{text}"));
            assert!(row.contains(share), "{row}");
        }
        drop(target);
    }
}

#[test]
fn each_wait_of_a_goroutine_is_measured() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/sleeper");
        let mut target = Running::ready(&mut place.command(&name, &["-n", "1", "-sleepers", "50"]));
        let pid = target.pid_text();
        let args = ["offcpu", "--goroutines", "--max-overhead", "off"];
        let tracer = place.tracer(&args).args(&["--format", "json", "-p", &pid]);
        let tracer = tracer.attach();
        target.proceed();
        until("the end", || {
            target.stdout().contains("main.waitReceive").then_some(())
        });
        let said = target.finish().success().stdout;
        let run = tracer.finish().success();
        let profile = GoroutineProfile(json(&run.stdout));
        assert_eq!(profile.number("looks"), 0, "{}", run.stderr);
        for (function, inner, reason) in [
            ("main.timedSleep", "time.Sleep", "sleep"),
            ("main.waitReceive", "main.waitReceive", "chan receive"),
        ] {
            let measured = number_after(&said, &format!("{function} 50 ")).expect("its own time");
            let stack = profile.stack(inner);
            assert_eq!(
                (&stack["reason"], &stack["waits"]),
                (&reason.into(), &50.into())
            );
            let time = stack["time_ns"].as_u64().expect("ns");
            // What it measures itself has the calls around the wait in it, too.
            assert!(
                time <= measured && measured - time <= measured / 50,
                "{name}: {function}: {time} ns of {measured}"
            );
        }
    }
}

#[test]
fn goroutines_that_wait_too_often_are_looked_at() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let program = format!("go/{release}/pingpong");
    let target = Running::ready(&mut place.command(&program, &["-n", "1000000000"]));
    let pid = target.pid_text();
    let args = [
        "offcpu",
        "--goroutines",
        "-d",
        "2s",
        "-p",
        &pid,
        "--format",
        "json",
    ];
    let run = place.tracer(&args).run().success();
    assert!(
        run.stderr.contains("; goroutines are looked at every 10"),
        "{}",
        run.stderr
    );
    let profile = GoroutineProfile(json(&run.stdout));
    assert!(profile.number("looks") > 2, "{}", run.stdout);
}

#[test]
fn goroutines_wait_as_long_as_they_say() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/sleeper");
        let mut target = Running::ready(&mut place.command(&name, &["-n", "1", "-sleepers", "50"]));
        let pid = target.pid_text();
        let args = [
            "offcpu",
            "--goroutines",
            "--every",
            "1ms",
            "--format",
            "folded",
            "-p",
            &pid,
        ];
        let tracer = place.tracer(&args).attach();
        target.proceed();
        until("the end", || {
            target.stdout().contains("main.waitReceive").then_some(())
        });
        let said = target.finish().success().stdout;
        let run = tracer.finish().success();
        for (function, reason) in [
            ("main.timedSleep", "[sleep]"),
            ("main.waitReceive", "[chan_receive]"),
        ] {
            let measured = number_after(&said, &format!("{function} 50 ")).expect("its own time");
            let us = with(&run.stdout, &[reason, function]);
            // Looks are late when the machine is busy.
            let measured = measured / 1000;
            assert!(
                us >= measured / 2 && us <= measured * 3 / 2,
                "{name}: {function}: {us} µs of {measured}\n{}",
                run.stdout
            );
        }
    }
}

#[test]
fn goroutines_need_one_go_program() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/sleeper", &[]));
    let pid = target.pid_text();
    let run = place.tracer(&["offcpu", "--goroutines", "-p", &pid]).run();
    assert_eq!(run.status.code(), Some(5), "{}", run.stderr);
    let run = place
        .tracer(&["offcpu", "--goroutines", "--", "true"])
        .run();
    assert_eq!(run.status.code(), Some(2), "{}", run.stderr);
}
