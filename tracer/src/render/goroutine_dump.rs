//! Goroutines as a traceback prints them (`goroutineheader`, `traceback2` and `printcreatedby`,
//! runtime/traceback.go): the text of `/debug/pprof/goroutine?debug=2` and of SIGQUIT.

use std::fmt::{self, Write};

use crate::go::goroutine::{
    Code, Creator, Goroutine, Stack, StackFrame, Status, function_name, is_shown,
};
use crate::go::pclntab::{Argument, Call};

/// Nanoseconds of a minute.
const MINUTE: i64 = 60_000_000_000;
/// Calls shown at each end of a long stack since Go 1.21, and of all of it before.
const ENDS: usize = 50;
const MOST: usize = 100;

/// A call of a stack, as it is shown.
#[derive(Clone, Debug)]
pub struct ShownCall<'a> {
    pub call: &'a Call,
    /// `None` of an inlined call.
    pub frame: Option<&'a StackFrame>,
}

/// The calls of a stack that a traceback shows, innermost first. Those of the runtime are left out
/// unless there are no others.
#[must_use]
pub fn shown_calls<'a>(code: &Code, frames: &'a [StackFrame]) -> Vec<ShownCall<'a>> {
    let shown = select(frames, |call, callee, first| {
        is_shown(code, call, callee, first)
    });
    if shown.is_empty() {
        return select(frames, |_, _, _| true);
    }
    shown
}

fn select<'a>(
    frames: &'a [StackFrame],
    wanted: impl Fn(&Call, Option<&str>, bool) -> bool,
) -> Vec<ShownCall<'a>> {
    let mut shown = Vec::new();
    let mut callee = None;
    for frame in frames {
        let last = frame.place.calls.len().saturating_sub(1);
        for (index, call) in frame.place.calls.iter().enumerate() {
            if wanted(call, callee, shown.is_empty()) {
                let frame = (index == last).then_some(frame);
                shown.push(ShownCall { call, frame });
            }
            callee = Some(call.frame.function.as_str());
        }
    }
    shown
}

/// Prints a goroutine; `now_ns` is the monotonic clock.
///
/// # Errors
/// Those of `out`.
pub fn write_goroutine(
    out: &mut impl Write,
    code: &Code,
    goroutine: &Goroutine,
    now_ns: i64,
) -> fmt::Result {
    writeln!(
        out,
        "goroutine {} [{}]{}:",
        goroutine.descriptor.id,
        state(goroutine, now_ns),
        labels(goroutine)
    )?;
    match &goroutine.stack {
        Stack::Frames { frames, cut } => {
            let followed = followed(code, frames);
            write_calls(out, code, &shown_calls(code, followed))?;
            if let Some(why) = cut.filter(|_| followed.len() == frames.len()) {
                writeln!(out, "\t(the stack ends here: {why})")?;
            }
        }
        Stack::Running => {
            out.write_str("\tgoroutine running on other thread; stack unavailable\n")?;
        }
        Stack::Torn => {
            out.write_str("\t(it did not stand still while it was read; stack unavailable)\n")?;
        }
    }
    match &goroutine.creator {
        Some(creator) => write_creator(out, code, creator),
        None => Ok(()),
    }
}

/// The frames that a traceback follows: before Go 1.21 no more than it would show, whether they are
/// shown or not (`gentraceback`).
#[must_use]
pub fn followed<'a>(code: &Code, frames: &'a [StackFrame]) -> &'a [StackFrame] {
    match code.is_since(21) {
        true => frames,
        false => &frames[..frames.len().min(MOST)],
    }
}

/// What stands between the brackets: the status, or what it waits for; since when, in minutes;
/// whether it has a thread of its own.
#[must_use]
pub fn state(goroutine: &Goroutine, now_ns: i64) -> String {
    let descriptor = &goroutine.descriptor;
    let mut text = match &goroutine.wait_reason {
        Some(reason) => reason.to_string(),
        None => descriptor.status.name().to_owned(),
    };
    if descriptor.status == Status::LEAKED {
        text += " (leaked)";
    }
    if descriptor.scan {
        text += " (scan)";
    }
    let minutes = waited_ns(goroutine, now_ns).unwrap_or(0) / MINUTE;
    if minutes >= 1 {
        let _ = write!(text, ", {minutes} minutes");
    }
    if descriptor.is_locked {
        text += ", locked to thread";
    }
    text
}

/// ` {key: value, …}`, as Go 1.27 prints labels; nothing of a goroutine without.
#[must_use]
pub fn labels(goroutine: &Goroutine) -> String {
    let pairs = goroutine.labels.iter();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{}: {}", label_text(key), label_text(value)))
        .collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!(" {{{}}}", pairs.join(", ")),
    }
}

