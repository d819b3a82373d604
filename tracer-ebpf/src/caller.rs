//! Who called the function that made a system call, where that function has no frame.
//!
//! A function of the C library that makes a call, like Go's `Syscall6`, leaves the frame pointer as
//! its caller had it. The chain of frames then leads from it to the caller's caller.

use crate::probes::syscall::Registers;

/// How far into a function the instruction that makes a call is at most, in bytes.
const FUNCTION_LEN: u64 = 2048;

/// The address to which the function that made the call returns, if that can be told for sure and
/// the chain of frames does not have it.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn of(registers: Registers) -> Option<u64> {
    x86_64::of(registers)
}

/// As on x86_64: there it is the register that a call sets, as long as nothing else was called.
/// That it is the address after a call is all that is certain, so it must lie outside the function.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub fn of(registers: Registers) -> Option<u64> {
    let link = registers.link();
    let inside = link
        .wrapping_sub(registers.instruction_pointer())
        .wrapping_add(FUNCTION_LEN);
    if inside < 2 * FUNCTION_LEN || link & 3 != 0 || link == on_frame(registers) {
        return None;
    }
    // SAFETY: the helper checks the address.
    let before =
        unsafe { aya_ebpf::helpers::bpf_probe_read_user((link - 4) as *const u32) }.ok()?;
    // `bl` and `blr` (Arm Architecture Reference Manual, C4.1).
    let is_call = before & 0xfc00_0000 == 0x9400_0000 || before & 0xffff_fc1f == 0xd63f_0000;
    is_call.then_some(link)
}

/// The return address in the innermost frame, which the chain of frames has.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn on_frame(registers: Registers) -> u64 {
    let frame = registers.frame_pointer();
    // SAFETY: the helper checks the address.
    unsafe { aya_ebpf::helpers::bpf_probe_read_user((frame + 8) as *const u64) }.unwrap_or(0)
}

#[cfg(bpf_target_arch = "x86_64")]
mod x86_64 {
    use aya_ebpf::helpers::bpf_probe_read_user;

    use super::{FUNCTION_LEN, Registers};

    /// Words of the stack that are looked at: wrappers that let a thread be cancelled keep the
    /// arguments there meanwhile.
    const WORDS: u64 = 8;
    /// Nothing is mapped below (`vm.mmap_min_addr`), nor above for user space.
    const CODE: core::ops::Range<u64> = 4096..1 << 56;

    #[inline(always)]
    pub fn of(registers: Registers) -> Option<u64> {
        let at = registers.instruction_pointer();
        let sp = registers.stack_pointer();
        let mut index = 0;
        while index < WORDS {
            let place = sp.wrapping_add(index * 8);
            let address = word(place);
            if CODE.contains(&address) && calls(address, at) {
                // Of a function with a frame, the chain has it.
                let has_frame = registers.frame_pointer().wrapping_add(8) == place;
                return if has_frame { None } else { Some(address) };
            }
            index += 1;
        }
        None
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
    fn word(address: u64) -> u64 {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(address as *const u64) }.unwrap_or(0)
    }
}
