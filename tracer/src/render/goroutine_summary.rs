//! Groups of goroutines as text.

use std::fmt::{self, Write};

use super::goroutine_dump::{labels, location, shown_calls, shown_creator, waited_ns};
use crate::analysis::goroutine_groups::GoroutineGroup;
use crate::go::goroutine::{Code, Goroutine, Stack, function_name};
use crate::term::plural;

/// Prints how many goroutines there are and each group, without arguments, which differ.
///
/// # Errors
/// Those of `out`.
pub fn write_groups(
    out: &mut impl Write,
    code: &Code,
    groups: &[GoroutineGroup<'_>],
    now_ns: i64,
) -> fmt::Result {
    let count = groups.iter().map(|group| group.members.len() as u64).sum();
    writeln!(
        out,
        "{} in {}",
        plural(count, "goroutine", "goroutines"),
        plural(groups.len() as u64, "group", "groups")
    )?;
    groups
        .iter()
        .try_for_each(|group| write_group(out, code, group, now_ns))
}

fn write_group(
    out: &mut impl Write,
    code: &Code,
    group: &GoroutineGroup<'_>,
    now_ns: i64,
) -> fmt::Result {
    let count = plural(group.members.len() as u64, "goroutine", "goroutines");
    let Some(first) = group.members.first() else {
        return Ok(());
    };
    let what = match &first.wait_reason {
        Some(reason) => reason,
        None => first.descriptor.status.name(),
    };
    let locked = match first.descriptor.is_locked {
        true => ", locked to thread",
        false => "",
    };
    let labels = labels(first);
    let oldest = oldest(group, now_ns);
    writeln!(out, "\n{count} [{what}{locked}]{labels}{oldest}:")?;
    write_stack(out, code, first)
}

/// Prints the calls of a goroutine and where it was made, without arguments.
///
/// # Errors
/// Those of `out`.
pub fn write_stack(out: &mut impl Write, code: &Code, goroutine: &Goroutine) -> fmt::Result {
    match &goroutine.stack {
        Stack::Frames { frames, .. } => {
            for shown in shown_calls(code, frames) {
                let name = function_name(&shown.call.frame.function);
                writeln!(out, "{name}\n\t{}", location(shown.call))?;
            }
        }
        Stack::Running => out.write_str("\tgoroutine running on other thread\n")?,
        Stack::Torn => out.write_str("\t(did not stand still while read)\n")?,
    }
    let creator = goroutine.creator.as_ref();
    if let Some((function, line)) = creator.and_then(|c| shown_creator(code, c)) {
        let name = function_name(&function.frame.function);
        writeln!(out, "created by {name}\n\t{}", location(line))?;
    }
    Ok(())
}

/// Which member has waited longest, when the runtime has noted it of any.
fn oldest(group: &GoroutineGroup<'_>, now_ns: i64) -> String {
    let waited = |g: &&Goroutine| Some((waited_ns(g, now_ns)?, g.descriptor.id));
    match group.members.iter().filter_map(waited).max() {
        Some((ns, id)) => format!(", oldest: goroutine {id}, {} s", ns / 1_000_000_000),
        None => String::new(),
    }
}