/// In quotation marks if there is anything but letters, digits and a few signs
/// (`tracebackStringNeedsQuoting` and `printquoted`, Go 1.27).
fn label_text(text: &str) -> String {
    if text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "./_".contains(c))
    {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\\' | '"' => write!(quoted, "\\{c}"),
            ' '..='~' => quoted.write_char(c),
            '\0'..'\x7f' => write!(quoted, "\\x{:02x}", u32::from(c)),
            '\0'..='\u{ffff}' => write!(quoted, "\\u{:04x}", u32::from(c)),
            _ => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

/// How long a goroutine has waited or been in a system call, in ns, as far as the last GC saw.
#[must_use]
pub fn waited_ns(goroutine: &Goroutine, now_ns: i64) -> Option<i64> {
    let descriptor = &goroutine.descriptor;
    let waits = [Status::WAITING, Status::SYSCALL].contains(&descriptor.status);
    let since = Some(descriptor.wait_since_ns).filter(|since| waits && *since != 0);
    since.map(|since| now_ns.saturating_sub(since))
}

/// Prints calls; of too many those at the ends.
fn write_calls(out: &mut impl Write, code: &Code, calls: &[ShownCall<'_>]) -> fmt::Result {
    let write = |out: &mut _, calls: &[ShownCall<'_>]| {
        calls
            .iter()
            .try_for_each(|call| write_call(out, code, call))
    };
    if !code.is_since(21) {
        write(out, calls)?;
        // Told only where as many calls are shown as frames are followed (`traceback1`).
        return match calls.len() {
            MOST => out.write_str("...additional frames elided...\n"),
            _ => Ok(()),
        };
    }
    if calls.len() <= MOST {
        return write(out, calls);
    }
    write(out, &calls[..ENDS])?;
    writeln!(out, "...{} frames elided...", calls.len() - 2 * ENDS)?;
    write(out, &calls[calls.len() - ENDS..])
}

fn write_call(out: &mut impl Write, code: &Code, shown: &ShownCall<'_>) -> fmt::Result {
    let name = function_name(&shown.call.frame.function);
    let arguments = match shown.frame {
        Some(frame) => arguments(frame),
        None => "...".to_owned(),
    };
    write!(out, "{name}({arguments})\n\t{}", location(shown.call))?;
    if let Some(frame) = shown.frame {
        write_offset(out, code.offset(&frame.place, frame.pc))?;
    }
    out.write_char('\n')
}

fn write_offset(out: &mut impl Write, offset: u64) -> fmt::Result {
    match offset {
        0 => Ok(()),
        _ => write!(out, " +{offset:#x}"),
    }
}

/// `file:line`.
#[must_use]
pub fn location(call: &Call) -> String {
    let file = call.frame.file.as_deref().unwrap_or("?");
    format!("{file}:{}", call.frame.line)
}

/// A frame's arguments, as words.
#[must_use]
pub fn arguments(frame: &StackFrame) -> String {
    let mut text = String::new();
    let mut values = frame.values.iter();
    let mut first = true;
    for argument in frame.place.arguments.iter().flatten() {
        if !first && *argument != Argument::Close {
            text += ", ";
        }
        first = *argument == Argument::Open;
        match argument {
            Argument::Value { live, .. } => {
                let value = values.next().copied().unwrap_or(0);
                let _ = write!(text, "{value:#x}");
                if !live {
                    text.push('?');
                }
            }
            Argument::Open => text.push('{'),
            Argument::Close => text.push('}'),
            Argument::More => text += "...",
            Argument::TooFar => text.push('_'),
        }
    }
    text
}

/// The function of the `go` statement, unless tracebacks leave it out, and the line of it: that of
/// the innermost inlined call there.
#[must_use]
pub fn shown_creator<'a>(code: &Code, creator: &'a Creator) -> Option<(&'a Call, &'a Call)> {
    let calls = &creator.place.calls;
    let (function, line) = (calls.last()?, calls.first()?);
    is_shown(code, function, None, false).then_some((function, line))
}

fn write_creator(out: &mut impl Write, code: &Code, creator: &Creator) -> fmt::Result {
    let Some((function, line)) = shown_creator(code, creator) else {
        return Ok(());
    };
    write!(
        out,
        "created by {}",
        function_name(&function.frame.function)
    )?;
    if creator.goroutine != 0 {
        write!(out, " in goroutine {}", creator.goroutine)?;
    }
    write!(out, "\n\t{}", location(line))?;
    write_offset(out, code.offset(&creator.place, creator.pc))?;
    out.write_char('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted_as_go_does() {
        assert_eq!(label_text("/a/b_1.c"), "/a/b_1.c");
        assert_eq!(label_text("a b"), "\"a b\"");
        assert_eq!(
            label_text("\"\\\n\u{1}é😀"),
            r#""\"\\\n\x01\u00e9\U0001f600""#
        );
        assert_eq!(label_text(""), "");
    }
}
