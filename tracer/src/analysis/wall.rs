//! Where all time of threads goes: on the CPU, waiting for one, and blocked.
//!
//! How long each thread is on the CPU and off it is known to the ns. What it does off the CPU is
//! known, too; what it does on it, samples tell: each thread's time on the CPU is shared among its
//! stacks by their samples.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    run_interval::RunInterval,
    stack_fold::{FoldedStack, FoldedStacks, Marks, StackDetail, StackFold, Weight, plain},
};
use crate::event::{Body, Event, OffCpuStack, Sample};
use crate::report::{
    Frame, FrameKind, ProfileRun, StackTreeBuilder, ThreadStack, ThreadTotal, Unit, WallFunction,
    WallProfile, WallThread, WallTime,
};

/// What a thread does; the number is part of a stack's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    OnCpu = 0,
    Runnable = 1,
    Blocked = 2,
}

const DOINGS: [Doing; 3] = [Doing::OnCpu, Doing::Runnable, Doing::Blocked];

impl Doing {
    const fn note(self) -> &'static str {
        match self {
            Self::OnCpu => "[on CPU]",
            Self::Runnable => "[runnable]",
            Self::Blocked => "[blocked]",
        }
    }

    const fn time(self, ns: u64) -> WallTime {
        let mut time = WallTime {
            on_cpu_ns: 0,
            runnable_ns: 0,
            blocked_ns: 0,
        };
        match self {
            Self::OnCpu => time.on_cpu_ns = ns,
            Self::Runnable => time.runnable_ns = ns,
            Self::Blocked => time.blocked_ns = ns,
        }
        time
    }
}

/// Of one stack.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    samples: u64,
    waits: u64,
    off_ns: u64,
}

impl Weight for Part {
    fn add(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.waits = self.waits.saturating_add(other.waits);
        self.off_ns = self.off_ns.saturating_add(other.off_ns);
    }

    fn value(&self) -> u64 {
        self.off_ns
    }

    fn stacks(&self) -> u64 {
        self.samples.saturating_add(self.waits)
    }
}

/// Folds what a run with [`Capture::OnCpu`](crate::session::Capture::OnCpu) finds.
#[derive(Debug)]
pub struct Wall {
    by_state: bool,
    fold: StackFold<Part>,
    run: RunInterval,
    threads: Vec<WallThread>,
    index: HashMap<(u32, u32), u32>,
    samples: u64,
    truncated: u64,
    one_in: u32,
}

/// A stack with its time.
struct Timed {
    /// Outermost first.
    frames: Vec<Frame>,
    thread: usize,
    doing: Doing,
    /// Samples, or waits.
    count: u64,
    ns: u64,
}

impl Wall {
    /// With stacks told apart as `detail` says.
    #[must_use]
    pub fn new(detail: StackDetail) -> Self {
        let probes = &["sample", "off_cpu_switch", "off_cpu_wakeup", "on_cpu_new"];
        Self {
            by_state: false,
            fold: StackFold::new(Unit::Nanoseconds, detail),
            run: RunInterval::new(probes),
            threads: Vec::new(),
            index: HashMap::new(),
            samples: 0,
            truncated: 0,
            one_in: 1,
        }
    }

    /// What the thread does stands at the root, not at the end of a stack.
    #[must_use]
    pub fn by_state(self, by_state: bool) -> Self {
        Self { by_state, ..self }
    }

    /// Takes one event; call it with all of them.
    pub fn observe(&mut self, event: &Event) {
        self.run.observe(event);
        self.fold.observe(event);
        match &event.body {
            Body::Sample(sample) => self.add_sample(event, sample),
            Body::OffCpuStack(stack) => self.add_wait(event, stack, false),
            Body::Wait(wait) => self.add_wait(event, &wait.stack, wait.before_run),
            Body::ThreadCpu(time) => {
                let thread = self.thread(event, &time.comm);
                let thread = &mut self.threads[thread as usize];
                // A thread's last name, as `ps` has it.
                thread.comm.clone_from(&time.comm);
                thread.elapsed_ns = thread.elapsed_ns.saturating_add(time.elapsed_ns);
                thread.time.on_cpu_ns = thread.time.on_cpu_ns.saturating_add(time.cpu_ns);
            }
            Body::Curbed(curbed) if curbed.probes == "off_cpu" => self.one_in = curbed.one_in,
            _ => {}
        }
    }

