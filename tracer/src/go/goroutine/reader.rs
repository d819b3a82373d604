//! All goroutines of a process, each as it was at one moment.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::code::Code;
use super::descriptor::Descriptor;
use super::labels::{self, Label};
use super::stack::{self, Copied, StackFrame, Walk};
use super::status::Status;
use super::thread::RunningThreads;
use crate::go::globals::Globals;
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};
use crate::go::pclntab::Place;

/// Descriptors that are read: Go programs with more have never been seen.
const MAX_GOROUTINES: u64 = 1 << 24;
/// Addresses of descriptors that are copied at once.
const PIECE: u64 = 1 << 13;
/// Goroutines that are copied at once, and the most of the stack of each, in bytes.
const BATCH: usize = 512;
const MAX_COPIED: u64 = 8 << 10;
/// Looks at a goroutine that does not stand still.
const TRIES: u32 = 4;
/// Wait reasons that a runtime may have, and their longest text in bytes.
const MAX_REASONS: u64 = 256;
const MAX_REASON: u64 = 64;

/// A goroutine at one moment.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Where the runtime keeps it (`*g`).
    pub address: u64,
    pub descriptor: Descriptor,
    /// What it waits for, in the runtime's words; `None` when it does not wait or says nothing.
    pub wait_reason: Option<Rc<str>>,
    /// One of the runtime's own, which tracebacks leave out.
    pub is_system: bool,
    /// Who made it; `None` for the first, or when the place is unknown.
    pub creator: Option<Creator>,
    pub stack: Stack,
    /// Profiler labels; none unless they were asked for.
    pub labels: Rc<[Label]>,
}

/// Where a goroutine was made.
#[derive(Clone, Debug)]
pub struct Creator {
    pub place: Rc<Place>,
    /// Live address after the `go` statement's call.
    pub pc: u64,
    /// The goroutine that did; 0 before Go 1.21.
    pub goroutine: u64,
}

/// What is known of a stack.
#[derive(Clone, Debug)]
pub enum Stack {
    /// Innermost first. `cut` says why the outermost frames are missing, if they are.
    Frames {
        frames: Vec<StackFrame>,
        cut: Option<&'static str>,
    },
    /// It runs: what it does is on its thread.
    Running,
    /// It did not stand still long enough to be read.
    Torn,
}

/// All goroutines, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub goroutines: Vec<Goroutine>,
    /// Descriptors whose memory could not be read.
    pub unreadable: u64,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The list has an impossible size.
    #[error("the runtime lists {0} goroutines: it is not the runtime that is known")]
    Implausible(u64),
}

/// Reads the goroutines of a process.
#[derive(Debug)]
pub struct GoroutineReader<'a, M> {
    memory: &'a M,
    code: &'a Code,
    layout: &'static Layout,
    globals: Globals,
    reasons: Vec<Option<Rc<str>>>,
    threads: Option<&'a dyn RunningThreads>,
    /// By address: most goroutines have those of the one that made them. `None` when nobody asks.
    labels: Option<RefCell<HashMap<u64, Rc<[Label]>>>>,
}

impl<'a, M: Memory> GoroutineReader<'a, M> {
    /// A reader; `globals` are live addresses.
    #[must_use]
    pub fn new(memory: &'a M, code: &'a Code, layout: &'static Layout, globals: Globals) -> Self {
        Self {
            memory,
            code,
            layout,
            globals,
            reasons: reasons(memory, globals.wait_reason_strings),
            threads: None,
            labels: None,
        }
    }

    /// The same, with profiler labels. They are read once for each set of them.
    #[must_use]
    pub fn with_labels(self) -> Self {
        Self {
            labels: Some(RefCell::default()),
            ..self
        }
    }

    /// The same, with the stacks of those that run from where their threads are.
    #[must_use]
    pub fn with_threads(self, threads: &'a dyn RunningThreads) -> Self {
        Self {
            threads: Some(threads),
            ..self
        }
    }

    /// Reads all goroutines that are alive, in the order in which the runtime made their
    /// descriptors.
    ///
    /// # Errors
    /// When there is no list that can be read. What cannot be read of single goroutines is counted.
    pub fn read(&self) -> Result<Snapshot, ReadError> {
        let mut snapshot = Snapshot::default();
        for addresses in self.addresses()?.chunks(BATCH) {
            self.read_batch(addresses, &mut snapshot)?;
        }
        Ok(snapshot)
    }

