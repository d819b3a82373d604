//! The interpreter of capture rules: copies what a syscall's arguments point to.
//!
//! The functions called `capture_…` are global in the BPF sense: the verifier checks each once, on
//! its own, for any arguments, instead of following every path through all of them. They may
//! therefore take plain numbers only and find their state in the [`PROGRESS`] and [`SCRATCH`] maps.
//! They return 1 to go on and 0 when the record has no room for more.

mod message;
mod vector;

use aya_ebpf::helpers::{
    bpf_probe_read_user,
    generated::{bpf_probe_read_user as read_user_raw, bpf_probe_read_user_str as read_str_raw},
};
use tracer_common::{
    capture::{
        CAPTURE_ALIGN, CaptureHeader, CaptureRule, LOWEST_ADDRESS, MAX_CAPTURE, MAX_MESSAGE,
        MAX_RULES, MAX_SYSCALLS, kind, len, phase, status,
    },
    probe::ProbeId,
};

use crate::{
    cold,
    constants::string_limit,
    count,
    emit::bounded,
    go_stack::{self, Place},
    maps::{CAPTURE_RULES, PROGRESS, Progress, SCRATCH},
};

use message::{capture_iovec, capture_message, capture_mmsghdr, capture_msghdr};
use vector::{capture_count, capture_entries, capture_strings};

/// A capture starts at this offset or below; it then fits whatever its length.
const LAST_START: u64 = 0x3fff;
/// No less than [`MAX_MESSAGE`], nor than [`MAX_CAPTURE`] plus a string's NUL and one more; one less than a power of two.
const COPY_MASK: u64 = 0x1fff;
/// Where the slot begins in the numbers that the functions pass each other.
const SLOT_SHIFT: u64 = 24;
const HEADER: u64 = size_of::<CaptureHeader>() as u64;

/// The record being built on this CPU.
pub struct Captures {
    record: *mut u8,
    progress: *mut Progress,
    slot: u32,
}

impl Captures {
    /// Begins a record of `fixed` bytes before the captures, in the buffer of a [`slot`].
    ///
    /// [`slot`]: crate::maps::slot
    #[inline(always)]
    pub fn begin(probe: ProbeId, slot: u32, fixed: usize) -> Option<Self> {
        let this = Self::at(slot)?;
        // SAFETY: this CPU's slot of the map.
        let progress = unsafe { &mut *this.progress };
        progress.len = fixed as u64;
        progress.count = 0;
        progress.cut = 0;
        progress.cold = 0;
        progress.probe = probe as u32;
        Some(this)
    }

    #[inline(always)]
    fn at(slot: u32) -> Option<Self> {
        Some(Self {
            record: SCRATCH.get_ptr_mut(slot)?.cast(),
            progress: PROGRESS.get_ptr_mut(slot)?,
            slot,
        })
    }

    /// Those of a capture.
    #[inline(always)]
    fn of(id: u64) -> Option<Self> {
        Self::at((id >> SLOT_SHIFT) as u32)
    }

    /// The scratch buffer.
    #[inline(always)]
    pub fn record(&self) -> *mut u8 {
        self.record
    }

    /// How far it is.
    #[inline(always)]
    pub fn progress(&self) -> &mut Progress {
        // SAFETY: this CPU's slot of the map; programs that share it run with preemption off and do
        // not interrupt each other. In one program, none is used after the next was made.
        unsafe { &mut *self.progress }
    }

    /// Runs the rules of a syscall that have a part in this phase.
    #[inline(always)]
    pub fn run(&self, nr: u32, args: &[u64; 6], ret: i64, phase: u8) {
        let progress = self.progress();
        progress.args = *args;
        progress.ret = ret as u64;
        progress.phase = u32::from(phase);
        progress.only = cold::RULES;
        progress.late = 0;
        self.run_rules(nr);
    }

