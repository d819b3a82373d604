//! The processed profile format of the Firefox Profiler: tables of columns for each thread.
//!
//! Columns and their meaning are those of firefox-devtools/profiler, `src/types/profile.js` at
//! version 48 of the format; later front ends upgrade it. Stacks here have no times: each is one
//! sample that weighs what it was worth, and the samples of a thread follow each other.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::Shown;
use crate::render::caption::Caption;
use crate::report::{
    Frame, FrameKind, OnCpuProfile, StackProfile, StackTree, ThreadStack, ThreadTotal, Unit,
};

/// Version of the format (`preprocessedProfileVersion`).
const VERSION: u32 = 48;

/// Version of the format that Firefox itself writes, which goes with [`VERSION`].
const GECKO_VERSION: u32 = 29;

/// Kinds of frames by name and colour; the index is the category. The grey one is demanded.
const CATEGORIES: [(&str, &str); 6] = [
    ("Other", "grey"),
    ("Native", "yellow"),
    ("Go", "blue"),
    ("Go runtime", "purple"),
    ("Kernel", "orange"),
    ("Unresolved", "red"),
];

/// A resource that is a library (`resourceTypes`).
const LIBRARY: u32 = 1;

pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &document(shown.profile))?;
    writeln!(out)
}

fn document(profile: &StackProfile) -> Value {
    let mut libraries = Libraries::default();
    let threads: Vec<Value> = threads(profile)
        .map(|(thread, stacks)| of_thread(profile, thread, &stacks, &mut libraries))
        .collect();
    json!({
        "meta": meta(profile),
        "libs": libraries.list,
        "pages": [],
        "threads": threads,
    })
}

/// Samples of what is not time are shown as long as they can be told apart.
fn ns_per_sample(profile: &OnCpuProfile) -> f64 {
    match profile.sample_hz {
        0 => 1e6,
        hz => 1e9 / f64::from(hz),
    }
}

fn meta(profile: &StackProfile) -> Value {
    let run = profile.run();
    let interval_ms = match profile {
        StackProfile::OnCpu(on_cpu) => ns_per_sample(on_cpu) / 1e6,
        _ => 1.0,
    };
    let category = |(name, color): (&str, &str)| json!({"name": name, "color": color, "subcategories": ["Other"]});
    json!({
        "product": Caption::of(profile).line(),
        "interval": interval_ms,
        "startTime": run.began_unix_ns as f64 / 1e6,
        "profilingStartTime": 0.0,
        "profilingEndTime": run.duration_ns as f64 / 1e6,
        "processType": 0,
        "stackwalk": 1,
        "debug": false,
        "version": GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "symbolicated": true,
        "usesOnlyOneStackType": true,
        "doesNotUseFrameImplementation": true,
        "sourceCodeIsNotOnSearchfox": true,
        "extensions": {"baseURL": [], "id": [], "length": 0, "name": []},
        "categories": CATEGORIES.map(category),
        "markerSchema": [],
    })
}

/// Threads with their stacks, those with the greatest value first.
fn threads(profile: &StackProfile) -> impl Iterator<Item = (&ThreadTotal, Vec<&ThreadStack>)> {
    let threads = profile.threads();
    let mut own: Vec<Vec<&ThreadStack>> = vec![Vec::new(); threads.len()];
    for stack in profile.by_thread().iter().filter(|s| s.value > 0) {
        own[stack.thread as usize].push(stack);
    }
    threads.iter().zip(own)
}

/// The list of mapped files that all threads share.
#[derive(Default)]
struct Libraries {
    list: Vec<Value>,
    index: HashMap<String, usize>,
}

