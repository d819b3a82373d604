//! The beginning and the end of Go's garbage collection cycles.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_user},
    macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{
    config::ReadPlan,
    event::{EventHeader, GoGcCycle, GoGcTrigger, Kind, MAX_RANGE_LEN, MAX_RANGES},
    probe::ProbeId,
};

use crate::{
    count,
    emit::{self, bounded},
    maps::{GO_GC_PLANS, SCRATCH, slot},
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
#[uprobe]
pub fn go_gc_cycle(_ctx: ProbeContext) -> u32 {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    count::hit(ProbeId::GoGcCycle);
    // SAFETY: a plan is written once, before the probe is attached.
    let Some(plan) = (unsafe { GO_GC_PLANS.get(tgid) }) else {
        return 0;
    };
    let Some(scratch) = SCRATCH.get_ptr_mut(slot::GO_GC) else {
        return 0;
    };
    let record = scratch.cast::<u8>();
    let mut fixed = GoGcCycle {
        header: emit::header(Kind::GoGcCycle, 0),
        ranges: 0,
        failed: 0,
        lens: [0; MAX_RANGES],
    };
    let len = copy_ranges(plan, record, &mut fixed);
    fixed.header = EventHeader {
        len: len as u32,
        ..fixed.header
    };
    // SAFETY: the scratch buffer is larger than the record and aligned to 8 bytes.
    unsafe { record.cast::<GoGcCycle>().write(fixed) };
    emit::output(ProbeId::GoGcCycle, record, len);
    0
}

#[inline(always)]
fn copy_ranges(plan: &ReadPlan, record: *mut u8, fixed: &mut GoGcCycle) -> u64 {
    let mut len = size_of::<GoGcCycle>() as u64;
    for i in 0..MAX_RANGES {
        if i as u64 >= plan.count {
            break;
        }
        let range = plan.ranges[i];
        let size = if range.len > MAX_RANGE_LEN as u32 {
            MAX_RANGE_LEN as u32
        } else {
            range.len
        };
        let size = bounded::<{ MAX_RANGE_LEN as u64 * 2 - 1 }>(u64::from(size));
        let at = bounded::<0x1fff>(len);
        // SAFETY: `at` and `size` stay far below the scratch buffer's size.
        let failed = unsafe {
            bpf_probe_read_user(
                record.add(at as usize).cast(),
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
