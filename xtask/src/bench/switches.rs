//! A storm of context switches: two threads that do nothing but wake each other.

use anyhow::Result;

use super::load::{Load, Place, Program};
use super::peers::{Family, PEERS, Purpose};
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

const KIND: &str = "C pipe";

/// Measures all that watch the scheduler.
///
/// # Errors
/// The workload does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let program = Program {
        path: setting.c("bench_loop"),
        kinds: vec!["pipe"],
        prefix: "C ",
        place: Place::Pinned,
    };
    let watches = |purpose| matches!(purpose, Purpose::OffCpu | Purpose::RunQueue);
    let mut loads = vec![Load::Baseline];
    // The workload is no Go program.
    loads.extend(setting.loads(|peer| watches(peer.purpose) && peer.id != "tracer-sched-go"));
    loads.push(Load::Baseline);
    let rounds = Rounds::run(setting, pace, &loads, &[program], Statistic::Mean)?;
    let mut part = Part::new("a storm of context switches (mean time of a round trip)");
    let title = "ns per round trip: two switches, two reads, two writes";
    part.tables.push(rounds.table(title, &[KIND]));
    for ours in PEERS.iter().filter(|peer| watches(peer.purpose)) {
        if ours.family != Family::Tracer {
            continue;
        }
        let baseline = Load::Baseline.label();
        let rivals = PEERS.iter().filter(|peer| peer.purpose == ours.purpose);
        let rivals = rivals.filter(|peer| peer.family != Family::Tracer);
        let others = std::iter::once(&*baseline).chain(rivals.map(|peer| peer.label));
        let figures = others.filter_map(|other| rounds.slowdown(KIND, ours.label, other));
        part.figures.extend(figures);
    }
    part.notes = rounds.notes();
    Ok(part)
}
