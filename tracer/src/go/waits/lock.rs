//! Which lock a semaphore belongs to: what the calls that led to it say, and the lock's own words.

use super::object::{MutexState, ObjectKind, Operation, RwMutexState};
use crate::go::goroutine::{Goroutine, Stack};
use crate::go::memory::{Memory, MemoryError};

/// Bits of `sync.Mutex.state`: `mutexLocked` and `mutexStarving`.
const LOCKED: u32 = 1;
const STARVING: u32 = 4;
/// `sync.rwmutexMaxReaders`: so much less stands in `readerCount` when there is a writer.
const MAX_READERS: i32 = 1 << 30;

/// A lock: where it is, what it is, and what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) address: u64,
    pub(super) kind: ObjectKind,
    pub(super) operation: Operation,
}

/// What the semaphore at an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Mutex,
    RwMutex,
    WaitGroup,
    Once,
    Descriptor,
    Other,
}

/// The functions of a stack, innermost first, inlined ones too.
pub(super) fn functions(goroutine: &Goroutine) -> impl Iterator<Item = &str> {
    let frames = match &goroutine.stack {
        Stack::Frames { frames, .. } => &frames[..],
        Stack::Running | Stack::Torn => &[],
    };
    let calls = frames.iter().flat_map(|frame| &frame.place.calls);
    calls.map(|call| call.frame.function.as_str())
}

/// The lock whose semaphore is at an address, from the calls of one that waits for it. A lock that
/// is part of another (`sync.RWMutex.w`, `sync.Once.m`) is that other.
pub(super) fn lock(
    memory: &impl Memory,
    goroutine: &Goroutine,
    semaphore: u64,
) -> Result<Lock, MemoryError> {
    let (owner, is_reader, in_mutex) = owner(goroutine);
    let back = |bytes: u64| semaphore.wrapping_sub(bytes);
    let read_or_lock = match is_reader {
        true => Operation::ReadLock,
        false => Operation::Lock,
    };
    Ok(match owner {
        Owner::Mutex => Lock {
            address: back(4),
            kind: ObjectKind::Mutex(mutex(memory, back(4))?),
            operation: Operation::Lock,
        },
        Owner::RwMutex => {
            // `w.sema`, `writerSem`, `readerSem`.
            let address = match (in_mutex, is_reader) {
                (true, _) => back(4),
                (false, false) => back(8),
                (false, true) => back(12),
            };
            Lock {
                address,
                kind: ObjectKind::RwMutex(rwmutex(memory, address)?),
                operation: read_or_lock,
            }
        }
        Owner::WaitGroup => Lock {
            address: back(8),
            kind: ObjectKind::WaitGroup {
                // The upper half of the word before the semaphore.
                counter: memory.read_u32(back(4))?.cast_signed(),
            },
            operation: Operation::Wait,
        },
        Owner::Once => Lock {
            address: back(8),
            kind: ObjectKind::Once,
            operation: Operation::Wait,
        },
        Owner::Descriptor => {
            // `fdMutex.rsema` and `wsema`; the descriptor's number follows.
            let address = back(if is_reader { 8 } else { 12 });
            Lock {
                address,
                kind: ObjectKind::DescriptorLock {
                    fd: memory.read_u64(address.wrapping_add(16))?,
                },
                operation: match is_reader {
                    true => Operation::Read,
                    false => Operation::Write,
                },
            }
        }
        Owner::Other => Lock {
            address: semaphore,
            kind: ObjectKind::Semaphore,
            operation: Operation::Wait,
        },
    })
}

/// Whose semaphore, whether it is wanted for reading, and whether it is that of a mutex inside.
fn owner(goroutine: &Goroutine) -> (Owner, bool, bool) {
    let mut in_mutex = false;
    let inner = |name: &&str| {
        let packages = ["runtime.", "sync.", "internal/sync.", "internal/poll."];
        packages.iter().any(|package| name.starts_with(package))
    };
    for name in functions(goroutine).take_while(inner) {
        let name = name.strip_prefix("internal/").unwrap_or(name);
        match name {
            "sync.(*Mutex).lockSlow" | "sync.(*Mutex).Lock" => in_mutex = true,
            "sync.(*RWMutex).Lock" => return (Owner::RwMutex, false, in_mutex),
            "sync.(*RWMutex).RLock" => return (Owner::RwMutex, true, in_mutex),
            "sync.(*WaitGroup).Wait" => return (Owner::WaitGroup, false, false),
            "sync.(*Once).doSlow" if in_mutex => return (Owner::Once, false, true),
            // The kind is told by the caller, which is never the compiler's own making.
            "poll.(*FD).readLock" => return (Owner::Descriptor, true, false),
            "poll.(*FD).writeLock" => return (Owner::Descriptor, false, false),
            _ => {}
        }
    }
    match in_mutex {
        true => (Owner::Mutex, false, true),
        false => (Owner::Other, false, false),
    }
}

fn mutex(memory: &impl Memory, at: u64) -> Result<MutexState, MemoryError> {
    let state = memory.read_u32(at)?;
    Ok(MutexState {
        is_locked: state & LOCKED != 0,
        is_starving: state & STARVING != 0,
    })
}

/// `w`, `writerSem`, `readerSem`, `readerCount`, `readerWait`.
fn rwmutex(memory: &impl Memory, at: u64) -> Result<RwMutexState, MemoryError> {
    let count = memory.read_u32(at.wrapping_add(16))?.cast_signed();
    let wait = memory.read_u32(at.wrapping_add(20))?.cast_signed();
    let has_writer = count < 0;
    Ok(RwMutexState {
        has_writer,
        readers: match has_writer {
            true => wait,
            false => count.min(MAX_READERS),
        },
    })
}
