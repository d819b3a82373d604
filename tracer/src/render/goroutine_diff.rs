//! What changed between two dumps of goroutines, as text and as JSON.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use crate::analysis::goroutine_diff::{GoroutineDiff, GroupChange};
use crate::go::traceback::TracedCall;
use crate::term::plural;

/// Prints the totals and the groups that changed, without arguments.
///
/// # Errors
/// Those of `out`.
pub fn write_diff(out: &mut impl Write, diff: &GoroutineDiff<'_>) -> fmt::Result {
    let changed: Vec<_> = diff.groups.iter().filter(|g| g.is_changed()).collect();
    writeln!(
        out,
        "{} before, {} after ({:+}); {} of {} changed",
        plural(diff.before as u64, "goroutine", "goroutines"),
        diff.after,
        diff.after as i64 - diff.before as i64,
        changed.len(),
        plural(diff.groups.len() as u64, "group", "groups"),
    )?;
    changed.iter().try_for_each(|group| write_group(out, group))
}

fn write_group(out: &mut impl Write, group: &GroupChange<'_>) -> fmt::Result {
    let member = group.member;
    let locked = match member.is_locked {
        true => ", locked to thread",
        false => "",
    };
    write!(
        out,
        "\n{:+} [{}{locked}]: {} before, {} after",
        group.change(),
        member.state,
        group.before,
        group.after
    )?;
    if let Some(stayed) = group.stayed {
        write!(
            out,
            "; {stayed} stayed, {} came, {} left",
            group.after - stayed,
            group.before - stayed
        )?;
    }
    out.write_char('\n')?;
    write_calls(out, &member.calls, member.creator.as_ref())
}

/// Prints calls and the creator.
///
/// # Errors
/// Those of `out`.
pub fn write_calls(
    out: &mut impl Write,
    calls: &[TracedCall<'_>],
    creator: Option<&TracedCall<'_>>,
) -> fmt::Result {
    if calls.is_empty() {
        out.write_str("\t(without a stack)\n")?;
    }
    for call in calls {
        writeln!(out, "{}\n\t{}", call.function, location(call))?;
    }
    match creator {
        Some(call) => writeln!(out, "created by {}\n\t{}", call.function, location(call)),
        None => Ok(()),
    }
}

fn location(call: &TracedCall<'_>) -> String {
    let file = if call.file.is_empty() {
        "?"
    } else {
        &call.file
    };
    format!("{file}:{}", call.line)
}

/// The same with the groups that did not change.
#[must_use]
pub fn diff_json(diff: &GoroutineDiff<'_>, names: [&str; 2]) -> Value {
    let call = |call: &TracedCall<'_>| {
        let file = Some(&call.file).filter(|file| !file.is_empty());
        json!({"function": call.function, "file": file, "line": call.line})
    };
    let group = |group: &GroupChange<'_>| {
        json!({
            "change": group.change(),
            "before": group.before,
            "after": group.after,
            "stayed": group.stayed,
            "state": group.member.state,
            "locked_to_thread": group.member.is_locked,
            "frames": group.member.calls.iter().map(call).collect::<Vec<_>>(),
            "created_by": group.member.creator.as_ref().map(call),
        })
    };
    json!({
        "before": {"name": names[0], "goroutines": diff.before},
        "after": {"name": names[1], "goroutines": diff.after},
        "same_process": diff.is_one_process,
        "groups": diff.groups.iter().map(group).collect::<Vec<_>>(),
    })
}
