//! Waits that began before the run, and those that its end cuts off.
//!
//! A thread that is off the CPU passes by no probe. What it does is known from `/proc` then: its
//! state, and where in user space it is.

use std::collections::HashMap;

use tracer_common::stats::{BEFORE_RUN, OffCpuKey, OffCpuPending, ThreadTime};

use super::plan::{ANY_WAIT, Capture, Plan};
use crate::bpf::{BpfError, Kernel, OpenWaitRead};
use crate::event::{Body, Event, OffCpuStack, StackEnd, ThreadCpu, Wait};

/// Threads that were there when the run began.
#[derive(Debug, Default)]
pub(super) struct OpenWaits {
    /// Where each was in user space, by tid, if it was off the CPU.
    places: HashMap<u32, u64>,
    begin_ns: u64,
}

/// A thread, from the outside.
#[derive(Debug)]
struct Seen {
    pid: u32,
    tid: u32,
    comm: [u8; 16],
    /// `task_struct.__state`, as far as it shows; 0 when it runs or waits for a CPU.
    state: u32,
    /// Innermost address in user space; `None` when it runs.
    place: Option<u64>,
}

impl OpenWaits {
    /// Tells the programs of the threads of processes. Where time on the CPU is measured, also of
    /// those that run: what a thread has done shows when it is switched first.
    ///
    /// # Errors
    /// When there are too many threads.
    pub(super) fn begin(
        &mut self,
        kernel: &mut Kernel,
        threads: &[(u32, u32)],
        begin_ns: impl FnOnce() -> u64,
        all: bool,
    ) -> Result<(), BpfError> {
        let seen = threads.iter().filter_map(|&(pid, tid)| Seen::now(pid, tid));
        let seen: Vec<Seen> = seen.collect();
        self.begin_ns = begin_ns();
        for thread in &seen {
            if all {
                kernel.begin_thread(thread.tid, thread.time(self.begin_ns))?;
            }
            if all || thread.state != 0 {
                kernel.begin_wait(thread.wait(self.begin_ns))?;
            }
            if let Some(place) = thread.place {
                self.places.insert(thread.tid, place);
            }
        }
        Ok(())
    }

    /// A wait as an event. Of one that began before the run, the innermost address is filled in.
    pub(super) fn complete(&self, key: &OffCpuKey, mut wait: Wait) -> Body {
        wait.before_run = key.user_stack == BEFORE_RUN;
        if wait.before_run {
            wait.stack.user = self.places.get(&key.tid).copied().into_iter().collect();
            // Of one address it is not known whether it is all.
            wait.stack.user_end = match wait.stack.user.is_empty() {
                true => StackEnd::Missing,
                false => StackEnd::Unknown,
            };
        }
        if wait.before_run || wait.open || wait.waker.is_some() {
            Body::Wait(Box::new(wait))
        } else {
            Body::OffCpuStack(Box::new(wait.stack))
        }
    }

    /// Waits that are open at `end_ns`, and the time of each thread.
    ///
    /// # Errors
    /// When a map is not readable.
    pub(super) fn end(
        &self,
        kernel: &Kernel,
        plan: &Plan,
        end_ns: u64,
    ) -> Result<Vec<Event>, BpfError> {
        let mut waits: HashMap<u32, OpenWaitRead> = kernel
            .open_waits()?
            .into_iter()
            .filter(|read| read.pending.out_ns < end_ns)
            .map(|read| (read.pending.key.tid, read))
            .collect();
        let never_woken = |read: &OpenWaitRead| read.pending.woken_ns <= read.pending.out_ns;
        waits.retain(|&tid, read| {
            let key = &mut read.pending.key;
            if key.user_stack != BEFORE_RUN {
                return true;
            }
            // Never switched: what it does now, or did when it was last there, it did all the time.
            let state = Seen::now(key.tgid, tid).map_or(key.state, |seen| seen.state);
            if key.state == 0 {
                key.state = state;
                read.stack.state = state;
                read.pending.woken_ns = 0;
            }
            state != 0 || !never_woken(read)
        });
        let event = |pid, tid, body| Event {
            time_ns: end_ns,
            pid,
            tid,
            cpu: 0,
            goid: None,
            body,
        };
        let mut events = Vec::new();
        for (tid, mut time) in kernel.thread_times()? {
            // Its name may have changed since it was noted.
            if time.end_ns == 0
                && let Some(thread) = Seen::now(time.tgid, tid)
            {
                time.comm = thread.comm;
            }
            let is_off = waits.contains_key(&tid);
            let time_of = Body::ThreadCpu(Box::new(thread_cpu(&time, end_ns, is_off)));
            events.push(event(time.tgid, tid, time_of));
        }
        let wanted = wanted(plan);
        for (tid, read) in waits {
            let wait = open_wait(read.stack, &read.pending, end_ns);
            if wanted.contains(&(wait.stack.blocked_ns / read.pending.weight.max(1))) {
                let key = &read.pending.key;
                events.push(event(key.tgid, tid, self.complete(key, wait)));
            }
        }
        events.sort_by_key(|e| (e.pid, e.tid));
        Ok(events)
    }
}

