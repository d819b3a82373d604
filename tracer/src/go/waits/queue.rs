//! The queues of channels (`runtime.hchan`, runtime/chan.go).

use std::collections::HashMap;

use super::object::{ChannelState, Operation};
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};

/// Cases of a select, at most (`selectgo`, runtime/select.go).
const MAX_CASES: usize = 1 << 16;
/// Goroutines of one queue that are followed.
const MAX_QUEUE: usize = 1 << 22;

/// A place in the queue of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `*sudog`.
    pub(super) address: u64,
    /// `*hchan`; 0 in a queue of something else.
    pub(super) channel: u64,
    /// Of a semaphore or `sync.Cond` its address (Go 1.26).
    pub(super) element: u64,
}

/// The queues that goroutine `g` waits in; its own record says that `first` is the first.
pub(super) fn places(
    memory: &impl Memory,
    layout: &Layout,
    g: u64,
    first: u64,
) -> Result<Vec<Place>, MemoryError> {
    let sudog = &layout.sudog;
    let mut all = Vec::new();
    let mut at = first;
    while at != 0 && all.len() < MAX_CASES {
        let word = |offset: u32| memory.read_u64(at.wrapping_add(u64::from(offset)));
        // Places are used again by other goroutines.
        if word(sudog.g)? != g {
            break;
        }
        all.push(Place {
            address: at,
            channel: word(sudog.c)?,
            element: word(sudog.elem)?,
        });
        at = word(sudog.waitlink)?;
    }
    Ok(all)
}

/// A channel's state.
pub(super) fn channel(
    memory: &impl Memory,
    layout: &Layout,
    at: u64,
) -> Result<ChannelState, MemoryError> {
    let chan = &layout.chan;
    let place = |offset: u32| at.wrapping_add(u64::from(offset));
    let timer = chan.timer.map(|offset| memory.read_u64(place(offset)));
    Ok(ChannelState {
        buffered: memory.read_u64(place(chan.qcount))?,
        capacity: memory.read_u64(place(chan.dataqsiz))?,
        is_closed: memory.read_u32(place(chan.closed))? != 0,
        has_timer: timer.transpose()?.is_some_and(|timer| timer != 0),
    })
}

/// What is wanted by those in the queues of a channel, by their place.
pub(super) fn operations(
    memory: &impl Memory,
    layout: &Layout,
    at: u64,
) -> Result<HashMap<u64, Operation>, MemoryError> {
    let mut operations = HashMap::new();
    for (queue, operation) in [
        (layout.chan.recvq, Operation::Receive),
        (layout.chan.sendq, Operation::Send),
    ] {
        let mut next = memory.read_u64(at.wrapping_add(u64::from(queue)))?;
        while next != 0 && operations.len() < MAX_QUEUE {
            if operations.insert(next, operation).is_some() {
                break;
            }
            let link = next.wrapping_add(u64::from(layout.sudog.next));
            next = memory.read_u64(link)?;
        }
    }
    Ok(operations)
}
