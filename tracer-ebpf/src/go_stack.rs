//! The innermost addresses of a goroutine's stack, along its frame pointers.
//!
//! `bpf_get_stack` reads every frame by itself, at some 100 ns each where that is dear. Frames of
//! one call path lie close together: here a piece of the stack is copied at a time, and most
//! callers are within the first. A walk ends at the first frame of the program's own code: whose
//! call it is, is then known.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_user as read_user_raw;
use tracer_common::{
    capture::{CaptureHeader, STACK_ARG, STACK_FRAMES, kind, status},
    config::OwnCode,
    event::SyscallEnter,
};

use crate::{
    emit::{bounded, opaque},
    maps::{GO_OWN_CODE, PROGRESS, SCRATCH},
};

/// Where a thread is, and on which stack.
#[derive(Clone, Copy)]
pub struct Place {
    pub pc: u64,
    pub stack_pointer: u64,
    pub frame_pointer: u64,
    /// The link register, 0 where there is none.
    pub link: u64,
}

/// The capture's place in the record: it is the first.
const CAPTURE: usize = size_of::<SyscallEnter>();
const ADDRESSES: usize = CAPTURE + size_of::<CaptureHeader>();
/// Where pieces of the stack are put: captures of arguments will overwrite them.
const PIECE: usize = 1024;
/// Bytes of a piece; a power of two.
const PIECE_LEN: u64 = 512;
/// Pieces that are read at most.
const PIECES: u64 = 6;
const PAGE: u64 = 4096;
/// Two words: the caller's frame pointer, and where the function returns to (amd64 and arm64 lay
/// frames out alike).
const FRAME: u64 = 16;
/// Addresses below belong to no mapping (`vm.mmap_min_addr`).
const FIRST_PAGE: u64 = 4096;

/// Id of the goroutine at `g` if that is one and the thread is on its stack: then one read tells
/// all. `g.stack`, two addresses, is its first member (runtime/runtime2.go), `g_goid` the offset of
/// its id.
#[inline(always)]
pub fn owner(g_goid: u32, g: u64, stack_pointer: u64) -> Option<u64> {
    if g < FIRST_PAGE {
        return None;
    }
    let goid = running_goroutine(g, stack_pointer, u64::from(g_goid));
    (goid != 0).then_some(goid)
}

/// Where Go has put `g.goid`: up to 1.22, and from 1.23 on. A stack slot must be loaded from a
/// place that is known beforehand.
const OLD_GOID: usize = 152;
const NEW_GOID: usize = 160;

/// As [`owner`], or 0. What is read goes to the stack, whose place the kernel's check of copied
/// memory (mm/usercopy.c) finds at once: in a map that takes it half as long as all the rest. A
/// function of its own, for its stack.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn running_goroutine(g: u64, stack_pointer: u64, g_goid: u64) -> u64 {
    type Head = [u64; NEW_GOID / 8 + 1];
    let mut head = MaybeUninit::<Head>::uninit();
    let size = size_of::<Head>() as u32;
    // SAFETY: the helper checks the address, and writes no more than `head` has room for.
    let failed = unsafe { read_user_raw(head.as_mut_ptr().cast(), size, g as *const _) };
    // SAFETY: the helper writes all of it, zeros if it fails.
    let word = |at: usize| unsafe { head.as_ptr().cast::<u64>().add(at / 8).read() };
    if failed != 0 || word(0) >= stack_pointer || stack_pointer > word(8) {
        return 0;
    }
    match g_goid as usize {
        OLD_GOID => word(OLD_GOID),
        NEW_GOID => word(NEW_GOID),
        _ => 0,
    }
}

/// Writes a [`kind::STACK`] into the record of a slot, and returns its length in bytes. The
/// arguments in its progress are overwritten.
#[inline(always)]
pub fn walk(slot: u32, place: Place, own_code: u32) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(slot) else {
        return 0;
    };
    let record = scratch.cast::<u8>();
    let base = place.stack_pointer;
    let len = read_piece(record, base);
    let mut leaf_return = place.link;
    if leaf_return == 0 && len != 0 {
        leaf_return = word(record, 0);
    }
    put(record, 0, place.pc);
    let slot = u64::from(slot);
    let own_code = u64::from(own_code);
    let count = stack_callers(slot, place.frame_pointer, base, len, own_code);
    let len = bounded::<0xff>(count * 8);
    let header = CaptureHeader {
        arg: STACK_ARG,
        kind: kind::STACK,
        status: status::OK,
        index: 0,
        len: len as u32,
        wanted: leaf_return,
    };
    // SAFETY: far below the scratch buffer's size, and aligned to 8 bytes.
    unsafe { record.add(CAPTURE).cast::<CaptureHeader>().write(header) };
    size_of::<CaptureHeader>() as u64 + len
}

