//! What goroutines are read from: a process that runs, the memory of one that has just ended, or
//! the core of one.

use super::threads::LiveThreads;
use crate::commands::go_core::GoCore;
use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::go::goroutine::{Code, GoroutineReader, ReadError, RunningThreads, Snapshot};
use crate::go::waits::{WaitReader, Waits};
use crate::go::{HeldMemory, Memory, Runtime};
use crate::session::{comm, now_ns};

/// A Go program in memory.
pub(super) struct Image<'a, M> {
    /// The process, which may be no more.
    pub(super) pid: Option<u32>,
    pub(super) is_live: bool,
    pub(super) version: Option<&'a str>,
    pub(super) code: &'a Code,
    memory: &'a M,
    runtime: Runtime,
    semaphores: Option<u64>,
    threads: Threads<'a>,
    /// Ns of the monotonic clock, where that stands still.
    stopped_ns: Option<u64>,
    comm: String,
}

/// Where what runs is.
enum Threads<'a> {
    Live(LiveThreads<'a>),
    Stopped(&'a dyn RunningThreads),
}

impl<'a> Image<'a, crate::go::ProcessMemory> {
    /// Of a process.
    pub(super) fn of(process: &'a GoProcess) -> Self {
        Self {
            pid: Some(process.pid),
            is_live: true,
            version: process.version.as_deref(),
            code: &process.code,
            memory: &process.live.memory,
            runtime: process.runtime,
            semaphores: process.semaphores,
            threads: Threads::Live(LiveThreads::new(
                process.pid,
                &process.live.memory,
                process.runtime.layout,
            )),
            stopped_ns: None,
            comm: comm(process.pid),
        }
    }
}

impl<'a> Image<'a, crate::go::core_file::CoreMemory> {
    /// Of a core.
    pub(super) fn of_core(core: &'a GoCore) -> Self {
        Self {
            pid: core.memory.core().pid(),
            is_live: false,
            version: core.version.as_deref(),
            code: &core.code,
            memory: &core.memory,
            runtime: core.runtime,
            semaphores: core.semaphores,
            threads: Threads::Stopped(&core.threads),
            stopped_ns: Some(core.last_ns),
            comm: core.memory.core().comm().to_owned(),
        }
    }
}

impl<'a> Image<'a, HeldMemory> {
    /// Of a process that was called `comm` and ended at `end_ns` of the monotonic clock.
    pub(super) fn of_ended(
        process: &'a GoProcess,
        memory: &'a HeldMemory,
        threads: &'a dyn RunningThreads,
        end_ns: u64,
        comm: &str,
    ) -> Self {
        Self {
            pid: Some(process.pid),
            is_live: false,
            version: process.version.as_deref(),
            code: &process.code,
            memory,
            runtime: process.runtime,
            semaphores: process.semaphores,
            threads: Threads::Stopped(threads),
            stopped_ns: Some(end_ns),
            comm: comm.to_owned(),
        }
    }
}

impl<M: Memory> Image<'_, M> {
    /// Ns of the monotonic clock.
    pub(super) fn now_ns(&self) -> i64 {
        self.stopped_ns.unwrap_or_else(now_ns).cast_signed()
    }

    /// A reader of its goroutines.
    pub(super) fn reader(&self) -> GoroutineReader<'_, M> {
        let Runtime { layout, globals } = self.runtime;
        let reader = GoroutineReader::new(self.memory, self.code, layout, globals);
        reader.with_threads(match &self.threads {
            Threads::Live(threads) => threads,
            Threads::Stopped(threads) => *threads,
        })
    }

    /// All its goroutines, with their profiler labels or without.
    pub(super) fn read(&self, labels: bool) -> Result<Snapshot, ExpectedError> {
        let reader = match labels {
            true => self.reader().with_labels(),
            false => self.reader(),
        };
        reader.read().map_err(|error| self.unreadable(&error))
    }

    /// What the goroutines of a snapshot wait for.
    pub(super) fn waits(&self, snapshot: &Snapshot) -> Result<Waits, ExpectedError> {
        let layout = self.runtime.layout;
        WaitReader::new(self.memory, self.code, layout, self.semaphores)
            .read(&snapshot.goroutines)
            .map_err(|error| self.unreadable(&error.into()))
    }

    fn unreadable(&self, error: &ReadError) -> ExpectedError {
        unreadable(self.pid.unwrap_or(0), &self.comm, error)
    }
}

/// Why the goroutines of a process cannot be read.
pub(super) fn unreadable(pid: u32, comm: &str, error: &ReadError) -> ExpectedError {
    ExpectedError::UnreadableTarget {
        pid,
        what: format!("the goroutines of {comm}"),
        why: error.to_string(),
    }
}
