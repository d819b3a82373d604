//! Which calls last long enough for their stacks to be sent.
//!
//! The user side keeps the longest calls and raises the least duration as it learns of them. So the
//! stack is taken when a call ends, where it still is that of the entry, and of few calls: each
//! stack costs several times what the call's own records do.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};

use crate::maps::{CALL_BEGAN, CALL_THREADS, CallBegan, SLOW_CALL};

/// The running thread enters a call. Threads whose ids end alike share a place: the later one has
/// it.
#[inline(always)]
pub fn begins() {
    let owner = bpf_get_current_pid_tgid();
    if let Some(place) = CALL_BEGAN.get_ptr_mut(owner as u32 & (CALL_THREADS - 1)) {
        // SAFETY: the helper has no preconditions.
        let ns = unsafe { bpf_ktime_get_ns() };
        // SAFETY: an element of the map. A thread that shares it may write at the same time: then
        // the owner, or the time, is one of the two, and a stack too many or too few is sent.
        unsafe { place.write_volatile(CallBegan { owner, ns }) };
    }
}

/// Whether the call that the running thread leaves was slow. One that began unseen may have been.
#[inline(always)]
pub fn was() -> bool {
    let owner = bpf_get_current_pid_tgid();
    let least = SLOW_CALL.get(0).copied().unwrap_or(0);
    let Some(place) = CALL_BEGAN.get_ptr_mut(owner as u32 & (CALL_THREADS - 1)) else {
        return true;
    };
    // SAFETY: as above.
    let began = unsafe { place.read_volatile() };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    began.owner != owner || now.wrapping_sub(began.ns) >= least
}
