//! Stops of the world in Go processes: when, why, and which P was the last to stop.
//!
//! The runtime asks all Ps to stop and waits. What each P ran is noted when it asks; who stops by
//! itself comes by `gcstopm`; what the last one's goroutine had come to is read when the world is
//! about to be started again, since its stack stands still until then. All Ps that are idle or in a
//! syscall are stopped by the asking thread itself.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::{btf_tracepoint, uprobe},
    programs::{BtfTracePointContext, ProbeContext},
};
use tracer_common::{
    config::{GoScheduler, MAX_PROCESSORS, go_stop as flag},
    event::{EventHeader, GoStarted, GoStop, Kind, MAX_STOP_FRAMES},
    probe::ProbeId,
    stats::{GoStopState, GoStopThread, GoStopped, left},
};

use super::syscall::Registers;
use crate::{
    count,
    emit::{self, bounded, opaque},
    filter,
    go_call::{FIRST_PAGE, arguments, current_g, half_word, word},
    maps::{GO_SCHEDULERS, GO_STOP_THREADS, GO_STOPS},
    task::Task,
};

const NO_SYSCALL: u32 = u32::MAX;

#[inline(always)]
fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

#[inline(always)]
pub(super) fn scheduler<'a>(tgid: u32) -> Option<&'a GoScheduler> {
    // SAFETY: written before the probes are attached, or at exec.
    unsafe { GO_SCHEDULERS.get(tgid) }
}

/// In `runtime.stopTheWorldWithSema(reason)`, after its stack check.
#[uprobe]
pub fn go_stop(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoStop);
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    let (Some(scheduler), Some(state)) = (scheduler(tgid), GO_STOPS.get_ptr_mut(tgid)) else {
        return 0;
    };
    let reason = match scheduler.flags & flag::REASON {
        0 => GoStopState::NO_REASON,
        _ => arguments(&ctx)[0] as u8 as u32,
    };
    // SAFETY: the runtime lets one thread at a time stop the world (`worldsema`).
    let state = unsafe { &mut *state };
    state.number = state.number.wrapping_add(1);
    state.stopper = id as u32;
    state.reason = reason;
    state.woke_ns = 0;
    state.processors = note_running(u64::from(tgid)) as u32;
    state.began_ns = now;
    0
}

/// Notes what each P runs now, and returns how many Ps there are. A function of its own for the
/// verifier.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn note_running(tgid: u64) -> u64 {
    let tgid = tgid as u32;
    let (Some(scheduler), Some(state)) = (scheduler(tgid), GO_STOPS.get_ptr_mut(tgid)) else {
        return 0;
    };
    let list = word(scheduler.allp, 0);
    let processors = word(scheduler.allp, 8);
    for index in 0..MAX_PROCESSORS as u64 {
        let mut stopped = GoStopped::default();
        if index < processors {
            let p = word(list.wrapping_add(index * 8), 0);
            let m = word(p, scheduler.p_m);
            stopped.g = word(m, scheduler.m_curg);
            stopped.goid = word(stopped.g, scheduler.g_goid);
            stopped.tick = half_word(p, scheduler.p_schedtick);
        }
        // SAFETY: as in `go_stop`.
        unsafe { entry(state, index).write(stopped) };
        if opaque(index) >= processors {
            break;
        }
    }
    processors
}

/// The entry of a P, without a check that the compiler would add: the verifier sees the bound.
#[inline(always)]
fn entry(state: *mut GoStopState, processor: u64) -> *mut GoStopped {
    let index = bounded::<{ MAX_PROCESSORS as u64 - 1 }>(processor) as usize;
    // SAFETY: `state` is an entry of a map, and the index is below the array's length.
    unsafe {
        (&raw mut (*state).by_processor)
            .cast::<GoStopped>()
            .add(index)
    }
}

