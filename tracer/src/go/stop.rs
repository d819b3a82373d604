//! Stops of the world: where the runtime tells of them.

use crate::event::{FrameSymbol, SymbolOrigin};

use super::goroutine::Code;
use super::layout::Layout;
use tracer_common::config::{GoScheduler, go_stop as flag};

/// `stwReasonStrings` (runtime/proc.go, the same in Go 1.21 to 1.27).
const REASONS: [&str; 17] = [
    "unknown",
    "GC mark termination",
    "GC sweep termination",
    "write heap dump",
    "goroutine profile",
    "goroutine profile cleanup",
    "all goroutines stack trace",
    "read mem stats",
    "AllThreadsSyscall",
    "GOMAXPROCS",
    "start trace",
    "stop trace",
    "CountPagesInUse (test)",
    "ReadMetricsSlow (test)",
    "ReadMemStatsSlow (test)",
    "PageCachePagesLeaked (test)",
    "ResetDebugLog (test)",
];

/// The runtime's own name of a reason; `None` for a number that is not known.
#[must_use]
pub fn stop_reason(number: u32) -> Option<&'static str> {
    REASONS.get(number as usize).copied()
}

/// What the probes must know of a process whose `runtime.allp` is at the live address `allp`.
#[must_use]
pub fn stop_plan(layout: &Layout, allp: u64) -> GoScheduler {
    let (g, m, p) = (&layout.g, &layout.m, &layout.p);
    let since = |minor: u16, bit: u32| match layout.release.minor >= minor {
        true => bit,
        false => 0,
    };
    GoScheduler {
        allp,
        flags: since(21, flag::REASON) | since(22, flag::STARTED) | since(23, flag::FINISHED),
        g_m: g.m,
        g_goid: g.goid,
        g_status: g.atomicstatus,
        g_sched_pc: g.sched_pc,
        g_sched_bp: g.sched_bp,
        m_p: m.p,
        m_curg: m.curg,
        p_id: p.id,
        p_m: p.m,
        p_schedtick: p.schedtick,
        g_gopc: g.gopc,
    }
}

/// The functions on a stack: addresses innermost first, all but the first return addresses.
#[must_use]
pub fn frames(code: &Code, stack: &[u64]) -> Vec<FrameSymbol> {
    let mut frames = Vec::new();
    // After an interruption the address is that of the next instruction, not of a return.
    let mut interrupted = true;
    for &pc in stack {
        let Some(place) = code.place(pc, !interrupted) else {
            continue;
        };
        interrupted = false;
        let count = place.calls.len();
        for (at, call) in place.calls.iter().enumerate() {
            let inlined = at + 1 < count;
            let frame = &call.frame;
            interrupted |= frame.function == "runtime.asyncPreempt";
            frames.push(FrameSymbol {
                function: frame.function.clone(),
                offset: if inlined { 0 } else { code.offset(&place, pc) },
                file: frame.file.clone(),
                line: Some(frame.line).filter(|&line| line > 0),
                inlined,
                origin: SymbolOrigin::Go,
            });
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::binary::Arch;
    use crate::go::version::Release;

    #[test]
    fn reasons_have_the_runtime_s_names() {
        assert_eq!(stop_reason(2), Some("GC sweep termination"));
        assert_eq!(stop_reason(7), Some("read mem stats"));
        assert_eq!(stop_reason(9), Some("GOMAXPROCS"));
        assert_eq!(stop_reason(17), None);
    }

    #[test]
    fn arguments_are_trusted_from_the_release_that_has_them() {
        for (minor, patch, flags) in [
            (19, 8, 0),
            (21, 13, flag::REASON),
            (22, 10, flag::REASON | flag::STARTED),
            (23, 9, flag::REASON | flag::STARTED | flag::FINISHED),
            (27, 3, flag::REASON | flag::STARTED | flag::FINISHED),
        ] {
            let row = Layout::for_release(Release::new(minor, patch), Arch::Amd64);
            let plan = stop_plan(row.expect("a row").layout, 0x1000);
            assert_eq!((plan.flags, plan.allp), (flags, 0x1000), "1.{minor}");
        }
    }
}
