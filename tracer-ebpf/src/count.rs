//! What each probe did and could not do.

use tracer_common::probe::{ProbeCounters, ProbeId};

use crate::maps::COUNTERS;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $field:ident;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name(probe: ProbeId) {
                if let Some(counters) = of(probe) {
                    // SAFETY: this CPU's slot of the map. Only a probe in user code can be preempted
                    // by another that writes it, and then a count is lost.
                    unsafe { (*counters).$field += 1 };
                }
            }
        )*
    };
}

counters! {
    /// Counts a run that passed the filter.
    hit => hits;
    /// Counts a record that the ring buffer did not take.
    lost => lost;
    /// Counts a read of target memory that failed.
    fault => faults;
    /// Counts an update that a full map refused.
    full => full;
    /// Counts an end without a known beginning.
    unpaired => unpaired;
    /// Counts a stack that could not be stored.
    stack_lost => stacks_lost;
    /// Counts a run about a target that was not asked for.
    skipped => skipped;
    /// Counts a run that had to do with no target.
    foreign => foreign;
}

/// As [`fault`], for a probe known by its number.
#[inline(always)]
pub fn fault_of(probe: u32) {
    if let Some(counters) = COUNTERS.get_ptr_mut(probe) {
        // SAFETY: as above.
        unsafe { (*counters).faults += 1 };
    }
}

#[inline(always)]
fn of(probe: ProbeId) -> Option<*mut ProbeCounters> {
    COUNTERS.get_ptr_mut(probe as u32)
}
