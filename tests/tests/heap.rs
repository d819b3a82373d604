//! `tracer heap` against what the program itself says of its heap, on every Go release.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use tracer_tests::{Place, Running, go_pprof, number_after, one_line, place};

/// Sums of alloc_objects, alloc_space, inuse_objects and inuse_space.
type Values = [i64; 4];

/// What a heap profile has of each stack, which is written with functions and lines, innermost first.
fn stacks(pprof: &mut Command, file: &str) -> BTreeMap<String, Values> {
    let shown = pprof.args(["-raw", file]).output().expect("pprof runs");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{shown:?}");
    let (_, rest) = text.split_once("\nSamples:\n").expect("samples");
    let (samples, rest) = rest.split_once("\nLocations\n").expect("locations");
    let (locations, _) = rest.split_once("\nMappings").expect("mappings");
    let types = "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes";
    assert!(samples.starts_with(types), "{samples}");
    let places = places(locations);
    let mut stacks: BTreeMap<String, Values> = BTreeMap::new();
    for line in samples.lines().skip(1) {
        let Some((values, ids)) = line.split_once(':') else {
            panic!("no sample: {line}");
        };
        let values = values.split_whitespace().map(str::parse::<i64>);
        // A line of labels otherwise.
        let Ok(values) = values.collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        let ids = ids.split_whitespace();
        let stack: Vec<&str> = ids.map(|id| places[id].as_str()).collect();
        let sum = stacks.entry(stack.join(" < ")).or_default();
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
    // What was sampled since the last garbage collection, as by writing the profile.
    stacks.retain(|_, values| values.iter().any(|value| *value != 0));
    assert!(stacks.len() >= 4, "{text}");
    stacks
}

/// Functions and lines of locations by their number, inlined ones first.
fn places(text: &str) -> BTreeMap<&str, String> {
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    let mut id = "";
    for line in text.lines() {
        let mut line = line.trim();
        if let Some((number, rest)) = line.split_once(": 0x") {
            id = number;
            // Address and mapping.
            line = rest.splitn(3, ' ').nth(2).unwrap_or("");
        }
        // Where the function begins, which is in few profiles.
        let line = line.split(" s=").next().unwrap_or("");
        let place = places.entry(id).or_default();
        if !place.is_empty() {
            place.push_str(" < ");
        }
        place.push_str(line);
    }
    places
}

fn ours(place: &Place, target: &Running, args: &[&str]) -> String {
    let pid = target.pid_text();
    let args = [&["heap", "-p", &pid], args].concat();
    place.tracer(&args).run().success().stdout
}

fn document(place: &Place, target: &Running) -> Value {
    let text = ours(place, target, &["--format", "json"]);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

#[test]
fn profiles_are_those_that_the_program_writes() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "heap") {
            for rate in ["524288", "4096", "1"] {
                let name = format!("go/{release}/heap{build}");
                let file =
                    |whose: &str| place.path(&format!("{release}{build}{rate}.{whose}.pb.gz"));
                let (theirs, mine) = (file("theirs"), file("mine"));
                let args = ["-rate", rate, "-profile", &theirs];
                let target = Running::ready(&mut place.command(&name, &args));
                ours(&place, &target, &["-o", &mine]);
                let of = |file: &str| go_pprof().map(|mut pprof| stacks(&mut pprof, file));
                let (Some(mine), Some(theirs)) = (of(&mine), of(&theirs)) else {
                    return;
                };
                for (stack, values) in &theirs {
                    assert_eq!(mine.get(stack), Some(values), "{name} at {rate}: {stack}");
                }
                assert_eq!(mine.len(), theirs.len(), "{name} at {rate}");
            }
        }
    }
}

/// What the program says of itself.
fn stat(target: &Running, name: &str) -> u64 {
    let said = target.stdout();
    number_after(&said, &format!("memstats {name} ")).unwrap_or_else(|| panic!("{name}: {said}"))
}

#[test]
fn the_ledger_is_what_the_program_counts() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "heap") {
            let name = format!("go/{release}/heap{build}");
            let target = Running::ready(&mut place.command(&name, &[]));
            let document = document(&place, &target);
            let go = &document["memory"]["go"];
            let count = |field: &str| {
                go[field]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{field}: {go}"))
            };
            // What it needs to print and to wait comes after its own count.
            let close = |what: &str, ours: u64, theirs: u64| {
                assert!(
                    ours.abs_diff(theirs) <= 512 << 10,
                    "{name}: {what} is {ours}, not {theirs}"
                );
            };
            close(
                "HeapInuse",
                count("heap_in_use"),
                stat(&target, "HeapInuse"),
            );
            close(
                "HeapAlloc",
                count("heap_objects"),
                stat(&target, "HeapAlloc"),
            );
            close(
                "HeapIdle",
                count("heap_idle") + count("heap_released"),
                stat(&target, "HeapIdle"),
            );
            close("StackInuse", count("stacks"), stat(&target, "StackInuse"));
            close("MSpanSys", count("spans"), stat(&target, "MSpanSys"));
            close("MCacheSys", count("caches"), stat(&target, "MCacheSys"));
            close("GCSys", count("collector"), stat(&target, "GCSys"));
            close("OtherSys", count("other"), stat(&target, "OtherSys"));
            close(
                "BuckHashSys",
                count("profile_buckets"),
                stat(&target, "BuckHashSys"),
            );
            assert_eq!(count("next_goal"), stat(&target, "NextGC"), "{name}");
            assert_eq!(count("collections"), stat(&target, "NumGC"), "{name}");
            resident_is_the_kernels(&name, &document, &target);
        }
    }
}