    /// At exit, runs those rules for the entry again that could not read something there.
    #[inline(always)]
    pub fn run_again(&self, nr: u32, args: &[u64; 6], rules: u32) {
        let progress = self.progress();
        progress.args = *args;
        progress.phase = u32::from(phase::ENTER);
        progress.only = rules;
        progress.late = u32::from(status::LATE);
        self.run_rules(nr);
    }

    /// Copies the first addresses of the thread's stack, if it can be read. Must be the first
    /// capture of an entry.
    #[inline(always)]
    pub fn stack(&self, place: Place, own_code: u32) {
        let len = go_stack::walk(self.slot, place, own_code);
        if len != 0 {
            let progress = self.progress();
            progress.len += bounded::<0x1ff>(len);
            progress.count = 1;
        }
    }

    /// At the exit of a call whose entry may not have been seen: its arguments, and what the rules
    /// for the entry copy now.
    #[inline(always)]
    pub fn run_unseen(&self, nr: u32, args: &[u64; 6]) {
        const SIZE: u64 = size_of::<[u64; 6]>() as u64;
        if let Some(at) = self.room() {
            let header = CaptureHeader {
                kind: kind::ARGUMENTS,
                len: SIZE as u32,
                wanted: SIZE,
                ..Default::default()
            };
            // SAFETY: `room` says that the longest capture fits.
            unsafe {
                self.record
                    .add((at + HEADER) as usize)
                    .cast::<[u64; 6]>()
                    .write_unaligned(*args);
            }
            self.push(at, header);
        }
        self.run_again(nr, args, cold::RULES);
    }

    #[inline(always)]
    fn run_rules(&self, nr: u32) {
        if nr >= MAX_SYSCALLS {
            return;
        }
        for index in 0..MAX_RULES as u64 {
            if capture_rule(u64::from(nr) | u64::from(self.slot) << SLOT_SHIFT, index) == 0 {
                break;
            }
        }
    }

    /// Offset for the next capture, when there is room for the longest.
    #[inline(always)]
    fn room(&self) -> Option<u64> {
        let progress = self.progress();
        if progress.len > LAST_START {
            progress.cut = 1;
            return None;
        }
        Some(bounded::<LAST_START>(progress.len))
    }

    #[inline(always)]
    fn push(&self, at: u64, header: CaptureHeader) -> u64 {
        let progress = self.progress();
        if header.status == status::FAULT {
            count::fault_of(progress.probe);
            progress.cold |= 1 << (progress.rule & 15);
        }
        let header = CaptureHeader {
            status: header.status | progress.late as u8,
            ..header
        };
        // SAFETY: `at` is at most `LAST_START`, and the record is aligned to 8 bytes as is `at`.
        unsafe {
            self.record
                .add(at as usize)
                .cast::<CaptureHeader>()
                .write(header)
        };
        let align = CAPTURE_ALIGN as u64;
        progress.len = at + HEADER + (u64::from(header.len) + align - 1) / align * align;
        progress.count += 1;
        1
    }
}

