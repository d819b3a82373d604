//! `profile.proto`, compressed by gzip: what `go tool pprof` reads.
//!
//! Types of values are those of Go's own profiles: `samples` and `cpu` on the CPU, `contentions`
//! and `delay` off it, `alloc_objects`, `alloc_space`, `inuse_objects` and `inuse_space` of the heap.
//! All time of threads, and of goroutines, is `time` alone. Threads are labels (`thread`, `comm`,
//! `pid`) rather than frames.

mod message;

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use self::message::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};
use super::Shown;
use crate::render::caption::Caption;
use crate::report::{
    Frame, FrameKind, HeapAmounts, HeapShown, HeapSite, StackProfile, ThreadStack,
};

/// A type of values and its unit.
type Kind = (&'static str, &'static str);

/// Types of values of the heap, in the order of runtime/pprof.
const HEAP: &[Kind] = &[
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];
const HEAP_ALLOC_SPACE: usize = 1;

/// The mapping of kernel functions that belong to no module.
const KERNEL: &str = "[kernel.kallsyms]";

pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let message = Builder::new(shown.profile).build().encode_to_vec();
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&message)?;
    gzip.finish().map(|_| ())
}

/// Makes the message, each text, function, mapping and location once.
struct Builder<'a> {
    profile: &'a StackProfile,
    message: Profile,
    strings: HashMap<String, i64>,
    mappings: HashMap<Mapped<'a>, u64>,
    functions: HashMap<(&'a str, Option<&'a str>), u64>,
    /// By the frames of an address, innermost first.
    locations: HashMap<Vec<u32>, u64>,
}

