//! What a Go function was called with, and what its pointers lead to.

use aya_ebpf::{helpers::bpf_probe_read_user, programs::ProbeContext};

/// Addresses below belong to no mapping (`vm.mmap_min_addr`).
pub const FIRST_PAGE: u64 = 4096;

/// Integer arguments of a Go function: RAX, RBX, RCX, RDI (Go's internal ABI, Go 1.17 on).
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn arguments(ctx: &ProbeContext) -> [u64; 4] {
    // SAFETY: the context of a uprobe is its registers.
    unsafe {
        let regs = ctx.regs;
        [(*regs).rax, (*regs).rbx, (*regs).rcx, (*regs).rdi]
    }
}

/// Integer arguments of a Go function: x0 to x3.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub fn arguments(ctx: &ProbeContext) -> [u64; 4] {
    // SAFETY: the context of a uprobe is its registers.
    unsafe {
        let regs = &(*ctx.regs).regs;
        [regs[0], regs[1], regs[2], regs[3]]
    }
}

/// The running `g`: R14.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn current_g(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context of a uprobe is its registers.
    unsafe { (*ctx.regs).r14 }
}

/// The running `g`: x28.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub fn current_g(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context of a uprobe is its registers.
    unsafe { (*ctx.regs).regs[28] }
}

/// The word at an offset from an address, 0 where it cannot be read.
#[inline(always)]
pub fn word(base: u64, offset: u32) -> u64 {
    if base < FIRST_PAGE {
        return 0;
    }
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(base.wrapping_add(u64::from(offset)) as *const u64) }.unwrap_or(0)
}

/// As [`word`], of 32 bits.
#[inline(always)]
pub fn half_word(base: u64, offset: u32) -> u32 {
    if base < FIRST_PAGE {
        return 0;
    }
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(base.wrapping_add(u64::from(offset)) as *const u32) }.unwrap_or(0)
}

/// Where a function that has not set up its frame yet returns to, and its caller's frame pointer.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn caller(ctx: &ProbeContext) -> (u64, u64) {
    // SAFETY: the context of a uprobe is its registers.
    let (stack, frame) = unsafe { ((*ctx.regs).rsp, (*ctx.regs).rbp) };
    (word(stack, 0), frame)
}

/// Where a function that has not set up its frame yet returns to, x30, and its caller's frame pointer,
/// x29.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub fn caller(ctx: &ProbeContext) -> (u64, u64) {
    // SAFETY: the context of a uprobe is its registers.
    unsafe { ((*ctx.regs).regs[30], (*ctx.regs).regs[29]) }
}

/// The frame of a function that has set it up: the address of its caller's frame pointer, which where
/// it returns to follows.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn frame(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context of a uprobe is its registers.
    unsafe { (*ctx.regs).rbp }
}

/// The frame of a function that has set it up: the address of its caller's frame pointer, which where
/// it returns to follows.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub fn frame(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context of a uprobe is its registers.
    unsafe { (*ctx.regs).regs[29] }
}
