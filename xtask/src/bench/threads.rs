//! System calls of 1 to 64 threads at once: whether a tool's cost grows with the target's threads.

use anyhow::Result;

use super::load::{Load, Place, Program};
use super::peers::Purpose;
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

/// As the workload calls them.
const KINDS: &[&str] = &[
    "threads-1",
    "threads-2",
    "threads-4",
    "threads-16",
    "threads-64",
];

/// Measures the main tools that count or write system calls.
///
/// # Errors
/// The workload does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let program = Program {
        path: setting.c("thread_loop"),
        kinds: KINDS.to_vec(),
        prefix: "",
        place: Place::Free,
    };
    let wanted = [Purpose::Count, Purpose::Lines];
    let mut loads = vec![Load::Baseline, Load::EmptyPair];
    loads.extend(setting.loads(|peer| peer.main && wanted.contains(&peer.purpose)));
    loads.push(Load::Baseline);
    let rounds = Rounds::run(setting, pace, &loads, &[program], Statistic::Mean)?;
    let mut part = Part::new("getppid on 1 to 64 threads (time by all threads' calls together)");
    part.tables
        .push(rounds.table("slowdown, by number of threads", KINDS));
    part.notes = rounds.notes();
    part.notes.push(
        "nothing is pinned, ordinary priority: with all CPUs busy a tool shares them".to_owned(),
    );
    Ok(part)
}