    fn thread(&mut self, event: &Event, comm: &str) -> u32 {
        let threads = &mut self.threads;
        let id = (event.pid, event.tid);
        *self.index.entry(id).or_insert_with(|| {
            threads.push(WallThread {
                pid: event.pid,
                tid: event.tid,
                comm: comm.to_owned(),
                ..WallThread::default()
            });
            threads.len() as u32 - 1
        })
    }

    fn add_sample(&mut self, event: &Event, sample: &Sample) {
        let thread = self.thread(event, &sample.comm);
        self.threads[thread as usize].samples += 1;
        self.samples += 1;
        self.truncated += u64::from(sample.truncated);
        let stack = FoldedStack {
            pid: event.pid,
            tid: event.tid,
            comm: &sample.comm,
            kernel: &sample.kernel,
            user: &sample.user,
            user_end: sample.user_end,
            truncated: sample.truncated,
            class: class(thread, Doing::OnCpu),
        };
        let part = Part {
            samples: 1,
            ..Part::default()
        };
        self.fold.add(&stack, &part);
    }

    fn add_wait(&mut self, event: &Event, wait: &OffCpuStack, before_run: bool) {
        let thread = self.thread(event, &wait.comm);
        if wait.truncated {
            self.truncated = self.truncated.saturating_add(wait.count);
        }
        // One that is both counts once.
        let as_runnable = match wait.blocked_ns {
            0 => wait.count,
            _ => 0,
        };
        for (doing, waits, ns) in [
            (Doing::Blocked, wait.count, wait.blocked_ns),
            (Doing::Runnable, as_runnable, wait.runnable_ns),
        ] {
            if ns == 0 {
                continue;
            }
            self.threads[thread as usize].time.add(&doing.time(ns));
            let stack = FoldedStack {
                pid: event.pid,
                tid: event.tid,
                comm: &wait.comm,
                kernel: &wait.kernel,
                user: &wait.user,
                user_end: wait.user_end,
                truncated: wait.truncated,
                class: class(thread, doing),
            };
            let marks = Marks {
                notes: Vec::from_iter(before_run.then_some("[since before the run]")),
                waker: None,
            };
            let part = Part {
                samples: 0,
                waits,
                off_ns: ns,
            };
            self.fold.add_marked(&stack, marks, &part);
        }
    }

    /// The profile of the run that the given `RunEnd` ends.
    pub fn finish(&mut self, end: &Event) -> WallProfile {
        let folded = self.fold.finish();
        let mut threads = std::mem::take(&mut self.threads);
        self.index.clear();
        estimate_unmeasured(&mut threads, self.run.sample_hz);
        let mut sums = Sums::new(self.by_state);
        for mut timed in timed(&folded, &threads) {
            if timed.doing == Doing::Blocked && is_idle(&timed.frames) {
                let thread = &mut threads[timed.thread];
                thread.idle_ns = thread.idle_ns.saturating_add(timed.ns);
                timed.frames = idle_frames(&thread.comm);
            }
            sums.add(&timed);
        }
        let mut accounted = WallTime::default();
        threads.iter().for_each(|t| accounted.add(&t.time));
        let sum = |of: fn(&WallThread) -> u64| threads.iter().map(of).fold(0, u64::saturating_add);
        let (elapsed_ns, idle_ns) = (sum(|t| t.elapsed_ns), sum(|t| t.idle_ns));
        let (threads, place) = busiest_first(threads);
        WallProfile {
            run: ProfileRun {
                roots: folded.roots,
                ..self.run.finish(end, folded.counts, folded.over_limit)
            },
            elapsed_ns,
            accounted,
            one_in: self.one_in,
            idle_ns,
            samples: std::mem::take(&mut self.samples),
            truncated: std::mem::take(&mut self.truncated),
            sample_hz: self.run.sample_hz,
            thread_totals: threads.iter().map(total_of).collect(),
            threads,
            by_thread: sums.by_thread(&place),
            functions: sums.functions(),
            tree: sums.tree.finish(),
        }
    }
}

fn class(thread: u32, doing: Doing) -> u32 {
    thread.saturating_mul(DOINGS.len() as u32) + doing as u32
}

