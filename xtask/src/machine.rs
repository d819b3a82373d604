//! The architectures that tracer is built for, and the compilers for them.
//!
//! For another architecture than this machine's, the nightly that compiles the BPF programs builds
//! the standard library from the sources that came with it: no second download is needed where
//! rustup can fetch nothing.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::bpf_toolchain::isolate;
use crate::{host, setup, workspace};

/// An architecture, named as Rust names it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

impl FromStr for Machine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            _ => Err(format!("{name:?} is neither x86_64 nor aarch64")),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Machine {
    /// The one that xtask runs on.
    pub(crate) const HOST: Self = if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else {
        Self::X86_64
    };

    /// Rust's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Rust's target triple, the value of cargo's `--target`.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Debian's name.
    pub(crate) fn debian_name(self) -> &'static str {
        // They agree.
        self.go_name()
    }

    /// Value of `GOARCH`.
    pub(crate) fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The C compiler, which also links Rust programs.
    ///
    /// # Errors
    /// It is not installed; the message names the packages.
    pub(crate) fn c_compiler(self) -> Result<&'static str> {
        let (name, packages) = match self {
            _ if self == Self::HOST => ("cc", "gcc"),
            Self::X86_64 => (
                "x86_64-linux-gnu-gcc",
                "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
            ),
            Self::Aarch64 => (
                "aarch64-linux-gnu-gcc",
                "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
            ),
        };
        let mut probe = Command::new(name);
        probe.arg("--version");
        let found = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            bail!(
                "no C compiler {name} for {}: apt-get install --no-install-recommends {packages}",
                self.name()
            );
        }
        Ok(name)
    }

    /// Cargo in the workspace's root, able to build programs with `--target` [`Self::triple`]. What
    /// it builds is dynamically linked unless the caller's flags say `+crt-static`.
    ///
    /// # Errors
    /// The BPF toolchain or the architecture's C compiler is missing.
    pub(crate) fn cargo(self) -> Result<Command> {
        if self == Self::HOST {
            return Ok(host::cargo());
        }
        let toolchain = setup::ensure()?;
        let linker = self.c_compiler()?;
        let mut cargo = Command::new(toolchain.cargo());
        isolate(&mut cargo);
        // `panic_abort` for the release profile; the crates of unwinding come with `std`.
        cargo.args(["-Z", "build-std=std,panic_abort"]);
        toolchain.configure(&mut cargo);
        let triple = self.triple().replace('-', "_").to_uppercase();
        cargo
            .env(format!("CARGO_TARGET_{triple}_LINKER"), linker)
            .current_dir(workspace::root());
        Ok(cargo)
    }

    /// A directory of the standard library's sources whose name would show in what
    /// [`Self::cargo`] builds: a `--remap-path-prefix` is for it.
    ///
    /// # Errors
    /// The BPF toolchain is missing.
    pub(crate) fn library(self) -> Result<Option<PathBuf>> {
        if self == Self::HOST {
            return Ok(None);
        }
        Ok(Some(setup::ensure()?.library()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            assert_eq!(machine.name().parse(), Ok(machine));
            assert!(machine.triple().starts_with(machine.name()));
        }
        assert_eq!(Machine::HOST.name(), std::env::consts::ARCH);
        assert!("arm64".parse::<Machine>().is_err());
    }
}
