//! The only decision whether an event concerns a target.

use tracer_common::config::target;

use crate::{
    constants::{own_tgid, target_all, target_tgid},
    maps::{TARGET_GONE, TARGETS},
};

/// Flags of the process in [`target`], or 0 when it is no target or does not count yet.
#[inline(always)]
pub fn flags(tgid: u32) -> u32 {
    let flags = raw_flags(tgid);
    if flags & target::AWAIT_EXEC != 0 {
        0
    } else {
        flags
    }
}

/// As [`flags`], with [`target::AWAIT_EXEC`] still to be seen.
#[inline(always)]
pub fn raw_flags(tgid: u32) -> u32 {
    let only = target_tgid();
    if only != 0 {
        return if tgid == only && !is_gone() {
            target::TRACE
        } else {
            0
        };
    }
    if target_all() != 0 {
        return if tgid == own_tgid() || tgid == 0 {
            0
        } else {
            target::TRACE
        };
    }
    // SAFETY: read at once; a concurrent update is seen before or after as a whole.
    unsafe { TARGETS.get(tgid) }.copied().unwrap_or(0)
}

/// A process has ended, and its pid is free.
#[inline(always)]
pub fn forget(tgid: u32) {
    if target_tgid() != 0
        && let Some(gone) = TARGET_GONE.get_ptr_mut(0)
    {
        // SAFETY: one aligned word, which only ever becomes 1.
        unsafe { gone.write(1) };
    }
    let _ = TARGETS.remove(tgid);
}

#[inline(always)]
fn is_gone() -> bool {
    TARGET_GONE.get(0).is_some_and(|&gone| gone != 0)
}

/// Whether the process is a target now.
#[inline(always)]
pub fn is_target(tgid: u32) -> bool {
    flags(tgid) != 0
}
