//! Prices of probes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What has a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// A syscall that is sent: entry and exit, without what is copied from memory.
    SyscallStream,
    /// Each string or buffer copied for it.
    Capture,
    /// Each KiB of these.
    CaptureKib,
    /// A syscall that is counted and timed: entry and exit.
    SyscallStats,
    /// A context switch with user and kernel stack; the wakeup that ends the wait, too.
    OffCpu,
    /// A context switch that is timed; the wakeup, too.
    RunQueue,
    /// A sample with both stacks; the timer's interrupt, too.
    Samples,
    /// A user probe on an instruction that the kernel emulates.
    Uprobe,
    /// A user probe on an instruction that the kernel single-steps.
    UprobeStepped,
    /// A record about a process, a signal or a collection. Never measured: there are few.
    Record,
}

/// What one hit costs, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of a target.
    pub target_ns: u32,
    /// Of any other process, which is filtered out.
    pub other_ns: u32,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 10] = [
        Self::SyscallStream,
        Self::Capture,
        Self::CaptureKib,
        Self::SyscallStats,
        Self::OffCpu,
        Self::RunQueue,
        Self::Samples,
        Self::Uprobe,
        Self::UprobeStepped,
        Self::Record,
    ];

    /// A unit of it, for people.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::SyscallStream => "a syscall sent",
            Self::Capture => "a string or buffer copied",
            Self::CaptureKib => "a KiB of these",
            Self::SyscallStats => "a syscall counted",
            Self::OffCpu => "a context switch with stacks",
            Self::RunQueue => "a context switch timed",
            Self::Samples => "a sample",
            Self::Uprobe => "a user probe hit",
            Self::UprobeStepped => "a user probe hit that is single-stepped",
            Self::Record => "a process or signal record",
        }
    }

    /// The price where none could be measured: figures of a 2.6 GHz virtual machine, rounded.
    #[must_use]
    pub const fn assumed(self) -> Price {
        let (target_ns, other_ns) = match self {
            Self::SyscallStream => (900, 160),
            Self::Capture => (150, 0),
            Self::CaptureKib => (150, 0),
            Self::SyscallStats => (250, 160),
            Self::OffCpu => (2600, 160),
            Self::RunQueue => (400, 160),
            Self::Samples => (8000, 5000),
            Self::Uprobe => (900, 0),
            Self::UprobeStepped => (6000, 0),
            Self::Record => (1000, 0),
        };
        Price {
            target_ns,
            other_ns,
        }
    }

    /// Whether a price is one that some machine could have: anything else is an accident, or
    /// somebody's wish that a cost be overlooked.
    #[must_use]
    pub fn is_sane(self, price: Price) -> bool {
        let assumed = self.assumed();
        let within = |ns: u32, assumed: u32| ns >= assumed / 20 && ns <= assumed.saturating_mul(50);
        within(price.target_ns, assumed.target_ns) && within(price.other_ns, assumed.other_ns)
    }
}

/// Prices of this host, as far as they were measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    measured: BTreeMap<Class, Price>,
}

impl Prices {
    /// The price of a class: measured, or else assumed.
    #[must_use]
    pub fn of(&self, class: Class) -> Price {
        let measured = self.measured.get(&class);
        measured.copied().unwrap_or_else(|| class.assumed())
    }

    /// Whether the price was measured here.
    #[must_use]
    pub fn is_measured(&self, class: Class) -> bool {
        self.measured.contains_key(&class)
    }

    /// Takes a measured price; one that no machine could have is not taken.
    pub fn set(&mut self, class: Class, price: Price) {
        if class.is_sane(price) {
            self.measured.insert(class, price);
        }
    }

    /// The measured ones.
    pub fn iter(&self) -> impl Iterator<Item = (Class, Price)> + '_ {
        self.measured.iter().map(|(&class, &price)| (class, price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_no_machine_has_are_not_taken() {
        let mut prices = Prices::default();
        for (target_ns, other_ns, sane) in [
            (250, 160, true),
            (12, 8, true),
            (12_500, 8_000, true),
            (11, 160, false),
            (0, 0, false),
            (12_501, 160, false),
            (250, u32::MAX, false),
        ] {
            let price = Price {
                target_ns,
                other_ns,
            };
            assert_eq!(Class::SyscallStats.is_sane(price), sane, "{price:?}");
            let mut one = Prices::default();
            one.set(Class::SyscallStats, price);
            assert_eq!(one.is_measured(Class::SyscallStats), sane, "{price:?}");
        }
        assert_eq!(prices.of(Class::Uprobe), Class::Uprobe.assumed());
        let cheap = Price {
            target_ns: 700,
            other_ns: 0,
        };
        prices.set(Class::Uprobe, cheap);
        assert_eq!(prices.of(Class::Uprobe), cheap);
    }

    #[test]
    fn assumed_prices_are_sane() {
        for class in Class::ALL {
            assert!(class.is_sane(class.assumed()), "{class:?}");
        }
    }
}