/// The threads in order, and the new place of each.
fn busiest_first(threads: Vec<WallThread>) -> (Vec<WallThread>, Vec<u32>) {
    let mut threads: Vec<_> = threads.into_iter().enumerate().collect();
    threads.sort_by_key(|(_, t)| (Reverse(busy_ns(t)), Reverse(t.elapsed_ns), t.pid, t.tid));
    let mut place = vec![0; threads.len()];
    for (new, (old, _)) in threads.iter().enumerate() {
        place[*old] = new as u32;
    }
    (threads.into_iter().map(|(_, t)| t).collect(), place)
}

fn total_of(thread: &WallThread) -> ThreadTotal {
    ThreadTotal {
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        value: thread.time.sum_ns(),
    }
}

/// Time in which the thread had something to do.
fn busy_ns(thread: &WallThread) -> u64 {
    thread.time.sum_ns().saturating_sub(thread.idle_ns)
}

/// Where the exact time of a thread is missing, its samples are what is known of it.
fn estimate_unmeasured(threads: &mut [WallThread], hz: u32) {
    for thread in threads.iter_mut().filter(|t| t.elapsed_ns == 0) {
        let each = 1_000_000_000_u64.checked_div(hz.into()).unwrap_or(0);
        thread.time.on_cpu_ns = thread.samples.saturating_mul(each);
    }
}

/// Stacks with their time. The shares of a thread's time on the CPU add up to it.
fn timed(folded: &FoldedStacks<Part>, threads: &[WallThread]) -> Vec<Timed> {
    let mut taken = vec![0_u64; threads.len()];
    let mut all = Vec::new();
    for stack in &folded.stacks {
        let part = &stack.weight;
        let thread = stack.class as usize / DOINGS.len();
        let doing = DOINGS[stack.class as usize % DOINGS.len()];
        let Some(of) = threads.get(thread) else {
            continue;
        };
        let ns = match doing {
            Doing::OnCpu => {
                let before = share(of.time.on_cpu_ns, taken[thread], of.samples);
                taken[thread] = taken[thread].saturating_add(part.samples);
                share(of.time.on_cpu_ns, taken[thread], of.samples) - before
            }
            Doing::Runnable | Doing::Blocked => part.off_ns,
        };
        let mut frames: Vec<Frame> = folded.tree.leaf_to_root(stack.node).cloned().collect();
        frames.reverse();
        all.push(Timed {
            frames,
            thread,
            doing,
            count: part.stacks(),
            ns,
        });
    }
    // Stacks over the limit have no place in the tree, and short threads no sample.
    for (thread, of) in threads.iter().enumerate() {
        let left = of.time.on_cpu_ns - share(of.time.on_cpu_ns, taken[thread], of.samples);
        if left > 0 {
            all.push(Timed {
                frames: vec![
                    plain(of.comm.clone(), FrameKind::Thread),
                    plain("[not sampled]".to_owned(), FrameKind::Note),
                ],
                thread,
                doing: Doing::OnCpu,
                count: 0,
                ns: left,
            });
        }
    }
    all
}

/// The part of `whole` that `samples` of `all` have; at most the whole.
fn share(whole: u64, samples: u64, all: u64) -> u64 {
    if all == 0 {
        return 0;
    }
    let part = u128::from(whole) * u128::from(samples.min(all)) / u128::from(all);
    u64::try_from(part).unwrap_or(whole)
}

/// Functions of Go's runtime in which a thread waits that has no goroutine to run: for one, for the
/// network, or for its turn to look after the others (runtime/proc.go).
const IDLE: &[&str] = &[
    "runtime.stopm",
    "runtime.mPark",
    "runtime.stoplockedm",
    "runtime.sysmon",
    "runtime.templateThread",
    "runtime.netpoll",
    "runtime.gcstopm",
];

/// Whether a blocked thread has nothing to do. A stack of one frame, of a thread that has waited
/// since before the run, is idle where goroutines never block.
fn is_idle(frames: &[Frame]) -> bool {
    let is_go = |f: &&Frame| f.kind == FrameKind::GoRuntime;
    let mut runtime = frames.iter().filter(is_go);
    if runtime.clone().any(|f| IDLE.contains(&f.name.as_str())) {
        return true;
    }
    let user = |f: &&Frame| matches!(f.kind, FrameKind::Go | FrameKind::GoRuntime);
    let alone = frames.iter().filter(user).count() == 1;
    alone && runtime.any(|f| matches!(f.name.as_str(), "runtime.futex" | "runtime.epollwait"))
}

