//! What the probes could not deliver.

use tracer_common::probe::{ProbeCounters, ProbeId};

use crate::bpf::{BpfError, Kernel, PROBES};
use crate::event::{Losses, ProbeLoss};

/// What the probes and the kernel say of losses; both in the order of [`ProbeId::ALL`].
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) counters: Vec<ProbeCounters>,
    /// [`Kernel::missed`]
    missed: Vec<u64>,
}

impl Counts {
    /// Those up to now.
    ///
    /// # Errors
    /// When the counters are not readable.
    pub(super) fn read(kernel: &Kernel) -> Result<Self, BpfError> {
        Ok(Self {
            missed: kernel.missed().to_vec(),
            counters: kernel.counters()?,
        })
    }
}

/// Losses in `now` beyond `before`.
pub(super) fn losses(now: &Counts, before: &Counts, undecodable: u64) -> Losses {
    let zero = ProbeCounters::default();
    let missed = |counts: &Counts, i: usize| counts.missed.get(i).copied().unwrap_or(0);
    let probes = ProbeId::ALL
        .iter()
        .zip(&now.counters)
        .enumerate()
        .map(|(i, (&id, counters))| ProbeLoss {
            left_out: missed(now, i).saturating_sub(missed(before, i)),
            ..loss(id, counters, before.counters.get(i).unwrap_or(&zero))
        })
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
        left_out: 0,
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
        .map(|p| p.ring_full + p.map_full + p.stacks + p.left_out)
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
            (p.left_out, "left out by the kernel, at most"),
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
