//! Which calls the C library makes on this machine.

/// What `poll` calls: newer machines have no call of that name.
pub const POLL: &str = if cfg!(target_arch = "x86_64") {
    "poll"
} else {
    "ppoll"
};

/// What `pthread_create` calls: `clone3` where glibc 2.36 has a wrapper for it.
pub const NEW_THREAD: &str = if cfg!(target_arch = "x86_64") {
    "clone3"
} else {
    "clone"
};
