//! The architectures whose syscalls are known.

/// An instruction set with a syscall table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    /// arm64, 64-bit calls.
    Aarch64,
}

impl Machine {
    /// The one this program is built for, and traces.
    pub const HOST: Self = if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else {
        Self::X86_64
    };
}
