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

    /// The one of a name as `uname -m` prints it; `None` for others.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The one of an `AUDIT_ARCH_…` number (linux/audit.h), as in `si_arch`; `None` for others,
    /// the 32-bit ones among them.
    #[must_use]
    pub fn of_audit(arch: u32) -> Option<Self> {
        match arch {
            0xc000_003e => Some(Self::X86_64),
            0xc000_00b7 => Some(Self::Aarch64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_known_by_its_name() {
        assert_eq!(Machine::named(std::env::consts::ARCH), Some(Machine::HOST));
        assert_eq!(Machine::named("riscv64"), None);
        assert_eq!(Machine::of_audit(0x4000_0003), None, "i386");
    }
}
