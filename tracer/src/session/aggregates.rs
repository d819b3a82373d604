//! Turns totals read from maps into events about what is new since the last read.

use std::collections::HashMap;

use tracer_common::stats::GoCreatorKey;
use tracer_common::stats::WokenKey;

use super::goroutine_waits;
use super::open_waits::OpenWaits;
use crate::bpf::{BpfError, Group, Kernel};
use crate::event::{
    Body, CreatorSamples, Event, GoCreator, Latency, OffCpuStack, RunQueueThread, SyscallLatency,
    Wait,
};

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    syscalls: HashMap<u32, Latency>,
    off_cpu: HashMap<WokenKey, OffCpuStack>,
    /// What is known of waits that no probe saw begin.
    pub(super) open_waits: OpenWaits,
    run_queue: HashMap<u32, RunQueueThread>,
    schedules: u64,
    creators: HashMap<GoCreatorKey, u64>,
    /// By process and address of the `go` statement.
    go_creators: HashMap<(u32, u64), GoCreator>,
}

impl Aggregates {
    /// Events for everything that a group has added; `pid` and `time_ns` are put on those that
    /// belong to the run as a whole.
    ///
    /// # Errors
    /// When a map is not readable.
    pub(super) fn read(
        &mut self,
        kernel: &Kernel,
        group: Group,
        pid: u32,
        time_ns: u64,
    ) -> Result<Vec<Event>, BpfError> {
        let at = |pid, tid, body| Event {
            time_ns,
            pid,
            tid,
            cpu: 0,
            goid: None,
            body,
        };
        Ok(match group {
            Group::SyscallStats => self
                .syscalls(kernel)?
                .into_iter()
                .map(|s| at(pid, 0, Body::SyscallLatency(Box::new(s))))
                .collect(),
            Group::OffCpu => self
                .off_cpu(kernel)?
                .into_iter()
                .map(|(key, wait)| {
                    let key = key.sleeper;
                    at(key.tgid, key.tid, self.open_waits.complete(&key, wait))
                })
                .collect(),
            Group::RunQueue => self
                .run_queue(kernel)?
                .into_iter()
                .map(|(pid, tid, t)| at(pid, tid, Body::RunQueueThread(Box::new(t))))
                .collect(),
            Group::GoSchedule => {
                let total = kernel.schedules()?;
                let new = total - self.schedules;
                self.schedules = total;
                vec![at(pid, 0, Body::GoSchedules(new))]
            }
            Group::Samples => self
                .creators(kernel)?
                .into_iter()
                .map(|(pid, samples)| at(pid, 0, Body::CreatorSamples(samples)))
                .collect(),
            Group::GoWaits => goroutine_waits::ended(kernel, time_ns)?,
            Group::GoCreation => self
                .go_creators(kernel)?
                .into_iter()
                .map(|(pid, creator)| at(pid, 0, Body::GoCreator(Box::new(creator))))
                .collect(),
            _ => Vec::new(),
        })
    }

    /// Calls summed by the syscall statistics up to the last read.
    pub(super) fn syscall_calls(&self) -> u64 {
        self.syscalls.values().map(|l| l.count).sum()
    }

    fn syscalls(&mut self, kernel: &Kernel) -> Result<Vec<SyscallLatency>, BpfError> {
        let mut new = Vec::new();
        for (nr, now) in kernel.syscall_stats()? {
            let before = self.syscalls.insert(nr, now.clone()).unwrap_or_default();
            if now.count != before.count {
                let latency = since(&now, &before);
                new.push(SyscallLatency { nr, latency });
            }
        }
        Ok(new)
    }

    fn go_creators(&mut self, kernel: &Kernel) -> Result<Vec<(u32, GoCreator)>, BpfError> {
        let mut new = Vec::new();
        for (pid, now) in kernel.go_creators()? {
            let before = self.go_creators.insert((pid, now.created_at), now.clone());
            let before = before.unwrap_or_default();
            if (now.created, now.ended, now.first_runs.count)
                == (before.created, before.ended, before.first_runs.count)
            {
                continue;
            }
            let since = GoCreator {
                created: now.created.saturating_sub(before.created),
                ended: now.ended.saturating_sub(before.ended),
                first_runs: since(&now.first_runs, &before.first_runs),
                ..now
            };
            new.push((pid, since));
        }
        Ok(new)
    }

