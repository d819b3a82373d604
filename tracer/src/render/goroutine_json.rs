//! Goroutines as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::goroutine_dump::{arguments, followed, shown_calls, shown_creator, waited_ns};
use crate::analysis::goroutine_groups::GoroutineGroup;
use crate::go::goroutine::{Code, Goroutine, Stack, function_name};
use crate::go::pclntab::Call;

/// A goroutine. Times are ns.
#[derive(Debug, Serialize)]
pub struct GoroutineJson<'a> {
    id: u64,
    status: &'a str,
    wait_reason: Option<&'a str>,
    /// As far as the last garbage collection saw.
    waited_ns: Option<i64>,
    locked_to_thread: bool,
    /// One of the runtime's own.
    system: bool,
    /// Profiler labels, where they were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    /// `frames`, `cut`, `running` or `torn`: what `frames` is.
    stack: &'static str,
    frames: Vec<FrameJson<'a>>,
    /// How many of `frames` the release's own traceback shows, where it follows a long stack only so
    /// far (Go before 1.21).
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback_frames: Option<usize>,
    created_by: Option<CreatorJson<'a>>,
}

#[derive(Debug, Serialize)]
struct FrameJson<'a> {
    function: String,
    /// As words; absent of an inlined call.
    arguments: Option<String>,
    file: Option<&'a str>,
    line: u32,
    /// From the start of the function, bytes; absent of an inlined call.
    offset: Option<u64>,
}

#[derive(Debug, Serialize)]
struct CreatorJson<'a> {
    #[serde(flatten)]
    frame: FrameJson<'a>,
    goroutine: Option<u64>,
}

/// Equal goroutines.
#[derive(Debug, Serialize)]
pub struct GroupJson<'a> {
    count: usize,
    oldest_waited_ns: Option<i64>,
    ids: Vec<u64>,
    first: GoroutineJson<'a>,
}

impl<'a> GoroutineJson<'a> {
    /// `now_ns` is the monotonic clock.
    #[must_use]
    pub fn of(code: &Code, goroutine: &'a Goroutine, now_ns: i64) -> Self {
        let descriptor = &goroutine.descriptor;
        let (stack, frames) = match &goroutine.stack {
            Stack::Frames { frames, cut } => {
                let calls = shown_calls(code, frames).into_iter();
                let frames = calls.map(|shown| FrameJson {
                    arguments: shown.frame.map(arguments),
                    offset: shown.frame.map(|f| code.offset(&f.place, f.pc)),
                    ..FrameJson::of(shown.call, shown.call)
                });
                let what = if cut.is_some() { "cut" } else { "frames" };
                (what, frames.collect())
            }
            Stack::Running => ("running", Vec::new()),
            Stack::Torn => ("torn", Vec::new()),
        };
        let creator = goroutine.creator.as_ref();
        let created_by = creator.and_then(|creator| {
            let (function, line) = shown_creator(code, creator)?;
            Some(CreatorJson {
                frame: FrameJson {
                    offset: Some(code.offset(&creator.place, creator.pc)),
                    ..FrameJson::of(function, line)
                },
                goroutine: Some(creator.goroutine).filter(|id| *id != 0),
            })
        });
        Self {
            id: descriptor.id,
            status: descriptor.status.name(),
            wait_reason: goroutine.wait_reason.as_deref(),
            waited_ns: waited_ns(goroutine, now_ns),
            locked_to_thread: descriptor.is_locked,
            system: goroutine.is_system,
            traceback_frames: traceback_frames(code, goroutine),
            labels: goroutine.labels.iter().map(|(k, v)| (&**k, &**v)).collect(),
            stack,
            frames,
            created_by,
        }
    }
}

fn traceback_frames(code: &Code, goroutine: &Goroutine) -> Option<usize> {
    let Stack::Frames { frames, .. } = &goroutine.stack else {
        return None;
    };
    let followed = followed(code, frames);
    (followed.len() < frames.len()).then(|| shown_calls(code, followed).len())
}

impl<'a> FrameJson<'a> {
    fn of(function: &'a Call, line: &'a Call) -> Self {
        Self {
            function: function_name(&function.frame.function).into_owned(),
            arguments: None,
            file: line.frame.file.as_deref(),
            line: line.frame.line,
            offset: None,
        }
    }
}

impl<'a> GroupJson<'a> {
    /// As [`GoroutineJson::of`]; `None` of a group of nobody.
    #[must_use]
    pub fn of(code: &Code, group: &GoroutineGroup<'a>, now_ns: i64) -> Option<Self> {
        let first = group.members.first()?;
        let members = group.members.iter();
        Some(Self {
            count: members.len(),
            oldest_waited_ns: members.clone().filter_map(|g| waited_ns(g, now_ns)).max(),
            ids: members.map(|g| g.descriptor.id).collect(),
            first: GoroutineJson::of(code, first, now_ns),
        })
    }
}
