//! What the probes could not deliver.

use tracer_common::probe::{ProbeCounters, ProbeId};

use crate::bpf::PROBES;
use crate::event::{Losses, ProbeLoss};

/// Losses in `now` beyond `before`; both are in the order of [`ProbeId::ALL`].
pub(super) fn losses(now: &[ProbeCounters], before: &[ProbeCounters], undecodable: u64) -> Losses {
    let zero = ProbeCounters::default();
    let probes = ProbeId::ALL
        .iter()
        .zip(now)
        .enumerate()
        .map(|(i, (&id, now))| loss(id, now, before.get(i).unwrap_or(&zero)))
        .filter(|loss| {
            *loss
                != ProbeLoss {
                    probe: loss.probe.clone(),
                    ..ProbeLoss::default()
                }
        })
        .collect();
    Losses {
        probes,
        undecodable,
    }
}

fn loss(id: ProbeId, now: &ProbeCounters, before: &ProbeCounters) -> ProbeLoss {
    ProbeLoss {
        probe: name(id).to_owned(),
        ring_full: now.lost.saturating_sub(before.lost),
        map_full: now.full.saturating_sub(before.full),
        unpaired: now.unpaired.saturating_sub(before.unpaired),
        stacks: now.stacks_lost.saturating_sub(before.stacks_lost),
        faults: now.faults.saturating_sub(before.faults),
    }
}

fn name(id: ProbeId) -> &'static str {
    PROBES
        .iter()
        .find(|p| p.id == id)
        .map_or("?", |p| p.program)
}

/// Whether something that happened is missing from what is shown. Unreadable memory and calls
/// that were under way at the start are shown where they occur.
pub(super) fn missing_events(losses: &Losses) -> u64 {
    losses
        .probes
        .iter()
        .map(|p| p.ring_full + p.map_full + p.stacks)
        .sum::<u64>()
        + losses.undecodable
}

/// Reasons and numbers, for the last line of a run.
pub(super) fn describe(losses: &Losses) -> String {
    let mut parts = Vec::new();
    for p in &losses.probes {
        for (count, what) in [
            (p.ring_full, "ring buffer full"),
            (p.map_full, "map full"),
            (p.stacks, "stack not stored"),
        ] {
            if count != 0 {
                parts.push(format!("{} {what}: {count}", p.probe));
            }
        }
    }
    if losses.undecodable != 0 {
        parts.push(format!("not decodable: {}", losses.undecodable));
    }
    parts.join(", ")
}
