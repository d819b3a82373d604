//! Assists of the garbage collector: from sums in the kernel to events with names.

use std::collections::HashMap;

use tracer_common::goroutine_assist::{GoAssistKey, GoAssistTime};

use super::go_target::GoTarget;
use crate::bpf::{BpfError, GoroutineAssistRead, Kernel};
use crate::event::{Body, Event, FrameSymbol, GoAssist};

/// The sums that were read last.
#[derive(Debug, Default)]
pub(super) struct GoroutineAssists {
    before: HashMap<GoAssistKey, GoAssistTime>,
}

/// Who allocates, by process and stack.
type Allocators = HashMap<(u32, u64), (Option<FrameSymbol>, Option<FrameSymbol>)>;

impl GoroutineAssists {
    /// What is new since the last time; `go_of` knows the processes.
    ///
    /// # Errors
    /// When a map is not readable.
    pub(super) fn read<'a>(
        &mut self,
        kernel: &Kernel,
        time_ns: u64,
        go_of: impl Fn(u32) -> Option<&'a GoTarget>,
    ) -> Result<Vec<Event>, BpfError> {
        let mut events = Vec::new();
        let mut known = Allocators::new();
        for read in kernel.goroutine_assists()? {
            let key = read.key;
            let before = self.before.insert(key, read.time).unwrap_or_default();
            if (read.time.count, read.time.waits) == (before.count, before.waits) {
                continue;
            }
            let assist = assist(&read, before, go_of(key.tgid), &mut known);
            events.push(Event {
                time_ns,
                pid: key.tgid,
                tid: 0,
                cpu: 0,
                goid: (key.goid != 0).then_some(key.goid),
                body: Body::GoAssist(Box::new(assist)),
            });
        }
        Ok(events)
    }
}

fn assist(
    read: &GoroutineAssistRead,
    before: GoAssistTime,
    go: Option<&GoTarget>,
    known: &mut Allocators,
) -> GoAssist {
    let (key, now) = (read.key, read.time);
    let (allocator, own) = known
        .entry((key.tgid, key.stack))
        .or_insert_with(|| go.map_or((None, None), |go| go.allocator(&read.stack)))
        .clone();
    let time_ns = now.total_ns.saturating_sub(before.total_ns);
    let wait_ns = now.wait_ns.saturating_sub(before.wait_ns);
    GoAssist {
        created_at: key.creator,
        creator: go.and_then(|go| go.creator(key.creator)),
        allocator,
        own,
        count: now.count.saturating_sub(before.count),
        time_ns,
        max_ns: longest(now.max_ns, before.max_ns, time_ns),
        waits: now.waits.saturating_sub(before.waits),
        wait_ns,
        max_wait_ns: longest(now.max_wait_ns, before.max_wait_ns, wait_ns),
    }
}

/// The longest of all is that of this time only if it grew.
fn longest(now_ns: u64, before_ns: u64, sum_ns: u64) -> u64 {
    match now_ns == before_ns {
        true => now_ns.min(sum_ns),
        false => now_ns,
    }
}