/// Takes the addresses from the frame at `frame` on, after the first, and returns how many there
/// are with it. `base` is the address of the piece that was read, `len` its bytes, 0 when there is
/// none; `own_code` the place in [`GO_OWN_CODE`]. A function of its own for the verifier, as those in [`crate::memory`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn stack_callers(
    slot: u64,
    mut frame: u64,
    mut base: u64,
    mut len: u64,
    own_code: u64,
) -> u64 {
    let slot = slot as u32;
    let (Some(scratch), Some(progress)) = (SCRATCH.get_ptr_mut(slot), PROGRESS.get_ptr_mut(slot))
    else {
        return 1;
    };
    let own = GO_OWN_CODE.get(own_code as u32);
    let record = scratch.cast::<u8>();
    // The pieces read: kept in a map, where the verifier forgets their number, and takes all
    // iterations for the same.
    // SAFETY: this CPU's slot of the map.
    let pieces = unsafe { &raw mut (*progress).args[0] };
    // SAFETY: as above.
    unsafe { pieces.write_volatile(1) };
    let mut count = 1;
    for index in 1..STACK_FRAMES as u64 {
        if frame < FIRST_PAGE || frame & 7 != 0 {
            break;
        }
        let mut at = frame.wrapping_sub(base);
        if at > PIECE_LEN || at + FRAME > len {
            // SAFETY: as above.
            let read = unsafe { pieces.read_volatile() };
            len = read_piece(record, frame);
            if read >= PIECES || len == 0 {
                break;
            }
            // SAFETY: as above.
            unsafe { pieces.write_volatile(read + 1) };
            base = frame;
            at = 0;
        }
        let address = word(record, at + 8);
        if address < FIRST_PAGE {
            break;
        }
        frame = word(record, at);
        put(record, index, address);
        count = opaque(index) + 1;
        if own.is_some_and(|own| holds(own, address)) {
            break;
        }
    }
    count
}

/// Whether the call that returns to `address` is in the program's own code.
#[inline(always)]
fn holds(own: &OwnCode, address: u64) -> bool {
    // Or the compiler computes places in it before it is known to be there, which the verifier
    // does not take.
    let own = opaque(core::ptr::from_ref(own) as u64) as *const OwnCode;
    // SAFETY: the same address.
    let own = unsafe { &*own };
    let bucket = (address - 1).wrapping_sub(own.start) >> (own.shift & 63);
    if bucket >= OwnCode::BUCKETS {
        return false;
    }
    let word = bounded::<{ OwnCode::WORDS as u64 - 1 }>(bucket >> 6);
    // SAFETY: among the words.
    let word = unsafe { own.buckets.as_ptr().add(word as usize).read() };
    word >> (bucket & 63) & 1 != 0
}

/// Reads a piece of the stack that does not reach into another page, except for a frame that does:
/// that may not be there. Returns its length, 0 when it could not be read.
#[inline(always)]
fn read_piece(record: *mut u8, address: u64) -> u64 {
    if address & 7 != 0 {
        return 0;
    }
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
    // SAFETY: the piece is far below the scratch buffer's size.
    let failed =
        unsafe { read_user_raw(record.add(PIECE).cast(), len as u32, address as *const _) };
    if failed != 0 { 0 } else { len }
}

/// A word of the piece; `at` is a multiple of 8.
#[inline(always)]
fn word(record: *mut u8, at: u64) -> u64 {
    // SAFETY: in the piece.
    unsafe {
        record
            .add(PIECE + bounded::<{ PIECE_LEN - 8 }>(at) as usize)
            .cast::<u64>()
            .read()
    }
}

#[inline(always)]
fn put(record: *mut u8, index: u64, address: u64) {
    let at = bounded::<31>(index) as usize * 8;
    // SAFETY: `at` is at most 248: before the piece.
    unsafe { record.add(ADDRESSES + at).cast::<u64>().write(address) };
}
