//! `tracer goroutines` against the runtime's own dump of the same moment, on every Go release.

use std::collections::BTreeMap;

use serde_json::Value;
use tracer_tests::{Place, Running, minor, number_after, one_line, place, until};

/// Goroutines of a dump by their id: the rest of the text.
fn goroutines(dump: &str) -> BTreeMap<u64, String> {
    let parts = dump.split("\n\n").filter_map(|part| {
        let id = number_after(part.lines().next()?, "goroutine ")?;
        let text = part.split_once(" [")?.1;
        Some((id, text.trim_end().to_owned()))
    });
    parts.collect()
}

/// Whether a goroutine stands still while the runtime is asked for its dump: not the one that makes
/// it, nor the one that passes the signal on.
fn stands_still(text: &str) -> bool {
    !text.contains("main.dumper(") && !text.contains("os/signal.")
}

/// The runtime's dump of those that stand still.
fn own_dump(target: &Running) -> BTreeMap<u64, String> {
    target.signal(libc::SIGUSR1);
    let text = until("the dump", || {
        let text = target.stderr();
        text.contains("\ndumped\n").then_some(text)
    });
    let text = text.rsplit_once("\ndumped\n").expect("it is there").0;
    let mut all = goroutines(text);
    all.retain(|_, text| stands_still(text));
    all
}

fn our_dump(place: &Place, target: &Running, args: &[&str]) -> String {
    let pid = target.pid_text();
    let args = [&["goroutines", "-p", &pid], args].concat();
    place.tracer(&args).run().success().stdout
}

#[test]
fn dumps_are_those_of_the_runtime() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "goroutines") {
            let name = format!("go/{release}/goroutines{build}");
            let target = Running::ready(&mut place.command(&name, &["-n", "20"]));
            let mut ours = goroutines(&our_dump(&place, &target, &[]));
            ours.retain(|_, text| stands_still(text));
            let theirs = own_dump(&target);
            for (id, text) in &theirs {
                assert_eq!(ours.get(id), Some(text), "{name}, goroutine {id}");
            }
            assert_eq!(ours.len(), theirs.len(), "{name}");
            // 11 kinds of 20, 7 single ones, main, and who waits for the end of stdin and signals.
            assert!(ours.len() >= 11 * 20 + 8, "{name}: {}", ours.len());
        }
    }
}

#[test]
fn equal_goroutines_are_put_together() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/goroutines");
        let target = Running::ready(&mut place.command(&name, &["-n", "30"]));
        let text = our_dump(&place, &target, &["--summary"]);
        for what in [
            "30 goroutines [chan receive]:\nmain.inReceive\n",
            "30 goroutines [chan send]:\nmain.inSend\n",
            "30 goroutines [sleep]:\ntime.Sleep\n",
            // One of those that read a pipe waits for the poller, the others for their turn.
            "1 goroutine [IO wait]:\ninternal/poll.runtime_pollWait\n",
            "1 goroutine [chan receive, locked to thread]:\nmain.inLocked\n",
        ] {
            assert!(text.contains(what), "{name}: no {what:?} in\n{text}");
        }
        let document = our_dump(&place, &target, &["--summary", "--format", "json"]);
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let groups = document["groups"].as_array().expect("groups");
        let counts = groups.iter().filter_map(|g| g["count"].as_u64());
        let total = number_after(&text, "").expect("the number of goroutines");
        assert_eq!(counts.sum::<u64>(), total, "{name}");
        assert_eq!(document["go_version"], format!("go{release}"));
    }
}

#[test]
fn json_has_the_same_frames() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/goroutines");
        let target = Running::ready(&mut place.command(&name, &[]));
        let document = our_dump(&place, &target, &["--format", "json", "--system"]);
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let all = document["goroutines"].as_array().expect("goroutines");
        let of = |function: &str| {
            let has = |g: &&Value| {
                let frames = g["frames"].as_array().expect("frames");
                frames.iter().any(|f| f["function"] == function)
            };
            all.iter().find(has).unwrap_or_else(|| panic!("{function}"))
        };
        let locked = of("main.inLocked");
        assert_eq!(locked["locked_to_thread"], true);
        assert_eq!(locked["wait_reason"], "chan receive");
        assert_eq!(locked["created_by"]["function"], "main.main");
        let parent = (minor(&release) >= 21).then_some(1);
        assert_eq!(locked["created_by"]["goroutine"].as_u64(), parent, "{name}");
        let arguments = of("main.inArguments");
        let text = arguments["frames"][0]["arguments"].as_str();
        assert!(text.is_some_and(|t| t.starts_with("0x7")), "{arguments}");
        assert!(all.iter().any(|g| g["system"] == true), "{name}");
    }
}

#[test]
fn what_is_no_go_program_is_refused() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/sleeper", &[]));
    let run = place
        .tracer(&["goroutines", "-p", &target.pid_text()])
        .run();
    let line = one_line(&run, 5);
    assert!(
        line.contains("is not a Go program that can be read"),
        "{line}"
    );
    let run = place.tracer(&["goroutines", "-p", "4194305"]).run();
    one_line(&run, 4);
}
