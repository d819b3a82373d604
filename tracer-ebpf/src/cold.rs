//! What an exit must know of how the entry of its call went: memory that could not be read there,
//! and a record that was lost.
//!
//! An entry finds pages out of memory that the program has not touched yet. When the call returns,
//! the kernel itself has read them, and the exit copies what the entry could not.

use crate::maps::{COLD, COLD_THREADS};

/// The record of the entry was lost. The bits below are those of the rules to run again.
pub const ENTRY_LOST: u32 = 1 << 15;
/// Bits of rules.
pub const RULES: u32 = 0xff;

/// Remembers `what` of the call that a thread is in. Threads whose ids end alike share a place: the
/// later one has it.
#[inline(always)]
pub fn remember(tid: u32, nr: u32, what: u32) {
    if let Some(place) = COLD.get_ptr_mut(tid & (COLD_THREADS - 1)) {
        // SAFETY: an element of the map; one aligned word is written as a whole.
        unsafe { place.write_volatile(key(tid, nr) | u64::from(what)) };
    }
}

/// What was remembered of the call that returns; 0 when there is nothing.
#[inline(always)]
pub fn take(tid: u32, nr: u32) -> u32 {
    let Some(place) = COLD.get_ptr_mut(tid & (COLD_THREADS - 1)) else {
        return 0;
    };
    // SAFETY: as above.
    let value = unsafe { place.read_volatile() };
    if value & !0xffff != key(tid, nr) {
        return 0;
    }
    // SAFETY: as above.
    unsafe { place.write_volatile(0) };
    value as u32 & 0xffff
}

/// As [`take`], whatever the number of the call.
#[inline(always)]
pub fn take_any(tid: u32) -> u32 {
    let Some(place) = COLD.get_ptr_mut(tid & (COLD_THREADS - 1)) else {
        return 0;
    };
    // SAFETY: as above.
    let value = unsafe { place.read_volatile() };
    if (value >> 32) as u32 != tid {
        return 0;
    }
    // SAFETY: as above.
    unsafe { place.write_volatile(0) };
    value as u32 & 0xffff
}

#[inline(always)]
fn key(tid: u32, nr: u32) -> u64 {
    u64::from(tid) << 32 | u64::from(nr & 0xffff) << 16
}