fn resident_is_the_kernels(name: &str, document: &Value, target: &Running) {
    let kinds = document["memory"]["kinds"].as_array().expect("kinds");
    let sum: u64 = kinds.iter().filter_map(|k| k["resident"].as_u64()).sum();
    let status = std::fs::read_to_string(format!("/proc/{}/status", target.pid()));
    let status = status.expect("it runs");
    let resident = number_after(&status.replace([' ', '\t'], ""), "VmRSS:").expect("a number");
    let resident = resident << 10;
    // The kernel's sum is a little behind, by some pages for each CPU.
    assert!(
        sum.abs_diff(resident) <= (2 << 20) + resident / 10,
        "{name}: {sum}, not {resident}"
    );
    let arenas = kinds.iter().find(|k| k["kind"] == "go_arenas");
    let arenas = arenas.unwrap_or_else(|| panic!("{name}: {document}"));
    assert!(
        arenas["resident"].as_u64() > Some(24 << 20),
        "{name}: {arenas}"
    );
}

/// What it keeps in pieces of a MiB: all but the first of each P, which was not yet sampled at the
/// rate that the program sets.
fn keeps_large(name: &str, document: &Value) {
    let functions = document["functions"].as_array().expect("functions");
    let large = functions.iter().find(|f| f["name"] == "main.keepLarge");
    let large = large.unwrap_or_else(|| panic!("{name}: {functions:?}"));
    let bytes = large["flat_bytes"].as_u64().expect("a number");
    // Beside them are the slices that lead to them.
    assert!((16 << 20..26 << 20).contains(&bytes), "{name}: {large}");
    assert!(
        large["flat_objects"].as_u64() >= Some(16),
        "{name}: {large}"
    );
}

#[test]
fn text_and_files_show_who_has_the_heap() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/heap");
        let target = Running::ready(&mut place.command(&name, &["-rate", "1"]));
        let text = ours(&place, &target, &[]);
        let row = |function: &str| {
            let row = text.lines().find(|line| line.ends_with(function));
            row.unwrap_or_else(|| panic!("{name}: no {function} in\n{text}"))
        };
        assert!(row("main.keepLarge").contains(" MiB "), "{text}");
        for line in [
            "memory by Go's own count",
            "heap idle",
            "Go arenas",
            "heap profile: ",
        ] {
            assert!(text.contains(line), "{name}: no {line} in\n{text}");
        }
        let allocated = ours(&place, &target, &["--alloc"]);
        assert!(allocated.contains("main.drop"), "{name}: {allocated}");
        // It drops 30 MB, and keeps one object at most.
        let heading = allocated.lines().find(|l| l.starts_with("heap profile: "));
        assert!(heading.is_some_and(|l| l.contains("allocated since the start")));
        let document = document(&place, &target);
        keeps_large(&name, &document);
        let in_use = document["amounts"]["inuse_bytes"].as_u64();
        let folded = ours(&place, &target, &["--format", "folded"]);
        let values = folded
            .lines()
            .filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok());
        assert_eq!(Some(values.sum::<u64>()), in_use, "{name}: {folded}");
        let deepest = folded.lines().map(|l| l.matches("main.deep").count()).max();
        assert!(deepest >= Some(21), "{name}: {deepest:?}");
        let svg = ours(&place, &target, &["--format", "svg"]);
        assert!(svg.contains("Go heap in use") && svg.contains("main.keepLarge"));
        let html = ours(&place, &target, &["--format", "html"]);
        assert!(html.contains("\"unit\":\"bytes\""));
        let peek = ours(&place, &target, &["--peek", "^main.keepLarge$"]);
        assert!(peek.contains("main.main"), "{peek}");
    }
}

#[test]
fn a_heap_that_changes_is_read_all_the_same() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let name = format!("go/{release}/heap");
        let args = ["-rate", "1024", "-churn"];
        let target = Running::ready(&mut place.command(&name, &args));
        for _ in 0..20 {
            let document = document(&place, &target);
            assert_eq!(document["unreadable"], 0, "{name}");
            keeps_large(&name, &document);
        }
    }
}

#[test]
fn without_samples_it_says_why() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        // Nothing in it could report a profile.
        let name = format!("go/{release}/sleeper");
        let target = Running::ready(&mut place.command(&name, &[]));
        let text = ours(&place, &target, &[]);
        assert!(
            text.contains("it links nothing that could report them"),
            "{name}: {text}"
        );
        let pid = target.pid_text();
        let run = place.tracer(&["heap", "-p", &pid, "--format", "svg"]).run();
        let line = one_line(&run, 5);
        assert!(line.contains("cannot read the heap profile"), "{line}");
        let name = format!("go/{release}/heap");
        let mut command = place.command(&name, &["-rate", "0"]);
        let target = Running::ready(&mut command);
        let text = ours(&place, &target, &[]);
        assert!(
            text.contains("runtime.MemProfileRate is 0"),
            "{name}: {text}"
        );
    }
}

#[test]
fn what_is_no_go_program_is_refused() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("c/sleeper", &[]));
    let run = place.tracer(&["heap", "-p", &target.pid_text()]).run();
    let line = one_line(&run, 5);
    assert!(line.contains("is not a Go program"), "{line}");
}
