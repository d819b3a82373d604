//! Busy Go programs: 1,000 and 10,000 goroutines at work, two that only switch, and one that only
//! allocates.

use anyhow::Result;

use super::load::{Load, Place, Program};
use super::peers::{Peer, Purpose};
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

/// Busy goroutines in a ring; an operation is one's turn, about a microsecond of work.
const CROWDS: &[&str] = &["crowd-1000", "crowd-10000"];

/// The worst there is for a tool that watches Go's scheduler, and its collector.
const WORST: &[&str] = &["channels", "alloc"];

/// Measures the main tools on the crowds, and what only tracer does on the worst cases.
///
/// # Errors
/// The workload does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("busy Go programs (mean time per operation)");
    let title = "busy goroutines, ns per turn of one";
    series(
        setting,
        pace,
        0.7,
        title,
        CROWDS,
        |peer| peer.main,
        &mut part,
    )?;
    let title = "ns per round trip of two goroutines, and per allocation of 4 KiB";
    let of_go = |peer: &Peer| peer.purpose == Purpose::Collections || peer.id == "tracer-sched-go";
    series(setting, pace, 0.3, title, WORST, of_go, &mut part)?;
    Ok(part)
}

/// One table, in `share` of the time.
fn series(
    setting: &Setting,
    pace: Pace,
    share: f64,
    title: &str,
    kinds: &[&'static str],
    wanted: impl Fn(&Peer) -> bool,
    part: &mut Part,
) -> Result<()> {
    let program = Program {
        path: setting.go("benchloop"),
        kinds: kinds.to_vec(),
        prefix: "",
        place: Place::Pinned,
    };
    let pace = Pace {
        budget: pace.budget.mul_f64(share),
        ..pace
    };
    let mut loads = vec![Load::Baseline];
    loads.extend(setting.loads(wanted));
    loads.push(Load::Baseline);
    let rounds = Rounds::run(setting, pace, &loads, &[program], Statistic::Mean)?;
    part.tables.push(rounds.table(title, kinds));
    part.notes.extend(rounds.notes());
    Ok(())
}
