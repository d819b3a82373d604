//! The checks of one process.

use serde::{Deserialize, Serialize};

use super::executable::{ExecutableError, ExecutableFacts, FramePointers};
use super::host::{Host, field};
use super::report::{CheckResult, ProcessReport, Verdict};
use crate::error::ExpectedError;
use crate::go::layout::{Confidence, Layout};
use crate::go::{Binary, BinaryError, BuildInfo};
use crate::term::plural;

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    pub pid: u32,
    pub comm: String,
    /// `None` for a kernel thread, or when it may not be seen.
    pub exe: Option<String>,
    pub threads: u64,
    /// As `/proc/PID/status` says it, for instance `S (sleeping)`.
    pub state: String,
    /// Its id in its own pid namespace when that is another one.
    pub inner_pid: Option<u32>,
    /// For instance `go1.24.11`.
    pub go_version: Option<String>,
    pub executable: Option<ExecutableFacts>,
}

/// What the checks may look at.
#[derive(Debug)]
pub struct ProcessContext<'a> {
    host: &'a Host,
    /// `/proc/PID/status`.
    status: String,
    facts: ProcessFacts,
    executable: Result<ExecutableFacts, ExecutableError>,
    go: Result<Binary, BinaryError>,
}

/// One row of [`PROCESS_CHECKS`].
#[derive(Clone, Copy, Debug)]
pub struct ProcessCheck {
    /// Never reused for something else: scripts rely on it.
    pub id: &'static str,
    /// What it is for, as "needed to …" would go on.
    pub purpose: &'static str,
    pub run: fn(&ProcessContext<'_>) -> Verdict,
}

/// All checks of a process, in the order they are shown.
pub const PROCESS_CHECKS: &[ProcessCheck] = &[
    ProcessCheck {
        id: "state",
        purpose: "have something to trace",
        run: state,
    },
    ProcessCheck {
        id: "executable",
        purpose: "tell what was examined",
        run: executable,
    },
    ProcessCheck {
        id: "namespace",
        purpose: "know its id inside a container",
        run: namespace,
    },
    ProcessCheck {
        id: "memory",
        purpose: "read the Go runtime's state",
        run: memory,
    },
    ProcessCheck {
        id: "symbols",
        purpose: "name its functions",
        run: symbols,
    },
    ProcessCheck {
        id: "frame-pointers",
        purpose: "walk its stacks",
        run: frame_pointers,
    },
    ProcessCheck {
        id: "go",
        purpose: "show collections and goroutines",
        run: go,
    },
];

/// Runs all checks of a process.
///
/// # Errors
/// [`ExpectedError::NoSuchProcess`].
pub(super) fn examine(host: &Host, pid: u32) -> Result<ProcessReport, ExpectedError> {
    let Ok(status) = host.text(&format!("/proc/{pid}/status")) else {
        return Err(ExpectedError::NoSuchProcess { pid });
    };
    let exe_link = format!("/proc/{pid}/exe");
    let opened = host.open(&exe_link).map_err(ExecutableError::Io);
    let executable = opened.and_then(ExecutableFacts::read);
    let go = Binary::open(&host.path(&exe_link));
    let facts = ProcessFacts {
        pid,
        comm: field(&status, "Name").unwrap_or_default(),
        exe: host.link(&exe_link).ok(),
        threads: number(&status, "Threads").unwrap_or(0),
        state: field(&status, "State").unwrap_or_default(),
        inner_pid: inner_pid(&status),
        go_version: go.as_ref().ok().and_then(go_version),
        executable: executable.as_ref().ok().cloned(),
    };
    let context = ProcessContext {
        host,
        status,
        facts,
        executable,
        go,
    };
    let checks = PROCESS_CHECKS
        .iter()
        .map(|check| CheckResult::new(check.id, check.purpose, (check.run)(&context)))
        .collect();
    Ok(ProcessReport {
        facts: context.facts,
        checks,
    })
}

fn number(status: &str, key: &str) -> Option<u64> {
    field(status, key)?.parse().ok()
}

/// The last of the ids in `NSpid`, one for each namespace from the reader's to its own.
fn inner_pid(status: &str) -> Option<u32> {
    let ids = field(status, "NSpid")?;
    ids.split_whitespace().skip(1).last()?.parse().ok()
}

fn state(c: &ProcessContext<'_>) -> Verdict {
    let leader = number(&c.status, "Tgid").unwrap_or(0);
    if leader != u64::from(c.facts.pid) {
        return Verdict::limited(format!("it is a thread of process {leader}"))
            .remedy(format!("use -p {leader}"));
    }
    let threads = plural(c.facts.threads, "thread", "threads");
    let state = &c.facts.state;
    if has_ended(c) {
        return Verdict::missing(format!("{state}: it has ended and waits for its parent"));
    }
    match number(&c.status, "TracerPid") {
        Some(tracer @ 1..) => Verdict::ok(format!(
            "{state}, {threads}; process {tracer} has it under ptrace, which does not matter here"
        )),
        _ => Verdict::ok(format!("{state}, {threads}")),
    }
}

/// Kernel threads have no memory of their own, and so no line about it (fs/proc/array.c).
fn is_kernel_thread(c: &ProcessContext<'_>) -> bool {
    field(&c.status, "VmSize").is_none() && !has_ended(c)
}

fn has_ended(c: &ProcessContext<'_>) -> bool {
    c.facts.state.starts_with(['Z', 'X'])
}

fn executable(c: &ProcessContext<'_>) -> Verdict {
    if is_kernel_thread(c) {
        return Verdict::ok("none: it is a kernel thread");
    }
    let Some(exe) = &c.facts.exe else {
        return Verdict::limited("none that may be seen");
    };
    let facts = match &c.executable {
        Ok(facts) => facts,
        Err(e) => return Verdict::limited(format!("{exe}: {e}")),
    };
    let linked = if facts.statically_linked {
        "static"
    } else {
        "dynamic"
    };
    let placed = if facts.position_independent {
        "PIE"
    } else {
        "fixed address"
    };
    Verdict::ok(format!("{exe} ({linked}, {placed})"))
}

fn namespace(c: &ProcessContext<'_>) -> Verdict {
    match c.facts.inner_pid {
        Some(inner) => Verdict::ok(format!("inside a container, where its id is {inner}")),
        None => Verdict::ok("the same as here"),
    }
}

/// Opening `mem` asks for the same right as reading by `process_vm_readv(2)`
/// (`PTRACE_MODE_ATTACH`, see ptrace(2)).
fn memory(c: &ProcessContext<'_>) -> Verdict {
    match c.host.open(&format!("/proc/{}/mem", c.facts.pid)) {
        Ok(_) => Verdict::ok("readable"),
        Err(e) => Verdict::missing(format!("not readable: {e}"))
            .remedy("run as root, as its user, or with CAP_SYS_PTRACE"),
    }
}

fn symbols(c: &ProcessContext<'_>) -> Verdict {
    if is_kernel_thread(c) {
        return Verdict::ok("those of the kernel");
    }
    if c.go.is_ok() {
        return Verdict::ok("functions, files and lines from Go's pclntab");
    }
    match &c.executable {
        Err(_) => Verdict::limited("functions stay addresses: the executable cannot be read"),
        Ok(facts) if facts.debug_info => Verdict::ok("functions, files and lines from DWARF"),
        Ok(facts) if facts.stripped => {
            Verdict::limited("stripped: only exported functions have names")
                .remedy("install its debug information, or deploy it with symbols")
        }
        Ok(_) => Verdict::ok("functions from the symbol table"),
    }
}

fn frame_pointers(c: &ProcessContext<'_>) -> Verdict {
    const REMEDY: &str = "build it with -fno-omit-frame-pointer";
    if is_kernel_thread(c) {
        return Verdict::ok("not needed: the kernel walks its own stacks");
    }
    if c.go.is_ok() {
        return Verdict::ok("kept by Go");
    }
    let Ok(facts) = &c.executable else {
        return Verdict::limited("unknown: the executable cannot be read");
    };
    match facts.frame_pointers {
        FramePointers::Likely => Verdict::ok("most functions keep one (libraries may not)"),
        FramePointers::Partly => {
            Verdict::limited("only some functions keep one: stacks may lack frames").remedy(REMEDY)
        }
        FramePointers::Unlikely => {
            Verdict::limited("hardly any function keeps one: stacks will be short").remedy(REMEDY)
        }
        FramePointers::Unknown => Verdict::limited("unknown: no function could be examined"),
    }
}

fn go_version(binary: &Binary) -> Option<String> {
    match (binary.build_info(), binary.release()) {
        (Some(info), _) => Some(info.version.clone()),
        (None, Some(release)) => Some(release.to_string()),
        (None, None) => None,
    }
}

fn go(c: &ProcessContext<'_>) -> Verdict {
    let binary = match &c.go {
        Ok(binary) => binary,
        Err(e) => return Verdict::missing(e.to_string()),
    };
    let Some(version) = &c.facts.go_version else {
        return Verdict::missing("a Go program without a version in it")
            .remedy("do not remove .go.buildinfo when building");
    };
    let kind = binary.build_info().map_or_else(String::new, build_kind);
    let Some(release) = binary.release() else {
        return Verdict::missing(format!("{version}{kind}: not a release of Go"));
    };
    let known = match binary.build_info() {
        Some(info) => Layout::candidates(info, binary.arch()).map(|all| all[0]),
        None => Layout::for_release(release, binary.arch()),
    };
    match known.map(|row| row.confidence) {
        Ok(Confidence::Exact) => Verdict::ok(format!("{version}{kind}")),
        Ok(Confidence::Assumed) => Verdict::limited(format!(
            "{version}{kind}: known from its neighbours only, so it is checked against the live \
             process first"
        )),
        Err(e) => Verdict::missing(format!("{version}{kind}: {e}"))
            .remedy("use a tracer that knows this release"),
    }
}

/// What of the build settings matters for reading the runtime.
fn build_kind(info: &BuildInfo) -> String {
    let mut kind = String::new();
    if info.setting("CGO_ENABLED") == Some("1") {
        kind += ", cgo enabled";
    }
    if info.race() {
        kind += ", race detector";
    }
    if let Some(experiments) = info.experiments() {
        kind += ", GOEXPERIMENT=";
        kind += experiments;
    }
    kind
}
