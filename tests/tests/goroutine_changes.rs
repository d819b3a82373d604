//! `tracer goroutines --diff` and `--leaks` on programs that tell what they do.

use serde_json::Value;
use tracer_tests::{Place, Running, duration, number_after, one_line, place, until};

fn goroutines(place: &Place, target: &Running, args: &[&str]) -> String {
    let pid = target.pid_text();
    let args = [&["goroutines", "-p", &pid], args].concat();
    place.tracer(&args).run().success().stdout
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

/// The runtime's own dump, saved in a file.
fn own_dump(place: &Place, target: &Running, name: &str) -> String {
    target.signal(libc::SIGUSR1);
    let text = until("the dump", || {
        let text = target.stderr();
        text.contains("\ndumped\n").then_some(text)
    });
    let file = place.path(name);
    std::fs::write(&file, text).expect("the test's own directory");
    file
}

/// Groups that changed, whatever the dump was made by.
fn changed(diff: &Value) -> Vec<&Value> {
    let groups = diff["groups"].as_array().expect("groups");
    let is_changed = |g: &&&Value| g["change"] != 0 || g["stayed"] != g["after"];
    groups.iter().filter(|g| is_changed(&g)).collect()
}

#[test]
fn dumps_of_one_moment_do_not_differ_whoever_made_them() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/goroutines");
        let target = Running::ready(&mut place.command(&name, &["-n", "10"]));
        let (text, json) = (place.path("ours.txt"), place.path("ours.json"));
        for file in [&text, &json] {
            goroutines(&place, &target, &["-o", file, "--force"]);
        }
        let own = own_dump(&place, &target, "own.txt");
        for (before, after) in [(&text, &json), (&json, &text), (&own, &text), (&own, &json)] {
            let args = ["goroutines", "--diff", before, after, "--format", "json"];
            let diff = document(&place.tracer(&args).run().success().stdout);
            assert_eq!(diff["same_process"], true, "{name}");
            let others: Vec<String> = changed(&diff)
                .iter()
                .map(|g| g.to_string())
                // Who prints the dump runs while it does, and who passes the signal on, too.
                .filter(|g| !g.contains("main.dumper") && !g.contains("os/signal"))
                .collect();
            assert_eq!(others, Vec::<String>::new(), "{name}: {before} {after}");
        }
        let now = goroutines(&place, &target, &["--diff", &text]);
        assert!(now.contains("0 of "), "{name}: {now}");
    }
}

#[test]
fn growth_is_told_with_who_stayed() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/leaks");
        let mut target = Running::ready(&mut place.command(&name, &["-leak", "100"]));
        let before = own_dump(&place, &target, "before.txt");
        let forgotten = |text: &str| {
            let groups = text
                .split("\n\n")
                .filter(|g| g.contains("\nmain.forgotten\n"));
            groups.map(str::to_owned).collect::<Vec<_>>()
        };
        until("growth", || {
            let diff = goroutines(&place, &target, &["--diff", &before]);
            let group = forgotten(&diff).pop()?;
            let first = group.lines().next()?;
            let growth = number_after(first, "+")?;
            let was = number_after(first, "[chan send]: ")?;
            assert!(
                first.contains(&format!("; {was} stayed, {growth} came, 0 left")),
                "{first}"
            );
            assert!(group.contains("\ncreated by main.forget\n"), "{group}");
            (growth >= 20).then_some(())
        });
        target.close_stdin();
    }
}

#[test]
fn what_is_forgotten_leaks() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/leaks");
        let target = Running::ready(&mut place.command(&name, &["-leak", "50"]));
        let text = goroutines(
            &place,
            &target,
            &["--leaks", "-d", &duration(3000), "--format", "json"],
        );
        let report = document(&text);
        let suspects = report["suspects"].as_array().expect("suspects");
        let leaks = suspects.iter().filter(|s| s["confidence"] != "low");
        let leaks: Vec<&Value> = leaks.collect();
        let [leak] = leaks[..] else {
            panic!("{name}: {report:#}");
        };
        assert_eq!(leak["confidence"], "high", "{name}: {leak:#}");
        assert_eq!(leak["first"]["frames"][0]["function"], "main.forgotten");
        assert_eq!(leak["first"]["created_by"]["function"], "main.forget");
        assert_eq!(leak["first"]["wait_reason"], "chan send");
        assert_eq!((&leak["left"], &leak["ran"]), (&0.into(), &0.into()));
        let counts = leak["counts"].as_array().expect("counts");
        let count = |at: usize| counts[at].as_u64().expect("a number");
        let growth = count(counts.len() - 1) - count(0);
        assert_eq!(leak["growth"], growth);
        let finished = target.finish().success();
        let all = number_after(&finished.stdout, "forgotten ").expect("the truth");
        assert!(count(counts.len() - 1) <= all, "{name}: {all} {counts:?}");
        assert!(growth >= 20, "{name}: {growth}");
    }
}

#[test]
fn a_busy_program_does_not_leak() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/leaks");
        let target = Running::ready(&mut place.command(&name, &[]));
        let text = goroutines(&place, &target, &["--leaks", "-d", &duration(3000)]);
        assert!(text.starts_with("no leak seen: "), "{name}: {text}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let Some(place) = place(false) else { return };
    let file = |name: &str, text: &str| {
        let path = place.path(name);
        std::fs::write(&path, text).expect("the test's own directory");
        path
    };
    let dump = file(
        "dump.txt",
        "goroutine 1 [running]:\nmain.main()\n\t/m.go:1\n",
    );
    let profile = file("profile.txt", "goroutine profile: total 3\n");
    let nothing = file("nothing.txt", "no dump\n");
    for (args, code, why) in [
        (vec![&*dump], 2, "--diff takes two dumps, or one and -p PID"),
        (
            vec![&dump, &dump, "-p", "1"],
            2,
            "--diff with -p takes one dump",
        ),
        (
            vec![&dump, &profile],
            6,
            "profile.txt is a goroutine profile",
        ),
        (
            vec![&nothing, &dump],
            6,
            "nothing.txt holds no goroutine as Go prints it",
        ),
        (
            vec!["/nonexistent", &dump],
            6,
            "/nonexistent cannot be opened",
        ),
    ] {
        let run = place
            .tracer(&[&["goroutines", "--diff"], &args[..]].concat())
            .run();
        let line = one_line(&run, code);
        assert!(line.contains(why), "{line}");
    }
    let same = place.tracer(&["goroutines", "--diff", &dump, &dump]).run();
    assert_eq!(
        same.success().stdout,
        "1 goroutine before, 1 after (+0); 0 of 1 group changed\n"
    );
}
