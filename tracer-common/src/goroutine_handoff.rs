//! Ps that threads lose because they block, as BPF programs count them.

/// Why, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoHandoffKey {
    /// Of the stack on which the goroutine entered the system call: see
    /// [`mixed`](crate::goroutine_wait::mixed); 0 when it is not known.
    pub stack: u64,
    /// Where the call of `runtime.handoffp` returns to; 0 of a goroutine that came back from a
    /// system call and found no P.
    pub caller: u64,
    pub tgid: u32,
    pub reserved: u32,
}

crate::wire_type!(GoHandoffKey, size 24, { stack @ 0, caller @ 8, tgid @ 16, reserved @ 20 });
