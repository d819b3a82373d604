//! Facts about the run that the session adds to the stream, so that a recording is complete.

use serde::{Deserialize, Serialize};

use super::Space;

/// Begins a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// Add to an event's time to get ns since 1970 UTC.
    pub wall_offset_ns: i64,
    /// Offset of local time from UTC at the start, in seconds.
    pub utc_offset_s: i32,
    /// Machine name of the kernel, for instance `x86_64`.
    pub arch: String,
    pub kernel_release: String,
    pub cpus: u32,
    /// The pids asked for, or the pid of the launched command.
    pub pids: Vec<u32>,
    /// The launched command.
    pub command: Vec<String>,
    /// What was captured, as the names of the commands that show it.
    pub kinds: Vec<String>,
    /// Samples per second asked for, 0 without sampling, or of what is not time.
    pub sample_hz: u32,
    /// What samples are of where it is not time, as `perf list` names it.
    pub sample_event: Option<String>,
    /// Version of the tracer that captured.
    pub tracer_version: String,
}

/// What is known of a target process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    pub comm: String,
    pub exe: String,
    /// For instance `go1.24.11`; `None` when it is not a Go program.
    pub go_version: Option<String>,
}

/// Names of addresses in one process, or in the kernel (then the event's pid is 0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbols {
    pub addresses: Vec<SymbolizedAddress>,
}

/// Executable memory of a process in which addresses have been named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CodeMapping {
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Its path as the process sees it, or a name in brackets.
    pub file: String,
    /// `NT_GNU_BUILD_ID`, if the file has one.
    pub build_id: Option<Vec<u8>>,
}

/// One address and its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolizedAddress {
    pub space: Space,
    pub address: u64,
    /// The address was seen as that of a caller, that is as a return address: the names are those
    /// of the call before it. An address seen in both ways is listed twice.
    pub caller: bool,
    /// Innermost (most inlined) first. Empty when nothing is known but the module.
    pub frames: Vec<FrameSymbol>,
    /// File mapped there, if any; for the kernel its module.
    pub module: Option<String>,
    /// Offset of the address in the module's file; 0 when there is no module.
    pub module_offset: u64,
}

/// One function at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSymbol {
    pub function: String,
    /// Offset of the address in the function; 0 for inlined ones.
    pub offset: u64,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub inlined: bool,
    pub origin: SymbolOrigin,
}

/// Where a name came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SymbolOrigin {
    Kernel,
    /// ELF symbols or DWARF.
    #[default]
    Native,
    /// Go's pclntab.
    Go,
    /// As `Native`, of the C library in a program that it is linked into.
    CLibrary,
}

/// What was lost since the last such event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    pub probes: Vec<ProbeLoss>,
    /// Records that could not be decoded.
    pub undecodable: u64,
}

/// Losses of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLoss {
    /// Name of the probe.
    pub probe: String,
    /// Records that did not fit in the ring buffer.
    pub ring_full: u64,
    /// Updates that a full map refused.
    pub map_full: u64,
    /// Ends without a seen beginning.
    pub unpaired: u64,
    /// Stacks that could not be stored.
    pub stacks: u64,
    /// Reads of target memory that failed.
    pub faults: u64,
    /// Runs that the kernel left out because the probe was running already on that CPU, in this or
    /// any other process: at most so many events are missing.
    pub left_out: u64,
}

/// Ends a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    pub reason: StopReason,
    /// Wall time from attached to detached.
    pub duration_ns: u64,
    /// Hits of all probes.
    pub hits: u64,
    /// Sums over the whole run.
    pub losses: Losses,
    /// CPU time the tracer itself used.
    pub own_cpu_ns: u64,
    /// Exit status of the launched command as `wait4` reports it.
    pub command_status: Option<u32>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// The duration was over.
    #[default]
    Duration,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// All targets ended.
    TargetExited,
    /// Nobody reads our output any more.
    OutputClosed,
    /// The output could not be written.
    OutputFailed,
    /// Every probe cost too much.
    OverBudget,
}
