//! Files for viewers of other projects, against what these demand of them.
//!
//! The rules are those of speedscope's `file-format-schema.json` (jlfwong/speedscope,
//! src/lib/file-format-spec.ts) and of the processed format of the Firefox Profiler at version 48
//! (firefox-devtools/profiler, src/types/profile.js): required keys, types, and what a viewer relies
//! on besides, that all indices lead somewhere and columns are of one length.

use serde_json::Value;
use tracer_tests::{Place, Running, duration, place};

type Checked = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

fn array<'a>(of: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    let found = of[key].as_array();
    found.ok_or_else(|| format!("{key} is no list: {}", of[key]))
}

fn length(of: &Value) -> Result<usize, String> {
    let length = of["length"].as_u64();
    length
        .map(|n| n as usize)
        .ok_or_else(|| format!("no length: {of}"))
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Number,
    NumberOrNull,
    TextOrNull,
    Bool,
    List,
    /// Below a length.
    Index(usize),
    IndexOrNull(usize),
    /// Of nothing, by -1.
    IndexOrNone(usize),
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        let below = |length: usize| value.as_u64().is_some_and(|at| at < length as u64);
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::NumberOrNull => value.is_number() || value.is_null(),
            Self::TextOrNull => value.is_string() || value.is_null(),
            Self::Bool => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Index(length) => below(length),
            Self::IndexOrNull(length) => value.is_null() || below(length),
            Self::IndexOrNone(length) => value == -1 || below(length),
        }
    }
}

/// Keys that an object must have. An absent one reads null, which is not what is meant by that.
fn keys(of: &Value, wanted: &[(&str, Kind)]) -> Checked {
    wanted.iter().try_for_each(|&(key, kind)| {
        let value = of.get(key);
        ensure(value.is_some_and(|value| kind.holds(value)), || {
            format!("{key} is no {kind:?}: {value:?}")
        })
    })
}

/// Columns that a table must have, each as long as it says.
fn columns(table: &Value, wanted: &[(&str, Kind)]) -> Checked {
    let rows = length(table)?;
    wanted.iter().try_for_each(|&(name, kind)| {
        let column = array(table, name)?;
        ensure(column.len() == rows, || {
            format!("{name} has {} rows of {rows}", column.len())
        })?;
        column.iter().try_for_each(|value| {
            ensure(kind.holds(value), || {
                format!("{name}: {value} is no {kind:?}")
            })
        })
    })
}

/// What speedscope demands.
fn speedscope(file: &Value) -> Checked {
    const UNITS: [&str; 6] = [
        "none",
        "nanoseconds",
        "microseconds",
        "milliseconds",
        "seconds",
        "bytes",
    ];
    ensure(
        file["$schema"] == "https://www.speedscope.app/file-format-schema.json",
        || format!("$schema: {}", file["$schema"]),
    )?;
    let frames = array(&file["shared"], "frames")?;
    for frame in frames {
        keys(frame, &[("name", Kind::Text)])?;
        for (key, kind) in [
            ("file", Kind::Text),
            ("line", Kind::Number),
            ("col", Kind::Number),
        ] {
            let value = frame.get(key);
            ensure(value.is_none_or(|value| kind.holds(value)), || {
                format!("{key} of a frame: {value:?}")
            })?;
        }
    }
    let profiles = array(file, "profiles")?;
    let active = file.get("activeProfileIndex");
    let leads = |active: &Value| Kind::IndexOrNull(profiles.len()).holds(active);
    ensure(active.is_none_or(leads), || format!("active: {active:?}"))?;
    for profile in profiles {
        keys(
            profile,
            &[
                ("name", Kind::Text),
                ("startValue", Kind::Number),
                ("endValue", Kind::Number),
            ],
        )?;
        ensure(profile["type"] == "sampled", || "type".to_owned())?;
        let unit = profile["unit"].as_str().unwrap_or_default();
        ensure(UNITS.contains(&unit), || format!("unit: {unit:?}"))?;
        let (samples, weights) = (array(profile, "samples")?, array(profile, "weights")?);
        ensure(samples.len() == weights.len(), || {
            format!("{} samples, {} weights", samples.len(), weights.len())
        })?;
        for sample in samples {
            let stack = sample.as_array().ok_or("a sample is no list")?;
            let known = |frame: &Value| Kind::Index(frames.len()).holds(frame);
            ensure(stack.iter().all(known), || format!("a stack: {sample}"))?;
        }
        let weights: Option<Vec<f64>> = weights.iter().map(Value::as_f64).collect();
        let weights = weights.ok_or("a weight is no number")?;
        ensure(weights.iter().all(|&w| w >= 0.0), || {
            "weight below 0".to_owned()
        })?;
        let (start, end) = (&profile["startValue"], &profile["endValue"]);
        let range = end.as_f64().unwrap_or(0.0) - start.as_f64().unwrap_or(0.0);
        let sum: f64 = weights.iter().sum();
        ensure((range - sum).abs() <= sum / 1e9, || {
            format!("from {start} to {end}, and weights of {sum}")
        })?;
    }
    Ok(())
}

