//! What is left out of a stack: frames that are not its own.
//!
//! Along frame pointers a walk goes on past the function with which a goroutine or thread began, to
//! whatever the register held then. What stands there is another stack's, or none.

use std::rc::Rc;

use crate::event::StackEnd;
use crate::report::{Frame, FrameKind};

/// Where stacks begin: goroutines and threads of the Go runtime (runtime/asm_*.s), programs and
/// threads of the C libraries.
pub(super) const ROOTS: &[&str] = &[
    "runtime.goexit",
    "runtime.mstart",
    "runtime.rt0_go",
    "_start",
    "_dl_start_user",
    "__clone",
    "__clone3",
    "clone",
    "clone3",
];

/// Call the scheduler on the thread's own stack, and never return there (runtime/asm_amd64.s,
/// asm_arm64.s): when a goroutine waits or ends, and when it makes its stack larger or is told to let
/// others run.
pub(super) const LEAVE_GOROUTINE: &[&str] = &["runtime.mcall", "runtime.morestack"];

/// How many of [`ROOTS`] are Go's.
const GO_ROOTS: usize = 3;

/// Leaves out of a user stack what is not its own, and returns how it ends then: nothing that was
/// lost is left if it begins where a goroutine or thread of Go does.
pub(super) fn trim_user(outermost_first: &mut Vec<Rc<[Frame]>>, end: StackEnd) -> StackEnd {
    trim_signal_return(outermost_first);
    trim_maker_of_thread(outermost_first);
    let begins = trim_beyond_go_root(outermost_first, end == StackEnd::Root);
    trim_beyond_root(outermost_first);
    let is_cut = trim_left_goroutine(outermost_first);
    match end {
        StackEnd::Lost if begins || is_cut => StackEnd::Unknown,
        end => end,
    }
}

/// Leaves out where a handler of signals returns to in Go: the frame pointer leads there. That is the
/// first instruction of a function (`runtime.sigreturn__sigaction`, runtime/sys_linux_amd64.s), which
/// nobody has called, and before it lies another one.
fn trim_signal_return(outermost_first: &mut Vec<Rc<[Frame]>>) {
    let is = |frames: &Rc<[Frame]>, name: &str| frames.iter().any(|f| f.name == name);
    for at in (1..outermost_first.len()).rev() {
        let handler = is(&outermost_first[at], "runtime.sigtramp");
        if handler && is(&outermost_first[at - 1], "runtime.cgoSigtramp") {
            outermost_first.remove(at - 1);
        }
    }
}

/// Leaves out another thread's stack. A thread that Go's runtime clones inherits the frame pointer
/// of the one that made it (runtime/sys_linux_amd64.s, `clone`), so the chain goes on from its
/// `mstart` into that stack, whose own root shows that it is not this thread's.
fn trim_maker_of_thread(outermost_first: &mut Vec<Rc<[Frame]>>) {
    let go_roots = &ROOTS[..GO_ROOTS];
    let is_root = |frames: &Rc<[Frame]>| frames.iter().any(|f| go_roots.contains(&f.name.as_str()));
    let first = outermost_first.iter().position(is_root);
    let last = outermost_first.iter().rposition(is_root);
    if let (Some(first), Some(last)) = (first, last)
        && first < last
    {
        outermost_first.drain(..last);
    }
}

/// Leaves out what lies outward of where a goroutine or a thread of Go begins, and tells whether the
/// stack begins there now. Nothing has called these functions, but for C code that has made the thread:
/// the chain goes on with the frame pointer that the thread has from its maker, to frames on the
/// maker's stack that are no more. `is_rooted` says that the walk came to where a thread begins.
fn trim_beyond_go_root(outermost_first: &mut Vec<Rc<[Frame]>>, is_rooted: bool) -> bool {
    let go_roots = &ROOTS[..GO_ROOTS];
    let is_root = |frames: &Rc<[Frame]>| frames.iter().any(|f| go_roots.contains(&f.name.as_str()));
    let Some(at) = outermost_first.iter().rposition(is_root) else {
        return false;
    };
    let is_c = |frame: &Frame| match frame.kind {
        FrameKind::Native => true,
        FrameKind::Unresolved => frame.module.is_some() && is_rooted,
        _ => false,
    };
    let caller = at.checked_sub(1).map(|caller| &outermost_first[caller]);
    if caller.is_some_and(|frames| frames.iter().any(is_c)) {
        return false;
    }
    outermost_first.drain(..at);
    true
}

/// Leaves out what lies outward of a stack's beginning and belongs to no file. The frame pointer
/// is not set there, so the chain goes on with whatever the register held when the thread began.
fn trim_beyond_root(outermost_first: &mut Vec<Rc<[Frame]>>) {
    let is_root = |frames: &Rc<[Frame]>| frames.iter().any(|f| ROOTS.contains(&f.name.as_str()));
    let Some(root) = outermost_first.iter().position(is_root) else {
        return;
    };
    let mut at = 0;
    outermost_first.retain(|frames| {
        let keep = at >= root || frames.iter().any(|f| f.module.is_some());
        at += 1;
        keep
    });
}

/// Leaves out what was the stack of a goroutine that the thread has left ([`LEAVE_GOROUTINE`]) to look
/// for another one: in the meantime another thread may run the goroutine, and the chain leads into
/// frames that are no more. Whether that was so: a chain that reaches a root, through nothing but
/// code, is kept.
fn trim_left_goroutine(outermost_first: &mut Vec<Rc<[Frame]>>) -> bool {
    let has = |frames: &Rc<[Frame]>, of: &[&str]| {
        let mut names = frames.iter().map(|f| f.name.as_str());
        names.any(|name| of.contains(&name))
    };
    let left = |frames: &Rc<[Frame]>| has(frames, LEAVE_GOROUTINE);
    let Some(at) = outermost_first.iter().rposition(left) else {
        return false;
    };
    let beyond = &outermost_first[..at];
    let is_code = |frames: &Rc<[Frame]>| {
        let mut frames = frames.iter();
        frames.all(|f| f.kind != FrameKind::Unresolved || f.module.is_some())
    };
    let is_whole = beyond.iter().any(|frames| has(frames, ROOTS));
    if is_whole && beyond.iter().all(is_code) {
        return false;
    }
    outermost_first.drain(..at);
    true
}

/// Leaves out the frames of the tracer's own probe: from the innermost to where the kernel called
/// its tracepoint (`__traceiter_*`, `bpf_trace_run*`; include/linux/tracepoint.h).
pub(super) fn trim_probe(outermost_first: &mut Vec<Rc<[Frame]>>) {
    let is_tracepoint = |frames: &Rc<[Frame]>| {
        frames.iter().any(|f| {
            let name = f.name.as_str();
            name.starts_with("__traceiter_") || name.starts_with("bpf_trace_run")
        })
    };
    if let Some(at) = outermost_first.iter().position(is_tracepoint) {
        outermost_first.truncate(at);
    }
}
