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
    /// How it works on some kernels; the first that applies is told.
    pub otherwise: &'static [Otherwise],
}

/// How something works where the kernel has less, or is different.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise {
    /// A feature, and whether it applies to kernels that have it or to those that lack it. All must
    /// apply.
    pub when: &'static [(Feature, bool)],
    pub how: &'static str,
    pub remedy: &'static str,
}

/// A thread that is preempted in a probe keeps it from running for the others on its CPU.
const PREEMPTIBLE: Otherwise = Otherwise {
    when: &[
        (Feature::FaultableSyscalls, true),
        (Feature::PerfTracepoint, false),
    ],
    how: "events may be left out: while a thread is preempted in a probe, this kernel runs that \
          probe for no other thread on the CPU; they are reported as lost",
    remedy: "make tracefs readable (mount -t tracefs tracefs /sys/kernel/tracing): these probes are \
             then attached in a way that loses nothing",
};

const BY_THREAD: Otherwise = Otherwise {
    when: &[(Feature::CompareExchange, false)],
    how: "times of entry wait in a hash by thread, not in a slot of the CPU: every call costs the \
          target some tens of ns more",
    remedy: "use Linux 5.12 or later",
};

const fn row(id: &'static str, purpose: &'static str, group: Group) -> FeatureCheck {
    FeatureCheck {
        id,
        purpose,
        group,
        otherwise: &[],
    }
}

/// All features, in the order they are shown.
pub const FEATURES: &[FeatureCheck] = &[
    FeatureCheck {
        otherwise: &[PREEMPTIBLE],
        ..row("processes", "see births, execs and ends", Group::Process)
    },
    FeatureCheck {
        otherwise: &[PREEMPTIBLE],
        ..row(
            "syscall-lines",
            "show every system call",
            Group::SyscallStream,
        )
    },
    FeatureCheck {
        otherwise: &[BY_THREAD, PREEMPTIBLE],
        ..row(
            "syscall-counts",
            "count and time system calls in the kernel",
            Group::SyscallStats,
        )
    },
    row("samples", "sample stacks", Group::Samples),
    row("off-cpu", "measure waits by stack", Group::OffCpu),
    row("wakers", "see who ends waits", Group::Wakers),
    row("on-cpu", "measure time on the CPU exactly", Group::OnCpu),
    row("run-queue", "measure waits for a CPU", Group::RunQueue),
    row("go-gc", "see Go's garbage collections", Group::GoGc),
    row(
        "go-schedule",
        "count rounds of Go's scheduler",
        Group::GoSchedule,
    ),
    row(
        "go-stops",
        "see who delays stops of the world in Go",
        Group::GoStop,
    ),
    row(
        "go-waits",
        "measure waits of goroutines by stack",
        Group::GoWaits,
    ),
    row(
        "go-creations",
        "count goroutines by who makes them",
        Group::GoCreation,
    ),
    row(
        "go-first-runs",
        "measure how long new goroutines wait",
        Group::GoFirstRun,
    ),
    row(
        "go-assists",
        "see who marks for Go's garbage collector",
        Group::GoAssist,
    ),
    row(
        "go-assist-waits",
        "see who waits for others to mark",
        Group::GoAssistWait,
    ),
    row(
        "go-handoffs",
        "count Ps that threads lose in system calls",
        Group::GoHandoff,
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
        let has = |feature| c.kernel.try_feature(feature).is_ok();
        let applies = |o: &&Otherwise| o.when.iter().all(|&(f, present)| has(f) == present);
        match self.otherwise.iter().find(applies) {
            Some(otherwise) => Verdict::limited(otherwise.how).remedy(otherwise.remedy),
            None => Verdict::ok("works"),
        }
    }
}

fn remedied(c: &Context<'_>, refusal: &Refusal, verdict: Verdict) -> Verdict {
    match refusal.errno {
        Some(libc::EPERM | libc::EACCES) => forbidden(c, verdict),
        _ => verdict.remedy("use Linux 5.10 or later; if this one is, report its release and this"),
    }
}
