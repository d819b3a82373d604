//! Where the threads of a live process are that run goroutines.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::time::Duration;

use crate::go::goroutine::{Descriptor, Interrupted, RunningThreads};
use crate::go::layout::Layout;
use crate::go::{Memory, ProcessMemory};
use crate::process::ThreadSamples;

/// How long a thread may not run until it is taken to wait for a CPU.
const PATIENCE: Duration = Duration::from_millis(20);
/// Samples of one that is on another stack meanwhile: the scheduler's, or that of a signal.
const TRIES: u32 = 3;
/// Threads that are sampled: each takes some tenths of a millisecond.
const MAX_THREADS: u32 = 1024;

/// Threads of a process that runs on.
#[derive(Debug)]
pub(super) struct LiveThreads<'a> {
    pid: u32,
    memory: &'a ProcessMemory,
    layout: &'static Layout,
    /// Ids here by ids as the process sees them.
    tids: OnceCell<HashMap<u64, u32>>,
    sampled: Cell<u32>,
}

impl<'a> LiveThreads<'a> {
    pub(super) fn new(pid: u32, memory: &'a ProcessMemory, layout: &'static Layout) -> Self {
        Self {
            pid,
            memory,
            layout,
            tids: OnceCell::new(),
            sampled: Cell::new(0),
        }
    }

    /// The thread that runs a goroutine.
    fn thread(&self, goroutine: &Descriptor) -> Option<u32> {
        let field = u64::from(self.layout.m.procid);
        let inside = self.memory.read_u64(goroutine.thread.checked_add(field)?);
        let tids = self.tids.get_or_init(|| tids(self.pid));
        tids.get(&inside.ok()?).copied()
    }
}

impl RunningThreads for LiveThreads<'_> {
    fn look(&self, goroutine: &Descriptor) -> Option<Interrupted> {
        let thread = self.thread(goroutine)?;
        if self.sampled.replace(self.sampled.get() + 1) >= MAX_THREADS {
            return None;
        }
        let samples = ThreadSamples::of(thread).ok()?;
        let (low, high) = goroutine.stack;
        for _ in 0..TRIES {
            let sample = samples.next(PATIENCE)?;
            if (low..high).contains(&sample.sp) {
                return Some(Interrupted {
                    pc: sample.pc,
                    sp: sample.sp,
                    stack: sample.stack,
                });
            }
        }
        None
    }
}

/// The last number of `NSpid` of each thread is that inside.
fn tids(pid: u32) -> HashMap<u64, u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let ids = tasks.filter_map(|task| {
        let tid = task.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
        Some((line.split_whitespace().last()?.parse().ok()?, tid))
    });
    ids.collect()
}
