//! Functions among their callers and callees.

use std::io::{self, Write};

use regex_lite::Regex;

use super::{StackText, Whole, clean, count, cut, function_name, tail};
use crate::analysis::{self, Peek};
use crate::report::{Frame, FrameKind, StackTree};

/// Columns of a row before its function.
const INDENT: usize = 22;

/// Writes a block for each function that the expression matches.
pub(super) fn write(
    tree: &StackTree,
    regex: &Regex,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    let of = Whole {
        value: tree.total(),
        unit: tree.unit,
    };
    let found = analysis::peek(tree, |name| regex.is_match(name));
    let is_function = |p: &&Peek| !matches!(p.function.frame.kind, FrameKind::Thread);
    let found: Vec<&Peek> = found.iter().filter(is_function).collect();
    if found.is_empty() {
        return writeln!(out, "no function matches {}", clean(regex.as_str()));
    }
    writeln!(
        out,
        "{:>7} {:>8}     FUNCTION, after its callers and before its callees",
        "SHARE", "VALUE"
    )?;
    for (at, peek) in found.iter().take(text.top).enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_block(peek, of, text, out)?;
    }
    if found.len() > text.top {
        let more = found.len() - text.top;
        let more = count(more as u64, "more function matches", "more functions match");
        writeln!(out, "\n{more}")?;
    }
    Ok(())
}

fn write_block(peek: &Peek, of: Whole, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    let mut row = |mark: &str, frame: &Frame, value: u64, more: &str| {
        let name = tail(
            &name(frame),
            text.width.saturating_sub(INDENT + more.len()).max(20),
        );
        let row = format!(
            "{:>7} {:>8} {mark:>3} {name}{more}",
            of.share(value),
            of.amount(value)
        );
        writeln!(out, "{}", cut(&row, text.width.max(INDENT + 20)))
    };
    for (caller, value) in &peek.callers {
        row("", caller, *value, "")?;
    }
    let function = &peek.function;
    let own = format!(", self {}", of.share(function.own));
    row("->", &function.frame, function.total, &own)?;
    for (callee, value) in &peek.callees {
        row("", callee, *value, "")?;
    }
    Ok(())
}

fn name(frame: &Frame) -> String {
    match frame.kind {
        FrameKind::Thread => format!("thread {}", clean(&frame.name)),
        _ => function_name(frame),
    }
}
