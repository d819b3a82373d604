//! The beginning and the end of Go's garbage collection cycles.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_user},
    macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{
    config::ReadPlan,
    event::{
        EventHeader, GC_BYTES, GoGcCycle, GoGcRecord, GoGcTrigger, Kind, MAX_RANGE_LEN, MAX_RANGES,
    },
    probe::ProbeId,
};

use crate::{
    count,
    emit::{self, bounded},
    maps::{GO_ASSIST_SUMS, GO_GC_PLANS},
};

/// In `runtime.(*gcControllerState).startCycle(c, markStartTime, procs, trigger)`, after its stack
/// check: `trigger.kind` is the fourth integer argument.
#[uprobe]
pub fn go_gc_trigger(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoGcTrigger);
    // SAFETY: the context of a uprobe is its registers.
    #[cfg(bpf_target_arch = "x86_64")]
    let trigger = unsafe { (*ctx.regs).rdi };
    // SAFETY: the context of a uprobe is its registers.
    #[cfg(bpf_target_arch = "aarch64")]
    let trigger = unsafe { (*ctx.regs).regs[3] };
    let record = GoGcTrigger {
        header: emit::header(Kind::GoGcTrigger, size_of::<GoGcTrigger>()),
        trigger,
    };
    emit::submit(ProbeId::GoGcTrigger, record);
    0
}

/// In `runtime.freeStackSpans`, which a cycle calls once, on the system stack, when its figures
/// are final.
///
/// The record is built where it is sent from: a thread may be preempted here, and another process's
/// come to the same place on this CPU.
#[uprobe]
pub fn go_gc_cycle(_ctx: ProbeContext) -> u32 {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    count::hit(ProbeId::GoGcCycle);
    // SAFETY: a plan is written once, before the probe is attached.
    let Some(plan) = (unsafe { GO_GC_PLANS.get(tgid) }) else {
        return 0;
    };
    let Some(mut reserved) = emit::reserve::<GoGcRecord>(ProbeId::GoGcCycle) else {
        return 0;
    };
    let record = reserved.as_mut_ptr();
    let mut fixed = GoGcCycle {
        header: emit::header(Kind::GoGcCycle, 0),
        ranges: 0,
        failed: 0,
        lens: [0; MAX_RANGES],
        assists: GoGcCycle::NO_ASSISTS,
        assist_ns: 0,
    };
    // SAFETY: two words, of a process that has no assists now: marking is over.
    if let Some(sum) = unsafe { GO_ASSIST_SUMS.get(tgid) } {
        fixed.assists = sum.count;
        fixed.assist_ns = sum.total_ns;
    }
    // SAFETY: a field of the reserved record, of which only the address is taken.
    let bytes = unsafe { (&raw mut (*record).bytes).cast::<u8>() };
    let len = size_of::<GoGcCycle>() as u64 + copy_ranges(plan, bytes, &mut fixed);
    fixed.header = EventHeader {
        len: len as u32,
        ..fixed.header
    };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).cycle).write(fixed) };
    reserved.submit();
    0
}

/// Copies to `bytes`, which have room for [`GC_BYTES`], and returns how many.
#[inline(always)]
fn copy_ranges(plan: &ReadPlan, bytes: *mut u8, fixed: &mut GoGcCycle) -> u64 {
    /// Where a range may begin at most.
    const LAST: u64 = GC_BYTES as u64 / 2 - 1;
    let mut len = 0;
    for i in 0..MAX_RANGES {
        if i as u64 >= plan.count || len > LAST {
            break;
        }
        let range = plan.ranges[i];
        let size = if range.len > MAX_RANGE_LEN as u32 {
            MAX_RANGE_LEN as u32
        } else {
            range.len
        };
        let size = bounded::<{ MAX_RANGE_LEN as u64 * 2 - 1 }>(u64::from(size));
        let at = bounded::<LAST>(len);
        // SAFETY: `at` and `size` together stay below the room.
        let failed = unsafe {
            bpf_probe_read_user(
                bytes.add(at as usize).cast(),
                size as u32,
                range.addr as *const _,
            )
        };
        if failed != 0 {
            fixed.failed |= 1 << i;
            count::fault(ProbeId::GoGcCycle);
        }
        fixed.lens[i] = size as u16;
        fixed.ranges += 1;
        len += (size + 7) / 8 * 8;
    }
    len
}
