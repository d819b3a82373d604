//! The stack of a goroutine that is about to wait, along its frame pointers.
//!
//! As in [`crate::go_stack`] a piece of the stack is copied at a time; here all callers are wanted. The
//! functions called `wait_…` are global in the BPF sense, as those in [`crate::memory`].

use aya_ebpf::helpers::generated::bpf_probe_read_user as read_user_raw;
use tracer_common::goroutine_wait::{MAX_WAIT_FRAMES, mixed};

use crate::{
    emit::bounded,
    go_call::FIRST_PAGE,
    maps::{GO_WAIT_STACKS, GO_WAIT_WALK, GoWaitWalk},
};

/// Words of a piece; a power of two.
pub const PIECE_WORDS: usize = 64;
const PIECE_LEN: u64 = PIECE_WORDS as u64 * 8;
const PAGE: u64 = 4096;
/// Two words: the caller's frame pointer, and where the function returns to (amd64 and arm64 lay
/// frames out alike).
const FRAME: u64 = 16;

/// Stores the stack whose innermost function returns to `first` and has a caller with the frame at
/// `frame`. Returns its key, 0 when there is no room for it, or a thread that was preempted in its walk
/// has this CPU's.
#[inline(always)]
pub fn store(first: u64, frame: u64) -> u64 {
    let Some(walk) = GO_WAIT_WALK.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this CPU's slot of the map; the field has an address.
    let busy = unsafe { &raw mut (*walk).busy };
    // SAFETY: as above. The accesses are volatile for whoever preempts this one.
    unsafe {
        if busy.read_volatile() != 0 {
            return 0;
        }
        busy.write_volatile(1);
    }
    let id = take(walk, first, frame);
    // SAFETY: as above.
    unsafe { busy.write_volatile(0) };
    id
}

/// A pointer: as a reference that nobody else has, what `wait_step` changes would not be seen.
#[inline(always)]
fn take(walk: *mut GoWaitWalk, first: u64, frame: u64) -> u64 {
    // SAFETY: this CPU's slot of the map, and no other thread uses it now.
    let walk = unsafe { &mut *walk };
    walk.frame = frame;
    walk.base = 0;
    walk.len = 0;
    walk.hash = 0;
    walk.stack.truncated = 0;
    put(walk, 0, first);
    let mut index = 1;
    while index < MAX_WAIT_FRAMES as u64 {
        if wait_step(index) == 0 {
            break;
        }
        index += 1;
    }
    if index == MAX_WAIT_FRAMES as u64 && walk.frame >= FIRST_PAGE {
        walk.stack.truncated = 1;
    }
    let id = walk.hash | 1;
    if GO_WAIT_STACKS.get_ptr(id).is_none() && GO_WAIT_STACKS.insert(id, &walk.stack, 0).is_err() {
        return 0;
    }
    id
}

/// Takes one caller; 0 where there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn wait_step(index: u64) -> u64 {
    let Some(walk) = GO_WAIT_WALK.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this CPU's slot of the map, which `store` has taken.
    let walk = unsafe { &mut *walk };
    let frame = walk.frame;
    if frame < FIRST_PAGE || frame & 7 != 0 {
        return 0;
    }
    let mut at = frame.wrapping_sub(walk.base);
    if at > PIECE_LEN || at + FRAME > walk.len {
        if !read_piece(walk, frame) {
            return 0;
        }
        at = 0;
    }
    let address = word(walk, at + 8);
    if address < FIRST_PAGE {
        return 0;
    }
    walk.frame = word(walk, at);
    put(walk, index, address);
    1
}

/// Reads a piece of the stack that does not reach into another page, except for a frame that does:
/// that may not be there.
#[inline(always)]
fn read_piece(walk: &mut GoWaitWalk, address: u64) -> bool {
    let in_page = PAGE - (address & (PAGE - 1));
    let mut len = PIECE_LEN;
    if in_page < len {
        len = in_page;
    }
    if len < FRAME {
        len = FRAME;
    }
    // A multiple of 8, as the address is: less than the room by one word.
    let len = bounded::<{ PIECE_LEN - 8 }>(len - 8) + 8;
    let to = (&raw mut walk.piece).cast();
    // SAFETY: the helper checks the address, and the piece has room.
    let failed = unsafe { read_user_raw(to, len as u32, address as *const _) };
    walk.base = address;
    walk.len = len;
    failed == 0
}

/// A word of the piece; `at` is a multiple of 8.
#[inline(always)]
fn word(walk: &GoWaitWalk, at: u64) -> u64 {
    let index = bounded::<{ PIECE_WORDS as u64 - 1 }>(at >> 3);
    // SAFETY: in the piece; an index expression would leave a panic path.
    unsafe {
        (&raw const walk.piece)
            .cast::<u64>()
            .add(index as usize)
            .read()
    }
}

#[inline(always)]
fn put(walk: &mut GoWaitWalk, index: u64, address: u64) {
    let index = bounded::<{ MAX_WAIT_FRAMES as u64 - 1 }>(index);
    let frames = (&raw mut walk.stack.frames).cast::<u64>();
    // SAFETY: the index is within the array.
    unsafe { frames.add(index as usize).write(address) };
    walk.stack.len = index as u32 + 1;
    walk.hash = mixed(walk.hash, address);
}
