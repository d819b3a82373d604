//! Why a thread gave up its P, and which call of the program led there.

use crate::event::{FrameSymbol, HandoffCause};

use super::goroutine::Code;
use super::origin::{Origin, origin};
use super::stop::symbol;

/// Functions of package syscall and the like that only enter the kernel: who calls them names the call.
const ENTRIES: [&str; 8] = [
    "syscall.Syscall",
    "syscall.Syscall6",
    "syscall.Syscall9",
    "syscall.RawSyscall",
    "syscall.RawSyscall6",
    "syscall.rawSyscallNoError",
    "syscall.rawVforkSyscall",
    "syscall.runtime_entersyscall",
];

/// What calls `runtime.handoffp` and returns to the live address `caller` (runtime/proc.go, Go 1.19 to
/// 1.27).
#[must_use]
pub fn handoff_cause(code: &Code, caller: u64) -> HandoffCause {
    let place = code.place(caller, true);
    let function = place.as_ref().and_then(|place| place.calls.last());
    let name = function.map_or("", |call| call.frame.function.as_str());
    match name {
        "runtime.retake" | "runtime.sysmon" => HandoffCause::Retaken,
        "runtime.stoplockedm" => HandoffCause::Locked,
        name if name.starts_with("runtime.entersyscallblock") => HandoffCause::Blocking,
        _ => HandoffCause::Other,
    }
}

/// The innermost function that is neither the runtime's nor, where others are known, a mere entry to the
/// kernel, and the innermost of the program's own, on a stack of return addresses, innermost first.
#[must_use]
pub fn syscall_place(code: &Code, stack: &[u64]) -> (Option<FrameSymbol>, Option<FrameSymbol>) {
    let (mut entry, mut call_symbol) = (None, None);
    for &pc in stack {
        let Some(place) = code.place(pc, true) else {
            continue;
        };
        for (at, call) in place.calls.iter().enumerate() {
            let name = call.frame.function.as_str();
            let of = origin(name);
            if of == Origin::Runtime {
                continue;
            }
            let symbol = symbol(code, &place, at, pc);
            if ENTRIES.contains(&name) {
                entry = entry.or(symbol);
                continue;
            }
            if of == Origin::Program {
                return (call_symbol.or_else(|| symbol.clone()), symbol);
            }
            call_symbol = call_symbol.or(symbol);
        }
    }
    // Of a stack that is not known further, that at least.
    (call_symbol.or(entry), None)
}
