//! Ps that threads lose in system calls: from counts in the kernel to events with names.

use std::collections::{BTreeMap, HashMap};

use tracer_common::goroutine_handoff::GoHandoffKey;

use super::go_target::GoTarget;
use crate::bpf::{BpfError, GoHandoffRead, Kernel};
use crate::event::{Body, Event, GoHandoff, GoHandoffs, HandoffCause};

/// What was counted up to the last read.
#[derive(Debug, Default)]
pub(super) struct Handoffs {
    before: HashMap<GoHandoffKey, u64>,
}

impl Handoffs {
    /// What is new since the last time, of each of the processes `pids` and of those that had any;
    /// `go_of` knows the processes.
    ///
    /// # Errors
    /// When a map is not readable.
    pub(super) fn read<'a>(
        &mut self,
        kernel: &Kernel,
        time_ns: u64,
        pids: impl Iterator<Item = u32>,
        go_of: impl Fn(u32) -> Option<&'a GoTarget>,
    ) -> Result<Vec<Event>, BpfError> {
        let mut by_pid: BTreeMap<u32, GoHandoffs> =
            pids.map(|pid| (pid, GoHandoffs::default())).collect();
        for read in kernel.go_handoffs()? {
            let before = self.before.insert(read.key, read.count).unwrap_or(0);
            let count = read.count.saturating_sub(before);
            if count == 0 {
                continue;
            }
            let place = handoff(&read, count, go_of(read.key.tgid));
            by_pid.entry(read.key.tgid).or_default().places.push(place);
        }
        let event = |(pid, handoffs)| Event {
            time_ns,
            pid,
            tid: 0,
            cpu: 0,
            goid: None,
            body: Body::GoHandoffs(Box::new(handoffs)),
        };
        Ok(by_pid.into_iter().map(event).collect())
    }
}

fn handoff(read: &GoHandoffRead, count: u64, go: Option<&GoTarget>) -> GoHandoff {
    let cause = match (read.key.caller, go) {
        (0, _) => HandoffCause::NoProcessor,
        (caller, Some(go)) => go.handoff_cause(caller),
        _ => HandoffCause::Other,
    };
    let (call, own) = go.map_or((None, None), |go| go.syscall_place(&read.stack));
    GoHandoff {
        cause,
        own,
        call,
        count,
    }
}
