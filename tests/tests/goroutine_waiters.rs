//! `tracer goroutines --waiters` on a program that tells who waits for what.

use std::collections::BTreeSet;

use serde_json::Value;
use tracer_tests::{Place, Running, minor, place};

/// A line of the fixture.
#[derive(Debug)]
struct Truth {
    kind: String,
    /// Of a lock or channel; 0 of what has none.
    address: u64,
    /// As it stands there: an address of a connection.
    name: String,
    holder: u64,
    waiters: BTreeSet<u64>,
}

impl Truth {
    fn of(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, name, "holder", holder, "waiters", waiters @ ..] = &words[..] else {
            return None;
        };
        let address = name.strip_prefix("0x");
        let number = |text: &&str| text.parse().expect("an id");
        Some(Self {
            kind: (*kind).to_owned(),
            address: address.map_or(0, |a| u64::from_str_radix(a, 16).expect("hexadecimal")),
            name: (*name).to_owned(),
            holder: number(holder),
            waiters: waiters.iter().map(number).collect(),
        })
    }

    /// The kind and state that are shown, where they do not depend on chance.
    fn shown(&self) -> (&'static str, &'static str) {
        match &*self.kind {
            "rwmutex" => ("sync.RWMutex", "a writer waits for 1 reader"),
            "waitgroup" => ("sync.WaitGroup", "2 not done"),
            "once" => ("sync.Once", ""),
            "cond" => ("sync.Cond", ""),
            "full" => ("channel", "2 of 2 buffered"),
            "empty" | "chosen" => ("channel", "unbuffered"),
            "timer" => ("channel", "of 1 buffered"),
            "pipe" => ("descriptor lock", ""),
            "tcp" | "listener" => ("descriptor", ""),
            _ => ("sync.Mutex", "locked"),
        }
    }
}

fn waiters(place: &Place, target: &Running, args: &[&str]) -> String {
    let pid = target.pid_text();
    let args = [&["goroutines", "--waiters", "-p", &pid], args].concat();
    place.tracer(&args).run().success().stdout
}

fn ids(list: &Value) -> BTreeSet<u64> {
    let list = list.as_array().expect("a list");
    let ids = list
        .iter()
        .map(|one| one["goroutine"].as_u64().expect("an id"));
    ids.collect()
}

/// The program. Modules of old releases have timers that send to channels of their own kind only
/// when they are asked to (`asynctimerchan`, since Go 1.23).
fn ready(place: &Place, name: &str) -> Running {
    let mut command = place.command(name, &[]);
    Running::ready(command.env("GODEBUG", "asynctimerchan=0"))
}

/// The object that a line is about.
fn object<'a>(document: &'a Value, truth: &Truth) -> &'a Value {
    let objects = document["objects"].as_array().expect("objects");
    let is_it = |object: &&Value| match &*truth.kind {
        "pipe" => object["kind"] == "descriptor lock",
        "tcp" | "listener" => {
            let name = object["descriptor"]["name"].as_str().unwrap_or_default();
            let end = if truth.kind == "tcp" { "->" } else { "TCP:[" };
            object["kind"] == "descriptor" && name.contains(&format!("{end}{}]", truth.name))
        }
        _ => object["address"] == truth.address,
    };
    let found = objects.iter().find(is_it);
    found.unwrap_or_else(|| panic!("no {truth:?} in {document:#}"))
}

