//! The interpreter of capture rules: copies what a syscall's arguments point to.
//!
//! The functions called `capture_…` are global in the BPF sense: the verifier checks each once, on
//! its own, for any arguments, instead of following every path through all of them. They may
//! therefore take plain numbers only and find their state in the [`PROGRESS`] and [`SCRATCH`] maps.
//! They return 1 to go on and 0 when the record has no room for more.

use aya_ebpf::helpers::{
    bpf_probe_read_user,
    generated::{bpf_probe_read_user as read_user_raw, bpf_probe_read_user_str as read_str_raw},
};
use tracer_common::{
    capture::{
        CAPTURE_ALIGN, CaptureHeader, CaptureRule, MAX_CAPTURE, MAX_COUNT, MAX_ENTRIES, MAX_IOVECS,
        MAX_MESSAGE, MAX_RULES, MAX_STRINGS, MAX_SYSCALLS, kind, len, mmsghdr, msghdr, phase,
        status,
    },
    probe::ProbeId,
};

use crate::{
    cold,
    constants::string_limit,
    count,
    emit::{bounded, opaque},
    go_stack::{self, Place},
    maps::{CAPTURE_RULES, PROGRESS, Progress, SCRATCH},
};

/// A capture starts at this offset or below; it then fits whatever its length.
const LAST_START: u64 = 0x3fff;
/// No less than [`MAX_MESSAGE`], nor than [`MAX_CAPTURE`] plus a string's NUL and one more; one less than a power of two.
const COPY_MASK: u64 = 0x1fff;
/// Longest string taken from an argument vector, so that more of them fit.
const LONGEST_IN_VECTOR: u64 = 1024;
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
    if base == 0 {
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
    match rule.kind & !kind::FOLLOW {
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
        | u64::from(rule.kind & !kind::FOLLOW) << 8
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

/// Copies an array of `count` `struct iovec`, then what its elements point to. At exit the buffers
/// hold no more than the return value.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_iovec(id: u64, address: u64, count: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    if capture_bytes(id, address, count.wrapping_mul(16), MAX_IOVECS as u64 * 16) == 0 {
        return 0;
    }
    let progress = captures.progress();
    let at_exit = progress.phase == u32::from(phase::EXIT);
    progress.left = if at_exit { progress.ret } else { u64::MAX };
    progress.limit = u64::from(string_limit());
    for i in 0..MAX_IOVECS as u64 {
        let i = opaque(i);
        if i >= count || capture_buffer(with_index(id, i + 1), address + i * 16) == 0 {
            break;
        }
    }
    1
}

/// Copies what one `struct iovec` points to; 0 when the rest is empty or does not fit.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_buffer(id: u64, iovec: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let (Some(base), Some(len)) = (user_word(iovec), user_word(iovec + 8)) else {
        return 0;
    };
    let progress = captures.progress();
    let left = progress.left;
    if left == 0 {
        return 0;
    }
    let len = if len > left { left } else { len };
    progress.left = left - len;
    capture_bytes(id, base, len, progress.limit)
}

/// Copies the bytes of a message; all of one that begins with a `struct nlmsghdr`
/// (include/uapi/linux/netlink.h): its length, which lies within the buffer, and a type.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_message(id: u64, address: u64, len: u64) -> u64 {
    const HEADER: u64 = 16;
    let mut limit = u64::from(string_limit());
    if len >= HEADER
        && let Some(word) = user_word(address)
    {
        let (claimed, kind) = (word & 0xffff_ffff, word >> 32 & 0xffff);
        if claimed >= HEADER && claimed <= len && kind != 0 {
            limit = MAX_MESSAGE as u64;
        }
    }
    capture_bytes(id, address, len, limit)
}

/// Counts the directory entries in `len` bytes: the length of each is at byte 16.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_entries(id: u64, address: u64, len: u64) -> u64 {
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

/// Copies the strings of an argument vector.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_strings(id: u64, address: u64) -> u64 {
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
extern "C" fn capture_count(id: u64, address: u64) -> u64 {
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

/// Copies `count` `struct mmsghdr` (include/linux/socket.h): a `struct user_msghdr` and a length,
/// together 64 bytes. At exit `count` is what was returned.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_mmsghdr(id: u64, address: u64, count: u64) -> u64 {
    for i in 0..mmsghdr::MAX as u64 {
        let i = opaque(i);
        let id = with_index(id, i * u64::from(mmsghdr::STRIDE));
        if i >= count || capture_msghdr(id, address + i * 64) == 0 {
            break;
        }
    }
    1
}

/// Copies a `struct msghdr` (include/linux/socket.h, `user_msghdr`): words 0 name, 1 name length
/// (32 bits), 2 iov, 3 iov length, 4 control, 5 control length, 6 flags.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_msghdr(id: u64, address: u64) -> u64 {
    let size = if (id >> 8) as u8 == kind::MMSGHDR {
        64
    } else {
        56
    };
    if capture_bytes(
        with_index(id, u64::from(msghdr::HEADER)),
        address,
        size,
        size,
    ) == 0
    {
        return 0;
    }
    let (Some(name), Some(name_len)) = (user_word(address), user_word(address + 8)) else {
        return 1;
    };
    let limit = MAX_CAPTURE as u64;
    if name != 0
        && capture_bytes(
            with_index(id, u64::from(msghdr::NAME)),
            name,
            name_len as u32 as u64,
            limit,
        ) == 0
    {
        return 0;
    }
    let (Some(control), Some(control_len)) = (user_word(address + 32), user_word(address + 40))
    else {
        return 1;
    };
    if control != 0
        && control_len != 0
        && capture_bytes(
            with_index(id, u64::from(msghdr::CONTROL)),
            control,
            control_len,
            limit,
        ) == 0
    {
        return 0;
    }
    capture_msghdr_buffers(id, address)
}

/// Copies what a `struct msghdr` points to through its `iovec` array.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_msghdr_buffers(id: u64, address: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let (Some(iov), Some(count)) = (user_word(address + 16), user_word(address + 24)) else {
        return 1;
    };
    let array = with_index(id, u64::from(msghdr::IOVEC));
    if capture_bytes(array, iov, count.wrapping_mul(16), MAX_IOVECS as u64 * 16) == 0 {
        return 0;
    }
    let progress = captures.progress();
    let is_one = (id >> 8) as u8 == kind::MSGHDR;
    // Of several messages each says its own length.
    progress.left = if is_one && progress.phase == u32::from(phase::EXIT) {
        progress.ret
    } else {
        u64::MAX
    };
    progress.limit = if is_one && is_netlink(address) {
        MAX_MESSAGE as u64
    } else {
        u64::from(string_limit())
    };
    let most = if is_one { MAX_IOVECS } else { mmsghdr::BUFFERS };
    for i in 0..MAX_IOVECS as u64 {
        let i = opaque(i);
        let id = with_index(id, u64::from(msghdr::BUFFERS) + i);
        if i >= count || i >= most as u64 || capture_buffer(id, iov + i * 16) == 0 {
            break;
        }
    }
    1
}

/// Whether the name of a `struct msghdr` is an address of netlink.
#[inline(always)]
fn is_netlink(message: u64) -> bool {
    const AF_NETLINK: u64 = 16;
    match user_word(message) {
        None | Some(0) => false,
        Some(name) => user_word(name).is_some_and(|word| word & 0xffff == AF_NETLINK),
    }
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
