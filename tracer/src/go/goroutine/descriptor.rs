//! The runtime's record of one goroutine (`runtime.g`).

use super::status::Status;
use crate::go::layout::G;
use crate::go::memory::{Memory, MemoryError};

/// The fields that matter, as they were at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub id: u64,
    pub status: Status,
    pub scan: bool,
    /// An index into `runtime.waitReasonStrings`.
    pub wait_reason: u8,
    /// Since when it waits, ns of the monotonic clock, as the GC first saw it; 0 when it has not.
    pub wait_since_ns: i64,
    /// It runs on a thread of its own.
    pub is_locked: bool,
    /// The goroutine that made it; 0 before Go 1.21, or when none did.
    pub parent: u64,
    /// Return address of the `go` statement.
    pub created_at: u64,
    /// First instruction of its first function.
    pub starts_at: u64,
    /// The thread (`*m`) that runs it, or 0.
    pub thread: u64,
    /// Lowest address of its stack, and the first above.
    pub stack: (u64, u64),
    /// Program counter and stack pointer where it stopped, or entered its system call.
    pub stopped_at: (u64, u64),
    /// Whether these hold: a goroutine that runs on has them from an earlier stop.
    pub is_stopped: bool,
    /// One up whenever it stops running; begins again after 255.
    pub runs: u8,
    /// The first queue that it waits in (`*sudog`), or 0.
    pub waiting: u64,
    /// Profiler labels, or 0.
    pub labels: u64,
}

impl Descriptor {
    /// Reads the descriptor at `address`.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn read(memory: &impl Memory, layout: &G, address: u64) -> Result<Self, MemoryError> {
        let mut bytes = vec![0; layout.size()];
        memory.read(address, &mut bytes)?;
        Ok(Self::decode(&bytes, layout))
    }

    /// From the bytes of a descriptor, as many as [`G::size`] says.
    pub(super) fn decode(bytes: &[u8], layout: &G) -> Self {
        let word = |offset: u32| word(bytes, offset);
        let (status, scan) = Status::of_word(word(layout.atomicstatus) as u32);
        let in_syscall = word(layout.syscallsp) != 0;
        let stopped_at = if in_syscall {
            (word(layout.syscallpc), word(layout.syscallsp))
        } else {
            (word(layout.sched_pc), word(layout.sched_sp))
        };
        Self {
            id: word(layout.goid),
            status,
            scan,
            wait_reason: word(layout.waitreason) as u8,
            wait_since_ns: word(layout.waitsince).cast_signed(),
            is_locked: word(layout.lockedm) != 0,
            parent: layout.parent_goid.map_or(0, word),
            created_at: word(layout.gopc),
            starts_at: word(layout.startpc),
            thread: word(layout.m),
            stack: (word(layout.stack_lo), word(layout.stack_hi)),
            stopped_at,
            is_stopped: status != Status::RUNNING || in_syscall,
            runs: word(layout.tracking_seq) as u8,
            waiting: word(layout.waiting),
            labels: word(layout.labels),
        }
    }

    /// Whether it stood still between two looks, as far as they tell.
    #[must_use]
    pub fn stood_still(&self, later: &Self) -> bool {
        let place = |d: &Self| (d.id, d.status, d.stack, d.stopped_at, d.runs);
        place(self) == place(later)
    }
}

impl G {
    /// Bytes to read so that every field is there.
    pub(super) fn size(&self) -> usize {
        let fields = [
            self.stack_hi,
            self.m,
            self.sched_sp,
            self.sched_pc,
            self.syscallsp,
            self.syscallpc,
            self.atomicstatus,
            self.goid,
            self.waitsince,
            self.waitreason,
            self.lockedm,
            self.parent_goid.unwrap_or(0),
            self.gopc,
            self.startpc,
            self.tracking_seq,
            self.waiting,
            self.labels,
        ];
        fields.iter().max().map_or(0, |last| *last as usize + 8)
    }
}

/// The little-endian word at an offset; 0 outside.
fn word(bytes: &[u8], offset: u32) -> u64 {
    let at = offset as usize;
    let word = bytes.get(at..at + 8).and_then(|w| w.first_chunk());
    word.map_or(0, |w| u64::from_le_bytes(*w))
}
