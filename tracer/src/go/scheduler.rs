//! The state of Go's scheduler, as `GODEBUG=schedtrace` has it, read from outside.
//!
//! Fields and their meanings are those of `runtime.schedtrace` (runtime/proc.go, Go 1.19 to 1.27).
//! It holds the scheduler's lock while it prints; here the fields are read one after the other, so
//! they may be microseconds apart.

use super::globals::Globals;
use super::layout::Layout;
use super::memory::{Memory, MemoryError};

/// Processors that are read: more than any machine has CPUs.
const MAX_PROCESSORS: u64 = 1 << 16;

/// The scheduler at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// Since the start of the runtime, in ns.
    pub since_start_ns: u64,
    /// `GOMAXPROCS`.
    pub gomaxprocs: i32,
    /// Ps without work.
    pub idle_processors: i32,
    /// Ms: threads that the runtime has.
    pub threads: i64,
    /// Ms that look for work.
    pub spinning: i32,
    /// A P was given back without one that looks for work; from Go 1.20 on.
    pub need_spinning: Option<u32>,
    /// Ms that wait for work.
    pub idle_threads: i32,
    /// Goroutines in the queue of all Ps.
    pub run_queue: i32,
    /// In the order of their numbers.
    pub processors: Vec<Processor>,
}

/// A P, the right to run Go code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// `_Pidle` is 0, `_Prunning` 1, `_Psyscall` 2, `_Pgcstop` 3, `_Pdead` 4 (runtime/runtime2.go).
    pub status: u32,
    /// Goroutines in its own queue.
    pub run_queue: u32,
    /// Rounds of the scheduler.
    pub ticks: u32,
}

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The list has an impossible size.
    #[error("the runtime lists {0} processors: it is not the runtime that is known")]
    Implausible(u64),
    /// The list of threads does not end.
    #[error("the runtime's list of threads does not end: it is not the runtime that is known")]
    ImplausibleThreads,
    /// The list of goroutines has an impossible size.
    #[error("the runtime lists {0} goroutines: too many to show each")]
    ImplausibleGoroutines(u64),
}

impl Scheduler {
    /// Reads the state at `now_ns` of the monotonic clock; `globals` are live addresses.
    ///
    /// # Errors
    /// When the memory cannot be read, or holds something else.
    pub fn read(
        memory: &impl Memory,
        layout: &Layout,
        globals: &Globals,
        now_ns: u64,
    ) -> Result<Self, SchedulerError> {
        let fields = &layout.sched;
        let at = |offset: u32| globals.sched.wrapping_add(u64::from(offset));
        let signed = |offset: u32| Ok::<_, MemoryError>(memory.read_u32(at(offset))?.cast_signed());
        let made = memory.read_u64(at(fields.mnext))?;
        let freed = memory.read_u64(at(fields.nmfreed))?;
        let started = memory.read_u64(globals.runtime_init_time)?;
        let need_spinning = fields.needspinning.map(|o| memory.read_u32(at(o)));
        Ok(Self {
            since_start_ns: now_ns.saturating_sub(started),
            gomaxprocs: memory.read_u32(globals.gomaxprocs)?.cast_signed(),
            idle_processors: signed(fields.npidle)?,
            threads: made.wrapping_sub(freed).cast_signed(),
            spinning: signed(fields.nmspinning)?,
            need_spinning: need_spinning.transpose()?,
            idle_threads: signed(fields.nmidle)?,
            run_queue: signed(fields.runqsize)?,
            processors: processors(memory, layout, globals.allp)?,
        })
    }
}

/// Those in the slice at `list`.
fn processors(
    memory: &impl Memory,
    layout: &Layout,
    list: u64,
) -> Result<Vec<Processor>, SchedulerError> {
    let mut all = Vec::new();
    for processor in processor_addresses(memory, list)? {
        let word = |offset: u32| memory.read_u32(processor.wrapping_add(u64::from(offset)));
        let p = &layout.p;
        let (head, tail) = (word(p.runqhead)?, word(p.runqtail)?);
        all.push(Processor {
            status: word(p.status)?,
            run_queue: tail.wrapping_sub(head),
            ticks: word(p.schedtick)?,
        });
    }
    Ok(all)
}

