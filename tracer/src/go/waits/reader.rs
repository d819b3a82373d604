//! What each goroutine of a snapshot waits for.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::holders::references;
use super::lock::{functions, lock};
use super::object::{Holder, Object, ObjectKind, Operation, Waiter, Waits};
use super::{queue, semaphores};
use crate::go::goroutine::{Code, Goroutine, Stack, Status};
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};

/// Words of a stack among which the descriptor of the poller is looked for.
const POLL_WORDS: u64 = 96;
/// `sync.Cond.notify`, and in it the first of the list (`runtime.notifyList.head`).
const NOTIFY: u64 = 16;
const NOTIFY_HEAD: u64 = 16;

/// Finds out what goroutines wait for.
#[derive(Debug)]
pub struct WaitReader<'a, M> {
    memory: &'a M,
    code: &'a Code,
    layout: &'static Layout,
    /// Live address.
    semaphores: Option<u64>,
}

/// What a look at one process gathers.
struct Gathered<'a> {
    goroutines: &'a [Goroutine],
    places: HashMap<u64, usize>,
    waits: Waits,
    /// What is wanted by those in the queues of channels that a select waits for.
    channels: HashMap<u64, HashMap<u64, Operation>>,
    /// The semaphore for which each (`*g`) waits.
    semaphores: HashMap<u64, u64>,
}

impl<'a, M: Memory> WaitReader<'a, M> {
    /// A reader; `semaphores` is the live address of what [`super::semaphore_table`] finds.
    #[must_use]
    pub fn new(
        memory: &'a M,
        code: &'a Code,
        layout: &'static Layout,
        semaphores: Option<u64>,
    ) -> Self {
        Self {
            memory,
            code,
            layout,
            semaphores,
        }
    }

    /// Finds what the goroutines of a snapshot wait for, those of the runtime left out, and who has
    /// it. The process has run on since: what does not fit any more is counted as unknown.
    ///
    /// # Errors
    /// When nothing of the target can be read any more.
    pub fn read(&self, goroutines: &[Goroutine]) -> Result<Waits, MemoryError> {
        let semaphores = match self.semaphores {
            Some(table) => passable(semaphores::read(self.memory, self.layout, table))?,
            None => None,
        };
        let mut gathered = Gathered {
            goroutines,
            places: HashMap::new(),
            waits: Waits {
                has_semaphores: semaphores.is_some(),
                ..Waits::default()
            },
            channels: HashMap::new(),
            semaphores: semaphores.unwrap_or_default(),
        };
        for (index, goroutine) in goroutines.iter().enumerate() {
            let waits = goroutine.descriptor.status == Status::WAITING && !goroutine.is_system;
            if waits && passable(self.observe(index, &mut gathered))? != Some(true) {
                gathered.waits.unknown.push(index);
            }
        }
        let mut waits = gathered.waits;
        self.find_holders(goroutines, &mut waits)?;
        waits
            .objects
            .sort_by_key(|object| std::cmp::Reverse(object.waiters.len()));
        Ok(waits)
    }

    /// Whether it is known what a goroutine waits for, or it is for nothing but time.
    fn observe(&self, index: usize, gathered: &mut Gathered<'_>) -> Result<bool, MemoryError> {
        let goroutine = &gathered.goroutines[index];
        let reason = goroutine.wait_reason.as_deref().unwrap_or_default();
        match reason {
            "chan receive (nil chan)" => gathered.nothing(index, Operation::Receive),
            "chan send (nil chan)" => gathered.nothing(index, Operation::Send),
            "select (no cases)" => gathered.nothing(index, Operation::Wait),
            "chan receive"
            | "chan send"
            | "select"
            | "chan receive (synctest)"
            | "chan send (synctest)"
            | "select (synctest)" => {
                return self.channels(index, gathered);
            }
            "IO wait" => return self.descriptor(index, gathered),
            "sync.Cond.Wait" => return self.cond(index, gathered),
            "semacquire"
            | "sync.Mutex.Lock"
            | "sync.RWMutex.RLock"
            | "sync.RWMutex.Lock"
            | "sync.WaitGroup.Wait"
            | "sync.WaitGroup.Wait (synctest)" => {
                return self.semaphore(index, gathered);
            }
            _ => {}
        }
        Ok(true)
    }

