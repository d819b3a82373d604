//! Work that goroutines do for the garbage collector, as BPF programs add it up.

/// Who assists, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GoAssistKey {
    /// Of the stack: see [`mixed`](crate::goroutine_wait::mixed); 0 when it could not be stored.
    pub stack: u64,
    /// `g.gopc`: where the `go` statement's call returns to.
    pub creator: u64,
    /// `g.goid`; 0 for all of which there is no room to tell them apart.
    pub goid: u64,
    pub tgid: u32,
    pub reserved: u32,
}

crate::wire_type!(GoAssistKey, size 32, {
    stack @ 0, creator @ 8, goid @ 16, tgid @ 24, reserved @ 28,
});

/// The assist that a thread is in, or a goroutine's wait for others to do it; or the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoAssistPending {
    pub key: GoAssistKey,
    /// When it began, ns of the monotonic clock; 0 when it is over.
    pub since_ns: u64,
}

crate::wire_type!(GoAssistPending, size 40, { key @ 0, since_ns @ 32 });

/// Assists that are over. Times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GoAssistTime {
    pub count: u64,
    pub total_ns: u64,
    /// Of two that end in the same moment the longer one may be missed.
    pub max_ns: u64,
    /// Waits for others to do the work.
    pub waits: u64,
    pub wait_ns: u64,
    pub max_wait_ns: u64,
}

crate::wire_type!(GoAssistTime, size 48, {
    count @ 0, total_ns @ 8, max_ns @ 16, waits @ 24, wait_ns @ 32, max_wait_ns @ 40,
});
