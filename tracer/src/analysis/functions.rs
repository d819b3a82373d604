//! Values by function, over all stacks.

use std::collections::HashMap;

use crate::report::{Frame, FrameKind, FunctionTotal, StackTree};

/// The functions of a tree. Inlined and called copies are one function, and so are all lines of it.
pub(super) struct Functions {
    pub(super) list: Vec<Frame>,
    /// Of each frame of the tree, its function.
    pub(super) of_frame: Vec<usize>,
}

impl Functions {
    pub(super) fn of(tree: &StackTree) -> Self {
        let mut index: HashMap<Frame, usize> = HashMap::new();
        let mut list: Vec<Frame> = Vec::new();
        let function = |frame: &Frame| Frame {
            inlined: false,
            file: None,
            line: None,
            code: None,
            ..frame.clone()
        };
        let of_frame = tree.frames.iter().map(|frame| {
            let function = function(frame);
            *index.entry(function.clone()).or_insert_with(|| {
                list.push(function);
                list.len() - 1
            })
        });
        let of_frame = of_frame.collect();
        Self { list, of_frame }
    }

    /// The function of a node.
    pub(super) fn of_node(&self, tree: &StackTree, node: u32) -> usize {
        self.of_frame[tree.nodes[node as usize].frame as usize]
    }

    /// Values of all functions, in the order of the list.
    pub(super) fn totals(&self, tree: &StackTree) -> Vec<FunctionTotal> {
        let total = |frame: &Frame| FunctionTotal {
            frame: frame.clone(),
            own: 0,
            total: 0,
        };
        let mut totals: Vec<FunctionTotal> = self.list.iter().map(total).collect();
        for (at, node) in tree.nodes.iter().enumerate() {
            let function = self.of_node(tree, at as u32);
            totals[function].own += node.own;
            // A recursive function counts once per stack: at its outermost call.
            let callers = std::iter::successors(node.parent, |&n| tree.nodes[n as usize].parent);
            let mut callers = callers.map(|caller| self.of_node(tree, caller));
            if !callers.any(|caller| caller == function) {
                totals[function].total += node.total;
            }
        }
        totals
    }
}

/// Values by function, most own value first. Threads and notes are no functions.
#[must_use]
pub fn function_totals(tree: &StackTree) -> Vec<FunctionTotal> {
    let mut totals = Functions::of(tree).totals(tree);
    totals.retain(|f| !matches!(f.frame.kind, FrameKind::Thread | FrameKind::Note));
    totals.sort_by(|a, b| {
        (b.own, b.total)
            .cmp(&(a.own, a.total))
            .then_with(|| a.frame.cmp(&b.frame))
    });
    totals
}
