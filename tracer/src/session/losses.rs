//! What the probes could not deliver.

use std::collections::HashMap;

use tracer_common::probe::{ProbeCounters, ProbeId};

use crate::bpf::{BpfError, Kernel, PROBES};
use crate::decode::LostRecords;
use crate::event::{Body, Event, Losses, ProbeLoss};

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

/// Records that the ring buffer did not take, as events at the time of the first of them.
#[derive(Debug, Default)]
pub(super) struct RingLosses {
    /// By probe and CPU: those that were put into the stream before a record told of them.
    ahead: HashMap<(ProbeId, u16), u64>,
}

impl RingLosses {
    /// Those of a record.
    pub(super) fn told(&mut self, lost: &LostRecords) -> Option<Event> {
        let ahead = self.ahead.remove(&(lost.probe, lost.cpu)).unwrap_or(0);
        loss_event(lost, lost.count.saturating_sub(ahead))
    }

    /// Those that no record has told of so far.
    pub(super) fn untold(&mut self, lost: &LostRecords) -> Option<Event> {
        let ahead = self.ahead.entry((lost.probe, lost.cpu)).or_default();
        let new = lost.count.saturating_sub(*ahead);
        *ahead = lost.count;
        loss_event(lost, new)
    }
}

fn loss_event(lost: &LostRecords, count: u64) -> Option<Event> {
    let losses = Losses {
        probes: vec![ProbeLoss {
            probe: name(lost.probe).to_owned(),
            ring_full: count,
            ..ProbeLoss::default()
        }],
        undecodable: 0,
    };
    (count != 0).then_some(Event {
        time_ns: lost.time_ns,
        pid: 0,
        tid: 0,
        cpu: lost.cpu,
        goid: None,
        body: Body::Losses(losses),
    })
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

/// Those that no record of the ring buffer tells.
pub(super) fn without_ring(mut losses: Losses) -> Losses {
    for probe in &mut losses.probes {
        probe.ring_full = 0;
    }
    losses
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(cpu: u16, count: u64) -> LostRecords {
        LostRecords {
            time_ns: 5,
            cpu,
            probe: ProbeId::SyscallEnter,
            count,
        }
    }

    fn count(event: Option<Event>) -> u64 {
        let Some(Body::Losses(losses)) = event.map(|e| e.body) else {
            return 0;
        };
        losses.probes.iter().map(|p| p.ring_full).sum()
    }

    #[test]
    fn a_loss_is_told_once() {
        let mut losses = RingLosses::default();
        assert_eq!(count(losses.told(&lost(0, 3))), 3);
        assert_eq!(count(losses.untold(&lost(0, 4))), 4);
        assert_eq!(count(losses.untold(&lost(0, 4))), 0);
        assert_eq!(count(losses.untold(&lost(0, 6))), 2);
        assert_eq!(count(losses.told(&lost(1, 6))), 6, "another CPU");
        assert_eq!(count(losses.told(&lost(0, 7))), 1);
        assert_eq!(count(losses.told(&lost(0, 7))), 7, "new ones");
    }
}