/// Runs rule `index` of a syscall; the bits of `call` from [`SLOT_SHIFT`] on are the slot, those
/// below the syscall's number.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_rule(call: u64, index: u64) -> u64 {
    let nr = call as u32 & (MAX_SYSCALLS - 1);
    let (Some(rules), Some(captures)) = (CAPTURE_RULES.get(nr), Captures::of(call)) else {
        return 0;
    };
    if index >= MAX_RULES as u64 {
        return 0;
    }
    // SAFETY: `index` was checked; an index expression would leave a panic path.
    let rule = *unsafe { rules.rules.get_unchecked(bounded::<7>(index) as usize) };
    if rule.kind == kind::NONE {
        return 0;
    }
    let progress = captures.progress();
    if u32::from(rule.phase) & progress.phase == 0 || progress.only >> (index & 7) & 1 == 0 {
        return 1;
    }
    // What the call itself changes is not the same at exit.
    progress.rule = if rule.phase == phase::ENTER {
        index as u32
    } else {
        MAX_RULES as u32
    };
    let base = arg(progress, rule.arg);
    if base == 0 || (rule.kind & kind::MAYBE != 0 && base < LOWEST_ADDRESS) {
        return 1;
    }
    let mut address = base.wrapping_add(u64::from(rule.word) * 8);
    if rule.kind & kind::FOLLOW != 0 {
        // What cannot be read is counted with the structure itself.
        let Some(pointer) = user_word(address) else {
            progress.cold |= 1 << (progress.rule & 15);
            return 1;
        };
        if pointer == 0 {
            return 1;
        }
        address = pointer;
    }
    let limit = u64::from(string_limit());
    let id = id(rule, captures.slot);
    match rule.kind & kind::MASK {
        kind::STRING => capture_string(id, address, MAX_CAPTURE as u64),
        kind::BUFFER => capture_data(id, address, length(rule, progress), limit),
        kind::STRUCT => capture_data(id, address, length(rule, progress), MAX_CAPTURE as u64),
        kind::IOVEC => capture_iovec(id, address, arg(progress, rule.len_arg)),
        kind::STRINGS => capture_strings(id, address),
        kind::COUNT => capture_count(id, address),
        kind::ENTRIES => capture_entries(id, address, length(rule, progress)),
        kind::MESSAGE => capture_message(id, address, length(rule, progress)),
        kind::MSGHDR => capture_msghdr(id, address),
        kind::MMSGHDR => capture_mmsghdr(id, address, length(rule, progress)),
        _ => 1,
    }
}

/// A capture's `arg`, `kind`, `index` and slot in one number.
#[inline(always)]
fn id(rule: CaptureRule, slot: u32) -> u64 {
    u64::from(rule.arg)
        | u64::from(rule.kind & kind::MASK) << 8
        | u64::from(rule.word) << 16
        | u64::from(slot) << SLOT_SHIFT
}

#[inline(always)]
fn with_index(id: u64, index: u64) -> u64 {
    id + (index << 16)
}

#[inline(always)]
fn header_of(id: u64) -> CaptureHeader {
    CaptureHeader {
        arg: id as u8,
        kind: (id >> 8) as u8,
        index: (id >> 16) as u8,
        ..Default::default()
    }
}

/// Copies a NUL-terminated string of which `limit` bytes are wanted. One byte more is kept of a
/// longer one, which tells it from one that just fits.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_string(id: u64, address: u64, limit: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(at) = captures.room() else { return 0 };
    let size = bounded::<COPY_MASK>(limit + 2);
    // SAFETY: `at` and the bounded size stay within the scratch buffer: 0x3fff + 16 + 0x1fff.
    let got = unsafe {
        let to = captures.record.add((at + HEADER) as usize);
        read_str_raw(to.cast(), size as u32, address as *const _)
    };
    if got < 0 {
        return unreadable(&captures, id, address);
    }
    // Up to Linux 6.12 at least, the NUL of an empty string is not counted
    // (mm/maccess.c, strncpy_from_user_nofault).
    let got = bounded::<COPY_MASK>(got as u64).max(1);
    let state = if got == size {
        status::TRUNCATED
    } else {
        status::OK
    };
    let len = got.wrapping_sub(1) & COPY_MASK;
    let header = CaptureHeader {
        status: state,
        len: len as u32,
        wanted: len,
        ..header_of(id)
    };
    captures.push(at, header)
}

/// Says that a string could not be read, or with an address of 0 that its address could not.
#[inline(always)]
fn unreadable(captures: &Captures, id: u64, address: u64) -> u64 {
    let Some(at) = captures.room() else { return 0 };
    let header = CaptureHeader {
        status: status::FAULT,
        wanted: address,
        ..header_of(id)
    };
    captures.push(at, header)
}

/// Copies `wanted` bytes, clipped to `limit`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_bytes(id: u64, address: u64, wanted: u64, limit: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(at) = captures.room() else { return 0 };
    let size = clipped(wanted, limit);
    // SAFETY: `at` and the bounded size stay within the scratch buffer: 0x3fff + 16 + 0x1fff.
    let failed = unsafe {
        let to = captures.record.add((at + HEADER) as usize);
        read_user_raw(to.cast(), size as u32, address as *const _)
    };
    push_bytes(&captures, at, id, wanted, (failed == 0).then_some(size))
}