    fn off_cpu(&mut self, kernel: &Kernel) -> Result<Vec<(WokenKey, Wait)>, BpfError> {
        let mut new = Vec::new();
        for read in kernel.off_cpu()? {
            let before = self.off_cpu.insert(read.key, read.stack.clone());
            let before = before.unwrap_or_default();
            let mut stack = read.stack;
            if stack.count == before.count {
                continue;
            }
            stack.count -= before.count;
            stack.blocked_ns = stack.blocked_ns.saturating_sub(before.blocked_ns);
            stack.runnable_ns = stack.runnable_ns.saturating_sub(before.runnable_ns);
            // The longest of all is that of this interval only if it grew.
            if stack.max_ns == before.max_ns {
                stack.max_ns = stack.max_ns.min(stack.blocked_ns + stack.runnable_ns);
            }
            let wait = Wait {
                stack,
                waker: read.waker,
                ..Wait::default()
            };
            new.push((read.key, wait));
        }
        Ok(new)
    }

    fn creators(&mut self, kernel: &Kernel) -> Result<Vec<(u32, CreatorSamples)>, BpfError> {
        let mut new = Vec::new();
        for (key, now) in kernel.creators()? {
            let samples = now - self.creators.insert(key, now).unwrap_or(0).min(now);
            let creator = key.created_at;
            if samples != 0 {
                new.push((key.tgid, CreatorSamples { creator, samples }));
            }
        }
        Ok(new)
    }

    fn run_queue(&mut self, kernel: &Kernel) -> Result<Vec<(u32, u32, RunQueueThread)>, BpfError> {
        let mut new = Vec::new();
        for read in kernel.run_queue()? {
            let now = read.thread;
            let before = self.run_queue.insert(read.tid, now.clone());
            let before = before.unwrap_or_default();
            if now == before {
                continue;
            }
            new.push((
                read.tgid,
                read.tid,
                RunQueueThread {
                    comm: now.comm,
                    voluntary: now.voluntary.saturating_sub(before.voluntary),
                    involuntary: now.involuntary.saturating_sub(before.involuntary),
                    migrations: now.migrations.saturating_sub(before.migrations),
                    latency: since(&now.latency, &before.latency),
                },
            ));
        }
        Ok(new)
    }
}

/// The part of `now` that came after `before`. Minimum and maximum are exact for the first part
/// and otherwise those of its buckets, clipped to the exact ones of the whole.
fn since(now: &Latency, before: &Latency) -> Latency {
    if before.count == 0 {
        return now.clone();
    }
    let old = |index| {
        before
            .buckets
            .binary_search_by_key(&index, |b| b.0)
            .map_or(0, |at| before.buckets[at].1)
    };
    let buckets: Vec<_> = now
        .buckets
        .iter()
        .map(|&(index, count)| (index, count.saturating_sub(old(index))))
        .filter(|&(_, count)| count != 0)
        .collect();
    let bound = |index: u16| {
        tracer_common::histogram::lower_bound(
            usize::from(index).min(tracer_common::histogram::BUCKETS - 1),
        )
    };
    let low = buckets.first().map_or(0, |b| bound(b.0));
    let high = buckets.last().map_or(0, |b| bound(b.0 + 1));
    Latency {
        count: now.count.saturating_sub(before.count),
        errors: now.errors.saturating_sub(before.errors),
        total_ns: now.total_ns.saturating_sub(before.total_ns),
        min_ns: low.max(now.min_ns),
        max_ns: high.min(now.max_ns),
        buckets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_the_difference_of_two_reads() {
        let before = Latency {
            count: 3,
            errors: 1,
            total_ns: 300,
            min_ns: 50,
            max_ns: 5000,
            buckets: vec![(20, 2), (40, 1)],
        };
        let now = Latency {
            count: 5,
            errors: 1,
            total_ns: 700,
            min_ns: 50,
            max_ns: 5000,
            buckets: vec![(20, 3), (30, 1), (40, 1)],
        };
        let part = since(&now, &before);
        assert_eq!((part.count, part.errors, part.total_ns), (2, 0, 400));
        assert_eq!(part.buckets, [(20, 1), (30, 1)]);
        assert!(part.max_ns < 5000, "the longest call was not in this part");
        assert_eq!(since(&now, &Latency::default()), now);
    }
}
