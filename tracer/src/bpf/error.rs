//! Why the kernel side does not work.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use super::uprobe::UprobeError;
use super::{KernelTypeError, SampleEvent, VMLINUX_BTF};

/// What the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    #[error("cannot read {VMLINUX_BTF}: {0}")]
    NoBtf(io::Error),
    #[error("cannot use the kernel's type information: {0}")]
    Btf(String),
    #[error(transparent)]
    KernelType(#[from] KernelTypeError),
    #[error("cannot load the BPF object: {}", chain(.0))]
    Load(#[from] Box<EbpfError>),
    #[error("cannot load or attach {program}: {}", chain(.source))]
    Program {
        program: &'static str,
        source: Box<ProgramError>,
    },
    #[error("cannot attach {program}: {}", chain(.source))]
    Uprobe {
        program: &'static str,
        source: Box<UprobeError>,
    },
    #[error("cannot use the BPF map {map}: {}", chain(.source))]
    Map {
        map: &'static str,
        source: Box<MapError>,
    },
    #[error("this machine does not count them, as most virtual machines do not: {}", chain(.source))]
    NoCounter {
        event: SampleEvent,
        source: Box<ProgramError>,
    },
    #[error("cannot list the CPUs: {0}")]
    Cpus(io::Error),
}

impl BpfError {
    /// Whether it is about one process alone: the same may work on another.
    #[must_use]
    pub fn is_of_process(&self) -> bool {
        match self {
            Self::Uprobe { source, .. } => !matches!(**source, UprobeError::NoSource(_)),
            _ => false,
        }
    }

    /// The error number at the root, when it came from a system call.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        if let Self::NoBtf(source) | Self::Cpus(source) = self {
            return source.raw_os_error();
        }
        let mut next: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Load(source) => Some(source.as_ref()),
            Self::Program { source, .. } | Self::NoCounter { source, .. } => Some(source.as_ref()),
            Self::Uprobe { source, .. } => Some(source.as_ref()),
            Self::Map { source, .. } => Some(source.as_ref()),
            _ => None,
        };
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return io.raw_os_error();
            }
            next = error.source();
        }
        None
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string().replace('\n', " ");
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string().replace('\n', " ");
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
