//! The objects of a trace, field by field. `schema/strace.json` describes them to users, and
//! changes with them.

use serde::Serialize;

use super::clock::rfc3339;
use super::value::Value;
use crate::event::{
    FrameSymbol, Losses, ProbeLoss, ProcessInfo, RunStart, StopReason, SymbolizedAddress,
};

/// One event of a trace.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Object<'a> {
    Start(Start<'a>),
    Process(Process<'a>),
    Attach(Attach<'a>),
    Call(Call<'a>),
    Signal(Signal<'a>),
    Fork(Fork<'a>),
    Exec(Exec<'a>),
    Exit(Exit<'a>),
    Lost(Lost<'a>),
    Curbed(Curbed<'a>),
    Dump(Dump<'a>),
    Summary(Summary<'a>),
}

/// When something happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct When {
    /// RFC 3339, UTC.
    pub(super) time: String,
    /// Since the start of the trace.
    pub(super) elapsed_ns: i64,
}

impl When {
    /// Of a time of `CLOCK_MONOTONIC` in a run that began at `start_ns`.
    pub(super) fn new(time_ns: u64, start_ns: u64, start: &RunStart) -> Self {
        let utc_ns = i128::from(time_ns) + i128::from(start.wall_offset_ns);
        let elapsed = i128::from(time_ns) - i128::from(start_ns);
        Self {
            time: rfc3339(utc_ns),
            elapsed_ns: i64::try_from(elapsed).unwrap_or(i64::MAX),
        }
    }
}

/// To whom.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Who {
    pub(super) pid: u32,
    pub(super) tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goid: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Start<'a> {
    pub(super) schema: &'static str,
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) tracer_version: &'a str,
    pub(super) kernel_release: &'a str,
    pub(super) arch: &'a str,
    pub(super) cpus: u32,
    pub(super) pids: &'a [u32],
    pub(super) command: Option<&'a [String]>,
    pub(super) string_limit: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Process<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) pid: u32,
    #[serde(flatten)]
    pub(super) info: &'a ProcessInfo,
}

#[derive(Debug, Serialize)]
pub(super) struct Attach<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) pid: u32,
    pub(super) tids: &'a [u32],
}

/// How a call ended; the words are those of `--status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallStatus {
    Successful,
    Failed,
    /// It has no end, or its thread ended in it.
    Unfinished,
    /// The trace ended before it.
    Detached,
}

#[derive(Debug, Serialize)]
pub(super) struct Call<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) who: Who,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) go_function: Option<&'a str>,
    pub(super) syscall: &'a str,
    pub(super) nr: u32,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) compat: bool,
    pub(super) args: Option<Vec<Arg<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resumes: Option<&'a str>,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    pub(super) duration_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instruction_pointer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stack: Option<Vec<Frame<'a>>>,
}

/// The result of a call.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) status: CallStatus,
    pub(super) ret: Option<i64>,
    pub(super) errno: Option<u32>,
    pub(super) error: Option<String>,
    pub(super) result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) referent: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Arg<'a> {
    pub(super) name: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: Value,
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) referent: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) truncated: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) unread: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One frame of a stack. What is not known is null.
#[derive(Debug, Serialize)]
pub(super) struct Frame<'a> {
    address: u64,
    module: Option<&'a str>,
    module_offset: Option<u64>,
    function: Option<&'a str>,
    function_offset: Option<u64>,
}

impl<'a> Frame<'a> {
    /// As `-k` names it: the function is the one that stands in the file.
    pub(super) fn new(address: u64, symbol: Option<&'a SymbolizedAddress>) -> Self {
        let module = symbol.and_then(|s| s.module.as_deref());
        let symbol = symbol.filter(|_| module.is_some());
        let function: Option<&FrameSymbol> = symbol.and_then(|s| s.frames.last());
        Self {
            address,
            module,
            module_offset: symbol.map(|s| s.module_offset),
            function: function.map(|f| f.function.as_str()),
            function_offset: function.map(|f| f.offset),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Signal<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) signal: &'a str,
    pub(super) signo: u32,
    pub(super) ignored: bool,
    pub(super) info: Value,
    pub(super) text: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Fork<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) child_pid: u32,
    pub(super) child_tid: u32,
    pub(super) child_comm: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Exec<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) program: &'a str,
    pub(super) old_tid: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Exit<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) wait_status: u32,
    pub(super) exit_code: Option<u32>,
    pub(super) signal: Option<String>,
    pub(super) core_dumped: bool,
    pub(super) last_thread: bool,
    pub(super) text: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Lost<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    #[serde(flatten)]
    pub(super) lost: LostEvents<'a>,
}

/// What did not arrive, and whose it would have been.
#[derive(Debug, Serialize)]
pub(super) struct LostEvents<'a> {
    pub(super) lost_events: u64,
    undecodable: u64,
    probes: &'a [ProbeLoss],
}

impl<'a> LostEvents<'a> {
    pub(super) fn of(losses: &'a Losses, lost_events: u64) -> Self {
        Self {
            lost_events,
            undecodable: losses.undecodable,
            probes: &losses.probes,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Curbed<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) probes: &'a str,
    pub(super) one_in: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Dump<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) reason: &'a str,
    pub(super) window_ns: u64,
    pub(super) reaches_back_ns: Option<u64>,
    pub(super) dropped: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    #[serde(flatten)]
    pub(super) when: When,
    pub(super) reason: &'static str,
    pub(super) duration_ns: u64,
    pub(super) calls: u64,
    pub(super) unread_arguments: u64,
    #[serde(flatten)]
    pub(super) lost: LostEvents<'a>,
    pub(super) probe_hits: u64,
    pub(super) own_cpu_ns: u64,
    pub(super) command_wait_status: Option<u32>,
    pub(super) cost: Option<&'a serde_json::Value>,
}

/// Why a trace ended.
pub(super) const fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Duration => "duration",
        StopReason::Interrupted => "interrupted",
        StopReason::TargetExited => "target_exited",
        StopReason::OutputClosed => "output_closed",
        StopReason::OutputFailed => "output_failed",
        StopReason::OverBudget => "over_budget",
    }
}
