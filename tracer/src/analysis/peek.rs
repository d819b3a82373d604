//! Who calls a function, and whom it calls.

use std::collections::HashMap;

use super::functions::Functions;
use crate::report::{Frame, FunctionTotal, StackTree};

/// One function among its callers and callees, each with the value of the calls; greatest first. A
/// call of itself is neither. With recursion, calls can add up to more than the function has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    pub function: FunctionTotal,
    pub callers: Vec<(Frame, u64)>,
    pub callees: Vec<(Frame, u64)>,
}

/// The functions whose names `matches` takes, greatest total first.
pub fn peek(tree: &StackTree, matches: impl Fn(&str) -> bool) -> Vec<Peek> {
    let functions = Functions::of(tree);
    let totals = functions.totals(tree);
    let mut callers: Vec<HashMap<usize, u64>> = vec![HashMap::new(); totals.len()];
    let mut callees = callers.clone();
    for (at, node) in tree.nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let callee = functions.of_node(tree, at as u32);
        let caller = functions.of_node(tree, parent);
        if callee != caller {
            add(&mut callers[callee], caller, node.total);
            add(&mut callees[caller], callee, node.total);
        }
    }
    let sorted = |calls: &HashMap<usize, u64>| {
        let mut calls: Vec<_> = calls
            .iter()
            .map(|(&f, &value)| (functions.list[f].clone(), value))
            .collect();
        calls.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        calls
    };
    let mut found: Vec<Peek> = totals
        .into_iter()
        .enumerate()
        .filter(|(_, function)| matches(&function.frame.name))
        .map(|(at, function)| Peek {
            function,
            callers: sorted(&callers[at]),
            callees: sorted(&callees[at]),
        })
        .collect();
    found.sort_by(|a, b| {
        let order = b.function.total.cmp(&a.function.total);
        order.then_with(|| a.function.frame.cmp(&b.function.frame))
    });
    found
}

fn add(calls: &mut HashMap<usize, u64>, function: usize, value: u64) {
    let sum = calls.entry(function).or_default();
    *sum = sum.saturating_add(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{FrameKind, StackTreeBuilder, Unit};

    fn frame(name: &str, inlined: bool) -> Frame {
        Frame {
            name: name.to_owned(),
            module: None,
            kind: FrameKind::Native,
            inlined,
            file: None,
            line: None,
            code: None,
        }
    }

    fn names(calls: &[(Frame, u64)]) -> Vec<(&str, u64)> {
        calls.iter().map(|(f, v)| (f.name.as_str(), *v)).collect()
    }

    #[test]
    fn callers_and_callees_have_the_values_of_their_calls() {
        let mut builder = StackTreeBuilder::new(Unit::Samples);
        for (stack, value) in [
            ("a;f;x", 5),
            ("a;f", 2),
            ("b;f;f;y", 4),
            ("b;F;x", 1),
            ("c", 9),
        ] {
            // A capital stands for an inlined copy.
            let frames: Vec<Frame> = stack
                .split(';')
                .map(|f| frame(&f.to_lowercase(), f == "F"))
                .collect();
            builder.add(&frames, value);
        }
        let found = peek(&builder.finish(), |name| name == "f");
        assert_eq!(found.len(), 1);
        let function = &found[0].function;
        assert_eq!((function.own, function.total), (2, 12));
        assert_eq!(names(&found[0].callers), [("a", 7), ("b", 5)]);
        assert_eq!(names(&found[0].callees), [("x", 6), ("y", 4)]);
    }
}
