//! What `tracer goroutines` writes as JSON, read back.

use std::borrow::Cow;

use serde::Deserialize;

use crate::go::version::Release;

use super::traced::{MAX_GOROUTINES, Traceback, TracebackError, TracedCall, TracedGoroutine};

/// Nanoseconds of a minute.
const MINUTE: i64 = 60_000_000_000;
/// Calls that a traceback shows of a stack (`tracebackInnerFrames` and `tracebackOuterFrames`,
/// runtime/traceback.go since Go 1.21; `_TracebackMaxFrames` before).
const ENDS: usize = 50;
const MOST: usize = 100;

/// The document: goroutines, or with `--summary` groups of them.
#[derive(Deserialize)]
struct Document<'a> {
    pid: u32,
    go_version: Option<String>,
    #[serde(borrow, default)]
    goroutines: Vec<One<'a>>,
    #[serde(borrow, default)]
    groups: Vec<Group<'a>>,
}

#[derive(Deserialize)]
struct Group<'a> {
    ids: Vec<u64>,
    #[serde(borrow)]
    first: One<'a>,
}

#[derive(Deserialize)]
struct One<'a> {
    id: u64,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    wait_reason: Option<Cow<'a, str>>,
    waited_ns: Option<i64>,
    locked_to_thread: bool,
    system: bool,
    #[serde(borrow)]
    frames: Vec<Frame<'a>>,
    traceback_frames: Option<usize>,
    #[serde(borrow)]
    created_by: Option<Frame<'a>>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    function: Cow<'a, str>,
    #[serde(borrow)]
    file: Option<Cow<'a, str>>,
    line: u32,
}

/// Reads a document. The runtime's own goroutines are left out, as tracebacks do.
pub(super) fn parse(text: &str) -> Result<Traceback<'_>, TracebackError> {
    let document: Document<'_> = serde_json::from_str(text)?;
    let mut goroutines = Vec::new();
    for one in document.goroutines.into_iter().filter(|g| !g.system) {
        goroutines.push(one.into());
    }
    for group in document.groups.into_iter().filter(|g| !g.first.system) {
        if goroutines.len().saturating_add(group.ids.len()) > MAX_GOROUTINES {
            return Err(TracebackError::TooMany);
        }
        let first = TracedGoroutine::from(group.first);
        goroutines.extend(group.ids.into_iter().map(|id| TracedGoroutine {
            id,
            ..first.clone()
        }));
    }
    if goroutines.is_empty() {
        return Err(TracebackError::NoGoroutines);
    }
    let release = document.go_version.and_then(|v| Release::parse(&v));
    let has_ends = release.is_none_or(|release| release.minor >= 21);
    for goroutine in &mut goroutines {
        elide(&mut goroutine.calls, has_ends);
    }
    Ok(Traceback {
        pid: Some(document.pid),
        goroutines,
    })
}

/// Leaves out the calls of a long stack that text leaves out, so that both compare as equal.
fn elide(calls: &mut Vec<TracedCall<'_>>, has_ends: bool) {
    if calls.len() <= MOST {
        return;
    }
    match has_ends {
        true => drop(calls.drain(ENDS..calls.len() - ENDS)),
        false => calls.truncate(MOST),
    }
}

impl<'a> From<One<'a>> for TracedGoroutine<'a> {
    fn from(one: One<'a>) -> Self {
        let shown = one.traceback_frames.unwrap_or(usize::MAX);
        let calls = one.frames.into_iter().take(shown);
        let minutes = one.waited_ns.unwrap_or(0) / MINUTE;
        Self {
            id: one.id,
            state: one.wait_reason.unwrap_or(one.status),
            minutes: u64::try_from(minutes).unwrap_or(0),
            is_locked: one.locked_to_thread,
            calls: calls.map(TracedCall::from).collect(),
            creator: one.created_by.map(TracedCall::from),
        }
    }
}

impl<'a> From<Frame<'a>> for TracedCall<'a> {
    fn from(frame: Frame<'a>) -> Self {
        Self {
            function: frame.function,
            file: frame.file.unwrap_or_default(),
            line: frame.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOROUTINE: &str = r#"{"id": 4, "status": "waiting", "wait_reason": "select",
        "waited_ns": 61000000000, "locked_to_thread": true, "system": false, "stack": "frames",
        "frames": [{"function": "main.a", "file": "/a \"b\".go", "line": 3, "arguments": "0x1"}],
        "created_by": {"function": "main.main", "file": null, "line": 9, "goroutine": 1}}"#;

    #[test]
    fn goroutines_and_groups_are_read() {
        let text = format!(
            r#"{{"pid": 7, "goroutines": [{GOROUTINE}],
                "groups": [{{"count": 2, "ids": [5, 6], "first": {GOROUTINE}}}]}}"#
        );
        let read = parse(&text).expect("goroutines");
        let ids: Vec<u64> = read.goroutines.iter().map(|g| g.id).collect();
        assert_eq!((read.pid, ids), (Some(7), vec![4, 5, 6]));
        let last = &read.goroutines[2];
        assert_eq!((&*last.state, last.minutes), ("select", 1));
        assert!(last.is_locked);
        assert_eq!(&*last.calls[0].file, "/a \"b\".go");
        let creator = last.creator.as_ref().expect("told");
        assert_eq!((&*creator.function, &*creator.file), ("main.main", ""));
    }

    #[test]
    fn long_stacks_are_shortened_as_text_is() {
        let call = |line: u32| TracedCall {
            line,
            ..TracedCall::default()
        };
        let lines = |calls: &[TracedCall<'_>]| (calls[0].line, calls[50].line, calls[99].line);
        let mut calls: Vec<_> = (0..151).map(call).collect();
        elide(&mut calls, true);
        assert_eq!((calls.len(), lines(&calls)), (100, (0, 101, 150)));
        let mut calls: Vec<_> = (0..151).map(call).collect();
        elide(&mut calls, false);
        assert_eq!((calls.len(), lines(&calls)), (100, (0, 50, 99)));
    }

    #[test]
    fn of_frames_that_old_releases_do_not_show_none_is_compared() {
        let frame = r#""frames": [{"function": "main.a", "file": null, "line": 3}"#;
        let long = GOROUTINE.replacen("\"frames\": [{", &format!("{frame}, {{"), 1);
        let calls = |text: &str| {
            let text = format!(r#"{{"pid": 7, "go_version": "go1.19.8", "goroutines": [{text}]}}"#);
            parse(&text).expect("a goroutine").goroutines[0].calls.len()
        };
        assert_eq!(calls(&long), 2);
        let told = long.replacen("\"frames\": [", "\"traceback_frames\": 1, \"frames\": [", 1);
        assert_eq!(calls(&told), 1);
    }

    #[test]
    fn the_runtimes_own_are_left_out() {
        let system = GOROUTINE.replace(r#""system": false"#, r#""system": true"#);
        let text = format!(r#"{{"pid": 7, "goroutines": [{system}]}}"#);
        let error = parse(&text).expect_err("none is left");
        assert!(matches!(error, TracebackError::NoGoroutines), "{error}");
    }
}
