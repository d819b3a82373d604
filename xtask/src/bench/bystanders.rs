//! What all others on the machine pay: the workload is measured while the tools trace another
//! process, which sleeps.

use anyhow::Result;

use super::load::{Load, Place, Program};
use super::peers::{How, Purpose};
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

const KINDS: &[&str] = &["getppid", "pipe"];

/// Measures the main tools of every purpose.
///
/// # Errors
/// The workload does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let program = Program {
        path: setting.c("bench_loop"),
        kinds: KINDS.to_vec(),
        prefix: "",
        place: Place::Pinned,
    };
    let traced = setting.loads(|peer| {
        // A Go program is needed for the first, and a launched one is no bystander.
        let go_only = peer.purpose == Purpose::Collections || peer.id == "tracer-sched-go";
        peer.main && !go_only && peer.how == How::Attached
    });
    let mut loads = vec![Load::Baseline, Load::EmptyPair];
    loads.extend(traced.into_iter().map(Load::on_another_process));
    loads.push(Load::Baseline);
    let rounds = Rounds::run(setting, pace, &loads, &[program], Statistic::P10)?;
    let mut part = Part::new("cost to bystanders: the measured process is not the traced one");
    part.tables.push(rounds.table(
        "ns per call of getppid, and per round trip of two threads over pipes",
        KINDS,
    ));
    part.notes = rounds.notes();
    Ok(part)
}
