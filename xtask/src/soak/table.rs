//! Every scenario there is.

use anyhow::Result;

use super::figures::Figures;
use super::ground::Ground;
use super::scenarios as s;

/// One way of rough use.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What `full` and `quick` count.
    pub(super) unit: &'static str,
    pub(super) full: u64,
    pub(super) quick: u64,
    /// Does so many units; an error is what went wrong.
    pub(super) run: fn(&mut Ground, u64) -> Result<Figures>,
}

/// Runs in this order.
#[rustfmt::skip]
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "attach", about: "every command attaches to busy programs and leaves them", unit: "times", full: 1000, quick: 42, run: s::attach },
    Scenario { name: "kill", about: "the tracer is killed at any moment", unit: "kills", full: 300, quick: 28, run: s::kill },
    Scenario { name: "dying", about: "the target dies while it is attached to", unit: "targets", full: 300, quick: 28, run: s::dying },
    Scenario { name: "threads", about: "10,000 threads a second come and go", unit: "seconds", full: 120, quick: 4, run: s::threads },
    Scenario { name: "forks", about: "10,000 processes a second come and go", unit: "seconds", full: 120, quick: 4, run: s::forks },
    Scenario { name: "execs", about: "programs replace themselves without a pause", unit: "execs", full: 50_000, quick: 2000, run: s::execs },
    Scenario { name: "reuse", about: "another process gets the target's pid", unit: "pids", full: 100, quick: 4, run: s::reuse },
    Scenario { name: "overrun", about: "the buffer is too small all the time", unit: "seconds", full: 60, quick: 3, run: s::overrun },
    Scenario { name: "unseen", about: "births and deaths of children find no room in the buffer", unit: "seconds", full: 60, quick: 6, run: s::unseen },
    Scenario { name: "programs", about: "a shell runs one Go program after the other", unit: "programs", full: 600, quick: 80, run: s::programs },
    Scenario { name: "goroutines", about: "every command on 100,000 goroutines", unit: "seconds", full: 140, quick: 21, run: s::goroutines },
    Scenario { name: "releases", about: "every command attaches to a loaded service of each Go release and leaves it", unit: "times each", full: 1000, quick: 14, run: s::releases },
    // Eight hours of 10,000 events a second are 288 million.
    Scenario { name: "volume", about: "as many events as eight hours of 10,000 a second", unit: "million events", full: 288, quick: 6, run: s::volume },
];
