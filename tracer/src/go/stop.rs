//! Stops of the world: where the runtime tells of them.

use crate::event::{FrameSymbol, SymbolOrigin};

use super::goroutine::Code;
use super::layout::Layout;
use super::pclntab::Place;
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

/// `m.p`, `m.nextp` and `m.oldp` follow each other (runtime/runtime2.go, Go 1.19 to 1.27).
const OLD_P_AFTER_P: u32 = 16;

/// The runtime's own name of a reason; `None` for a number that is not known.
#[must_use]
pub fn stop_reason(number: u32) -> Option<&'static str> {
    REASONS.get(number as usize).copied()
}

/// What the probes must know of a process whose `runtime.allp` and `runtime.allm` are at these live addresses.
#[must_use]
pub fn stop_plan(layout: &Layout, allp: u64, allm: u64) -> GoScheduler {
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
        allm,
        m_alllink: m.alllink,
        m_oldp: m.p + OLD_P_AFTER_P,
        g_syscallpc: g.syscallpc,
        g_syscallbp: g.syscallbp.unwrap_or(GoScheduler::NONE),
        m_syscalltick: syscall_tick(layout).unwrap_or(GoScheduler::NONE),
        p_syscalltick: p.syscalltick,
    }
}

/// The offset of `m.syscalltick`, by its distance from `m.alllink`: the same in all patch releases of a
/// line and on both architectures (DWARF of Go 1.19.8, 1.21.13, 1.22.10, 1.23.9, 1.24.3, 1.24.11,
/// 1.25.5, 1.26.6, 1.27.3).
fn syscall_tick(layout: &Layout) -> Option<u32> {
    let distance = match layout.release.minor {
        19 => 332,
        21 => 328,
        22 => 624,
        23..=25 => 412,
        26 | 27 => 436,
        _ => return None,
    };
    Some(layout.m.alllink + distance)
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
        for (at, call) in place.calls.iter().enumerate() {
            interrupted |= call.frame.function == "runtime.asyncPreempt";
            frames.extend(symbol(code, &place, at, pc));
        }
    }
    frames
}

/// One of the calls at a live address; the last is the function itself, the others are inlined.
pub(super) fn symbol(code: &Code, place: &Place, at: usize, pc: u64) -> Option<FrameSymbol> {
    let frame = &place.calls.get(at)?.frame;
    let inlined = at + 1 < place.calls.len();
    Some(FrameSymbol {
        function: frame.function.clone(),
        offset: if inlined { 0 } else { code.offset(place, pc) },
        file: frame.file.clone(),
        line: Some(frame.line).filter(|&line| line > 0),
        inlined,
        origin: SymbolOrigin::Go,
    })
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
    fn fields_beside_those_of_the_rows_are_found() {
        for (minor, patch, old_p, tick) in [
            (19, 8, 224, 668),
            (21, 13, 224, 664),
            (22, 10, 224, 952),
            (23, 9, 224, 740),
            (24, 3, 224, 740),
            (24, 11, 224, 764),
            (25, 5, 216, 756),
            (26, 6, 224, 788),
            (27, 3, 224, 788),
        ] {
            for arch in [Arch::Amd64, Arch::Arm64] {
                let row = Layout::for_release(Release::new(minor, patch), arch);
                let plan = stop_plan(row.expect("a row").layout, 0, 0);
                assert_eq!(
                    (plan.m_oldp, plan.m_syscalltick),
                    (old_p, tick),
                    "1.{minor}"
                );
            }
        }
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
            let plan = stop_plan(row.expect("a row").layout, 0x1000, 0x2000);
            assert_eq!((plan.flags, plan.allp), (flags, 0x1000), "1.{minor}");
        }
    }
}
