//! The line tracer ends with: what it has seen and what it has lost.

use super::spawned::Spawned;

/// Events of one run. A system call has two: its entry and its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Events {
    /// All that have happened, lost ones among them.
    pub(super) all: u64,
    /// Those that did not reach the output.
    pub(super) lost: u64,
}

impl Events {
    /// What `process` has said at its end; `None` when it is not tracer or did not come so far.
    pub(super) fn of(process: &Spawned) -> Option<Self> {
        let lines = process.heard().iter().rev();
        lines.filter_map(|line| Self::parse(&line.text)).next()
    }

    /// Reads `tracer: 2.6 s, 759261 events, 30943 lost (…)`.
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("tracer: ")?;
        let mut fields = rest.split(", ").skip(1);
        let all = fields.next()?.strip_suffix(" events")?.parse().ok()?;
        let lost = fields.next()?.split_once(" lost")?.0.parse().ok()?;
        Some(Self { all, lost })
    }

    /// Share of all that was lost.
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    pub(super) fn share_lost(self) -> f64 {
        self.lost as f64 / self.all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn the_closing_line_tells_events_and_losses() {
        let full = "tracer: 2.6 s, 759261 events, 30943 lost (syscall_enter ring buffer full: 1)";
        let expected = Events {
            all: 759_261,
            lost: 30943,
        };
        assert_eq!(Events::parse(full), Some(expected));
        let clean = "tracer: 10.0 s, 12 events, 0 lost, target cost 0.4 %";
        assert_eq!(Events::parse(clean), Some(Events { all: 12, lost: 0 }));
        assert_eq!(Events::parse("tracer: attached to 1 (x): 6 probes"), None);
    }
}