/// Where the Ps in the slice at `list` are.
pub(super) fn processor_addresses(
    memory: &impl Memory,
    list: u64,
) -> Result<Vec<u64>, SchedulerError> {
    let first = memory.read_u64(list)?;
    let count = memory.read_u64(list.wrapping_add(8))?;
    if count > MAX_PROCESSORS {
        return Err(SchedulerError::Implausible(count));
    }
    let read = |index: u64| Ok(memory.read_u64(first.wrapping_add(index * 8))?);
    (0..count).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::RangeMemory;
    use crate::go::binary::Arch;
    use crate::go::version::Release;

    const SCHED: u64 = 0x1000;
    const OTHERS: u64 = 0x9000;

    fn globals() -> Globals {
        Globals {
            work: 0,
            gc_controller: 0,
            memstats: 0,
            runtime_init_time: OTHERS,
            sched: SCHED,
            gomaxprocs: OTHERS + 8,
            allgs: 0,
            allp: OTHERS + 16,
            allm: 0,
            wait_reason_strings: 0,
        }
    }

    fn memory(layout: &Layout, count: u64) -> RangeMemory {
        let mut sched = vec![0; 4096];
        let mut put = |offset: u32, value: u32| {
            sched[offset as usize..][..4].copy_from_slice(&value.to_le_bytes());
        };
        let s = &layout.sched;
        for (offset, value) in [
            (s.npidle, 1),
            (s.mnext, 9),
            (s.nmfreed, 2),
            (s.nmspinning, 3),
            (s.nmidle, 4),
            (s.runqsize, 5),
        ] {
            put(offset, value);
        }
        put(s.needspinning.expect("there"), 6);
        let mut others = Vec::new();
        for word in [100, 2, 0xa000, count, 0, 0, 0, 0] {
            others.extend(u64::to_le_bytes(word));
        }
        let mut list = Vec::new();
        let mut processors = vec![0; 0x4000];
        for index in 0..2_u32 {
            list.extend((0x2_0000_u64 + u64::from(index) * 0x2000).to_le_bytes());
            let p = &mut processors[index as usize * 0x2000..];
            for (offset, value) in [
                (layout.p.status, 1),
                (layout.p.runqhead, u32::MAX),
                (layout.p.runqtail, 7 + index),
                (layout.p.schedtick, 50 + index),
            ] {
                p[offset as usize..][..4].copy_from_slice(&value.to_le_bytes());
            }
        }
        let mut memory = RangeMemory::new();
        memory.map(SCHED, sched);
        memory.map(OTHERS, others);
        memory.map(0xa000, list);
        memory.map(0x2_0000, processors);
        memory
    }

    #[test]
    fn the_state_is_that_of_the_structures() {
        let layout = Layout::for_release(Release::new(27, 3), Arch::Amd64).expect("a row");
        let layout = layout.layout;
        let state = Scheduler::read(&memory(layout, 2), layout, &globals(), 5_000_100);
        let processor = |index: u32| Processor {
            status: 1,
            run_queue: 8 + index,
            ticks: 50 + index,
        };
        let expected = Scheduler {
            since_start_ns: 5_000_000,
            gomaxprocs: 2,
            idle_processors: 1,
            threads: 7,
            spinning: 3,
            need_spinning: Some(6),
            idle_threads: 4,
            run_queue: 5,
            processors: vec![processor(0), processor(1)],
        };
        assert_eq!(state.expect("readable"), expected);
        for (count, text) in [(3, "not mapped"), (1 << 20, "not the runtime")] {
            let error = Scheduler::read(&memory(layout, count), layout, &globals(), 0);
            let error = error.expect_err("no such list").to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