/// How long waits must last.
fn wanted(plan: &Plan) -> std::ops::RangeInclusive<u64> {
    let of = |c: &Capture| match c {
        Capture::OffCpu { blocked, .. } => Some(blocked.clone()),
        _ => None,
    };
    plan.captures.iter().find_map(of).unwrap_or(ANY_WAIT)
}

fn open_wait(stack: OffCpuStack, pending: &OffCpuPending, end_ns: u64) -> Wait {
    let since = |ns: u64| end_ns.saturating_sub(ns);
    let (blocked_ns, runnable_ns) = match pending.woken_ns {
        0 => (since(pending.out_ns), 0),
        // Wakeups are seen for some time after the end.
        woken => {
            let woken = woken.clamp(pending.out_ns, end_ns.max(pending.out_ns));
            (woken - pending.out_ns, since(woken))
        }
    };
    let weight = pending.weight.max(1);
    Wait {
        stack: OffCpuStack {
            count: weight,
            blocked_ns: blocked_ns.saturating_mul(weight),
            runnable_ns: runnable_ns.saturating_mul(weight),
            max_ns: since(pending.out_ns),
            ..stack
        },
        before_run: false,
        open: true,
        waker: None,
    }
}

fn thread_cpu(time: &ThreadTime, end_ns: u64, is_off: bool) -> ThreadCpu {
    // A thread that ends may have to wait for a CPU once more, and then counts until the end.
    let until_ns = match time.end_ns {
        ended if ended != 0 && !is_off => ended,
        _ => end_ns,
    };
    let running_ns = match (time.since_ns, time.unseen) {
        (0, _) => 0,
        _ if time.end_ns != 0 => 0,
        // Never switched, and not off the CPU: it had one all the time.
        (_, 1) if is_off => 0,
        (since, _) => until_ns.saturating_sub(since),
    };
    ThreadCpu {
        comm: crate::decode::comm(&time.comm),
        elapsed_ns: until_ns.saturating_sub(time.begin_ns),
        cpu_ns: time.cpu_ns.saturating_add(running_ns),
    }
}

impl Seen {
    /// `None` when the thread is gone.
    fn now(pid: u32, tid: u32) -> Option<Self> {
        let dir = format!("/proc/{pid}/task/{tid}");
        let stat = std::fs::read(format!("{dir}/stat")).ok()?;
        let (comm, state) = parse_stat(&stat)?;
        let place = std::fs::read_to_string(format!("{dir}/syscall"));
        Some(Self {
            pid,
            tid,
            comm,
            state,
            place: place.ok().and_then(|line| parse_place(&line)),
        })
    }

    fn key(&self) -> OffCpuKey {
        OffCpuKey {
            tgid: self.pid,
            tid: self.tid,
            kernel_stack: -1,
            user_stack: BEFORE_RUN,
            state: self.state,
            user_stack_high: 0,
            comm: self.comm,
        }
    }

    fn wait(&self, begin_ns: u64) -> OffCpuPending {
        OffCpuPending {
            key: self.key(),
            out_ns: begin_ns,
            woken_ns: if self.state == 0 { begin_ns } else { 0 },
            weight: 1,
        }
    }

    fn time(&self, begin_ns: u64) -> ThreadTime {
        ThreadTime {
            tgid: self.pid,
            unseen: 1,
            comm: self.comm,
            begin_ns,
            end_ns: 0,
            since_ns: begin_ns,
            cpu_ns: 0,
        }
    }
}