    fn channels(&self, index: usize, gathered: &mut Gathered<'_>) -> Result<bool, MemoryError> {
        let goroutine = &gathered.goroutines[index];
        let reason = goroutine.wait_reason.as_deref().unwrap_or_default();
        let first = goroutine.descriptor.waiting;
        let places = queue::places(self.memory, self.layout, goroutine.address, first)?;
        let mut found = false;
        for place in places.iter().filter(|place| place.channel != 0) {
            let operation = if reason.starts_with("chan receive") {
                Some(Operation::Receive)
            } else if reason.starts_with("chan send") {
                Some(Operation::Send)
            } else {
                let known = match gathered.channels.entry(place.channel) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        new.insert(queue::operations(self.memory, self.layout, place.channel)?)
                    }
                };
                known.get(&place.address).copied()
            };
            let Some(operation) = operation else {
                continue;
            };
            let state = queue::channel(self.memory, self.layout, place.channel)?;
            gathered.add(place.channel, ObjectKind::Channel(state), index, operation);
            found = true;
        }
        Ok(found)
    }

    fn semaphore(&self, index: usize, gathered: &mut Gathered<'_>) -> Result<bool, MemoryError> {
        let goroutine = &gathered.goroutines[index];
        let listed = gathered.semaphores.get(&goroutine.address).copied();
        let semaphore = match listed {
            Some(semaphore) => Some(semaphore),
            None => self.element(goroutine)?,
        };
        let Some(semaphore) = semaphore else {
            return Ok(false);
        };
        let lock = lock(self.memory, goroutine, semaphore)?;
        gathered.add(lock.address, lock.kind, index, lock.operation);
        Ok(true)
    }

    /// What a goroutine's own queue is of, where that is not a channel: since Go 1.26.
    fn element(&self, goroutine: &Goroutine) -> Result<Option<u64>, MemoryError> {
        let first = goroutine.descriptor.waiting;
        let places = queue::places(self.memory, self.layout, goroutine.address, first)?;
        let own = places.iter().find(|place| place.channel == 0);
        Ok(own
            .map(|place| place.element)
            .filter(|element| *element != 0))
    }

    fn cond(&self, index: usize, gathered: &mut Gathered<'_>) -> Result<bool, MemoryError> {
        let goroutine = &gathered.goroutines[index];
        let list = match self.element(goroutine)? {
            Some(list) => Some(list),
            None => self.notify_list(goroutine)?,
        };
        let Some(list) = list else {
            return Ok(false);
        };
        gathered.add(
            list.wrapping_sub(NOTIFY),
            ObjectKind::Cond,
            index,
            Operation::Wait,
        );
        Ok(true)
    }

    /// The list of a `sync.Cond`: the argument of the calls, if the goroutine is in it.
    fn notify_list(&self, goroutine: &Goroutine) -> Result<Option<u64>, MemoryError> {
        let candidates = arguments(goroutine).flat_map(|value| [value, value.wrapping_add(NOTIFY)]);
        for list in candidates.filter(|list| *list > NOTIFY) {
            if passable(self.is_in_list(goroutine.address, list))? == Some(true) {
                return Ok(Some(list));
            }
        }
        Ok(None)
    }

    fn is_in_list(&self, g: u64, list: u64) -> Result<bool, MemoryError> {
        /// Of those that wait for one condition, so many are looked at.
        const MOST: usize = 1 << 16;
        let sudog = &self.layout.sudog;
        let mut at = self.memory.read_u64(list.wrapping_add(NOTIFY_HEAD))?;
        for _ in 0..MOST {
            let word = |offset: u32| self.memory.read_u64(at.wrapping_add(u64::from(offset)));
            if at == 0 {
                return Ok(false);
            }
            if word(sudog.g)? == g {
                return Ok(true);
            }
            at = word(sudog.next)?;
        }
        Ok(false)
    }

    fn descriptor(&self, index: usize, gathered: &mut Gathered<'_>) -> Result<bool, MemoryError> {
        let goroutine = &gathered.goroutines[index];
        let mut candidates: Vec<u64> = arguments(goroutine).collect();
        let stack = goroutine.descriptor.stopped_at.1;
        candidates.extend((0..POLL_WORDS).map_while(|word| {
            let at = stack.wrapping_add(word * 8);
            self.memory.read_u64(at).ok()
        }));
        let mut seen = HashSet::new();
        for at in candidates {
            if at == 0 || at % 8 != 0 || !seen.insert(at) {
                continue;
            }
            if let Some((fd, operation)) = passable(self.polled(goroutine.address, at))?.flatten() {
                gathered.add(at, ObjectKind::Descriptor { fd }, index, operation);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The descriptor's number and what is wanted, if a `pollDesc` is there and says that the
    /// goroutine waits.
    fn polled(&self, g: u64, at: u64) -> Result<Option<(u64, Operation)>, MemoryError> {
        let poll = &self.layout.poll;
        let word = |offset: u32| self.memory.read_u64(at.wrapping_add(u64::from(offset)));
        let operation = if word(poll.rg)? == g {
            Operation::Read
        } else if word(poll.wg)? == g {
            Operation::Write
        } else {
            return Ok(None);
        };
        Ok(Some((word(poll.fd)?, operation)))
    }

    /// Notes who has what is waited for.
    fn find_holders(&self, goroutines: &[Goroutine], waits: &mut Waits) -> Result<(), MemoryError> {
        let by_address: HashSet<u64> = waits
            .objects
            .iter()
            .filter(|object| is_found_by_stack(&object.kind))
            .map(|object| object.address)
            .collect();
        let references = references(self.memory, self.code, goroutines, &by_address)?;
        let polled = polled_by(waits);
        for object in &mut waits.objects {
            let waits_for_it: HashSet<usize> = object.waiters.iter().map(|w| w.goroutine).collect();
            let holders = match object.kind {
                ObjectKind::DescriptorLock { fd } => {
                    let operation = object.waiters.first().map(|w| w.operation);
                    let holder = operation.and_then(|operation| polled.get(&(fd, operation)));
                    holder
                        .map(|&goroutine| (goroutine, true))
                        .into_iter()
                        .collect()
                }
                _ => {
                    let list = references.get(&object.address);
                    let list = list.into_iter().flatten().copied();
                    let runs_once = |goroutine: usize| {
                        object.kind == ObjectKind::Once
                            && functions(&goroutines[goroutine]).any(|f| f == "sync.(*Once).doSlow")
                    };
                    list.map(|goroutine| (goroutine, runs_once(goroutine)))
                        .collect::<Vec<_>>()
                }
            };
            let others = holders
                .into_iter()
                .filter(|(g, _)| !waits_for_it.contains(g));
            object.holders = others
                .map(|(goroutine, is_known)| Holder {
                    goroutine,
                    is_known,
                })
                .collect();
        }
        Ok(())
    }
}

/// Whether who has it keeps its address. Nobody has a channel, and a free lock is nobody's.
fn is_found_by_stack(kind: &ObjectKind) -> bool {
    match kind {
        ObjectKind::Mutex(state) => state.is_locked,
        ObjectKind::RwMutex(_) | ObjectKind::Once | ObjectKind::WaitGroup { .. } => true,
        _ => false,
    }
}

/// Who waits for the poller to read and to write which descriptor: it has the descriptor's lock.
fn polled_by(waits: &Waits) -> HashMap<(u64, Operation), usize> {
    let descriptors = waits.objects.iter().filter_map(|object| match object.kind {
        ObjectKind::Descriptor { fd } => Some((fd, &object.waiters)),
        _ => None,
    });
    let all = descriptors.flat_map(|(fd, waiters)| {
        waiters
            .iter()
            .map(move |w| ((fd, w.operation), w.goroutine))
    });
    all.collect()
}

/// The values of the arguments of a goroutine's innermost calls.
fn arguments(goroutine: &Goroutine) -> impl Iterator<Item = u64> {
    /// Calls from the one that parks to the one of package sync or internal/poll.
    const INNERMOST: usize = 6;
    let frames = match &goroutine.stack {
        Stack::Frames { frames, .. } => &frames[..frames.len().min(INNERMOST)],
        Stack::Running | Stack::Torn => &[],
    };
    frames.iter().flat_map(|frame| frame.values.iter().copied())
}

/// A result, or nothing where it moved away while it was read.
fn passable<T>(result: Result<T, MemoryError>) -> Result<Option<T>, MemoryError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MemoryError::Unmapped { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Gathered<'_> {
    fn nothing(&mut self, index: usize, operation: Operation) {
        self.add(0, ObjectKind::Nothing, index, operation);
    }

    /// Notes who waits for what. An object's state is that of its last waiter.
    fn add(&mut self, address: u64, kind: ObjectKind, goroutine: usize, operation: Operation) {
        let next = self.waits.objects.len();
        let place = *self.places.entry(address).or_insert(next);
        if place == next {
            self.waits.objects.push(Object {
                address,
                kind,
                waiters: Vec::new(),
                holders: Vec::new(),
            });
        }
        let object = &mut self.waits.objects[place];
        object.kind = kind;
        let waiter = Waiter {
            goroutine,
            operation,
        };
        // A select may have the same case twice.
        if object.waiters.last() != Some(&waiter) {
            object.waiters.push(waiter);
        }
    }
}