/// What the Firefox Profiler demands.
fn firefox(file: &Value) -> Checked {
    const COLORS: [&str; 11] = [
        "transparent",
        "purple",
        "green",
        "orange",
        "yellow",
        "lightblue",
        "blue",
        "brown",
        "magenta",
        "red",
        "grey",
    ];
    let meta = &file["meta"];
    keys(
        meta,
        &[
            ("product", Kind::Text),
            ("interval", Kind::Number),
            ("startTime", Kind::Number),
            ("processType", Kind::Number),
            ("stackwalk", Kind::Number),
            ("version", Kind::Number),
            ("categories", Kind::List),
            ("markerSchema", Kind::List),
        ],
    )?;
    ensure(meta["preprocessedProfileVersion"] == 48, || {
        format!("version: {}", meta["preprocessedProfileVersion"])
    })?;
    let categories = array(meta, "categories")?;
    for category in categories {
        keys(
            category,
            &[("name", Kind::Text), ("subcategories", Kind::List)],
        )?;
        let color = category["color"].as_str().unwrap_or_default();
        ensure(COLORS.contains(&color), || format!("color {color:?}"))?;
        let first = &category["subcategories"][0];
        ensure(first == "Other", || format!("first subcategory: {first}"))?;
    }
    let is_other = |c: &Value| c["name"] == "Other" && c["color"] == "grey";
    ensure(categories.iter().any(is_other), || {
        "no grey category".to_owned()
    })?;
    let libs = array(file, "libs")?;
    for lib in libs {
        let texts = [
            "arch",
            "name",
            "path",
            "debugName",
            "debugPath",
            "breakpadId",
        ];
        keys(lib, &texts.map(|key| (key, Kind::Text)))?;
        keys(lib, &[("codeId", Kind::TextOrNull)])?;
    }
    let threads = array(file, "threads")?;
    ensure(!threads.is_empty(), || "no thread".to_owned())?;
    threads
        .iter()
        .try_for_each(|thread| firefox_thread(thread, categories.len(), libs.len()))
}

fn firefox_thread(thread: &Value, categories: usize, libs: usize) -> Checked {
    keys(
        thread,
        &[
            ("name", Kind::Text),
            ("processType", Kind::Text),
            ("isMainThread", Kind::Bool),
            ("pid", Kind::Text),
            ("tid", Kind::Number),
            ("processStartupTime", Kind::Number),
            ("processShutdownTime", Kind::NumberOrNull),
            ("registerTime", Kind::Number),
            ("unregisterTime", Kind::NumberOrNull),
            ("pausedRanges", Kind::List),
            ("stringArray", Kind::List),
        ],
    )?;
    let strings = array(thread, "stringArray")?;
    ensure(strings.iter().all(Value::is_string), || {
        "a string".to_owned()
    })?;
    let strings = strings.len();
    let rows = |name: &str| length(&thread[name]);
    columns(
        &thread["resourceTable"],
        &[
            ("lib", Kind::IndexOrNull(libs)),
            ("name", Kind::Index(strings)),
            ("host", Kind::IndexOrNull(strings)),
            ("type", Kind::Number),
        ],
    )?;
    columns(
        &thread["funcTable"],
        &[
            ("isJS", Kind::Bool),
            ("relevantForJS", Kind::Bool),
            ("name", Kind::Index(strings)),
            ("resource", Kind::IndexOrNone(rows("resourceTable")?)),
            ("fileName", Kind::IndexOrNull(strings)),
            ("lineNumber", Kind::NumberOrNull),
            ("columnNumber", Kind::NumberOrNull),
        ],
    )?;
    columns(
        &thread["nativeSymbols"],
        &[
            ("libIndex", Kind::Index(libs)),
            ("address", Kind::Number),
            ("name", Kind::Index(strings)),
            ("functionSize", Kind::NumberOrNull),
        ],
    )?;
    columns(
        &thread["frameTable"],
        &[
            ("address", Kind::Number),
            ("inlineDepth", Kind::Number),
            ("category", Kind::IndexOrNull(categories)),
            ("subcategory", Kind::IndexOrNull(1)),
            ("func", Kind::Index(rows("funcTable")?)),
            ("nativeSymbol", Kind::IndexOrNull(rows("nativeSymbols")?)),
            ("innerWindowID", Kind::NumberOrNull),
            ("implementation", Kind::IndexOrNull(strings)),
            ("line", Kind::NumberOrNull),
            ("column", Kind::NumberOrNull),
        ],
    )?;
    let stacks = rows("stackTable")?;
    columns(
        &thread["stackTable"],
        &[
            ("frame", Kind::Index(rows("frameTable")?)),
            ("category", Kind::Index(categories)),
            ("subcategory", Kind::Index(1)),
            ("prefix", Kind::IndexOrNull(stacks)),
        ],
    )?;
    // A viewer goes through the table once.
    for (at, prefix) in array(&thread["stackTable"], "prefix")?.iter().enumerate() {
        let earlier = prefix.as_u64().is_none_or(|prefix| prefix < at as u64);
        ensure(earlier, || {
            format!("stack {at} comes before its prefix {prefix}")
        })?;
    }
    let samples = &thread["samples"];
    columns(
        samples,
        &[
            ("stack", Kind::IndexOrNull(stacks)),
            ("time", Kind::Number),
            ("weight", Kind::Number),
        ],
    )?;
    let weight_type = samples["weightType"].as_str().unwrap_or_default();
    ensure(
        ["samples", "tracing-ms", "bytes"].contains(&weight_type),
        || format!("weightType {weight_type:?}"),
    )?;
    let times = array(samples, "time")?.iter().filter_map(Value::as_f64);
    ensure(times.is_sorted(), || "times go back".to_owned())?;
    columns(
        &thread["markers"],
        &[
            ("name", Kind::Index(strings)),
            ("startTime", Kind::NumberOrNull),
            ("endTime", Kind::NumberOrNull),
            ("phase", Kind::Number),
            ("category", Kind::Index(categories)),
        ],
    )
}

