//! Samplers on a Go program that does nothing but compute.

use anyhow::Result;

use super::load::{Load, Place, Program};
use super::peers::Purpose;
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

const KIND: &str = "Go busy";

/// Measures all samplers.
///
/// # Errors
/// The workload does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let program = Program {
        path: setting.go("benchloop"),
        kinds: vec!["busy"],
        prefix: "Go ",
        place: Place::Pinned,
    };
    let mut loads = vec![Load::Baseline];
    loads.extend(setting.loads(|peer| peer.purpose == Purpose::Profile));
    loads.push(Load::Baseline);
    let rounds = Rounds::run(setting, pace, &loads, &[program], Statistic::Mean)?;
    let mut part = Part::new("samplers on a program that only computes (mean time)");
    part.tables.push(rounds.table("ns per operation", &[KIND]));
    for hz in [99, 999] {
        let ours = format!("tracer profile -F {hz}");
        let theirs = format!("perf record -F {hz} -g");
        for other in [Load::Baseline.label(), theirs] {
            part.figures.extend(rounds.slowdown(KIND, &ours, &other));
        }
    }
    part.notes = rounds.notes();
    Ok(part)
}
