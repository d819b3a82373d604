//! What tracer can do on this kernel: its own programs, loaded and given up again.

use super::checks::{Context, forbidden};
use super::report::Verdict;
use crate::bpf::{Feature, Group, Refusal};

/// One row of [`FEATURES`].
#[derive(Clone, Copy, Debug)]
pub struct FeatureCheck {
    /// Never reused for something else: scripts rely on it.
    pub id: &'static str,
    /// What it is for, as "needed to …" would go on.
    pub purpose: &'static str,
    /// Its programs.
    pub group: Group,
    /// Where a kernel lacks something, it works in another way.
    pub otherwise: Option<Otherwise>,
}

/// How something works on a kernel that lacks a feature.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise {
    pub lacks: Feature,
    pub how: &'static str,
    pub remedy: &'static str,
}

const fn row(id: &'static str, purpose: &'static str, group: Group) -> FeatureCheck {
    FeatureCheck {
        id,
        purpose,
        group,
        otherwise: None,
    }
}

/// All features, in the order they are shown.
pub const FEATURES: &[FeatureCheck] = &[
    row("processes", "see births, execs and ends", Group::Process),
    row(
        "syscall-lines",
        "show every system call",
        Group::SyscallStream,
    ),
    FeatureCheck {
        otherwise: Some(Otherwise {
            lacks: Feature::CompareExchange,
            how: "times of entry wait in a hash by thread, not in a slot of the CPU: every call \
                  costs the target some tens of ns more",
            remedy: "use Linux 5.12 or later",
        }),
        ..row(
            "syscall-counts",
            "count and time system calls in the kernel",
            Group::SyscallStats,
        )
    },
    row("samples", "sample stacks", Group::Samples),
    row("off-cpu", "measure waits by stack", Group::OffCpu),
    row("run-queue", "measure waits for a CPU", Group::RunQueue),
    row("go-gc", "see Go's garbage collections", Group::GoGc),
    row(
        "go-schedule",
        "count rounds of Go's scheduler",
        Group::GoSchedule,
    ),
];

impl FeatureCheck {
    /// Works, works differently (how), or not here (why, and what to do).
    pub(super) fn examine(&self, c: &Context<'_>) -> Verdict {
        let refusals = c.kernel.try_programs(self.group);
        if let Some(refusal) = refusals.iter().find(|r| r.without.is_none()) {
            return remedied(c, refusal, Verdict::missing(refusal.why.clone()));
        }
        if let [first, ..] = &refusals[..] {
            let lost: Vec<&str> = refusals.iter().filter_map(|r| r.without).collect();
            let detail = format!("{}: {}", lost.join("; "), first.why);
            return remedied(c, first, Verdict::limited(detail));
        }
        match self.otherwise {
            Some(otherwise) if c.kernel.try_feature(otherwise.lacks).is_err() => {
                Verdict::limited(otherwise.how).remedy(otherwise.remedy)
            }
            _ => Verdict::ok("works"),
        }
    }
}

fn remedied(c: &Context<'_>, refusal: &Refusal, verdict: Verdict) -> Verdict {
    match refusal.errno {
        Some(libc::EPERM | libc::EACCES) => forbidden(c, verdict),
        _ => verdict.remedy("use Linux 5.10 or later; if this one is, report its release and this"),
    }
}
