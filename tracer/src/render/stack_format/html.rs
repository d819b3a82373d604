//! One self-contained page: a flame graph with zoom and search, the functions, callers and callees
//! of each, and the hot regions. It loads nothing.

use std::io::{self, Write};

use serde::Serialize;

use super::Shown;
use super::table::hot_regions;
use crate::render::caption::Caption;
use crate::report::{FrameKind, HotClass, HotRegion, Node, StackTree, Unit};
use crate::term::is_control;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let caption = Caption::of(shown.profile);
    let data = serde_json::to_string(&Data::of(shown))?;
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let text = match name {
            "title" => escaped(&caption.title),
            "subtitle" => escaped(&caption.subtitle),
            "style" => STYLE.to_owned(),
            "script" => SCRIPT.to_owned(),
            "data" => in_script(&data),
            _ => String::new(),
        };
        out.write_all(text.as_bytes())?;
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

/// What the script of the page reads; its beginning says how.
#[derive(Serialize)]
struct Data {
    unit: &'static str,
    frames: Vec<(String, String, FrameKind, u8)>,
    parent: Vec<i64>,
    frame: Vec<u32>,
    own: Vec<u64>,
    region: Vec<i64>,
    regions: Vec<Region>,
}

/// One hot region.
#[derive(Serialize)]
struct Region {
    name: &'static str,
    value: u64,
    threshold: f64,
    hot: bool,
    leads: Vec<(String, u64)>,
}

impl Region {
    fn of(region: &HotRegion) -> Self {
        let leads = region.leads.iter();
        Self {
            name: region.class.name(),
            value: region.value,
            threshold: region.threshold,
            hot: region.hot,
            leads: leads.map(|(name, value)| (clean(name), *value)).collect(),
        }
    }
}

impl Data {
    fn of(shown: &Shown<'_>) -> Self {
        let tree = shown.profile.tree();
        let found = hot_regions(shown);
        let of_class = |class| found.regions.iter().position(|r| r.class == class);
        let region = |class: &Option<HotClass>| {
            let index = class.and_then(of_class);
            index.map_or(-1, |at| at as i64)
        };
        let parent = |node: &Node| node.parent.map_or(-1, i64::from);
        Self {
            unit: match tree.unit {
                Unit::Samples => "samples",
                Unit::Nanoseconds => "ns",
                Unit::Bytes => "bytes",
            },
            frames: frames(tree),
            parent: tree.nodes.iter().map(parent).collect(),
            frame: tree.nodes.iter().map(|n| n.frame).collect(),
            own: tree.nodes.iter().map(|n| n.own).collect(),
            region: found.of_node.iter().map(region).collect(),
            regions: found.regions.iter().map(Region::of).collect(),
        }
    }
}

fn frames(tree: &StackTree) -> Vec<(String, String, FrameKind, u8)> {
    let module = |m: &Option<String>| m.as_deref().map_or_else(String::new, clean);
    let frames = tree.frames.iter();
    frames
        .map(|f| {
            (
                clean(&f.name),
                module(&f.module),
                f.kind,
                u8::from(f.inlined),
            )
        })
        .collect()
}

/// Without characters that could turn the text of a page around.
fn clean(text: &str) -> String {
    let shown = |c| if is_control(c) { '?' } else { c };
    text.chars().map(shown).collect()
}

fn escaped(text: &str) -> String {
    let text = clean(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// JSON that no end tag or comment in a name can end.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::render::stack_tests::{off_cpu_bytes, off_cpu_run, on_cpu_bytes, whole_run};

    fn page(bytes: Vec<u8>) -> (String, Value) {
        let page = String::from_utf8(bytes).expect("text");
        let data = page.split(r#"<script id="data" type="application/json">"#);
        let data = data.last().and_then(|d| d.split("</script>").next());
        let data = serde_json::from_str(data.expect("a script")).expect("JSON");
        (page, data)
    }

    fn sum(values: &Value) -> u64 {
        let values = values.as_array().expect("a list");
        values.iter().filter_map(Value::as_u64).sum()
    }

    #[test]
    fn the_page_has_all_stacks_and_loads_nothing() {
        let (page, data) = page(on_cpu_bytes("html", false, &whole_run()));
        assert_eq!(sum(&data["own"]), 8);
        let nodes = data["parent"].as_array().expect("a list");
        for (at, parent) in nodes.iter().enumerate() {
            assert!(parent.as_i64().is_some_and(|p| p < at as i64));
        }
        let frames = data["frames"].as_array().expect("a list");
        for frame in data["frame"].as_array().expect("a list") {
            assert!(frame.as_u64().is_some_and(|f| (f as usize) < frames.len()));
        }
        assert!(page.contains("<p id=\"subtitle\">pid 42: 8 samples at 99 Hz, 2.00 s, 3 lost</p>"));
        assert!(!page.contains("{{") && !page.contains("src=") && !page.contains("http:"));
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn regions_are_in_the_page() {
        let (_, data) = page(on_cpu_bytes("html", false, &whole_run()));
        let syscalls = &data["regions"][0];
        assert_eq!(syscalls["name"], "system calls");
        assert_eq!(
            (&syscalls["value"], &syscalls["hot"]),
            (&2.into(), &true.into())
        );
        let of_node = data["region"].as_array().expect("a list");
        assert_eq!(
            of_node.iter().filter(|r| **r == 0).count(),
            4,
            "two stacks of two"
        );
    }

    #[test]
    fn waits_are_nanoseconds() {
        let (_, data) = page(off_cpu_bytes("html", &off_cpu_run()));
        assert_eq!(data["unit"], "ns");
        assert_eq!(sum(&data["own"]), 1_502_000_800);
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            super::in_script(r#"["</script>"]"#),
            r#"["\u003c/script\u003e"]"#
        );
        assert_eq!(super::escaped("a<b>&\"\u{202e}"), "a&lt;b&gt;&amp;&quot;?");
    }
}
