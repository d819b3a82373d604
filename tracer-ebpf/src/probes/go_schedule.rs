//! Counts rounds of Go's scheduler.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use tracer_common::probe::ProbeId;

use crate::count;

/// In `runtime.schedule`, after its stack check.
#[uprobe]
pub fn go_schedule(_ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoSchedule);
    0
}