fn idle_frames(comm: &str) -> Vec<Frame> {
    vec![
        plain(comm.to_owned(), FrameKind::Thread),
        plain("[idle Go thread]".to_owned(), FrameKind::Note),
    ]
}

/// The tree and the table under construction.
struct Sums {
    by_state: bool,
    tree: StackTreeBuilder,
    /// Counts and times by node and thread.
    stacks: BTreeMap<(u32, usize), (u64, u64)>,
    functions: HashMap<Frame, (WallTime, u64)>,
}

impl Sums {
    fn new(by_state: bool) -> Self {
        Self {
            by_state,
            tree: StackTreeBuilder::new(Unit::Nanoseconds),
            stacks: BTreeMap::new(),
            functions: HashMap::new(),
        }
    }

    fn add(&mut self, timed: &Timed) {
        let state = plain(timed.doing.note().to_owned(), FrameKind::Thread);
        let (root, rest) = timed.frames.split_at(timed.frames.len().min(1));
        let at_root = self.by_state.then_some(&state);
        let at_end = (!self.by_state).then_some(&state);
        let stack = root.iter().chain(at_root).chain(rest).chain(at_end);
        if let Some(node) = self.tree.add(stack, timed.ns) {
            let sums = self.stacks.entry((node, timed.thread)).or_default();
            sums.0 = sums.0.saturating_add(timed.count);
            sums.1 = sums.1.saturating_add(timed.ns);
        }
        self.add_functions(rest, timed);
    }

    fn add_functions(&mut self, frames: &[Frame], timed: &Timed) {
        let mut seen = HashSet::new();
        for frame in frames.iter().map(function) {
            if is_row(&frame) && seen.insert(frame.clone()) {
                let total = &mut self.functions.entry(frame).or_default().1;
                *total = total.saturating_add(timed.ns);
            }
        }
        let own = function(&owner(frames));
        let row = self.functions.entry(own.clone()).or_default();
        row.0.add(&timed.doing.time(timed.ns));
        if !seen.contains(&own) {
            row.1 = row.1.saturating_add(timed.ns);
        }
    }

    /// Stacks by the new place of their thread.
    fn by_thread(&self, place: &[u32]) -> Vec<ThreadStack> {
        let stacks = self.stacks.iter();
        let mut stacks: Vec<_> = stacks
            .map(|(&(node, thread), &(count, value))| ThreadStack {
                node,
                thread: place[thread],
                count,
                value,
            })
            .collect();
        stacks.sort_by_key(|s| (s.node, s.thread));
        stacks
    }

    fn functions(&mut self) -> Vec<WallFunction> {
        let rows = self.functions.drain();
        let mut rows: Vec<_> = rows
            .map(|(frame, (own, total_ns))| WallFunction {
                frame,
                own,
                total_ns,
            })
            .collect();
        rows.sort_by(|a, b| {
            let order = |f: &WallFunction| Reverse((f.own.sum_ns(), f.total_ns));
            order(a).cmp(&order(b)).then_with(|| a.frame.cmp(&b.frame))
        });
        rows
    }
}

/// Whether time is told of a frame: what the kernel does is done for its caller.
fn is_row(frame: &Frame) -> bool {
    !matches!(
        frame.kind,
        FrameKind::Kernel | FrameKind::Thread | FrameKind::Note
    )
}

/// Whose own time a stack is: its innermost function outside the kernel.
fn owner(frames: &[Frame]) -> Frame {
    let user = frames.iter().rfind(|f| is_row(f));
    let note = frames.iter().find(|f| f.kind == FrameKind::Note);
    let found = user.or(note).or(frames.first()).cloned();
    found.unwrap_or_else(|| plain("[no stack]".to_owned(), FrameKind::Note))
}

/// Inlined and called copies are one function, and so are all lines of it.
fn function(frame: &Frame) -> Frame {
    Frame {
        inlined: false,
        file: None,
        line: None,
        code: None,
        ..frame.clone()
    }
}

#[cfg(test)]
mod tests;
