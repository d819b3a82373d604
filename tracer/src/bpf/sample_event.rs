//! What samples are taken of.

use std::fmt;
use std::str::FromStr;

use aya::programs::perf_event::{HardwareEvent, PerfEventConfig, SamplePolicy, SoftwareEvent};

/// An event of the kernel or the CPU. Names are those of `perf list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleEvent {
    /// Time, by a timer: every machine has it.
    #[default]
    CpuClock,
    Cycles,
    Instructions,
    CacheReferences,
    CacheMisses,
    Branches,
    BranchMisses,
    RefCycles,
    /// Each of them.
    PageFaults,
    /// Each of those that need the disk.
    MajorFaults,
}

impl SampleEvent {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::CpuClock,
        Self::Cycles,
        Self::Instructions,
        Self::CacheReferences,
        Self::CacheMisses,
        Self::Branches,
        Self::BranchMisses,
        Self::RefCycles,
        Self::PageFaults,
        Self::MajorFaults,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuClock => "cpu-clock",
            Self::Cycles => "cycles",
            Self::Instructions => "instructions",
            Self::CacheReferences => "cache-references",
            Self::CacheMisses => "cache-misses",
            Self::Branches => "branches",
            Self::BranchMisses => "branch-misses",
            Self::RefCycles => "ref-cycles",
            Self::PageFaults => "page-faults",
            Self::MajorFaults => "major-faults",
        }
    }

    /// Whether every one is a sample: there are no so many a second.
    #[must_use]
    pub const fn is_each(self) -> bool {
        matches!(self, Self::PageFaults | Self::MajorFaults)
    }

    /// What a sample stands for is time.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::CpuClock)
    }

    pub(super) const fn config(self) -> PerfEventConfig {
        use PerfEventConfig::{Hardware, Software};
        match self {
            Self::CpuClock => Software(SoftwareEvent::CpuClock),
            Self::Cycles => Hardware(HardwareEvent::CpuCycles),
            Self::Instructions => Hardware(HardwareEvent::Instructions),
            Self::CacheReferences => Hardware(HardwareEvent::CacheReferences),
            Self::CacheMisses => Hardware(HardwareEvent::CacheMisses),
            Self::Branches => Hardware(HardwareEvent::BranchInstructions),
            Self::BranchMisses => Hardware(HardwareEvent::BranchMisses),
            Self::RefCycles => Hardware(HardwareEvent::RefCpuCycles),
            Self::PageFaults => Software(SoftwareEvent::PageFaults),
            Self::MajorFaults => Software(SoftwareEvent::PageFaultsMaj),
        }
    }

    pub(super) const fn policy(self, hz: u64) -> SamplePolicy {
        match self.is_each() {
            true => SamplePolicy::Period(1),
            false => SamplePolicy::Frequency(hz),
        }
    }
}

impl fmt::Display for SampleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No event has the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event that can be sampled; use one of {names}", names = SampleEvent::ALL.map(SampleEvent::name).join(", "))]
pub struct UnknownEvent(String);

impl FromStr for SampleEvent {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let found = Self::ALL.into_iter().find(|e| e.name() == text);
        found.ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_names_of_their_own() {
        for event in SampleEvent::ALL {
            assert_eq!(event.name().parse(), Ok(event));
        }
        let error = "wishes".parse::<SampleEvent>().expect_err("no event");
        let text = error.to_string();
        assert!(
            text.starts_with(
                "\"wishes\" is no event that can be sampled; use one of cpu-clock, cycles,"
            ),
            "{text}"
        );
    }
}