impl<'a> Builder<'a> {
    fn new(profile: &'a StackProfile) -> Self {
        let mut new = Self {
            profile,
            message: Profile::default(),
            strings: HashMap::new(),
            mappings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        new.string("");
        new
    }

    fn build(mut self) -> Profile {
        self.describe();
        if let Some(binary) = main_binary(self.profile) {
            let frames = &self.profile.tree().frames;
            let known = frames.iter().filter_map(mapped);
            let first = known.filter(|m| m.file == binary).min();
            self.mapping(first.unwrap_or(Mapped::named(binary)));
        }
        if let StackProfile::Heap(heap) = self.profile {
            heap.sites.iter().for_each(|site| self.heap_sample(site));
            return self.message;
        }
        // Without samples there is no value; of those off the CPU, only waits have a delay.
        for stack in self.profile.by_thread().iter().filter(|s| s.value > 0) {
            let values = self.values(stack);
            let sample = self.sample(stack, values);
            self.message.sample.push(sample);
        }
        self.message
    }

    /// The types of values, of which the last is shown first, and what lies between two.
    fn types(&self) -> (&'static [Kind], Kind, u64) {
        const SAMPLES: Kind = ("samples", "count");
        const CPU: Kind = ("cpu", "nanoseconds");
        const WAITS: Kind = ("contentions", "count");
        const TIME: Kind = ("time", "nanoseconds");
        match self.profile {
            StackProfile::OnCpu(on_cpu) if on_cpu.event.is_some() => (&[SAMPLES], SAMPLES, 1),
            StackProfile::OnCpu(on_cpu) => {
                let types = &[SAMPLES, CPU];
                (types, CPU, ns_per_sample(on_cpu.sample_hz))
            }
            StackProfile::OffCpu(_) => (&[WAITS, ("delay", "nanoseconds")], WAITS, 1),
            StackProfile::Wall(_) | StackProfile::Goroutines(_) => (&[TIME], TIME, 1),
            StackProfile::Heap(heap) => (HEAP, ("space", "bytes"), heap.rate),
        }
    }

    /// A value of each type.
    fn values(&self, stack: &ThreadStack) -> Vec<i64> {
        let values = match self.profile {
            StackProfile::OnCpu(on_cpu) if on_cpu.event.is_some() => vec![stack.count],
            StackProfile::OnCpu(on_cpu) => {
                let each = ns_per_sample(on_cpu.sample_hz);
                vec![stack.count, stack.value.saturating_mul(each)]
            }
            StackProfile::OffCpu(_) => vec![stack.count, stack.value],
            StackProfile::Wall(_) | StackProfile::Goroutines(_) => vec![stack.value],
            // Its samples are those of sites.
            StackProfile::Heap(_) => Vec::new(),
        };
        values.into_iter().map(signed).collect()
    }

    /// What the values are, and what is covered.
    fn describe(&mut self) {
        let (types, period_type, period) = self.types();
        self.message.sample_type = types.iter().map(|t| self.value_type(*t)).collect();
        let shown = match self.profile {
            StackProfile::Heap(heap) if heap.shown == HeapShown::Allocated => HEAP_ALLOC_SPACE,
            _ => types.len() - 1,
        };
        let shown = self.message.sample_type.get(shown);
        self.message.default_sample_type = shown.map_or(0, |t| t.r#type);
        self.message.period_type = Some(self.value_type(period_type));
        self.message.period = signed(period);
        let run = self.profile.run();
        self.message.time_nanos = signed(run.began_unix_ns);
        self.message.duration_nanos = signed(run.duration_ns);
        let comment = self.string(&Caption::of(self.profile).line());
        self.message.comment = vec![comment];
    }

    fn value_type(&mut self, (name, unit): Kind) -> ValueType {
        ValueType {
            r#type: self.string(name),
            unit: self.string(unit),
        }
    }

    fn sample(&mut self, stack: &ThreadStack, value: Vec<i64>) -> Sample {
        let thread = &self.profile.threads()[stack.thread as usize];
        let labels = [
            ("thread", thread.tid.to_string()),
            ("comm", thread.comm.clone()),
            ("pid", thread.pid.to_string()),
        ];
        let label = labels.map(|(key, text)| Label {
            key: self.string(key),
            str: self.string(&text),
            num: 0,
        });
        Sample {
            location_id: self.stack(stack.node),
            value,
            label: label.to_vec(),
        }
    }

    /// What was allocated with one stack, with the size of each object as Go labels it.
    fn heap_sample(&mut self, site: &HeapSite) {
        let HeapAmounts {
            alloc_objects,
            alloc_bytes,
            inuse_objects,
            inuse_bytes,
        } = site.amounts;
        let label = (site.object_bytes > 0).then(|| Label {
            key: self.string("bytes"),
            str: 0,
            num: signed(site.object_bytes),
        });
        let value = [alloc_objects, alloc_bytes, inuse_objects, inuse_bytes];
        let sample = Sample {
            location_id: self.stack(site.node),
            value: value.map(signed).to_vec(),
            label: label.into_iter().collect(),
        };
        self.message.sample.push(sample);
    }

    /// The locations from a node to its root. Inlined frames share that of the frame they are in.
    fn stack(&mut self, node: u32) -> Vec<u64> {
        let tree = self.profile.tree();
        let nodes = std::iter::successors(Some(node), |&n| tree.nodes[n as usize].parent);
        let mut locations = Vec::new();
        let mut frames = Vec::new();
        for node in nodes.filter(|&n| !self.profile.is_label(n)) {
            frames.push(tree.nodes[node as usize].frame);
            if !tree.frame(node).inlined {
                locations.push(self.location(std::mem::take(&mut frames)));
            }
        }
        if !frames.is_empty() {
            locations.push(self.location(frames));
        }
        locations
    }

    fn location(&mut self, frames: Vec<u32>) -> u64 {
        if let Some(&known) = self.locations.get(&frames) {
            return known;
        }
        let tree = self.profile.tree();
        let of = frames.iter().map(|&f| &tree.frames[f as usize]);
        let line: Vec<Line> = of.map(|frame| self.line(frame)).collect();
        let outermost = frames.last().map(|&f| &tree.frames[f as usize]);
        let mapping_id = outermost.and_then(mapped).map_or(0, |m| self.mapping(m));
        let code = outermost.and_then(|frame| frame.code.as_ref());
        let id = self.message.location.len() as u64 + 1;
        self.message.location.push(Location {
            id,
            mapping_id,
            address: code.map_or(0, |code| code.address),
            line,
        });
        self.locations.insert(frames, id);
        id
    }

    fn line(&mut self, frame: &'a Frame) -> Line {
        Line {
            function_id: self.function(&frame.name, frame.file.as_deref()),
            line: i64::from(frame.line.unwrap_or(0)),
        }
    }

    fn function(&mut self, name: &'a str, file: Option<&'a str>) -> u64 {
        if let Some(&known) = self.functions.get(&(name, file)) {
            return known;
        }
        let id = self.message.function.len() as u64 + 1;
        let name_index = self.string(name);
        let filename = self.string(file.unwrap_or_default());
        self.message.function.push(Function {
            id,
            name: name_index,
            system_name: name_index,
            filename,
        });
        self.functions.insert((name, file), id);
        id
    }

    fn mapping(&mut self, mapped: Mapped<'a>) -> u64 {
        if let Some(&known) = self.mappings.get(&mapped) {
            return known;
        }
        let id = self.message.mapping.len() as u64 + 1;
        let filename = self.string(mapped.file);
        let build_id = mapped.build_id.unwrap_or_default();
        let digits = build_id.iter().map(|byte| format!("{byte:02x}"));
        let build_id = self.string(&digits.collect::<String>());
        self.message.mapping.push(Mapping {
            id,
            memory_start: mapped.start,
            memory_limit: mapped.end,
            file_offset: mapped.offset,
            filename,
            build_id,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        });
        self.mappings.insert(mapped, id);
        id
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        let index = self.message.string_table.len() as i64;
        self.message.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }
}

/// What one sample stands for.
fn ns_per_sample(hz: u32) -> u64 {
    1_000_000_000_u64.checked_div(u64::from(hz)).unwrap_or(0)
}

/// The format has no unsigned values.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A mapping. Processes have their own of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Mapped<'a> {
    file: &'a str,
    /// Addresses, both 0 where they are not known.
    start: u64,
    end: u64,
    offset: u64,
    build_id: Option<&'a [u8]>,
}

impl<'a> Mapped<'a> {
    const fn named(file: &'a str) -> Self {
        Self {
            file,
            start: 0,
            end: 0,
            offset: 0,
            build_id: None,
        }
    }
}

/// The mapping that the code of a frame is in.
fn mapped(frame: &Frame) -> Option<Mapped<'_>> {
    let mapping = frame.code.as_ref().and_then(|code| code.mapping.as_deref());
    let Some(mapping) = mapping else {
        return file_of(frame).map(Mapped::named);
    };
    Some(Mapped {
        file: &mapping.file,
        start: mapping.start,
        end: mapping.end,
        offset: mapping.offset,
        build_id: mapping.build_id.as_deref(),
    })
}