/// Name and state of `/proc/PID/task/TID/stat`: "TID (NAME) STATE …", where the name may hold
/// anything. `None` for a thread that has ended.
fn parse_stat(stat: &[u8]) -> Option<([u8; 16], u32)> {
    let open = stat.iter().position(|&b| b == b'(')?;
    let close = stat.iter().rposition(|&b| b == b')')?;
    let name = stat.get(open + 1..close)?;
    let mut comm = [0; 16];
    let len = name.len().min(15);
    comm[..len].copy_from_slice(&name[..len]);
    // Letters of `task_state_array` (fs/proc/array.c), bits of include/linux/sched.h.
    let state = match stat.get(close + 2)? {
        b'R' => 0,
        b'S' => 1,
        b'D' | b'I' => 2,
        b'T' => 4,
        b't' => 8,
        b'P' => 0x40,
        _ => return None,
    };
    Some((comm, state))
}

/// The program counter of `/proc/PID/task/TID/syscall`, its last word; "running" when it runs.
fn parse_place(line: &str) -> Option<u64> {
    let last = line.split_whitespace().next_back()?;
    u64::from_str_radix(last.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_threads_may_hold_anything() {
        let (comm, state) = parse_stat(b"71 (a) R (b) S 1 71 71 0").expect("a thread");
        assert_eq!((&comm[..8], state), (&b"a) R (b\0"[..], 1));
        assert_eq!(parse_stat(b"71 (x) D 1").map(|s| s.1), Some(2));
        assert_eq!(parse_stat(b"71 (x) R 1").map(|s| s.1), Some(0));
        assert_eq!(parse_stat(b"71 (x) Z 1"), None);
        assert_eq!(parse_stat(b"71 (x)"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn a_place_is_the_last_word() {
        assert_eq!(
            parse_place("202 0x1 0x80 0x0 0x0 0x0 0x0 0x7ffd01 0x45e1f3\n"),
            Some(0x45_e1f3)
        );
        assert_eq!(parse_place("-1 0x7ffd01 0x45e1f3\n"), Some(0x45_e1f3));
        assert_eq!(parse_place("running\n"), None);
        assert_eq!(parse_place(""), None);
    }

    #[test]
    fn an_open_wait_lasts_until_the_end() {
        let pending = OffCpuPending {
            out_ns: 100,
            weight: 2,
            ..OffCpuPending::default()
        };
        let wait = open_wait(OffCpuStack::default(), &pending, 400).stack;
        assert_eq!((wait.count, wait.blocked_ns, wait.runnable_ns), (2, 600, 0));
        let woken = OffCpuPending {
            woken_ns: 150,
            weight: 1,
            ..pending
        };
        let wait = open_wait(OffCpuStack::default(), &woken, 400).stack;
        assert_eq!(
            (wait.blocked_ns, wait.runnable_ns, wait.max_ns),
            (50, 250, 300)
        );
    }

    #[test]
    fn a_thread_that_was_never_switched_ran_or_waited_all_the_time() {
        let unseen = ThreadTime {
            unseen: 1,
            begin_ns: 10,
            since_ns: 10,
            ..ThreadTime::default()
        };
        assert_eq!(thread_cpu(&unseen, 110, true).cpu_ns, 0);
        assert_eq!(thread_cpu(&unseen, 110, false).cpu_ns, 100);
        let ended = ThreadTime {
            unseen: 0,
            end_ns: 60,
            since_ns: 0,
            cpu_ns: 7,
            ..unseen
        };
        let time = thread_cpu(&ended, 110, false);
        assert_eq!((time.elapsed_ns, time.cpu_ns), (50, 7));
        let waits_to_end = thread_cpu(&ended, 110, true);
        assert_eq!((waits_to_end.elapsed_ns, waits_to_end.cpu_ns), (100, 7));
    }

    #[test]
    fn this_thread_is_seen() {
        let (pid, tid) = (std::process::id(), std::process::id());
        let seen = Seen::now(pid, tid).expect("it is there");
        assert_eq!((seen.pid, seen.tid), (pid, tid));
        assert!(Seen::now(pid, u32::MAX).is_none());
    }
}
