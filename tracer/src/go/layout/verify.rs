//! Does the layout fit the live target?

use super::row::Layout;
use crate::go::globals::Globals;
use crate::go::memory::{Memory, MemoryError};

/// Ps a process can have (`_MaxGomaxprocs` in runtime/runtime2.go before 1.25, a sane bound since).
const MAX_PROCS: i32 = 1 << 10;
/// Goroutines looked at.
const SAMPLE: u64 = 16;
/// Goroutine numbers are counted up one by one from 1.
const MAX_GOID: u64 = 1 << 48;

/// What the check saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// GOMAXPROCS.
    pub procs: i32,
    /// Goroutine descriptors ever made, dead ones included.
    pub goroutines: u64,
    /// Threads whose `m.procid` was found among the process's thread ids.
    pub threads: usize,
}

/// Why the layout does not fit.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The target's memory could not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A value that cannot be.
    #[error("{field} of the target reads {value}: its runtime differs from the known layout")]
    Implausible {
        /// The runtime field.
        field: &'static str,
        /// What was read.
        value: u64,
    },
}

/// Looks at a goroutine that may run at any moment.
const TRIES: u32 = 16;

impl Layout {
    /// Checks the layout against live values: GOMAXPROCS and the Ps' own numbers, goroutine
    /// numbers and stacks, and that thread records name threads in `threads` (the numeric entries of `/proc/PID/task`, in the target's innermost pid
    /// namespace).
    ///
    /// The target runs on meanwhile, so a thread that exits between the two reads may be missed;
    /// at least one must be found. `globals` are live addresses.
    pub fn verify(
        &self,
        memory: &impl Memory,
        globals: &Globals,
        threads: &[u32],
    ) -> Result<Verification, VerifyError> {
        self.verify_all(memory, globals, Some(threads))
    }

    /// As [`Layout::verify`] for a process that is no more, of whose threads the numbers are not
    /// known as it saw them itself.
    ///
    /// # Errors
    /// As there.
    pub fn verify_stopped(
        &self,
        memory: &impl Memory,
        globals: &Globals,
    ) -> Result<Verification, VerifyError> {
        self.verify_all(memory, globals, None)
    }

    fn verify_all(
        &self,
        memory: &impl Memory,
        globals: &Globals,
        threads: Option<&[u32]>,
    ) -> Result<Verification, VerifyError> {
        let procs = memory.read_u32(globals.gomaxprocs)?.cast_signed();
        if !(1..=MAX_PROCS).contains(&procs) {
            return Err(implausible("gomaxprocs", u64::from(procs.cast_unsigned())));
        }
        self.verify_procs(memory, globals, procs)?;
        let idle = u64::from(memory.read_u32(at(globals.sched, self.sched.npidle))?);
        if idle > u64::from(procs.cast_unsigned()) {
            return Err(implausible("sched.npidle", idle));
        }
        let goroutines = memory.read_u64(at(globals.allgs, 8))?;
        if goroutines == 0 || goroutines > memory.read_u64(at(globals.allgs, 16))? {
            return Err(implausible("len(allgs)", goroutines));
        }
        let list = memory.read_u64(globals.allgs)?;
        for index in 0..goroutines.min(SAMPLE) {
            self.verify_goroutine(memory, memory.read_u64(list.wrapping_add(index * 8))?)?;
        }
        let threads = self.verify_threads(memory, globals, threads)?;
        Ok(Verification {
            procs,
            goroutines,
            threads,
        })
    }

    fn verify_procs(
        &self,
        memory: &impl Memory,
        globals: &Globals,
        procs: i32,
    ) -> Result<(), VerifyError> {
        let len = memory.read_u64(at(globals.allp, 8))?;
        if len < u64::from(procs.cast_unsigned()) || len > MAX_PROCS as u64 {
            return Err(implausible("len(allp)", len));
        }
        let list = memory.read_u64(globals.allp)?;
        for index in 0..u64::from(procs.cast_unsigned()) {
            let p = memory.read_u64(list.wrapping_add(index * 8))?;
            let id = u64::from(memory.read_u32(at(p, self.p.id))?);
            let status = u64::from(memory.read_u32(at(p, self.p.status))?);
            if id != index {
                return Err(implausible("p.id", id));
            }
            if status > 4 {
                return Err(implausible("p.status", status));
            }
        }
        Ok(())
    }

    fn verify_goroutine(&self, memory: &impl Memory, g: u64) -> Result<(), VerifyError> {
        let word = |offset: u32| memory.read_u64(at(g, offset));
        let status = || Ok::<_, MemoryError>(word(self.g.atomicstatus)? & 0xffff_ffff & !0x1000);
        let goid = word(self.g.goid)?;
        if goid > MAX_GOID {
            return Err(implausible("g.goid", goid));
        }
        let mut pointer = 0;
        for _ in 0..TRIES {
            let before = status()?;
            if before > 11 {
                return Err(implausible("g.atomicstatus", before));
            }
            let (low, high) = (word(self.g.stack_lo)?, word(self.g.stack_hi)?);
            pointer = word(self.g.sched_sp)?;
            // _Gwaiting: parked, with its registers saved. A dead goroutine may have lost its stack.
            let waits = before == 4 && status()? == 4;
            if !waits || (low..=high).contains(&pointer) {
                return Ok(());
            }
            // Or it has run in between: then it had none.
        }
        Err(implausible("g.sched.sp", pointer))
    }

    /// At least one thread record must name a live thread, its scheduling stack must name it, and
    /// the list must end at the process's first thread.
    fn verify_threads(
        &self,
        memory: &impl Memory,
        globals: &Globals,
        threads: Option<&[u32]>,
    ) -> Result<usize, VerifyError> {
        let records = self.thread_records(memory, globals)?;
        let mut found = 0;
        let mut last = 0;
        for &m in &records {
            let read = |offset: u32| memory.read_u64(at(m, offset));
            last = read(self.m.procid)?;
            let g0 = read(self.m.g0)?;
            // Records of threads that have not started yet have neither.
            if g0 == 0 {
                continue;
            }
            let owner = memory.read_u64(at(g0, self.g.m))?;
            let known = u32::try_from(last)
                .is_ok_and(|tid| threads.map_or(tid != 0, |threads| threads.contains(&tid)));
            found += usize::from(known && owner == m);
        }
        if found == 0 {
            return Err(implausible("m.procid", last));
        }
        Ok(found)
    }

    /// Thread records, newest first, along `m.alllink` to `runtime.m0`, whose number is 0.
    /// A wrong link offset ends the list early, at a thread with another number.
    fn thread_records(
        &self,
        memory: &impl Memory,
        globals: &Globals,
    ) -> Result<Vec<u64>, VerifyError> {
        const MOST: usize = 4096;
        let mut records = Vec::new();
        let mut m = memory.read_u64(globals.allm)?;
        while m != 0 && records.len() < MOST && !records.contains(&m) {
            records.push(m);
            m = memory.read_u64(at(m, self.m.alllink))?;
        }
        let oldest = records.last().copied().unwrap_or(0);
        let id = memory.read_u64(at(oldest, self.m.id))?;
        if id != 0 && records.len() < MOST {
            return Err(implausible("m.alllink", id));
        }
        Ok(records)
    }
}

/// Address of a field.
fn at(base: u64, offset: u32) -> u64 {
    base.wrapping_add(u64::from(offset))
}

fn implausible(field: &'static str, value: u64) -> VerifyError {
    VerifyError::Implausible { field, value }
}
