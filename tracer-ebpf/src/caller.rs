//! Who called the function that made a system call, where that function has no frame.
//!
//! A function of the C library that makes a call, like Go's `Syscall6`, leaves the frame pointer as
//! its caller had it. The chain of frames then leads from it to the caller's caller. Its own return
//! address is on the stack, among other things: it is the one before which the function is called.

use crate::probes::syscall::Registers;

/// How far into a function an instruction is at most, in bytes.
const FUNCTION_LEN: u64 = 2048;
/// Functions in a row that have no frame.
pub const MOST: usize = 3;

/// Writes the return addresses of functions without a frame that the running thread is in, innermost
/// first, to `frames`, and returns how many: none where it cannot be told for sure.
///
/// # Safety
/// `frames` must have room for [`MOST`].
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn write(registers: Registers, frames: *mut u64) -> u64 {
    let on_frame = registers.frame_pointer().wrapping_add(8);
    let mut at = registers.instruction_pointer();
    let mut from = registers.stack_pointer();
    let mut count = 0;
    while count < MOST {
        let place = x86_64::caller_place(from, at);
        // The chain of frames has the caller of a function with a frame.
        if place == 0 || place == on_frame {
            break;
        }
        at = x86_64::word(place);
        from = place.wrapping_add(8);
        // SAFETY: there is room.
        unsafe { frames.add(count).write(at) };
        count += 1;
    }
    count as u64
}

/// As on x86_64: there the first is in the register that a call sets, as long as nothing else was
/// called. That it is the address after a call is all that is certain, so it must lie outside the
/// function.
///
/// # Safety
/// `frames` must have room for one.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn write(registers: Registers, frames: *mut u64) -> u64 {
    use aya_ebpf::helpers::bpf_probe_read_user;

    let link = registers.link();
    let distance = link.wrapping_sub(registers.instruction_pointer());
    let inside = distance.wrapping_add(FUNCTION_LEN) < 2 * FUNCTION_LEN;
    let frame = registers.frame_pointer().wrapping_add(8) as *const u64;
    // SAFETY: the helper checks the address.
    let on_frame = unsafe { bpf_probe_read_user(frame) }.unwrap_or(0);
    if inside || link & 3 != 0 || link == on_frame {
        return 0;
    }
    // SAFETY: the helper checks the address.
    let before = unsafe { bpf_probe_read_user(link.wrapping_sub(4) as *const u32) }.unwrap_or(0);
    // `bl` and `blr` (Arm Architecture Reference Manual, C6.2).
    if before & 0xfc00_0000 != 0x9400_0000 && before & 0xffff_fc1f != 0xd63f_0000 {
        return 0;
    }
    // SAFETY: there is room.
    unsafe { frames.write(link) };
    1
}

#[cfg(bpf_target_arch = "x86_64")]
mod x86_64 {
    use aya_ebpf::helpers::bpf_probe_read_user;

    use super::FUNCTION_LEN;

    /// Words of the stack that are looked at: functions with a variable number of arguments, for
    /// instance `openat` of glibc, keep 13 there.
    const WORDS: u64 = 24;
    /// Nothing is mapped below (`vm.mmap_min_addr`), nor above for user space.
    const CODE: core::ops::Range<u64> = 4096..1 << 56;

    /// Where on the stack, from `from` on, the address is to which the function returns that `at`
    /// is in; 0 when it is not found. Global in the BPF sense: the verifier checks it once.
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn caller_place(from: u64, at: u64) -> u64 {
        let mut index = 0;
        while index < WORDS {
            let place = from.wrapping_add(index * 8);
            let address = word(place);
            if CODE.contains(&address) && calls(address, at) {
                return place;
            }
            index += 1;
        }
        0
    }

    /// Whether the instruction before `address` calls the function that `at` is in.
    #[inline(always)]
    fn calls(address: u64, at: u64) -> bool {
        let Some(code) = bytes(address - 8) else {
            return false;
        };
        let offset = relative(code, 4);
        if code[3] == 0xe8 {
            // call rel32
            let target = address.wrapping_add(offset);
            return is_in(target, at) || leads(target, at);
        }
        // call *rel32(%rip)
        code[2] == 0xff && code[3] == 0x15 && is_in(word(address.wrapping_add(offset)), at)
    }

    /// Whether an entry of the procedure linkage table jumps to the function: `jmp *rel32(%rip)`,
    /// after `endbr64` where the program has that.
    #[inline(always)]
    fn leads(entry: u64, at: u64) -> bool {
        let Some(code) = bytes(entry) else {
            return false;
        };
        let (jump, code) = match code[0] == 0xf3 {
            false => (entry, Some(code)),
            true => (entry + 4, bytes(entry + 4)),
        };
        let Some(code) = code else {
            return false;
        };
        if code[0] == 0xf2 && code[1] == 0xff && code[2] == 0x25 {
            return is_in(word((jump + 7).wrapping_add(relative(code, 3))), at);
        }
        code[0] == 0xff
            && code[1] == 0x25
            && is_in(word((jump + 6).wrapping_add(relative(code, 2))), at)
    }

    #[inline(always)]
    fn is_in(function: u64, at: u64) -> bool {
        at.wrapping_sub(function) < FUNCTION_LEN
    }

    /// The signed offset of 32 bits in an instruction.
    #[inline(always)]
    fn relative(code: [u8; 8], at: usize) -> u64 {
        let bytes = [code[at], code[at + 1], code[at + 2], code[at + 3]];
        i64::from(i32::from_le_bytes(bytes)) as u64
    }

    #[inline(always)]
    fn bytes(address: u64) -> Option<[u8; 8]> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(address as *const [u8; 8]) }.ok()
    }

    #[inline(always)]
    pub fn word(address: u64) -> u64 {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(address as *const u64) }.unwrap_or(0)
    }
}
