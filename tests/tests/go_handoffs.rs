//! `tracer sched --go` on programs that lose known numbers of Ps in system calls.

use serde_json::Value;
use tracer_tests::{Place, Running, minor, place, until};

/// Goroutines of the fixture, and calls that each makes.
const GOROUTINES: u64 = 4;
const ROUNDS: u64 = 20;

fn run(place: &Place, release: &str, args: &[&str], format: &str) -> String {
    let (n, rounds) = (GOROUTINES.to_string(), ROUNDS.to_string());
    let args = [&["-n", &n, "-rounds", &rounds], args].concat();
    let mut target = Running::ready(&mut place.command(&format!("go/{release}/blocking"), &args));
    let pid = target.pid_text();
    let options = [
        "sched",
        "--go",
        "--max-overhead",
        "off",
        "--format",
        format,
        "-p",
        &pid,
    ];
    let tracer = place.tracer(&options).attach();
    target.proceed();
    until("the end", || {
        target.stdout().contains("\nrounds ").then_some(())
    });
    let _ = target.finish().success();
    tracer.finish().success().stdout
}

fn handoffs(place: &Place, release: &str, args: &[&str]) -> Value {
    let text = run(place, release, args, "json");
    let document: Value = serde_json::from_str(&text).expect("a document");
    document[0]["go"][0]["handoffs"].clone()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Of the places of a cause, how often it was that function.
fn of(handoffs: &Value, cause: &str, function: &str) -> u64 {
    let places = handoffs["places"].as_array().expect("places").iter();
    let wanted = places.filter(|p| p["cause"] == cause && p["function"] == function);
    wanted.map(|p| number(p, "count")).sum()
}

#[test]
fn calls_that_block_lose_their_ps() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let handoffs = handoffs(&place, &release, &[]);
        let all = GOROUTINES * ROUNDS;
        let retaken = number(&handoffs, "retaken");
        // The monitor may sleep through some, and other calls may last on a loaded machine.
        assert!(
            (all / 4..=all * 2).contains(&retaken),
            "{release}: {retaken} of {all}: {handoffs}"
        );
        let rate = handoffs["retaken_per_second"].as_f64().expect("a rate");
        assert!(rate > 0.0, "{release}: {handoffs}");
        let function = match minor(&release) {
            ..23 => "syscall.Syscall",
            _ => "main.reader",
        };
        let readers = of(&handoffs, "Retaken", function);
        assert!(readers >= all / 4, "{release}: {handoffs}");
        println!("{release}: {retaken} Ps taken in {all} calls, {readers} in {function}");
    }
}

#[test]
fn who_comes_back_to_no_p_is_told() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let handoffs = handoffs(&place, &release, &["-spin"]);
        let all = GOROUTINES * ROUNDS;
        let none = of(&handoffs, "NoProcessor", "main.reader");
        // Who waits for a P finds several bytes when it reads again, and does not block: how many
        // calls that leaves is for the scheduler to say.
        assert!((1..=all).contains(&none), "{release}: {handoffs}");
        assert!(none <= number(&handoffs, "no_processor"), "{release}");
    }
}

#[test]
fn without_system_calls_no_p_is_lost() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let handoffs = handoffs(&place, &release, &["-park"]);
        // Standard input is read before, and the line at the end is written.
        assert!(number(&handoffs, "retaken") <= 4, "{release}: {handoffs}");
        assert_eq!(of(&handoffs, "Retaken", "main.receiver"), 0, "{release}");
        assert_eq!(
            of(&handoffs, "NoProcessor", "main.receiver"),
            0,
            "{release}"
        );
    }
}

#[test]
fn the_text_says_how_often_and_where() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let text = run(&place, &release, &[], "text");
    assert!(
        text.contains("\nPs taken from threads in system calls "),
        "{text}"
    );
    assert!(text.contains(" main.reader main.go:"), "{text}");
    assert!(text.contains(" in syscall.read"), "{text}");
}
