//! tracer's BPF programs.
//!
//! A probe in [`probes`] asks [`filter`] whether the event concerns a target, then either adds to
//! a map in [`maps`] or builds a record and hands it to [`emit`], the only writer of the ring
//! buffer. Whatever cannot be delivered is counted in [`count`], per probe. Kernel structure
//! offsets arrive in `.rodata` ([`constants`]): the user side takes them from the running kernel's
//! BTF before loading.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(internal_features, reason = "BPF atomics have no stable interface")]

mod caller;
mod cold;
mod constants;
mod count;
mod emit;
mod filter;
mod go;
mod go_call;
mod go_stack;
mod go_wait_stack;
mod maps;
mod memory;
mod probes;
mod slow;
mod task;
mod unwind;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier proves that no program reaches this.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
