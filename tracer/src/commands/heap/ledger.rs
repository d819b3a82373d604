//! Where all memory is.

use std::os::unix::fs::MetadataExt;

use crate::analysis::{GoRanges, memory_ledger};
use crate::commands::go_process::GoProcess;
use crate::go::gc::{GcReadPlan, GcState};
use crate::go::heap::{HeapCounts, HeapGlobals, arenas};
use crate::go::{Binary, Runtime};
use crate::process::Smaps;
use crate::report::{GoMemory, MemoryLedger};

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Both sides of the ledger. What cannot be had of the kernel's side is said in it.
///
/// # Errors
/// Why the runtime's counts cannot be read.
pub(super) fn read(process: &GoProcess, binary: &Binary) -> Result<MemoryLedger, String> {
    let Runtime { layout, globals } = process.runtime;
    let memory = &process.live.memory;
    let counts = HeapCounts::read(memory, layout, &globals).map_err(|e| e.to_string())?;
    let copies = GcReadPlan::new(layout, &globals)
        .read(memory)
        .map_err(|e| e.to_string())?;
    let ranges = copies.each_ref().map(Vec::as_slice);
    let state = GcState::decode(layout, &ranges).map_err(|e| e.to_string())?;
    let mut missing = Vec::new();
    let heap = HeapGlobals::locate_heap(binary, layout)
        .map(|at| at.wrapping_add(process.load_bias))
        .and_then(|at| arenas(memory, layout, at).map_err(|e| e.to_string()));
    let arenas = heap.unwrap_or_else(|why| {
        missing.push(format!(
            "which mappings are arenas is not known, they count as anonymous: {why}"
        ));
        Vec::new()
    });
    let pid = process.pid;
    let smaps = std::fs::read(format!("/proc/{pid}/smaps"));
    let smaps = smaps.map(|text| Smaps::parse(&text)).unwrap_or_else(|why| {
        missing.push(format!("/proc/{pid}/smaps cannot be read: {why}"));
        Smaps::default()
    });
    if smaps.rejected > 0 {
        let lines = smaps.rejected;
        missing.push(format!(
            "{lines} lines of /proc/{pid}/smaps are not understood"
        ));
    }
    let exe = std::fs::metadata(format!("/proc/{pid}/exe"));
    let program = exe.map_or(((0, 0), 0), |exe| {
        ((libc::major(exe.dev()), libc::minor(exe.dev())), exe.ino())
    });
    let go = go_memory(&counts, &state);
    let ranges = GoRanges { arenas, program };
    let mut ledger = memory_ledger(go, &ranges, &smaps.mappings, huge_pages());
    ledger.remarks.append(&mut missing);
    Ok(ledger)
}

fn go_memory(counts: &HeapCounts, state: &GcState) -> GoMemory {
    let pacing = &state.pacing;
    let collector = [counts.gc_sys, counts.work_buffers, counts.bitmaps];
    GoMemory {
        heap_in_use: counts.in_use,
        heap_objects: counts.objects,
        heap_idle: counts.idle,
        heap_released: counts.released,
        stacks: counts.stacks,
        os_stacks: counts.stacks_sys,
        spans: counts.span_sys,
        caches: counts.cache_sys,
        profile_buckets: counts.bucket_sys,
        collector: collector.into_iter().fold(0, u64::saturating_add),
        other: counts.other_sys,
        mapped_ready: counts.mapped_ready,
        heap_live: counts.live,
        next_goal: pacing.goal,
        gogc: pacing.gogc,
        memory_limit: pacing.memory_limit,
        collections: counts.collections,
    }
}

/// The word in brackets of `always [madvise] never`.
fn huge_pages() -> Option<String> {
    let text = std::fs::read_to_string(HUGE_PAGES).ok()?;
    let (_, rest) = text.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    Some(mode.to_owned())
}
