//! Every P, M and G, as `GODEBUG=schedtrace,scheddetail=1` lists them, read from outside.
//!
//! Fields and their order are those of `runtime.schedtrace` (runtime/proc.go, Go 1.19 to 1.27). Each
//! is read as it is at that moment; the runtime, which holds the scheduler's lock, says itself that
//! most can change meanwhile.

use super::globals::Globals;
use super::layout::Layout;
use super::memory::{Memory, MemoryError};
use super::scheduler::{SchedulerError, processor_addresses};

/// Ms and Gs that are read: more than any program has been seen with.
const MAX_THREADS: usize = 1 << 16;
const MAX_GOROUTINES: u64 = 1 << 20;
/// Longest text that is read, in bytes.
const MAX_TEXT: u64 = 64;

/// What the lines of P, M and G show, and the end of the first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedDetail {
    pub gc_waiting: bool,
    pub idle_locked_threads: i32,
    pub stop_wait: i32,
    pub sysmon_wait: bool,
    /// In the order of their numbers.
    pub processors: Vec<ProcessorDetail>,
    /// Newest first.
    pub threads: Vec<ThreadDetail>,
    /// In the order in which their descriptors were made.
    pub goroutines: Vec<GoroutineDetail>,
}

/// A P.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessorDetail {
    pub status: u32,
    pub sched_tick: u32,
    pub syscall_tick: u32,
    /// Number of its M.
    pub thread: Option<i64>,
    pub run_queue: u32,
    /// Dead goroutines that it keeps.
    pub free_goroutines: i32,
    pub timers: u32,
}

/// An M.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadDetail {
    pub id: i64,
    /// Number of its P.
    pub processor: Option<i32>,
    /// Number of the goroutine that it runs.
    pub goroutine: Option<u64>,
    pub mallocing: i32,
    pub throwing: i32,
    pub preempt_off: String,
    pub locks: i32,
    pub dying: i32,
    pub spinning: bool,
    pub blocked: bool,
    /// Number of the goroutine that it is locked to.
    pub locked_goroutine: Option<u64>,
}

/// A G; dead ones are kept for new goroutines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoroutineDetail {
    pub id: u64,
    /// `g.atomicstatus`.
    pub status: u32,
    /// What it last waited for, in the runtime's words.
    pub wait_reason: String,
    /// Number of the M that runs it.
    pub thread: Option<i64>,
    /// Number of the M that it is locked to.
    pub locked_thread: Option<i64>,
}

impl SchedDetail {
    /// Reads it; `globals` are live addresses.
    ///
    /// # Errors
    /// When the memory cannot be read, or holds something else.
    pub fn read(
        memory: &impl Memory,
        layout: &'static Layout,
        globals: &Globals,
    ) -> Result<Self, SchedulerError> {
        let reader = Reader {
            memory,
            layout,
            globals,
        };
        let fields = &layout.sched;
        let at = |offset: u32| address(globals.sched, offset);
        Ok(Self {
            gc_waiting: memory.read_u8(at(fields.gcwaiting))? != 0,
            idle_locked_threads: memory.read_u32(at(fields.nmidlelocked))?.cast_signed(),
            stop_wait: memory.read_u32(at(fields.stopwait))?.cast_signed(),
            sysmon_wait: memory.read_u8(at(fields.sysmonwait))? != 0,
            processors: reader.processors()?,
            threads: reader.threads()?,
            goroutines: reader.goroutines()?,
        })
    }
}

struct Reader<'a, M> {
    memory: &'a M,
    layout: &'static Layout,
    globals: &'a Globals,
}

fn address(base: u64, offset: u32) -> u64 {
    base.wrapping_add(u64::from(offset))
}

