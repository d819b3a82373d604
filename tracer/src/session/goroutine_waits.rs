//! Waits of goroutines that began before the run, and those that its end cuts off.
//!
//! A goroutine that waits passes by no probe. What it waits for, and where, its runtime tells.

use tracer_common::config::GoWaiting;
use tracer_common::goroutine_wait::{GoWaitKey, GoWaitPending, GoroutineKey};

use super::go_target::GoTarget;
use crate::bpf::{BpfError, GoroutineWaitRead, Kernel};
use crate::event::{Body, Event, GoroutineWait};
use crate::go::goroutine::{Goroutine, Stack, Status};

/// What a goroutine calls to wait.
const PARK: &str = "runtime.gopark";

/// Lets waits of a process count from `begin_ns` on, or as [`GoWaiting`] says.
///
/// # Errors
/// One line that says why not.
pub(super) fn count_from(kernel: &mut Kernel, go: &GoTarget, begin_ns: u64) -> Result<(), String> {
    let waiting = GoWaiting {
        begin_ns,
        g_gopc: go.goroutine_creator()?,
        reserved: 0,
    };
    let told = kernel.set_go_waiting(go.pid, waiting);
    told.map_err(|e| e.to_string())
}

/// Tells the programs of the goroutines that wait now: since `begin_ns`, as far as the run goes.
///
/// # Errors
/// One line that says why not.
pub(super) fn begin(kernel: &mut Kernel, go: &GoTarget, begin_ns: u64) -> Result<(), String> {
    for goroutine in go.goroutines()?.iter().filter(|g| waits(g)) {
        let key = GoroutineKey {
            g: goroutine.address,
            tgid: go.pid,
            reserved: 0,
        };
        let pending = GoWaitPending {
            key: GoWaitKey {
                stack: 0,
                creator: goroutine.descriptor.created_at,
                tgid: go.pid,
                reason: goroutine.descriptor.wait_reason.into(),
            },
            since_ns: begin_ns,
        };
        let begun = kernel.begin_goroutine_wait(key, pending, &callers_of_park(goroutine));
        begun.map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn waits(goroutine: &Goroutine) -> bool {
    let descriptor = &goroutine.descriptor;
    !goroutine.is_system && descriptor.status == Status::WAITING
}

/// The return addresses on a stack from that of the call of [`PARK`] on, innermost first: what the
/// probe sees there.
fn callers_of_park(goroutine: &Goroutine) -> Vec<u64> {
    let Stack::Frames { frames, .. } = &goroutine.stack else {
        return Vec::new();
    };
    let is_park = |name: &str| name == PARK;
    let park = frames.iter().position(|frame| {
        let mut calls = frame.place.calls.iter();
        calls.any(|call| is_park(&call.frame.function))
    });
    let callers = frames.iter().skip(park.map_or(0, |park| park + 1));
    callers.map(|frame| frame.pc).collect()
}

/// The sums of waits that have ended.
///
/// # Errors
/// When a map is not readable.
pub(super) fn ended(kernel: &Kernel, time_ns: u64) -> Result<Vec<Event>, BpfError> {
    let read = kernel.goroutine_waits()?;
    Ok(read.into_iter().map(|r| event(time_ns, r, false)).collect())
}

/// Waits that are open at `end_ns`; those that began before `begin_ns` count from then on.
///
/// # Errors
/// When a map is not readable.
pub(super) fn open(kernel: &Kernel, begin_ns: u64, end_ns: u64) -> Result<Vec<Event>, BpfError> {
    let read = kernel.open_goroutine_waits()?;
    let open = read.into_iter().filter(|&(since, _)| since < end_ns);
    Ok(open
        .map(|(since, mut read)| {
            let waited = end_ns.saturating_sub(since.max(begin_ns));
            read.time.count = 1;
            read.time.total_ns = waited;
            read.time.max_ns = waited;
            event(end_ns, read, true)
        })
        .collect())
}

fn event(time_ns: u64, read: GoroutineWaitRead, open: bool) -> Event {
    let wait = GoroutineWait {
        reason: read.key.reason,
        creator: read.key.creator,
        stack: read.stack,
        truncated: read.truncated,
        waits: read.time.count,
        time_ns: read.time.total_ns,
        max_ns: read.time.max_ns,
        open,
    };
    Event {
        time_ns,
        pid: read.key.tgid,
        tid: 0,
        cpu: 0,
        goid: None,
        body: Body::GoroutineWait(Box::new(wait)),
    }
}
