//! What a refusal means to the user.

use super::plan::TargetSpec;
use super::target::comm;
use crate::bpf::{BpfError, VMLINUX_BTF};
use crate::error::ExpectedError;

/// A Go program was needed.
pub(super) fn not_go(pid: u32, spec: &TargetSpec, why: String) -> ExpectedError {
    match spec {
        TargetSpec::Launch { file, .. } => ExpectedError::NotGo {
            pid,
            exe: file.display().to_string(),
            why,
        },
        _ => not_go_process(pid, why),
    }
}

/// As [`not_go`], of a process that runs.
pub(crate) fn not_go_process(pid: u32, why: String) -> ExpectedError {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe"))
        .map_or_else(|_| comm(pid), |p| p.display().to_string());
    ExpectedError::NotGo { pid, exe, why }
}

/// The kernel refused the programs.
pub(super) fn refused(error: BpfError) -> ExpectedError {
    let denied = matches!(error.os_error(), Some(libc::EPERM | libc::EACCES));
    match &error {
        BpfError::NoBtf(source) if !denied => ExpectedError::NoBtf {
            file: VMLINUX_BTF.into(),
            why: source.to_string(),
        },
        // SAFETY: no preconditions.
        _ if denied && unsafe { libc::geteuid() } != 0 => ExpectedError::NotPermitted {
            what: "load BPF programs".to_owned(),
            missing: "CAP_BPF and CAP_PERFMON (or root) are missing".to_owned(),
            remedy: "run it with sudo; `tracer doctor` shows what this host allows".to_owned(),
        },
        BpfError::NoCounter { event, .. } => ExpectedError::KernelRefuses {
            what: format!("samples of {event}"),
            why: format!("{error}; -e cpu-clock works everywhere"),
        },
        _ => ExpectedError::KernelRefuses {
            what: "the probes".to_owned(),
            why: error.to_string(),
        },
    }
}