/// The mapped file of a frame.
fn file_of(frame: &Frame) -> Option<&str> {
    let kernel = || (frame.kind == FrameKind::Kernel).then_some(KERNEL);
    frame.module.as_deref().or_else(kernel)
}

/// The target's program if it is in stacks, or the file with the greatest value in them that is no
/// library.
fn main_binary(profile: &StackProfile) -> Option<&str> {
    let mut values: HashMap<&str, u64> = HashMap::new();
    let tree = profile.tree();
    for node in &tree.nodes {
        let frame = &tree.frames[node.frame as usize];
        let path = frame.module.as_deref().filter(|m| m.starts_with('/'));
        if let Some(path) = path {
            let value = values.entry(path).or_default();
            *value = value.saturating_add(node.own).saturating_add(1);
        }
    }
    let exe = profile.run().exe.as_deref();
    if let Some((path, _)) = exe.and_then(|exe| values.get_key_value(exe)) {
        return Some(path);
    }
    let is_library = |path: &str| path.contains(".so");
    let order = |(path, value): &(&str, u64)| (!is_library(path), *value, path.to_string());
    values.into_iter().max_by_key(order).map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::render::stack_tests::{off_cpu_bytes, off_cpu_run, on_cpu_bytes, whole_run};
    use crate::render::time_tests::{ALL_NS, goroutine_bytes, wall_bytes};

    fn decoded(gzip: &[u8]) -> Profile {
        let mut bytes = Vec::new();
        let mut reader = GzDecoder::new(gzip);
        reader.read_to_end(&mut bytes).expect("gzip");
        Profile::decode(bytes.as_slice()).expect("a profile")
    }

    /// What the format asks for: numbers begin with 1, nothing refers to what is not there.
    fn assert_valid(profile: &Profile) {
        let strings = profile.string_table.len() as i64;
        let is_text = |i: i64| (0..strings).contains(&i);
        assert_eq!(profile.string_table[0], "");
        for (at, mapping) in profile.mapping.iter().enumerate() {
            assert_eq!(mapping.id, at as u64 + 1);
            assert!(is_text(mapping.filename));
        }
        for (at, function) in profile.function.iter().enumerate() {
            assert_eq!(function.id, at as u64 + 1);
            assert!(is_text(function.name) && is_text(function.filename));
        }
        for (at, location) in profile.location.iter().enumerate() {
            assert_eq!(location.id, at as u64 + 1);
            assert!(location.mapping_id <= profile.mapping.len() as u64);
            assert!(!location.line.is_empty());
            let functions = 1..=profile.function.len() as u64;
            assert!(
                location
                    .line
                    .iter()
                    .all(|l| functions.contains(&l.function_id))
            );
        }
        for sample in &profile.sample {
            assert_eq!(sample.value.len(), profile.sample_type.len());
            let locations = 1..=profile.location.len() as u64;
            assert!(sample.location_id.iter().all(|id| locations.contains(id)));
            assert!(
                sample
                    .label
                    .iter()
                    .all(|l| is_text(l.key) && is_text(l.str))
            );
        }
    }

    fn text(profile: &Profile, index: i64) -> &str {
        &profile.string_table[index as usize]
    }

    /// `function:line` of each line of each location, innermost first, joined by `<` where inlined.
    fn stack(profile: &Profile, sample: &Sample) -> Vec<String> {
        let line = |line: &Line| {
            let function = &profile.function[line.function_id as usize - 1];
            format!("{}:{}", text(profile, function.name), line.line)
        };
        let location = |id: &u64| {
            let location = &profile.location[*id as usize - 1];
            let lines: Vec<String> = location.line.iter().map(line).collect();
            lines.join("<")
        };
        sample.location_id.iter().map(location).collect()
    }

    #[test]
    fn samples_have_stacks_with_lines_and_labels() {
        let bytes = on_cpu_bytes("pprof", false, &whole_run());
        assert_eq!(bytes, on_cpu_bytes("pprof", false, &whole_run()));
        let profile = decoded(&bytes);
        assert_valid(&profile);
        let types = profile.sample_type.iter();
        let types: Vec<_> = types
            .map(|t| (text(&profile, t.r#type), text(&profile, t.unit)))
            .collect();
        assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
        assert_eq!(profile.period, 10_101_010);
        assert_eq!(profile.duration_nanos, 2_000_000_000);
        let samples: i64 = profile.sample.iter().map(|s| s.value[0]).sum();
        let ns: i64 = profile.sample.iter().map(|s| s.value[1]).sum();
        assert_eq!((samples, ns), (8, 8 * profile.period));
        assert_eq!(text(&profile, profile.mapping[0].filename), "/srv/app");
        let stacks: Vec<_> = profile.sample.iter().map(|s| stack(&profile, s)).collect();
        let inlined = [
            "main.inner:7<main.work; x:21",
            "main.main:30",
            "runtime.main:40",
        ];
        assert!(stacks.iter().any(|s| *s == inlined), "{stacks:#?}");
        let of_kernel = ["ksys_read:0", "do_syscall_64:0", "[user stack missing]:0"];
        let at = stacks.iter().position(|s| *s == of_kernel).expect("there");
        let labels = profile.sample[at].label.iter();
        let labels: Vec<_> = labels
            .map(|l| (text(&profile, l.key), text(&profile, l.str)))
            .collect();
        let expected = [("thread", "44"), ("comm", "kworker 0"), ("pid", "42")];
        assert_eq!(labels, expected);
    }

    #[test]
    fn waits_are_contentions_and_delays() {
        let profile = decoded(&off_cpu_bytes("pprof", &off_cpu_run()));
        assert_valid(&profile);
        assert_eq!(text(&profile, profile.default_sample_type), "delay");
        let values: Vec<_> = profile.sample.iter().map(|s| &s.value[..]).collect();
        let expected: [&[i64]; 3] = [&[5, 1_500_000_000], &[1, 2_000_400], &[1, 400]];
        assert_eq!(values, expected, "one who was preempted did not wait");
    }

    #[test]
    fn all_time_says_what_threads_did() {
        let profile = decoded(&wall_bytes("pprof", false));
        assert_valid(&profile);
        assert_eq!(text(&profile, profile.default_sample_type), "time");
        let ns: i64 = profile.sample.iter().map(|s| s.value[0]).sum();
        assert_eq!(ns, ALL_NS as i64);
        let stacks: Vec<_> = profile.sample.iter().map(|s| stack(&profile, s)).collect();
        let on_cpu = [
            "[on CPU]:0",
            "main.work; x:20",
            "main.main:30",
            "runtime.main:40",
        ];
        assert!(stacks.iter().any(|s| *s == on_cpu), "{stacks:#?}");
        let blocked = |s: &Vec<String>| s.first().is_some_and(|f| f == "[blocked]:0");
        assert_eq!(
            stacks.iter().filter(|s| blocked(s)).count(),
            2,
            "{stacks:#?}"
        );
    }

    #[test]
    fn goroutines_have_their_wait_reason() {
        let profile = decoded(&goroutine_bytes("pprof"));
        assert_valid(&profile);
        let shown = |s: &Sample| (stack(&profile, s).join(" "), s.value[0]);
        let expected = [
            ("main.wait:0 [chan receive]:0".to_owned(), 2_000_000_000),
            ("[running]:0".to_owned(), 1_000_000_000),
        ];
        assert_eq!(Vec::from_iter(profile.sample.iter().map(shown)), expected);
    }

    #[test]
    fn nothing_is_a_profile_too() {
        let events = [whole_run()[0].clone(), whole_run().pop().expect("its end")];
        let profile = decoded(&on_cpu_bytes("pprof", false, &events));
        assert_valid(&profile);
        assert!(profile.sample.is_empty() && profile.mapping.is_empty());
    }
}