/// In `runtime.gcstopm`, after its stack check: the running thread gives its P up.
#[uprobe]
pub fn go_stopped(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    count::hit(ProbeId::GoStopped);
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    let (Some(scheduler), Some(state)) = (scheduler(tgid), GO_STOPS.get_ptr_mut(tgid)) else {
        return 0;
    };
    let p = word(word(current_g(&ctx), scheduler.g_m), scheduler.m_p);
    let number = u64::from(half_word(p, scheduler.p_id));
    if p == 0 || number >= MAX_PROCESSORS as u64 {
        return 0;
    }
    // SAFETY: a P is run by one thread at a time, and each has an entry of its own.
    let stop_number = unsafe { (*state).number };
    // SAFETY: as above.
    let slot = unsafe { &mut *entry(state, number) };
    slot.stopped_ns = now;
    slot.tid = id as u32;
    slot.moved_on = (half_word(p, scheduler.p_schedtick) != slot.tick) as u32;
    slot.syscall = NO_SYSCALL;
    if let Some(thread) = GO_STOP_THREADS.get_ptr(id as u32) {
        // SAFETY: the thread is on this CPU.
        let thread = unsafe { &*thread };
        if thread.number == stop_number {
            slot.runnable_ns = thread.runnable_ns;
            slot.fault_ns = thread.fault_ns;
            slot.syscall_ns = thread.syscall_ns;
            slot.syscall = thread.syscall;
        }
        if thread.out_ns != 0 {
            // SAFETY: as above.
            let began = unsafe { (*state).began_ns };
            let since = if thread.out_ns < began {
                began
            } else {
                thread.out_ns
            };
            slot.untold_ns = now.saturating_sub(since);
        }
    }
    0
}

/// In `runtime.startTheWorldWithSema(now, worldStop)`, after its stack check: everything still
/// stands still.
#[uprobe]
pub fn go_start(ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoStart);
    let tgid = tgid();
    let (Some(scheduler), Some(state)) = (scheduler(tgid), GO_STOPS.get_ptr_mut(tgid)) else {
        return 0;
    };
    let by_processor = state;
    // SAFETY: as in `go_stop`.
    let state = unsafe { &mut *state };
    if state.began_ns == 0 {
        return 0;
    }
    let [_, _, started, finished] = arguments(&ctx);
    let known = |bit: u32, value: u64| if scheduler.flags & bit != 0 { value } else { 0 };
    let (started_ns, finished_ns) = (
        known(flag::STARTED, started),
        known(flag::FINISHED, finished),
    );
    let Some(mut record) = emit::reserve::<GoStop>(ProbeId::GoStart) else {
        state.began_ns = 0;
        return 0;
    };
    let to = record.as_mut_ptr();
    let last = last_stopped(u64::from(tgid));
    // SAFETY: fields of the reserved record, each written once.
    unsafe {
        (&raw mut (*to).header).write(emit::header(Kind::GoStop, size_of::<GoStop>()));
        (&raw mut (*to).began_ns).write(state.began_ns);
        (&raw mut (*to).started_ns).write(started_ns);
        (&raw mut (*to).finished_ns).write(finished_ns);
        (&raw mut (*to).woke_ns).write(state.woke_ns);
        (&raw mut (*to).reason).write(state.reason);
        (&raw mut (*to).processors).write(state.processors);
        (&raw mut (*to).seen).write((last >> 32) as u32);
    }
    let mut delay = GoStopped::default();
    if last as u32 != GoStop::NOBODY {
        // SAFETY: all Ps stand still.
        delay = unsafe { entry(by_processor, last & 0xff).read() };
    }
    describe(scheduler, delay, last as u32, to);
    record.submit();
    state.began_ns = 0;
    0
}

/// The number of the P that stopped last, [`GoStop::NOBODY`] when there is none, and in the upper
/// half how many stopped. A function of its own for the verifier.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn last_stopped(tgid: u64) -> u64 {
    let Some(state) = GO_STOPS.get_ptr_mut(tgid as u32) else {
        return u64::from(GoStop::NOBODY);
    };
    let (mut last, mut last_ns, mut seen) = (u64::from(GoStop::NOBODY), 0, 0u64);
    for index in 0..MAX_PROCESSORS as u64 {
        // SAFETY: all Ps stand still.
        let stopped_ns = unsafe { (*entry(state, index)).stopped_ns };
        if stopped_ns != 0 {
            seen += 1;
        }
        if stopped_ns > last_ns {
            last_ns = stopped_ns;
            last = index;
        }
        if opaque(index) >= MAX_PROCESSORS as u64 {
            break;
        }
    }
    seen << 32 | last
}

