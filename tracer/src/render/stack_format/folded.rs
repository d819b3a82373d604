//! Folded stacks: one line per stack, `root;caller;leaf VALUE`, as flame graph tools read them.
//!
//! Kernel functions end in `_[k]` and inlined ones in `_[i]`. Values are samples, µs of time, or bytes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Shown;
use crate::report::{Frame, FrameKind, StackTree, Unit};
use crate::term::is_control;

/// Writes each stack with a value of at least 1, in the order of the lines' text.
pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (stack, value) in lines(shown.profile.tree()) {
        writeln!(out, "{stack} {value}")?;
    }
    Ok(())
}

/// Stacks and their values. Stacks that differ only in what the text cannot show are one.
pub(in crate::render) fn lines(tree: &StackTree) -> BTreeMap<String, u64> {
    let names: Vec<String> = tree.frames.iter().map(frame_name).collect();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for (at, node) in tree.nodes.iter().enumerate() {
        if node.own > 0 {
            *lines.entry(line(tree, &names, at as u32)).or_default() += node.own;
        }
    }
    if tree.unit == Unit::Nanoseconds {
        lines
            .values_mut()
            .for_each(|ns| *ns = ns.saturating_add(500) / 1000);
    }
    lines.retain(|_, value| *value > 0);
    lines
}

fn line(tree: &StackTree, names: &[String], node: u32) -> String {
    let path = std::iter::successors(Some(node), |&n| tree.nodes[n as usize].parent);
    let mut path: Vec<&str> = path
        .map(|n| names[tree.nodes[n as usize].frame as usize].as_str())
        .collect();
    path.reverse();
    path.join(";")
}

/// A frame as the format writes it: without the characters that separate frames, values and
/// lines, and marked by kind.
pub(super) fn frame_name(frame: &Frame) -> String {
    let mut name = sanitized(&frame.name);
    if frame.kind == FrameKind::Kernel {
        name.push_str("_[k]");
    } else if frame.inlined {
        name.push_str("_[i]");
    }
    name
}

/// Names with control characters could also drive a terminal. A line without any name is no stack
/// to those who read it, and its value would be missing from the picture.
fn sanitized(name: &str) -> String {
    if name.is_empty() {
        return "[unnamed]".to_owned();
    }
    name.chars()
        .map(|c| match c {
            ';' => ':',
            c if c.is_whitespace() || is_control(c) => '_',
            c => c,
        })
        .collect()
}
