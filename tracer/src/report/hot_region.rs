//! Where the time of a profile goes besides the program's own work.

use std::str::FromStr;

use serde::Serialize;

/// What a program does in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HotClass {
    /// Goroutines that wait, and those that wake them: channels, select, sleeping, polling.
    Blocking,
    Syscalls,
    Gc,
    Allocation,
    Scheduler,
    Locks,
}

impl HotClass {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Blocking,
        Self::Syscalls,
        Self::Gc,
        Self::Allocation,
        Self::Scheduler,
        Self::Locks,
    ];

    /// As options name it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Syscalls => "syscalls",
            Self::Gc => "gc",
            Self::Allocation => "allocation",
            Self::Scheduler => "scheduler",
            Self::Locks => "locks",
        }
    }

    /// As shown to users.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "goroutine blocking",
            Self::Syscalls => "system calls",
            Self::Gc => "garbage collection",
            Self::Allocation => "memory allocation",
            Self::Scheduler => "Go scheduler",
            Self::Locks => "locks",
        }
    }
}

impl FromStr for HotClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|class| class.key() == text);
        known.ok_or_else(|| {
            let keys = Self::ALL.map(Self::key).join(", ");
            format!("no region is called {text:?}; there is: {keys}")
        })
    }
}

/// From which share of all samples on a region is hot, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HotThresholds([f64; 6]);

impl Default for HotThresholds {
    fn default() -> Self {
        Self(HotClass::ALL.map(|class| match class {
            HotClass::Blocking => 15.0,
            HotClass::Syscalls => 12.0,
            HotClass::Gc => 8.0,
            HotClass::Allocation | HotClass::Scheduler | HotClass::Locks => 10.0,
        }))
    }
}

impl HotThresholds {
    /// That of a class.
    #[must_use]
    pub fn of(&self, class: HotClass) -> f64 {
        self.0[class as usize]
    }

    /// Changes that of a class.
    pub fn set(&mut self, class: HotClass, percent: f64) {
        self.0[class as usize] = percent;
    }
}

/// All samples of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotRegion {
    pub class: HotClass,
    /// In the unit of the tree.
    pub value: u64,
    /// Of all samples.
    pub percent: f64,
    pub threshold: f64,
    /// The share reaches the threshold.
    pub hot: bool,
    /// Functions of the program that lead there, and their values; greatest first.
    pub leads: Vec<(String, u64)>,
}
