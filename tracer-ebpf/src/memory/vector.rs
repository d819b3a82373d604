//! What has an end of its own: vectors of pointers and strings, directory entries.

use aya_ebpf::helpers::bpf_probe_read_user;
use tracer_common::capture::{CaptureHeader, MAX_COUNT, MAX_ENTRIES, MAX_STRINGS, status};

use super::{Captures, capture_string, header_of, unreadable, user_word, with_index};
use crate::{constants::string_limit, emit::opaque};

/// Longest string taken from an argument vector, so that more of them fit.
const LONGEST_IN_VECTOR: u64 = 1024;

/// Copies the strings of an argument vector.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_strings(id: u64, address: u64) -> u64 {
    for i in 0..MAX_STRINGS as u64 {
        if capture_element(with_index(id, opaque(i)), address + i * 8) == 0 {
            break;
        }
    }
    1
}

/// Copies the string that an element of an argument vector points to; 0 at the vector's end, or
/// where no more can be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_element(id: u64, element: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(pointer) = user_word(element) else {
        unreadable(&captures, id, 0);
        return 0;
    };
    if pointer != 0 {
        let mut limit = u64::from(string_limit());
        if limit > LONGEST_IN_VECTOR {
            limit = LONGEST_IN_VECTOR;
        }
        return capture_string(id, pointer, limit);
    }
    if let Some(at) = captures.room() {
        let header = CaptureHeader {
            status: status::END,
            ..header_of(id)
        };
        captures.push(at, header);
    }
    0
}

/// Counts the pointers of a vector.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_count(id: u64, address: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(at) = captures.room() else { return 0 };
    let mut header = CaptureHeader {
        status: status::TRUNCATED,
        ..header_of(id)
    };
    for step in 0..MAX_COUNT as u64 / POINTERS_PER_STEP {
        let counted = count_pointers(address + step * POINTERS_PER_STEP * 8);
        header.wanted += counted & 0xff;
        let state = counted >> 8 & 0xff;
        if state != u64::from(status::TRUNCATED) {
            header.status = state as u8;
            break;
        }
    }
    captures.push(at, header)
}

/// Pointers that [`count_pointers`] looks at.
const POINTERS_PER_STEP: u64 = 32;
const _: () = assert!((MAX_COUNT as u64).is_multiple_of(POINTERS_PER_STEP));

/// Counts pointers up to one of 0: byte 0 of the result. Byte 1 is the status that ends the count,
/// `TRUNCATED` to go on.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_pointers(address: u64) -> u64 {
    for i in 0..POINTERS_PER_STEP {
        let state = match user_word(address + i * 8) {
            Some(0) => status::OK,
            Some(_) => continue,
            None => status::FAULT,
        };
        return opaque(i) | u64::from(state) << 8;
    }
    POINTERS_PER_STEP | u64::from(status::TRUNCATED) << 8
}

/// Counts the directory entries in `len` bytes: the length of each is at byte 16.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_entries(id: u64, address: u64, len: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(at) = captures.room() else { return 0 };
    let mut header = CaptureHeader {
        status: status::TRUNCATED,
        ..header_of(id)
    };
    let mut offset = 0_u64;
    for _ in 0..MAX_ENTRIES as u64 / ENTRIES_PER_STEP {
        let step = capture_some_entries(address, offset, len);
        header.wanted += step & 0xff;
        offset += step >> 16 & 0xffff_ffff;
        let state = step >> 8 & 0xff;
        if state == NO_ENTRY {
            break;
        }
        if state != u64::from(status::TRUNCATED) {
            header.status = state as u8;
            break;
        }
    }
    captures.push(at, header)
}

/// In the place of a status: what follows is no directory entry, and is not counted.
const NO_ENTRY: u64 = 0xff;
/// Directory entries that [`capture_some_entries`] looks at.
const ENTRIES_PER_STEP: u64 = 48;
const _: () = assert!((MAX_ENTRIES as u64).is_multiple_of(ENTRIES_PER_STEP));

/// Looks at directory entries from `offset` on. Byte 0 of the result is how many there were, byte 1
/// the status that ends the count (or [`NO_ENTRY`]), `TRUNCATED` to go on; from bit 16 on how many bytes they have.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_some_entries(address: u64, offset: u64, len: u64) -> u64 {
    const SMALLEST: u64 = 19;
    let mut bytes = 0_u64;
    for i in 0..ENTRIES_PER_STEP {
        let seen = opaque(i) | bytes << 16;
        if offset + bytes + SMALLEST > len {
            return seen | u64::from(status::OK) << 8;
        }
        let size = (address + offset + bytes + 16) as *const u16;
        // SAFETY: the helper checks the address.
        let Ok(size) = (unsafe { bpf_probe_read_user(size) }) else {
            return seen | u64::from(status::FAULT) << 8;
        };
        if u64::from(size) < SMALLEST {
            return seen | NO_ENTRY << 8;
        }
        bytes += u64::from(size);
    }
    ENTRIES_PER_STEP | u64::from(status::TRUNCATED) << 8 | bytes << 16
}
