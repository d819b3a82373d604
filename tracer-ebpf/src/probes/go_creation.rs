//! Goroutines that come and go, by the `go` statement that made them.
//!
//! One is made in `newproc`'s part on the scheduler's stack, which puts it into the queue of its P
//! in one place; it runs for the first time by `execute`, as at every switch to it later; it ends
//! in `goexit0`. None of these is entered twice for the same: all run on the scheduler's stack.

use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::uprobe,
    programs::ProbeContext,
};
use tracer_common::{
    histogram::{BUCKETS, bucket},
    probe::ProbeId,
    stats::{GoCreator, GoCreatorKey, GoNewborn, GoNewbornKey},
};

use super::go_stop::scheduler;
use crate::{
    count,
    emit::bounded,
    go_call::{arguments, word},
    maps::{GO_CREATORS, GO_NEWBORNS, ZERO_GO_CREATOR},
};

/// In `runtime.newproc.func1`, where it calls `runqput(p, g, next)`.
#[uprobe]
pub fn go_create(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoCreate);
    let g = arguments(&ctx)[1];
    let Some(creator) = creator_of(g) else {
        return 0;
    };
    add(creator, ProbeId::GoCreate, Sum::Created);
    let key = newborn(creator.tgid, g);
    let value = GoNewborn {
        made_ns: now,
        created_at: creator.created_at,
    };
    if GO_NEWBORNS.insert(key, value, 0).is_err() {
        count::full(ProbeId::GoCreate);
    }
    0
}

/// In `runtime.execute(g, inheritTime)`, after its stack check.
#[uprobe]
pub fn go_first_run(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoFirstRun);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let key = newborn(tgid, arguments(&ctx)[0]);
    // SAFETY: the entry is copied; one thread alone runs the goroutine.
    let Some(&born) = (unsafe { GO_NEWBORNS.get(key) }) else {
        return 0;
    };
    let _ = GO_NEWBORNS.remove(key);
    let creator = GoCreatorKey {
        tgid,
        reserved: 0,
        created_at: born.created_at,
    };
    let Some(sums) = GO_CREATORS.get_ptr_mut(creator) else {
        return 0;
    };
    let waited = now.saturating_sub(born.made_ns);
    let index = bounded::<{ BUCKETS.next_power_of_two() as u64 - 1 }>(bucket(waited) as u64);
    if index >= BUCKETS as u64 {
        return 0;
    }
    // SAFETY: an entry of the map; the index is below the array's length.
    unsafe {
        increase(
            (&raw mut (*sums).buckets).cast::<u64>().add(index as usize),
            1,
        );
        increase(&raw mut (*sums).wait_ns, waited);
        // Two threads may do so at once: then the larger of two that are nearly equal is lost.
        if waited > (*sums).max_ns {
            (*sums).max_ns = waited;
        }
    }
    0
}

/// In `runtime.goexit0(g)`, after its stack check.
#[uprobe]
pub fn go_end(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoEnd);
    if let Some(creator) = creator_of(arguments(&ctx)[0]) {
        add(creator, ProbeId::GoEnd, Sum::Ended);
    }
    0
}

/// The `go` statement that made a goroutine of the running process.
#[inline(always)]
fn creator_of(g: u64) -> Option<GoCreatorKey> {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let scheduler = scheduler(tgid)?;
    Some(GoCreatorKey {
        tgid,
        reserved: 0,
        created_at: word(g, scheduler.g_gopc),
    })
}

#[inline(always)]
fn newborn(tgid: u32, g: u64) -> GoNewbornKey {
    GoNewbornKey {
        tgid,
        reserved: 0,
        g,
    }
}

/// A sum of a creator.
#[derive(Clone, Copy)]
enum Sum {
    Created,
    Ended,
}

impl Sum {
    #[inline(always)]
    fn of(self, sums: *mut GoCreator) -> *mut u64 {
        // SAFETY: an entry of the map, of which only the address of a field is taken.
        unsafe {
            match self {
                Self::Created => &raw mut (*sums).created,
                Self::Ended => &raw mut (*sums).ended,
            }
        }
    }
}

/// Adds one to a sum of a creator.
#[inline(always)]
fn add(key: GoCreatorKey, probe: ProbeId, sum: Sum) {
    if let Some(sums) = GO_CREATORS.get_ptr_mut(key) {
        increase(sum.of(sums), 1);
        return;
    }
    if let Some(zero) = ZERO_GO_CREATOR.get(0) {
        // Another thread may have been faster.
        let _ = GO_CREATORS.insert(key, zero, u64::from(BPF_NOEXIST));
    }
    match GO_CREATORS.get_ptr_mut(key) {
        Some(sums) => increase(sum.of(sums), 1),
        None => count::full(probe),
    }
}

/// Adds to a word of a map that threads on other CPUs add to as well.
#[inline(always)]
fn increase(word: *mut u64, by: u64) {
    // SAFETY: a word of an entry of a map, which is aligned and stays there. Nobody asks what it was:
    // old kernels know no addition that tells.
    unsafe { atomic_xadd::<u64, u64, { Relaxed }>(word, by) };
}