fn rules(format: &str) -> fn(&Value) -> Checked {
    match format {
        "speedscope" => speedscope,
        _ => firefox,
    }
}

fn run(place: &Place, command: &[&str], format: &str, fixture: &str, args: &[&str]) -> Value {
    let target = Running::ready(&mut place.command(fixture, args));
    let lasts = duration(700);
    let run = place
        .tracer(command)
        .args(&["--format", format, "-d", &lasts]);
    let run = run.args(&["--max-overhead", "off", "-p", &target.pid_text()]);
    let text = run.run().success().stdout;
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

#[test]
fn all_profiles_are_what_viewers_demand() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let go = format!("go/{release}/");
    for format in ["speedscope", "firefox"] {
        for (command, fixture, args) in [
            (
                &["profile", "-F", "999"][..],
                "c/frameless".to_owned(),
                &["split"][..],
            ),
            (
                &["profile", "-F", "999"],
                format!("{go}gcload"),
                &["-d", "60s"],
            ),
            (
                &["profile", "-e", "page-faults"],
                format!("{go}gcload"),
                &["-d", "60s"],
            ),
            (&["offcpu"], format!("{go}gcload"), &["-d", "60s"]),
            (
                &["offcpu", "--goroutines"],
                format!("{go}goroutines"),
                &["-n", "3"],
            ),
            (&["wall"], format!("{go}gcload"), &["-d", "60s"]),
        ] {
            let file = run(&place, command, format, &fixture, args);
            let checked = rules(format)(&file);
            assert_eq!(checked, Ok(()), "{format} of {command:?}, {fixture}");
        }
    }
}

/// Changes that a viewer would stumble over, by the place of the value.
const SPEEDSCOPE_FAULTS: &[(&str, &str)] = &[
    ("/$schema", "\"\""),
    ("/shared/frames/0/name", "7"),
    ("/activeProfileIndex", "99"),
    ("/profiles/0/type", "\"other\""),
    ("/profiles/0/unit", "\"fortnights\""),
    ("/profiles/0/samples/0/0", "1000000"),
    ("/profiles/0/samples/0", "[-1]"),
    ("/profiles/0/weights/0", "-1"),
    ("/profiles/0/weights", "[]"),
    ("/profiles/0/endValue", "0"),
];
const FIREFOX_FAULTS: &[(&str, &str)] = &[
    ("/meta/preprocessedProfileVersion", "1"),
    ("/meta/interval", "null"),
    ("/meta/categories", "[]"),
    ("/meta/categories/0/color", "\"pink\""),
    ("/threads", "[]"),
    ("/threads/0/pid", "7"),
    ("/threads/0/stringArray/0", "0"),
    ("/threads/0/samples/length", "1000000"),
    ("/threads/0/samples/stack/0", "1000000"),
    ("/threads/0/samples/time/0", "1e300"),
    ("/threads/0/samples/weightType", "\"stones\""),
    ("/threads/0/stackTable/prefix/1", "1"),
    ("/threads/0/stackTable/frame/0", "-1"),
    ("/threads/0/frameTable/func/0", "1000000"),
    ("/threads/0/funcTable/name/0", "null"),
    ("/threads/0/funcTable/resource/0", "-2"),
    ("/threads/0/resourceTable/lib/0", "1000000"),
    ("/threads/0/markers/name", "null"),
];

#[test]
fn faults_of_files_are_found() {
    let Some(place) = place(true) else { return };
    for (format, faults) in [
        ("speedscope", SPEEDSCOPE_FAULTS),
        ("firefox", FIREFOX_FAULTS),
    ] {
        let command = ["profile", "-F", "999"];
        let file = run(&place, &command, format, "c/frameless", &["split"]);
        for &(at, wrong) in faults {
            let mut faulty = file.clone();
            let value = faulty.pointer_mut(at);
            let value = value.unwrap_or_else(|| panic!("{format}: nothing at {at}"));
            *value = serde_json::from_str(wrong).expect("JSON");
            assert!(rules(format)(&faulty).is_err(), "{format}: {wrong} at {at}");
        }
    }
}