    /// Copies descriptors, then stacks, then descriptors again: what stood still is walked in the
    /// copy, what did not, or has a large stack, is read by itself.
    fn read_batch(&self, addresses: &[u64], snapshot: &mut Snapshot) -> Result<(), ReadError> {
        let before = self.descriptors(addresses)?;
        let stacks: Vec<(u64, usize)> = before
            .iter()
            .map(|d| d.as_ref().map_or((0, 0), in_use))
            .collect();
        let mut bytes = Vec::new();
        let copied = self.memory.read_each(&stacks, &mut bytes)?;
        let after = self.descriptors(addresses)?;
        let mut at = 0;
        for (index, &address) in addresses.iter().enumerate() {
            let (start, len) = stacks[index];
            let stack = Copied {
                address: start,
                bytes: &bytes[at..at + len],
            };
            at += len;
            let (Some(before), Some(after)) = (&before[index], &after[index]) else {
                snapshot.unreadable += 1;
                continue;
            };
            let whole = len != 0 && copied[index] && before.stood_still(after);
            let goroutine = if whole && before.status.is_alive() && before.is_stopped {
                let walk = stack::walk(&stack, self.code, before.stopped_at, before.stack, true)?;
                Ok(Some(self.complete(address, *before, walk.into())))
            } else {
                self.goroutine(address)
            };
            match goroutine {
                Ok(Some(goroutine)) => snapshot.goroutines.push(goroutine),
                Ok(None) => {}
                Err(MemoryError::Unmapped { .. }) => snapshot.unreadable += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn descriptors(&self, addresses: &[u64]) -> Result<Vec<Option<Descriptor>>, MemoryError> {
        let size = self.layout.g.size();
        let ranges: Vec<(u64, usize)> = addresses.iter().map(|&address| (address, size)).collect();
        let mut bytes = Vec::new();
        let read = self.memory.read_each(&ranges, &mut bytes)?;
        let descriptors = read.iter().zip(bytes.chunks_exact(size));
        let decode = |(&read, bytes): (&bool, &[u8])| {
            read.then(|| Descriptor::decode(bytes, &self.layout.g))
        };
        Ok(descriptors.map(decode).collect())
    }

    /// Addresses of all descriptors: `runtime.allgs`, which only grows.
    fn addresses(&self) -> Result<Vec<u64>, ReadError> {
        let (list, count) = self.list()?;
        let mut addresses = Vec::new();
        let mut bytes = Vec::new();
        for first in (0..count).step_by(PIECE as usize) {
            bytes.resize(((count - first).min(PIECE) * 8) as usize, 0);
            self.memory.read(list.wrapping_add(first * 8), &mut bytes)?;
            let words = bytes.as_chunks().0.iter();
            addresses.extend(words.map(|word| u64::from_le_bytes(*word)));
        }
        Ok(addresses)
    }

    /// Address and length of the list. It moves when it grows, so both are read until they fit.
    fn list(&self) -> Result<(u64, u64), ReadError> {
        let word = |index: u64| self.memory.read_u64(self.globals.allgs + index * 8);
        let mut count = word(1)?;
        for _ in 0..TRIES {
            let list = word(0)?;
            let now = word(1)?;
            if now == count && list == word(0)? {
                break;
            }
            count = now;
        }
        if count > MAX_GOROUTINES {
            return Err(ReadError::Implausible(count));
        }
        Ok((word(0)?, count))
    }

    /// Reads one goroutine; `None` when there is none.
    fn goroutine(&self, address: u64) -> Result<Option<Goroutine>, MemoryError> {
        let look = || Descriptor::read(self.memory, &self.layout.g, address);
        let mut descriptor = look()?;
        let mut stack = Stack::Torn;
        for _ in 0..TRIES {
            if !descriptor.status.is_alive() {
                return Ok(None);
            }
            if !descriptor.is_stopped {
                stack = self.running(&descriptor)?;
                let later = look()?;
                let is_same = (later.id, later.stack) == (descriptor.id, descriptor.stack);
                // What it did is known, or it still runs; else it has stopped meanwhile.
                if is_same && (matches!(stack, Stack::Frames { .. }) || !later.is_stopped) {
                    break;
                }
                stack = Stack::Torn;
                descriptor = later;
                continue;
            }
            let walk = stack::walk(
                self.memory,
                self.code,
                descriptor.stopped_at,
                descriptor.stack,
                true,
            );
            let later = look()?;
            // A stack that moved away while it was read is unmapped now and then.
            if let (Ok(walk), true) = (walk, descriptor.stood_still(&later)) {
                stack = walk.into();
                break;
            }
            descriptor = later;
        }
        Ok(Some(self.complete(address, descriptor, stack)))
    }

    /// The stack of one that runs, from where its thread is or was interrupted.
    fn running(&self, descriptor: &Descriptor) -> Result<Stack, MemoryError> {
        let Some(at) = self.threads.and_then(|threads| threads.look(descriptor)) else {
            return Ok(Stack::Running);
        };
        let place = (at.pc, at.sp);
        let copied = Copied {
            address: at.sp,
            bytes: &at.stack,
        };
        let walked = match at.stack.is_empty() {
            true => stack::walk(self.memory, self.code, place, descriptor.stack, false),
            false => stack::walk(&copied, self.code, place, descriptor.stack, false),
        };
        match walked {
            Ok(walk) if !walk.frames.is_empty() => Ok(walk.into()),
            Ok(_) | Err(MemoryError::Unmapped { .. }) => Ok(Stack::Running),
            Err(error) => Err(error),
        }
    }

    fn complete(&self, address: u64, descriptor: Descriptor, stack: Stack) -> Goroutine {
        let wait_reason = self.wait_reason(&descriptor);
        Goroutine {
            address,
            is_system: self.is_system(&descriptor, wait_reason.as_deref()),
            creator: self.creator(&descriptor),
            wait_reason,
            labels: self.labels(&descriptor),
            descriptor,
            stack,
        }
    }

    /// The labels of a goroutine; none when they changed while they were read.
    fn labels(&self, descriptor: &Descriptor) -> Rc<[Label]> {
        let Some(known) = self.labels.as_ref().filter(|_| descriptor.labels != 0) else {
            return Rc::default();
        };
        let minor = self.layout.release.minor;
        let mut known = known.borrow_mut();
        let labels = known.entry(descriptor.labels).or_insert_with(|| {
            labels::read(self.memory, minor, descriptor.labels).unwrap_or_default()
        });
        Rc::clone(labels)
    }

    fn wait_reason(&self, descriptor: &Descriptor) -> Option<Rc<str>> {
        let waits = [Status::WAITING, Status::LEAKED].contains(&descriptor.status);
        let number = waits.then_some(descriptor.wait_reason)?;
        self.reason(number.into())
    }

    /// A wait reason by its number, in the runtime's words; `None` for one that says nothing.
    #[must_use]
    pub fn reason(&self, number: u32) -> Option<Rc<str>> {
        let index = usize::try_from(number).ok()?;
        // The first reason is none.
        let reason = self.reasons.get(index).filter(|_| index != 0);
        reason.cloned().flatten()
    }

    /// Whether it is one of the runtime's own (`isSystemGoroutine`). Those that run finalizers and
    /// cleanups are the program's while they do.
    fn is_system(&self, descriptor: &Descriptor, wait_reason: Option<&str>) -> bool {
        const PROGRAMS: [&str; 3] = [
            "runtime.main",
            "runtime.corostart",
            "runtime.handleAsyncEvent",
        ];
        const FINALIZERS: [&str; 3] = [
            "runtime.runfinq",
            "runtime.runFinalizers",
            "runtime.runCleanups",
        ];
        let Some(place) = self.code.place(descriptor.starts_at, false) else {
            return false;
        };
        match place.calls.last().map(|call| call.frame.function.as_str()) {
            Some(name) if FINALIZERS.contains(&name) => {
                matches!(wait_reason, Some("finalizer wait" | "cleanup wait"))
            }
            Some(name) => name.starts_with("runtime.") && !PROGRAMS.contains(&name),
            None => false,
        }
    }

    fn creator(&self, descriptor: &Descriptor) -> Option<Creator> {
        // The first goroutine was made by assembly.
        if descriptor.id == 1 || descriptor.created_at == 0 {
            return None;
        }
        Some(Creator {
            place: self.code.place(descriptor.created_at, true)?,
            pc: descriptor.created_at,
            goroutine: descriptor.parent,
        })
    }
}

impl From<Walk> for Stack {
    fn from(walk: Walk) -> Self {
        Self::Frames {
            frames: walk.frames,
            cut: walk.cut,
        }
    }
}

/// Address and length of the part of a stack that is in use; nothing when it is large, or no use is
/// known.
fn in_use(descriptor: &Descriptor) -> (u64, usize) {
    let ((_, sp), (low, high)) = (descriptor.stopped_at, descriptor.stack);
    let is_known = descriptor.status.is_alive() && descriptor.is_stopped;
    match high.checked_sub(sp) {
        Some(len @ 1..=MAX_COPIED) if is_known && sp >= low => (sp, len as usize),
        _ => (0, 0),
    }
}

/// The runtime's words: an array of strings whose length is not known. It ends where no string is.
fn reasons(memory: &impl Memory, strings: u64) -> Vec<Option<Rc<str>>> {
    let reason = |index: u64| -> Option<Option<Rc<str>>> {
        let at = strings.checked_add(index * 16)?;
        let (text, len) = (memory.read_u64(at).ok()?, memory.read_u64(at + 8).ok()?);
        if (text, len) == (0, 0) || text == 0 && len != 0 {
            return Some(None).filter(|_| len == 0);
        }
        if len > MAX_REASON {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        memory.read(text, &mut bytes).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let printable = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        printable.then(|| (!text.is_empty()).then(|| Rc::from(text)))
    };
    (0..MAX_REASONS).map_while(reason).collect()
}