/// As [`capture_bytes`], cheaper for few bytes. It needs more of the stack, which those that call
/// each other have not got.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_data(id: u64, address: u64, wanted: u64, limit: u64) -> u64 {
    let size = clipped(wanted, limit);
    if size > SMALL {
        return capture_bytes(id, address, wanted, limit);
    }
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let Some(at) = captures.room() else { return 0 };
    // SAFETY: as in `capture_bytes`.
    let failed = unsafe { read_small(captures.record.add((at + HEADER) as usize), size, address) };
    push_bytes(&captures, at, id, wanted, (failed == 0).then_some(size))
}

#[inline(always)]
fn clipped(wanted: u64, limit: u64) -> u64 {
    let mut size = wanted;
    if size > limit {
        size = limit;
    }
    if size > MAX_MESSAGE as u64 {
        size = MAX_MESSAGE as u64;
    }
    bounded::<COPY_MASK>(size)
}

/// Says how many of the wanted bytes were copied; `None` when they could not be read.
#[inline(always)]
fn push_bytes(captures: &Captures, at: u64, id: u64, wanted: u64, copied: Option<u64>) -> u64 {
    let (state, len) = match copied {
        None => (status::FAULT, 0),
        Some(size) if size < wanted => (status::TRUNCATED, size),
        Some(size) => (status::OK, size),
    };
    let header = CaptureHeader {
        status: state,
        len: len as u32,
        wanted,
        ..header_of(id)
    };
    captures.push(at, header)
}

/// Bytes that [`read_small`] reads at most; one more is a power of two.
const SMALL: u64 = 63;

/// Reads by way of the stack, whose place the kernel's check of copied memory (mm/usercopy.c) finds
/// at once: in a map that takes it half as long as all the rest.
///
/// # Safety
/// There must be room for `SMALL + 1` bytes, aligned to 8.
#[inline(always)]
unsafe fn read_small(to: *mut u8, size: u64, address: u64) -> i64 {
    let mut bytes = [0_u64; (SMALL as usize + 1) / 8];
    let size = bounded::<SMALL>(size);
    // SAFETY: the helper checks the address, and writes no more than `bytes` has room for.
    let failed =
        unsafe { read_user_raw(bytes.as_mut_ptr().cast(), size as u32, address as *const _) };
    if failed == 0 {
        // SAFETY: the caller has made sure of it.
        unsafe { to.cast::<[u64; 8]>().write(bytes) };
    }
    failed
}

#[inline(always)]
fn arg(progress: &Progress, index: u8) -> u64 {
    let index = if index > 5 { 5 } else { index };
    // SAFETY: `index` is at most 5; an index expression would leave a panic path.
    unsafe {
        *progress
            .args
            .get_unchecked(bounded::<7>(u64::from(index)) as usize)
    }
}

#[inline(always)]
fn length(rule: CaptureRule, progress: &Progress) -> u64 {
    let size = u64::from(rule.size);
    match rule.len_from {
        len::ARG => arg(progress, rule.len_arg).wrapping_mul(size),
        len::RET => progress.ret.wrapping_mul(size),
        len::DEREF => {
            let pointer = arg(progress, rule.len_arg) as *const u32;
            // SAFETY: the helper checks the address.
            u64::from(unsafe { bpf_probe_read_user(pointer) }.unwrap_or(0))
        }
        len::FIELD => {
            let field = arg(progress, rule.arg).wrapping_add(u64::from(rule.len_arg) * 8);
            // SAFETY: the helper checks the address.
            u64::from(unsafe { bpf_probe_read_user(field as *const u32) }.unwrap_or(0)) * size
        }
        _ => size,
    }
}

#[inline(always)]
fn user_word(address: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(address as *const u64) }.ok()
}