impl<M: Memory> Reader<'_, M> {
    fn word(&self, base: u64, offset: u32) -> Result<u64, MemoryError> {
        self.memory.read_u64(address(base, offset))
    }

    fn half(&self, base: u64, offset: u32) -> Result<u32, MemoryError> {
        self.memory.read_u32(address(base, offset))
    }

    fn flag(&self, base: u64, offset: u32) -> Result<bool, MemoryError> {
        Ok(self.memory.read_u8(address(base, offset))? != 0)
    }

    fn signed(&self, base: u64, offset: u32) -> Result<i32, MemoryError> {
        Ok(self.half(base, offset)?.cast_signed())
    }

    /// Number of the M at an address, `None` for none.
    fn thread_id(&self, m: u64) -> Result<Option<i64>, MemoryError> {
        match m {
            0 => Ok(None),
            m => Ok(Some(self.word(m, self.layout.m.id)?.cast_signed())),
        }
    }

    fn goroutine_id(&self, g: u64) -> Result<Option<u64>, MemoryError> {
        match g {
            0 => Ok(None),
            g => Ok(Some(self.word(g, self.layout.g.goid)?)),
        }
    }

    fn processors(&self) -> Result<Vec<ProcessorDetail>, SchedulerError> {
        let p = &self.layout.p;
        let addresses = processor_addresses(self.memory, self.globals.allp)?;
        let read = |at: u64| {
            let (head, tail) = (self.half(at, p.runqhead)?, self.half(at, p.runqtail)?);
            Ok(ProcessorDetail {
                status: self.half(at, p.status)?,
                sched_tick: self.half(at, p.schedtick)?,
                syscall_tick: self.half(at, p.syscalltick)?,
                thread: self.thread_id(self.word(at, p.m)?)?,
                run_queue: tail.wrapping_sub(head),
                free_goroutines: self.signed(at, p.g_free_n)?,
                timers: self.half(at, p.timers_len)?,
            })
        };
        addresses.into_iter().map(read).collect()
    }

    fn threads(&self) -> Result<Vec<ThreadDetail>, SchedulerError> {
        let mut all = Vec::new();
        let mut m = self.memory.read_u64(self.globals.allm)?;
        while m != 0 {
            if all.len() >= MAX_THREADS {
                return Err(SchedulerError::ImplausibleThreads);
            }
            all.push(self.thread(m)?);
            m = self.word(m, self.layout.m.alllink)?;
        }
        Ok(all)
    }

    fn thread(&self, at: u64) -> Result<ThreadDetail, MemoryError> {
        let m = &self.layout.m;
        let processor = match self.word(at, m.p)? {
            0 => None,
            p => Some(self.signed(p, self.layout.p.id)?),
        };
        Ok(ThreadDetail {
            id: self.word(at, m.id)?.cast_signed(),
            processor,
            goroutine: self.goroutine_id(self.word(at, m.curg)?)?,
            mallocing: self.signed(at, m.mallocing)?,
            throwing: self.signed(at, m.throwing)?,
            preempt_off: self.text(address(at, m.preemptoff))?,
            locks: self.signed(at, m.locks)?,
            dying: self.signed(at, m.dying)?,
            spinning: self.flag(at, m.spinning)?,
            blocked: self.flag(at, m.blocked)?,
            locked_goroutine: self.goroutine_id(self.word(at, m.lockedg)?)?,
        })
    }

    fn goroutines(&self) -> Result<Vec<GoroutineDetail>, SchedulerError> {
        let list = self.memory.read_u64(self.globals.allgs)?;
        let count = self.word(self.globals.allgs, 8)?;
        if count > MAX_GOROUTINES {
            return Err(SchedulerError::ImplausibleGoroutines(count));
        }
        let mut reasons: Vec<Option<String>> = Vec::new();
        let mut all = Vec::new();
        for index in 0..count {
            let g = self.memory.read_u64(list.wrapping_add(index * 8))?;
            all.push(self.goroutine(g, &mut reasons)?);
        }
        Ok(all)
    }

    fn goroutine(
        &self,
        at: u64,
        reasons: &mut Vec<Option<String>>,
    ) -> Result<GoroutineDetail, MemoryError> {
        let g = &self.layout.g;
        let reason = self.memory.read_u8(address(at, g.waitreason))?;
        Ok(GoroutineDetail {
            id: self.word(at, g.goid)?,
            status: self.half(at, g.atomicstatus)?,
            wait_reason: self.reason(reason, reasons)?,
            thread: self.thread_id(self.word(at, g.m)?)?,
            locked_thread: self.thread_id(self.word(at, g.lockedm)?)?,
        })
    }

    /// The text of a wait reason, which is read once.
    fn reason(&self, number: u8, known: &mut Vec<Option<String>>) -> Result<String, MemoryError> {
        let index = usize::from(number);
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        if let Some(text) = &known[index] {
            return Ok(text.clone());
        }
        let strings = self.globals.wait_reason_strings;
        let text = self.text(strings.wrapping_add(u64::from(number) * 16))?;
        known[index] = Some(text.clone());
        Ok(text)
    }

    /// The string whose two words are at an address.
    fn text(&self, at: u64) -> Result<String, MemoryError> {
        let (from, len) = (self.memory.read_u64(at)?, self.word(at, 8)?);
        if len == 0 || len > MAX_TEXT {
            return Ok(String::new());
        }
        let mut bytes = vec![0; len as usize];
        self.memory.read(from, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