/// Writes who stopped last, and what its goroutine had come to.
#[inline(always)]
fn describe(scheduler: &GoScheduler, delay: GoStopped, last: u32, to: *mut GoStop) {
    let same = delay.moved_on == 0 && word(delay.g, scheduler.g_goid) == delay.goid;
    let g = if same { delay.g } else { 0 };
    // SAFETY: fields of the reserved record.
    unsafe {
        (&raw mut (*to).last).write(last);
        (&raw mut (*to).delay).write(delay);
        (&raw mut (*to).status).write(half_word(g, scheduler.g_status));
    }
    let pc = word(g, scheduler.g_sched_pc);
    let mut frame = word(g, scheduler.g_sched_bp);
    let mut frames = 0u32;
    // SAFETY: as above.
    let stack = unsafe { (&raw mut (*to).stack).cast::<u64>() };
    for index in 0..MAX_STOP_FRAMES {
        // SAFETY: inside of the array.
        unsafe { stack.add(index).write(0) };
    }
    if pc >= FIRST_PAGE {
        // SAFETY: as above.
        unsafe { stack.write(pc) };
        frames = 1;
        for index in 1..MAX_STOP_FRAMES {
            let address = word(frame, 8);
            if address < FIRST_PAGE {
                break;
            }
            // SAFETY: as above.
            unsafe { stack.add(index).write(address) };
            frame = word(frame, 0);
            frames = opaque(index as u64) as u32 + 1;
        }
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*to).frames).write(frames) };
}

/// In `runtime.startTheWorldWithSema`, where it calls `wakep`: all Ps run again.
#[uprobe]
pub fn go_started(_ctx: ProbeContext) -> u32 {
    count::hit(ProbeId::GoStarted);
    let header: EventHeader = emit::header(Kind::GoStarted, size_of::<GoStarted>());
    emit::submit(ProbeId::GoStarted, GoStarted { header });
    0
}

/// Where threads are while they are off the CPU. Arguments: preempted, previous task (the current
/// one), next task.
#[btf_tracepoint(function = "sched_switch")]
pub fn go_stop_switch(ctx: BtfTracePointContext) -> i32 {
    let prev = Task::from_ptr(ctx.arg(1));
    let next = Task::from_ptr(ctx.arg(2));
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let from_target = filter::is_target(prev.tgid());
    if from_target {
        count::hit(ProbeId::GoStopSwitch);
        leaves(&ctx, prev, now);
    }
    let tgid = next.tgid();
    if filter::is_target(tgid) {
        comes_back(tgid, next.tid(), now);
    } else if !from_target {
        count::foreign(ProbeId::GoStopSwitch);
    }
    0
}

#[inline(always)]
fn leaves(ctx: &BtfTracePointContext, task: Task, now: u64) {
    let tid = task.tid();
    if task.is_dead() {
        let _ = GO_STOP_THREADS.remove(tid);
        return;
    }
    let (mut how, mut syscall) = (left::RUNNABLE, NO_SYSCALL);
    if ctx.arg::<u64>(0) as u8 == 0 && task.state() != 0 {
        syscall = Registers::current().nr();
        how = match syscall {
            NO_SYSCALL => left::FAULT,
            _ => left::SYSCALL,
        };
    }
    if let Some(thread) = GO_STOP_THREADS.get_ptr_mut(tid) {
        // SAFETY: the thread is leaving this CPU and is on no other.
        let thread = unsafe { &mut *thread };
        thread.out_ns = now;
        thread.left = how;
        if how == left::SYSCALL {
            thread.syscall = syscall;
        }
        return;
    }
    let thread = GoStopThread {
        out_ns: now,
        left: how,
        syscall,
        ..GoStopThread::default()
    };
    if GO_STOP_THREADS.insert(tid, thread, 0).is_err() {
        count::full(ProbeId::GoStopSwitch);
    }
}

#[inline(always)]
fn comes_back(tgid: u32, tid: u32, now: u64) {
    let Some(thread) = GO_STOP_THREADS.get_ptr_mut(tid) else {
        return;
    };
    // SAFETY: only this CPU switches to the thread now.
    let thread = unsafe { &mut *thread };
    let out_ns = thread.out_ns;
    thread.out_ns = 0;
    let Some(state) = GO_STOPS.get_ptr_mut(tgid) else {
        return;
    };
    // SAFETY: single words, of which an older value does no harm.
    let state = unsafe { &mut *state };
    if out_ns == 0 || state.began_ns == 0 {
        return;
    }
    if state.stopper == tid {
        if thread.left != left::RUNNABLE {
            state.woke_ns = now;
        }
        return;
    }
    if thread.number != state.number {
        thread.number = state.number;
        thread.runnable_ns = 0;
        thread.fault_ns = 0;
        thread.syscall_ns = 0;
    }
    let mut since = out_ns;
    if since < state.began_ns {
        since = state.began_ns;
    }
    let off_ns = now.saturating_sub(since);
    match thread.left {
        left::RUNNABLE => thread.runnable_ns += off_ns,
        left::FAULT => thread.fault_ns += off_ns,
        _ => thread.syscall_ns += off_ns,
    }
}