impl Libraries {
    fn index(&mut self, path: &str) -> usize {
        if let Some(&known) = self.index.get(path) {
            return known;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        self.list.push(json!({
            "arch": "", "name": name, "path": path, "debugName": name, "debugPath": path,
            "breakpadId": "", "codeId": null,
        }));
        self.index.insert(path.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

fn of_thread(
    profile: &StackProfile,
    thread: &ThreadTotal,
    stacks: &[&ThreadStack],
    libraries: &mut Libraries,
) -> Value {
    let mut tables = Tables::new(profile, libraries);
    let mut samples = Samples::new(profile);
    for stack in stacks {
        samples.push(tables.stack(stack.node), stack.value);
    }
    let is_main = thread.pid == thread.tid;
    json!({
        "name": thread.comm,
        "processName": thread.comm,
        "processType": "default",
        "isMainThread": is_main,
        "pid": thread.pid.to_string(),
        "tid": thread.tid,
        "processStartupTime": 0.0,
        "processShutdownTime": null,
        "registerTime": 0.0,
        "unregisterTime": null,
        "pausedRanges": [],
        "showMarkersInTimeline": false,
        "samples": samples,
        "markers": {
            "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [],
            "startTime": [],
        },
        "stackTable": tables.stacks,
        "frameTable": tables.frames,
        "funcTable": tables.functions,
        "resourceTable": tables.resources,
        "nativeSymbols": {
            "length": 0, "address": [], "functionSize": [], "libIndex": [], "name": [],
        },
        "stringArray": tables.strings,
    })
}

/// One row for each different stack.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    length: usize,
    stack: Vec<Option<usize>>,
    /// In ms.
    time: Vec<f64>,
    /// Samples, or ms.
    weight: Vec<Value>,
    weight_type: &'static str,
    #[serde(skip)]
    ns_per_unit: f64,
    #[serde(skip)]
    end_ns: f64,
}

impl Samples {
    fn new(profile: &StackProfile) -> Self {
        let ns_per_unit = match profile {
            StackProfile::OnCpu(on_cpu) => ns_per_sample(on_cpu),
            _ => 1.0,
        };
        Self {
            length: 0,
            stack: Vec::new(),
            time: Vec::new(),
            weight: Vec::new(),
            weight_type: match profile.tree().unit {
                Unit::Samples => "samples",
                Unit::Nanoseconds => "tracing-ms",
                Unit::Bytes => "bytes",
            },
            ns_per_unit,
            end_ns: 0.0,
        }
    }

    fn push(&mut self, stack: Option<usize>, value: u64) {
        self.length += 1;
        self.stack.push(stack);
        self.time.push(self.end_ns / 1e6);
        self.weight.push(match self.weight_type {
            "samples" => value.into(),
            _ => (value as f64 / 1e6).into(),
        });
        self.end_ns += value as f64 * self.ns_per_unit;
    }
}

#[derive(Default, Serialize)]
struct StackTable {
    length: usize,
    frame: Vec<usize>,
    prefix: Vec<Option<usize>>,
    category: Vec<usize>,
    subcategory: Vec<usize>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameTable {
    length: usize,
    /// -1: unknown.
    address: Vec<i64>,
    inline_depth: Vec<u32>,
    category: Vec<usize>,
    subcategory: Vec<usize>,
    func: Vec<usize>,
    native_symbol: Vec<Option<usize>>,
    #[serde(rename = "innerWindowID")]
    inner_window_id: Vec<Option<u64>>,
    implementation: Vec<Option<usize>>,
    line: Vec<Option<u32>>,
    column: Vec<Option<u32>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionTable {
    length: usize,
    name: Vec<usize>,
    #[serde(rename = "isJS")]
    is_js: Vec<bool>,
    #[serde(rename = "relevantForJS")]
    relevant_for_js: Vec<bool>,
    /// -1: none.
    resource: Vec<i64>,
    file_name: Vec<Option<usize>>,
    line_number: Vec<Option<u32>>,
    column_number: Vec<Option<u32>>,
}

#[derive(Default, Serialize)]
struct ResourceTable {
    length: usize,
    lib: Vec<usize>,
    name: Vec<usize>,
    host: Vec<Option<usize>>,
    r#type: Vec<u32>,
}

/// The tables of one thread, filled with what its stacks need.
struct Tables<'a> {
    profile: &'a StackProfile,
    tree: &'a StackTree,
    libraries: &'a mut Libraries,
    stacks: StackTable,
    frames: FrameTable,
    functions: FunctionTable,
    resources: ResourceTable,
    strings: Vec<String>,
    stack_of: HashMap<u32, usize>,
    frame_of: HashMap<u32, usize>,
    function_of: HashMap<(&'a str, Option<&'a str>, Option<&'a str>), usize>,
    resource_of: HashMap<&'a str, usize>,
    string_of: HashMap<String, usize>,
}

impl<'a> Tables<'a> {
    fn new(profile: &'a StackProfile, libraries: &'a mut Libraries) -> Self {
        Self {
            profile,
            tree: profile.tree(),
            libraries,
            stacks: StackTable::default(),
            frames: FrameTable::default(),
            functions: FunctionTable::default(),
            resources: ResourceTable::default(),
            strings: Vec::new(),
            stack_of: HashMap::new(),
            frame_of: HashMap::new(),
            function_of: HashMap::new(),
            resource_of: HashMap::new(),
            string_of: HashMap::new(),
        }
    }

    /// The stack that ends at a node; `None` if only the thread's name is in it.
    fn stack(&mut self, node: u32) -> Option<usize> {
        let tree = self.tree;
        let mut new = Vec::new();
        let mut at = Some(node);
        let mut prefix = None;
        while let Some(node) = at {
            if let Some(&known) = self.stack_of.get(&node) {
                prefix = Some(known);
                break;
            }
            if !self.profile.is_label(node) {
                new.push(node);
            }
            at = tree.nodes[node as usize].parent;
        }
        for node in new.into_iter().rev() {
            prefix = Some(self.push_stack(node, prefix));
        }
        prefix
    }

    fn push_stack(&mut self, node: u32, prefix: Option<usize>) -> usize {
        let frame = self.frame(self.tree.nodes[node as usize].frame);
        self.stacks.length += 1;
        self.stacks.frame.push(frame);
        self.stacks.prefix.push(prefix);
        self.stacks.category.push(self.frames.category[frame]);
        self.stacks.subcategory.push(0);
        self.stack_of.insert(node, self.stacks.length - 1);
        self.stacks.length - 1
    }

    fn frame(&mut self, index: u32) -> usize {
        if let Some(&known) = self.frame_of.get(&index) {
            return known;
        }
        let frame = &self.tree.frames[index as usize];
        let func = self.function(frame);
        let table = &mut self.frames;
        table.length += 1;
        table.address.push(-1);
        table.inline_depth.push(u32::from(frame.inlined));
        table.category.push(category(frame));
        table.subcategory.push(0);
        table.func.push(func);
        table.native_symbol.push(None);
        table.inner_window_id.push(None);
        table.implementation.push(None);
        table.line.push(frame.line);
        table.column.push(None);
        self.frame_of.insert(index, table.length - 1);
        table.length - 1
    }

    fn function(&mut self, frame: &'a Frame) -> usize {
        let (module, file) = (frame.module.as_deref(), frame.file.as_deref());
        let key = (frame.name.as_str(), module, file);
        if let Some(&known) = self.function_of.get(&key) {
            return known;
        }
        let name = self.string(&frame.name);
        let resource = module.map_or(-1, |path| self.resource(path) as i64);
        let file_name = file.map(|file| self.string(file));
        let table = &mut self.functions;
        table.length += 1;
        table.name.push(name);
        table.is_js.push(false);
        table.relevant_for_js.push(false);
        table.resource.push(resource);
        table.file_name.push(file_name);
        table.line_number.push(None);
        table.column_number.push(None);
        self.function_of.insert(key, table.length - 1);
        table.length - 1
    }

    fn resource(&mut self, path: &'a str) -> usize {
        if let Some(&known) = self.resource_of.get(path) {
            return known;
        }
        let lib = self.libraries.index(path);
        let name = self.string(path.rsplit('/').next().unwrap_or(path));
        let table = &mut self.resources;
        table.length += 1;
        table.lib.push(lib);
        table.name.push(name);
        table.host.push(None);
        table.r#type.push(LIBRARY);
        self.resource_of.insert(path, table.length - 1);
        table.length - 1
    }

    fn string(&mut self, text: &str) -> usize {
        if let Some(&known) = self.string_of.get(text) {
            return known;
        }
        self.strings.push(text.to_owned());
        let index = self.strings.len() - 1;
        self.string_of.insert(text.to_owned(), index);
        index
    }
}

/// Index into [`CATEGORIES`].
fn category(frame: &Frame) -> usize {
    match frame.kind {
        FrameKind::Thread | FrameKind::Note => 0,
        FrameKind::Native => 1,
        FrameKind::Go => 2,
        FrameKind::GoRuntime => 3,
        FrameKind::Kernel => 4,
        FrameKind::Unresolved => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::render::stack_tests::{off_cpu_bytes, off_cpu_run, on_cpu_bytes, whole_run};
    use crate::render::time_tests::{ALL_NS, goroutine_bytes, wall_bytes};

    fn column<'a>(table: &'a Value, name: &str) -> &'a [Value] {
        table[name]
            .as_array()
            .unwrap_or_else(|| panic!("no list {name}"))
    }

    /// Each entry is null or smaller than `length`.
    fn assert_below(values: &[Value], length: usize) {
        let fits = |v: &Value| v.is_null() || v.as_u64().is_some_and(|i| (i as usize) < length);
        assert!(values.iter().all(fits), "{values:?} of {length}");
    }

    /// Tables have as many rows as they say, and refer to rows that are there.
    fn assert_thread_valid(thread: &Value, libs: usize) {
        let length = |name: &str| thread[name]["length"].as_u64().expect("a length") as usize;
        for table in [
            "samples",
            "stackTable",
            "frameTable",
            "funcTable",
            "resourceTable",
            "nativeSymbols",
            "markers",
        ] {
            let columns = thread[table].as_object().expect("a table");
            for (name, rows) in columns.iter().filter(|(_, rows)| rows.is_array()) {
                let rows = rows.as_array().expect("checked").len();
                assert_eq!(rows, length(table), "{table}.{name}");
            }
        }
        let strings = column(thread, "stringArray").len();
        assert_below(column(&thread["samples"], "stack"), length("stackTable"));
        assert_below(column(&thread["stackTable"], "frame"), length("frameTable"));
        assert_below(
            column(&thread["stackTable"], "category"),
            super::CATEGORIES.len(),
        );
        assert_below(column(&thread["frameTable"], "func"), length("funcTable"));
        assert_below(column(&thread["funcTable"], "name"), strings);
        assert_below(column(&thread["funcTable"], "fileName"), strings);
        assert_below(column(&thread["resourceTable"], "name"), strings);
        assert_below(column(&thread["resourceTable"], "lib"), libs);
        let prefixes = column(&thread["stackTable"], "prefix");
        for (at, prefix) in prefixes.iter().enumerate() {
            assert!(
                prefix.as_u64().is_none_or(|p| (p as usize) < at),
                "callers come first"
            );
        }
        let resources = column(&thread["funcTable"], "resource");
        let fits = |r: &Value| {
            r.as_i64()
                .is_some_and(|r| (-1..length("resourceTable") as i64).contains(&r))
        };
        assert!(resources.iter().all(fits));
    }

    fn checked(bytes: &[u8]) -> Value {
        let document: Value = serde_json::from_slice(bytes).expect("JSON");
        let libs = column(&document, "libs").len();
        for thread in column(&document, "threads") {
            assert_thread_valid(thread, libs);
        }
        document
    }

    #[test]
    fn samples_of_each_thread_add_up() {
        let document = checked(&on_cpu_bytes("firefox", false, &whole_run()));
        let threads = column(&document, "threads").iter().map(|thread| {
            let weights = column(&thread["samples"], "weight").iter();
            let sum: u64 = weights.filter_map(Value::as_u64).sum();
            (thread["tid"].as_u64().expect("a number"), sum)
        });
        let threads: Vec<_> = threads.collect();
        assert_eq!(threads, [(43, 5), (42, 2), (44, 1)]);
        assert_eq!(document["meta"]["preprocessedProfileVersion"], 48);
        assert_eq!(document["libs"][0]["path"], "/srv/app");
        let busiest = &document["threads"][0];
        let inlined = column(&busiest["frameTable"], "inlineDepth").iter();
        assert_eq!(inlined.filter(|d| **d == 1).count(), 1);
        assert!(column(&busiest["frameTable"], "line").contains(&7.into()));
        assert!(column(busiest, "stringArray").contains(&"/src/work.go".into()));
    }

    #[test]
    fn waits_weigh_milliseconds() {
        let document = checked(&off_cpu_bytes("firefox", &off_cpu_run()));
        let samples = &document["threads"][0]["samples"];
        assert_eq!(samples["weightType"], "tracing-ms");
        let weights = column(samples, "weight").iter();
        let sum: f64 = weights.filter_map(Value::as_f64).sum();
        assert!((sum - 1502.0008).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn all_time_of_threads_and_of_goroutines_adds_up() {
        let ms = |document: &Value| -> f64 {
            let threads = column(document, "threads").iter();
            let weights = threads.flat_map(|thread| column(&thread["samples"], "weight"));
            weights.filter_map(Value::as_f64).sum()
        };
        let wall = checked(&wall_bytes("firefox", false));
        assert!((ms(&wall) - ALL_NS as f64 / 1e6).abs() < 1e-6);
        assert_eq!(column(&wall, "threads").len(), 2);
        assert!(column(&wall["threads"][0], "stringArray").contains(&"[on CPU]".into()));
        let goroutines = checked(&goroutine_bytes("firefox"));
        assert!((ms(&goroutines) - 3000.0).abs() < 1e-6);
    }
}