#[test]
fn everybody_waits_for_what_the_program_says() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/waiters");
        let target = ready(&place, &name);
        let text = waiters(&place, &target, &["--format", "json"]);
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let all: Vec<Truth> = target.stdout().lines().filter_map(Truth::of).collect();
        assert_eq!(all.len(), 18, "{name}");
        for truth in &all {
            let object = object(&document, truth);
            let (kind, state) = truth.shown();
            assert_eq!(object["kind"], kind, "{name}: {truth:?}");
            let shown = object["state"].as_str().expect("text");
            assert!(shown.contains(state), "{name}: {truth:?} {shown}");
            assert_eq!(ids(&object["waiters"]), truth.waiters, "{name}: {truth:?}");
            let holders = ids(&object["holders"]);
            // What is a variable of the program is on no stack.
            let expected = match (truth.holder, &*truth.kind) {
                (0, _) | (_, "global") => BTreeSet::new(),
                (holder, _) => BTreeSet::from([holder]),
            };
            assert_eq!(holders, expected, "{name}: {truth:?}");
            let is_known = object["holders"][0]["known"] == true;
            assert_eq!(
                is_known,
                ["once", "pipe"].contains(&&*truth.kind),
                "{name}: {truth:?}"
            );
        }
        assert_eq!(document["unknown"], serde_json::json!([]), "{name}");
        let timer = all.iter().find(|t| t.kind == "timer").expect("a line");
        let state = object(&document, timer)["state"].to_string();
        let since_23 = minor(&release) >= 23;
        assert_eq!(
            state.contains("a timer sends to it"),
            since_23,
            "{name}: {state}"
        );
    }
}

#[test]
fn circles_are_flagged_and_nothing_else() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/waiters");
        let target = ready(&place, &name);
        let stdout = target.stdout();
        let in_circle = |kind: &str| {
            let mut lines = stdout.lines().filter_map(Truth::of);
            lines
                .find(|truth| truth.kind == kind)
                .expect("a line")
                .holder
        };
        let circle = BTreeSet::from([in_circle("first"), in_circle("second")]);
        let document = waiters(&place, &target, &["--format", "json"]);
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let cycles = document["cycles"].as_array().expect("cycles");
        let [cycle] = &cycles[..] else {
            panic!("{name}: {cycles:?}");
        };
        assert_eq!(ids(&cycle["steps"]), circle, "{name}");
        assert_eq!(cycle["known"], false, "{name}");
        let text = waiters(&place, &target, &[]);
        let circle = text.split("\n\n").nth(1).expect("a circle");
        assert!(
            circle.starts_with("perhaps a deadlock: none of these goes on before the next does\n"),
            "{text}"
        );
        // Go 1.19 does not tell what a semaphore is for.
        let reason = match minor(&release) {
            ..20 => "semacquire",
            _ => "sync.Mutex.Lock",
        };
        for function in ["main.firstSecond ", "main.secondFirst "] {
            let line = format!("[{reason}] in {function}");
            assert!(circle.contains(&line), "{name}: {circle}");
        }
        assert!(text.contains("5 to lock in main.wantMutex "), "{text}");
        assert!(text.contains("  held by goroutine "), "{text}");
        assert!(text.contains("  holder unknown: "), "{text}");
    }
}

#[test]
fn executables_without_symbols_tell_the_same() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "goroutines") {
            let name = format!("go/{release}/goroutines{build}");
            let target = Running::ready(&mut place.command(&name, &["-n", "12"]));
            let document = waiters(&place, &target, &["--format", "json"]);
            let document: Value = serde_json::from_str(&document).expect("JSON");
            assert_eq!(document["locks_known"], true, "{name}");
            let objects = document["objects"].as_array().expect("objects");
            let waiters = |kind: &str| {
                let of_kind = objects.iter().filter(|object| object["kind"] == kind);
                let counts = of_kind.map(|object| ids(&object["waiters"]).len());
                counts.max().unwrap_or(0)
            };
            assert_eq!(waiters("sync.Mutex"), 12, "{name}");
            assert_eq!(waiters("sync.RWMutex"), 12, "{name}");
            assert_eq!(waiters("sync.WaitGroup"), 12, "{name}");
            assert_eq!(waiters("sync.Cond"), 12, "{name}");
            assert_eq!(waiters("descriptor lock"), 11, "{name}");
            // 12 that do nothing else, three of other kinds, and those that only select.
            assert!(waiters("channel") >= 12 + 3, "{name}");
            assert_eq!(document["unknown"], serde_json::json!([]), "{name}");
        }
    }
}
