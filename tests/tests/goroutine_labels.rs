//! Profiler labels and running goroutines in `tracer goroutines`.

use std::collections::BTreeMap;

use serde_json::Value;
use tracer_tests::{Place, Running, number_after, place, until};

fn goroutines(place: &Place, target: &Running, args: &[&str]) -> String {
    let pid = target.pid_text();
    let args = [&["goroutines", "-p", &pid], args].concat();
    place.tracer(&args).run().success().stdout
}

#[test]
fn labels_are_those_of_the_program() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/labels");
        let target = Running::ready(&mut place.command(&name, &[]));
        let text = goroutines(&place, &target, &["--labels"]);
        let few = "[chan receive] {path: \"/a b\", user: 7}:\nmain.few()\n";
        assert_eq!(text.matches(few).count(), 2, "{name}: {text}");
        assert!(
            text.contains("[chan receive]:\nmain.none()\n"),
            "{name}: {text}"
        );
        let all: Vec<String> = (0..20).map(|i| format!("key{i:02}: {i}")).collect();
        let many = format!("[chan receive] {{{}}}:\nmain.many()\n", all.join(", "));
        assert!(text.contains(&many), "{name}: {text}");
        let summary = goroutines(&place, &target, &["--labels", "--summary"]);
        let group = "2 goroutines [chan receive] {path: \"/a b\", user: 7}:\nmain.few\n";
        assert!(summary.contains(group), "{name}: {summary}");
        let without = goroutines(&place, &target, &[]);
        assert!(!without.contains("user: 7"), "{name}: {without}");
        let json = goroutines(&place, &target, &["--labels", "--format", "json"]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let list = json["goroutines"].as_array().expect("goroutines");
        let labelled = list.iter().filter(|g| g["labels"]["user"] == "7").count();
        assert_eq!(labelled, 2, "{name}");
    }
}

/// First lines of a dump by the goroutine's id.
fn headers(dump: &str) -> BTreeMap<u64, String> {
    let parts = dump.split("\n\n").filter_map(|part| {
        let line = part.lines().find(|line| line.starts_with("goroutine "))?;
        Some((number_after(line, "goroutine ")?, line.to_owned()))
    });
    parts.collect()
}

#[test]
fn labels_are_written_as_go_1_27_writes_them() {
    let Some(place) = place(true) else { return };
    let releases = place.go_releases().into_iter();
    for release in releases.filter(|release| release.starts_with("1.27.")) {
        let mut command = place.command(&format!("go/{release}/labels"), &[]);
        let target = Running::ready(command.env("GODEBUG", "tracebacklabels=1"));
        let ours = headers(&goroutines(&place, &target, &["--labels"]));
        target.signal(libc::SIGUSR1);
        let theirs = until("the dump", || {
            let text = target.stderr();
            let end = text.rfind("\ndumped\n")?;
            Some(headers(&text[..end]))
        });
        let labelled = theirs.values().filter(|line| line.contains(": 7}"));
        assert_eq!(labelled.count(), 2, "{theirs:?}");
        for (id, line) in theirs.iter().filter(|(_, line)| line.contains('{')) {
            assert_eq!(ours.get(id), Some(line));
        }
    }
}

#[test]
fn those_that_run_are_seen_where_they_are() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/spinning");
        let mut command = place.command(&name, &[]);
        // One that copies is not preempted: each has its own P, also where there is one CPU.
        let target = Running::ready(command.env("GOMAXPROCS", "3"));
        // It may be preempted at the moment of a look.
        until("one that runs", || {
            let text = goroutines(&place, &target, &[]);
            let running = text.split("\n\n").filter(|g| g.contains("[running"));
            let spins = |g: &&str| g.contains("]:\nmain.spin(") && g.contains("\nmain.outer(");
            running.clone().find(spins).map(|_| ())
        });
        until("one in assembly", || {
            let text = goroutines(&place, &target, &[]);
            let mut running = text.split("\n\n").filter(|g| g.contains("[running"));
            running.find(|g| g.contains("]:\nmain.copies(")).map(|_| ())
        });
    }
}
