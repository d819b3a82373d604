//! Probe numbers and the counters each probe keeps about itself.

/// Index into the per-probe counters. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ProbeId {
    SyscallEnter = 0,
    SyscallExit = 1,
    SyscallCountEnter = 2,
    SyscallCountExit = 3,
    Signal = 4,
    Fork = 5,
    Exec = 6,
    Exit = 7,
    Sample = 8,
    OffCpuSwitch = 9,
    OffCpuWakeup = 10,
    RunQueueSwitch = 11,
    RunQueueWakeup = 12,
    GoGcTrigger = 13,
    GoGcCycle = 14,
    GoSchedule = 15,
    SignalGenerate = 16,
    OffCpuWaker = 17,
    OnCpuNew = 18,
    GoStop = 19,
    GoStopped = 20,
    GoStart = 21,
    GoStarted = 22,
    GoStopSwitch = 23,
    GoPark = 24,
    GoExecute = 25,
    GoCreate = 26,
    GoFirstRun = 27,
    GoEnd = 28,
    GoAssist = 29,
    GoAssisted = 30,
    GoHandoff = 31,
    GoNoProcessor = 32,
    GoAssistWait = 33,
    GoAssistResumed = 34,
}

impl ProbeId {
    /// All probes; the index is the number.
    pub const ALL: [Self; 35] = [
        Self::SyscallEnter,
        Self::SyscallExit,
        Self::SyscallCountEnter,
        Self::SyscallCountExit,
        Self::Signal,
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Sample,
        Self::OffCpuSwitch,
        Self::OffCpuWakeup,
        Self::RunQueueSwitch,
        Self::RunQueueWakeup,
        Self::GoGcTrigger,
        Self::GoGcCycle,
        Self::GoSchedule,
        Self::SignalGenerate,
        Self::OffCpuWaker,
        Self::OnCpuNew,
        Self::GoStop,
        Self::GoStopped,
        Self::GoStart,
        Self::GoStarted,
        Self::GoStopSwitch,
        Self::GoPark,
        Self::GoExecute,
        Self::GoCreate,
        Self::GoFirstRun,
        Self::GoEnd,
        Self::GoAssist,
        Self::GoAssisted,
        Self::GoHandoff,
        Self::GoNoProcessor,
        Self::GoAssistWait,
        Self::GoAssistResumed,
    ];

    /// Slots in the counter map.
    pub const COUNT: usize = Self::ALL.len();
}

/// What a probe did, per CPU. Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ProbeCounters {
    /// Runs that passed the target filter.
    pub hits: u64,
    /// Records that did not fit in the ring buffer. Both halves of a syscall are one.
    pub lost: u64,
    /// Reads of target memory that failed.
    pub faults: u64,
    /// Updates that a full map refused: the measurement is missing from the result.
    pub full: u64,
    /// Ends without a known beginning: counted, but without a duration.
    pub unpaired: u64,
    /// Stacks that could not be stored.
    pub stacks_lost: u64,
    /// Runs in which a target did what was not asked for, such as another syscall.
    pub skipped: u64,
    /// Runs that had to do with no target.
    pub foreign: u64,
    /// Of `lost`, those that no [`Lost`](crate::event::Lost) record has told yet.
    pub untold: u64,
    /// Time of the first of these, in ns.
    pub untold_since_ns: u64,
}

crate::wire_type!(ProbeCounters, size 80, {
    hits @ 0, lost @ 8, faults @ 16, full @ 24, unpaired @ 32, stacks_lost @ 40, skipped @ 48,
    foreign @ 56, untold @ 64, untold_since_ns @ 72,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_found_at_its_number() {
        for (i, probe) in ProbeId::ALL.iter().enumerate() {
            assert_eq!(*probe as usize, i);
        }
    }
}
