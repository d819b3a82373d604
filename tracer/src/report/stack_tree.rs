//! Stacks merged into a tree.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::CodeMapping;

/// Name of the frame between a stack and, upside down on it, that of who woke its thread.
pub const WOKEN_BY: &str = "[woken by]";

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Name of a thread, at the root of its stacks.
    Thread,
    Native,
    Go,
    /// The Go runtime's own code.
    GoRuntime,
    Kernel,
    /// Only the mapped file is known, or nothing.
    Unresolved,
    /// Says that a part of the stack is missing.
    Note,
}

/// One function in stacks; two frames that are equal are merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Frame {
    pub name: String,
    /// Path of the file, or name of the kernel module.
    pub module: Option<String>,
    pub kind: FrameKind,
    /// Inlined into the frame below it.
    pub inlined: bool,
    /// Source file and line, where frames are told apart by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Where the code is, where frames are told apart by that.
    #[serde(skip)]
    pub code: Option<CodeAddress>,
}

/// An instruction: for a caller one of those that make the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeAddress {
    pub address: u64,
    /// The mapping it is in, if that is known.
    pub mapping: Option<Arc<CodeMapping>>,
}

/// What the values of a tree count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Samples,
    Nanoseconds,
    Bytes,
}

/// A place in the tree: one path from a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Index of the node this one was called from, smaller than its own; `None` for a root.
    pub parent: Option<u32>,
    /// Index into [`StackTree::frames`].
    pub frame: u32,
    /// Value of stacks that end here.
    #[serde(rename = "self")]
    pub own: u64,
    /// Value of stacks that pass or end here.
    pub total: u64,
}

/// Stacks with a common root share their nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackTree {
    pub unit: Unit,
    pub frames: Vec<Frame>,
    pub nodes: Vec<Node>,
}

impl StackTree {
    /// An empty tree.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            frames: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Value of all stacks.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nodes.iter().map(|n| n.own).sum()
    }

    /// The frame of a node.
    #[must_use]
    pub fn frame(&self, node: u32) -> &Frame {
        &self.frames[self.nodes[node as usize].frame as usize]
    }

    /// The frames from a node to its root.
    pub fn leaf_to_root(&self, node: u32) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(node), |&n| self.nodes[n as usize].parent).map(|n| self.frame(n))
    }
}

/// Merges stacks into a tree. Its values add up to `u64::MAX` at most: what a recording claims
/// beyond that is left out, so that any sum over nodes can be formed.
#[derive(Debug)]
pub struct StackTreeBuilder {
    tree: StackTree,
    sum: u64,
    frames: HashMap<Frame, u32>,
    children: HashMap<(Option<u32>, u32), u32>,
}

impl StackTreeBuilder {
    /// An empty tree whose values have the unit.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            tree: StackTree::new(unit),
            sum: 0,
            frames: HashMap::new(),
            children: HashMap::new(),
        }
    }

    /// Adds a stack, root first, and returns the node it ends at; `None` for an empty stack.
    pub fn add<'a>(
        &mut self,
        stack: impl IntoIterator<Item = &'a Frame>,
        value: u64,
    ) -> Option<u32> {
        let value = value.min(u64::MAX - self.sum);
        let mut at = None;
        for frame in stack {
            let node = self.child(at, frame);
            self.tree.nodes[node as usize].total += value;
            at = Some(node);
        }
        self.tree.nodes[at? as usize].own += value;
        self.sum += value;
        at
    }

    fn child(&mut self, parent: Option<u32>, frame: &Frame) -> u32 {
        let frame = self.frame(frame);
        let nodes = &mut self.tree.nodes;
        *self.children.entry((parent, frame)).or_insert_with(|| {
            nodes.push(Node {
                parent,
                frame,
                own: 0,
                total: 0,
            });
            nodes.len() as u32 - 1
        })
    }

    fn frame(&mut self, frame: &Frame) -> u32 {
        if let Some(&known) = self.frames.get(frame) {
            return known;
        }
        let new = self.tree.frames.len() as u32;
        self.tree.frames.push(frame.clone());
        self.frames.insert(frame.clone(), new);
        new
    }

    /// The tree.
    #[must_use]
    pub fn finish(self) -> StackTree {
        self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> Frame {
        Frame {
            name: name.to_owned(),
            module: None,
            kind: FrameKind::Native,
            inlined: false,
            file: None,
            line: None,
            code: None,
        }
    }

    #[test]
    fn common_roots_are_shared() {
        let [a, b, c] = ["a", "b", "c"].map(frame);
        let mut builder = StackTreeBuilder::new(Unit::Samples);
        let ab = builder.add([&a, &b], 3);
        builder.add([&a, &c], 2);
        builder.add([&a], 1);
        assert_eq!(builder.add([&a, &b], 4), ab);
        assert_eq!(builder.add([], 9), None);
        let tree = builder.finish();
        assert_eq!(tree.total(), 10);
        let values: Vec<_> = tree.nodes.iter().map(|n| (n.own, n.total)).collect();
        assert_eq!(values, [(1, 10), (7, 7), (2, 2)]);
        let leaf = ab.expect("not empty");
        assert_eq!(tree.leaf_to_root(leaf).collect::<Vec<_>>(), [&b, &a]);
    }

    #[test]
    fn values_beyond_the_range_of_a_sum_are_left_out() {
        let [a, b, c] = ["a", "b", "c"].map(frame);
        let mut builder = StackTreeBuilder::new(Unit::Nanoseconds);
        for stack in [[&a, &b], [&a, &c], [&a, &b]] {
            builder.add(stack, u64::MAX - 1);
        }
        let tree = builder.finish();
        assert_eq!(tree.total(), u64::MAX);
        let values: Vec<_> = tree.nodes.iter().map(|n| (n.own, n.total)).collect();
        assert_eq!(
            values,
            [(0, u64::MAX), (u64::MAX - 1, u64::MAX - 1), (1, 1)]
        );
    }
}
