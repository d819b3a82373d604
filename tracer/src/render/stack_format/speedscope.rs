//! The file format of speedscope: a list of frames, and of each thread its stacks and their
//! weights. Keys are those of jlfwong/speedscope, `src/lib/file-format-spec.ts`.

use std::io::{self, Write};

use serde::Serialize;

use super::Shown;
use crate::render::caption::Caption;
use crate::report::{Frame, StackProfile, ThreadStack, Unit};

/// What the reader compares to know the format.
const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: &'static str,
    #[serde(rename = "activeProfileIndex")]
    active: u32,
    shared: Shared<'a>,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<SharedFrame<'a>>,
}

#[derive(Serialize)]
struct SharedFrame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    /// Sum of the weights.
    end_value: u64,
    /// Indices of frames, outermost first.
    samples: Vec<Vec<u32>>,
    weights: Vec<u64>,
}

pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &document(shown.profile))?;
    writeln!(out)
}

fn document(profile: &StackProfile) -> Document<'_> {
    let tree = profile.tree();
    Document {
        schema: SCHEMA,
        name: Caption::of(profile).line(),
        exporter: concat!("tracer ", env!("CARGO_PKG_VERSION")),
        active: 0,
        shared: Shared {
            frames: tree.frames.iter().map(shared_frame).collect(),
        },
        profiles: profiles(profile),
    }
}

fn shared_frame(frame: &Frame) -> SharedFrame<'_> {
    SharedFrame {
        name: &frame.name,
        // Of what has no source, the binary is shown.
        file: frame.file.as_deref().or(frame.module.as_deref()),
        line: frame.line,
    }
}

/// All threads together, then each on its own.
fn profiles(profile: &StackProfile) -> Vec<Sampled> {
    let tree = profile.tree();
    let nodes = tree.nodes.iter().enumerate();
    let all = nodes.map(|(at, node)| (at as u32, node.own));
    let mut profiles = vec![sampled(profile, "all threads".to_owned(), all)];
    let threads = profile.threads();
    if threads.len() < 2 {
        return profiles;
    }
    let mut own: Vec<Vec<&ThreadStack>> = vec![Vec::new(); threads.len()];
    for stack in profile.by_thread() {
        own[stack.thread as usize].push(stack);
    }
    for (thread, stacks) in threads.iter().zip(own) {
        let name = format!("{}/{}", thread.comm, thread.tid);
        let stacks = stacks.into_iter().map(|s| (s.node, s.value));
        profiles.push(sampled(profile, name, stacks));
    }
    profiles
}

fn sampled(
    profile: &StackProfile,
    name: String,
    stacks: impl Iterator<Item = (u32, u64)>,
) -> Sampled {
    let with_value = stacks.filter(|(_, value)| *value > 0);
    let (samples, weights): (Vec<_>, Vec<_>) = with_value
        .map(|(node, value)| (path(profile, node), value))
        .unzip();
    Sampled {
        r#type: "sampled",
        name,
        unit: match profile.tree().unit {
            Unit::Samples => "none",
            Unit::Nanoseconds => "nanoseconds",
            Unit::Bytes => "bytes",
        },
        start_value: 0,
        end_value: weights.iter().copied().fold(0, u64::saturating_add),
        samples,
        weights,
    }
}

/// Frames from the root to a node. The thread is the profile, not a frame.
fn path(profile: &StackProfile, node: u32) -> Vec<u32> {
    let nodes = &profile.tree().nodes;
    let path = std::iter::successors(Some(node), |&n| nodes[n as usize].parent);
    let mut path: Vec<u32> = path
        .filter(|&n| !profile.is_label(n))
        .map(|n| nodes[n as usize].frame)
        .collect();
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::render::stack_tests::{off_cpu_bytes, off_cpu_run, on_cpu_bytes, whole_run};
    use crate::render::time_tests::{ALL_NS, goroutine_bytes, wall_bytes};

    /// Checks a document, and returns the sum of weights of each of its profiles by name.
    fn checked(bytes: &[u8]) -> Vec<(String, u64)> {
        let document: Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(document["$schema"], super::SCHEMA);
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let frames = list(&document["shared"]["frames"]);
        assert!(frames.iter().all(|f| f["name"].is_string()));
        let check = |profile: &Value| {
            assert_eq!(profile["type"], "sampled");
            let (samples, weights) = (list(&profile["samples"]), list(&profile["weights"]));
            assert_eq!(samples.len(), weights.len());
            for index in samples.iter().flat_map(list) {
                assert!(index.as_u64().is_some_and(|i| (i as usize) < frames.len()));
            }
            let sum: u64 = weights.iter().filter_map(Value::as_u64).sum();
            assert_eq!(
                (profile["startValue"].as_u64(), profile["endValue"].as_u64()),
                (Some(0), Some(sum))
            );
            (profile["name"].as_str().expect("a name").to_owned(), sum)
        };
        list(&document["profiles"]).iter().map(check).collect()
    }

    #[test]
    fn weights_add_up_for_all_threads_and_for_each() {
        let bytes = on_cpu_bytes("speedscope", false, &whole_run());
        let sums = checked(&bytes);
        let sums: Vec<_> = sums.iter().map(|(n, sum)| (n.as_str(), *sum)).collect();
        let expected = [
            ("all threads", 8),
            ("app/43", 5),
            ("app/42", 2),
            ("kworker 0/44", 1),
        ];
        assert_eq!(sums, expected);
        let text = String::from_utf8(bytes).expect("text");
        assert!(
            text.contains(r#"{"name":"main.inner","file":"/src/work.go","line":7}"#),
            "{text}"
        );
    }

    #[test]
    fn waits_weigh_nanoseconds() {
        let bytes = off_cpu_bytes("speedscope", &off_cpu_run());
        assert_eq!(checked(&bytes), [("all threads".to_owned(), 1_502_000_800)]);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains(r#""unit":"nanoseconds""#));
    }

    #[test]
    fn all_time_of_threads_and_of_goroutines_adds_up() {
        let sums = checked(&wall_bytes("speedscope", true));
        let sums: Vec<_> = sums.iter().map(|(n, sum)| (n.as_str(), *sum)).collect();
        let expected = [
            ("all threads", ALL_NS),
            ("app/42", ALL_NS - 100),
            ("app/43", 100),
        ];
        assert_eq!(sums, expected);
        let goroutines = checked(&goroutine_bytes("speedscope"));
        assert_eq!(goroutines[0].1, 3_000_000_000);
    }
}
