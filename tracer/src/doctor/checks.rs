//! The checks of the host.

use std::fmt::Debug;
use std::io::{self, Read};

use super::host::Host;
use super::report::Verdict;
use crate::bpf::{Feature, Features};

/// What checks may look at.
pub struct Context<'a> {
    pub host: &'a Host,
    pub kernel: &'a dyn Features,
}

impl Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("host", self.host)
            .finish_non_exhaustive()
    }
}

/// One row of [`CHECKS`].
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Never reused for something else: scripts rely on it.
    pub id: &'static str,
    /// What it is for, as "needed to …" would go on.
    pub purpose: &'static str,
    pub run: fn(&Context<'_>) -> Verdict,
}

/// All checks of the host, in the order they are shown.
pub const CHECKS: &[Check] = &[
    Check {
        id: "kernel",
        purpose: "tell what was examined",
        run: kernel_release,
    },
    Check {
        id: "privileges",
        purpose: "load programs, sample and read other processes",
        run: privileges,
    },
    Check {
        id: "lockdown",
        purpose: "read kernel memory from programs",
        run: lockdown,
    },
    Check {
        id: "btf",
        purpose: "find fields of kernel structures",
        run: btf,
    },
    Check {
        id: "ring-buffer",
        purpose: "send events from the kernel",
        run: |c| needed(c, Feature::RingBuffer),
    },
    Check {
        id: "tracepoints",
        purpose: "see syscalls and scheduling",
        run: |c| needed(c, Feature::BtfTracepoint),
    },
    Check {
        id: "stacks",
        purpose: "tell where time goes",
        run: stacks,
    },
    Check {
        id: "perf-events",
        purpose: "sample what runs",
        run: perf_events,
    },
    Check {
        id: "uprobes",
        purpose: "see functions of Go's runtime",
        run: uprobes,
    },
    Check {
        id: "perf-event-max-stack",
        purpose: "keep deep stacks whole",
        run: max_stack,
    },
    Check {
        id: "kernel-symbols",
        purpose: "name kernel functions",
        run: kernel_symbols,
    },
    Check {
        id: "bpf-jit",
        purpose: "run programs at full speed",
        run: jit,
    },
    Check {
        id: "memlock",
        purpose: "create maps on kernels before 5.11",
        run: memlock,
    },
    Check {
        id: "pid-namespace",
        purpose: "agree with the kernel on process ids",
        run: pid_namespace,
    },
    Check {
        id: "cgroup",
        purpose: "choose targets by cgroup",
        run: cgroup,
    },
    Check {
        id: "tracefs",
        purpose: "nothing: no command needs it",
        run: tracefs,
    },
];

fn kernel_release(c: &Context<'_>) -> Verdict {
    let release = c.host.text("/proc/sys/kernel/osrelease");
    let arch = c.host.text("/proc/sys/kernel/arch");
    let arch = arch.unwrap_or_else(|_| std::env::consts::ARCH.to_owned());
    match release {
        Ok(release) => Verdict::ok(format!("Linux {release} on {arch}")),
        Err(e) => Verdict::limited(format!("cannot read /proc/sys/kernel/osrelease: {e}"))
            .remedy("mount /proc"),
    }
}

/// Bits of `CapEff` (`include/uapi/linux/capability.h`).
const CAPABILITIES: [(&str, u32); 3] = [
    ("CAP_BPF", CAP_BPF),
    ("CAP_PERFMON", CAP_PERFMON),
    ("CAP_SYS_PTRACE", 19),
];
const CAP_BPF: u32 = 39;
const CAP_PERFMON: u32 = 38;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYSLOG: u32 = 34;

/// The effective capabilities of this process as a bit set; 0 when they cannot be told.
fn effective(host: &Host) -> u64 {
    let text = host.field("/proc/self/status", "CapEff");
    text.and_then(|t| u64::from_str_radix(&t, 16).ok())
        .unwrap_or(0)
}

fn has(capabilities: u64, bit: u32) -> bool {
    capabilities & (1 << bit) != 0
}

fn privileges(c: &Context<'_>) -> Verdict {
    const REMEDY: &str =
        "run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep tracer";
    let effective = effective(c.host);
    let lacks: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|cap| !has(effective, cap.1))
        .map(|cap| cap.0)
        .collect();
    if lacks.is_empty() {
        return Verdict::ok("CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE are there");
    }
    // CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON (bpf_capable, perfmon_capable).
    let only_ptrace = lacks == ["CAP_SYS_PTRACE"]
        || has(effective, CAP_SYS_ADMIN) && lacks.contains(&"CAP_SYS_PTRACE");
    if only_ptrace {
        let detail = "CAP_SYS_PTRACE is missing: only processes of the same user can be read";
        return Verdict::limited(detail).remedy(REMEDY);
    }
    if has(effective, CAP_SYS_ADMIN) {
        return Verdict::ok("CAP_SYS_ADMIN and CAP_SYS_PTRACE are there");
    }
    Verdict::missing(format!("without {}", lacks.join(", "))).remedy(REMEDY)
}

/// The mode in brackets, as in `none [integrity] confidentiality`.
fn lockdown(c: &Context<'_>) -> Verdict {
    let Ok(text) = c.host.text("/sys/kernel/security/lockdown") else {
        return Verdict::ok("none (not built in, or securityfs is not mounted)");
    };
    let mode = text.split_once('[').and_then(|t| t.1.split_once(']'));
    match mode.map(|m| m.0) {
        Some("confidentiality") => {
            Verdict::missing("confidentiality: programs may not read kernel memory")
                .remedy("boot without lockdown=confidentiality (it cannot be lowered later)")
        }
        Some(mode) => Verdict::ok(format!("{mode}: allows tracing")),
        None => Verdict::limited(format!("unknown: {text:?}")),
    }
}

const BTF: &str = "/sys/kernel/btf/vmlinux";

fn btf(c: &Context<'_>) -> Verdict {
    const REMEDY: &str = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y";
    let mut magic = [0; 2];
    let read = c.host.open(BTF).and_then(|mut f| f.read_exact(&mut magic));
    match read {
        Ok(()) if u16::from_ne_bytes(magic) == 0xeb9f => {
            let size = c.host.open(BTF).and_then(|f| f.metadata());
            let size = size.map(|m| crate::term::bytes(m.len()));
            Verdict::ok(format!("{BTF}, {}", size.unwrap_or_default()))
        }
        Ok(()) => Verdict::missing(format!("{BTF} holds something else")).remedy(REMEDY),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Verdict::missing(format!("{BTF} is not readable: {e}")).remedy("run as root")
        }
        Err(e) => Verdict::missing(format!("{BTF}: {e}")).remedy(REMEDY),
    }
}

/// What the kernel's refusal means.
fn refusal(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!("not permitted ({e})"),
        Some(libc::EINVAL | libc::ENOENT) => format!("this kernel does not have it ({e})"),
        _ => e.to_string(),
    }
}

fn refused_verdict(
    c: &Context<'_>,
    e: &io::Error,
    verdict: fn(String) -> Verdict,
    without: &str,
) -> Verdict {
    let detail = match without {
        "" => refusal(e),
        without => format!("{}: {without}", refusal(e)),
    };
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => forbidden(c, verdict(detail)),
        _ => verdict(detail),
    }
}

/// Adds what to do about a refusal for want of rights.
pub(super) fn forbidden(c: &Context<'_>, verdict: Verdict) -> Verdict {
    let effective = effective(c.host);
    if has(effective, CAP_BPF) && has(effective, CAP_PERFMON) {
        return verdict.remedy(
            "a seccomp filter or security module forbids it: allow bpf and perf_event_open there",
        );
    }
    // The remedy is that of the check of privileges.
    verdict
}

fn needed(c: &Context<'_>, feature: Feature) -> Verdict {
    match c.kernel.try_feature(feature) {
        Ok(()) => Verdict::ok("works"),
        Err(e) => refused_verdict(c, &e, Verdict::missing, ""),
    }
}

fn wanted(c: &Context<'_>, feature: Feature, without: &str) -> Verdict {
    match c.kernel.try_feature(feature) {
        Ok(()) => Verdict::ok("works"),
        Err(e) => refused_verdict(c, &e, Verdict::limited, without),
    }
}

fn stacks(c: &Context<'_>) -> Verdict {
    if let Err(e) = c.kernel.try_feature(Feature::GetStack) {
        return refused_verdict(c, &e, Verdict::missing, "");
    }
    wanted(
        c,
        Feature::StackMap,
        "off-CPU stacks cannot be kept in the kernel",
    )
}

fn perf_events(c: &Context<'_>) -> Verdict {
    let paranoid = c.host.number("/proc/sys/kernel/perf_event_paranoid");
    let setting = paranoid.map_or_else(
        || "kernel.perf_event_paranoid is unknown".to_owned(),
        |p| format!("kernel.perf_event_paranoid is {p}"),
    );
    match c.kernel.try_feature(Feature::CpuClock) {
        Ok(()) => Verdict::ok(format!("work; {setting}")),
        Err(e) => refused_verdict(c, &e, Verdict::missing, &setting),
    }
}

fn uprobes(c: &Context<'_>) -> Verdict {
    if !c.host.exists("/sys/bus/event_source/devices/uprobe/type") {
        return Verdict::missing("this kernel has none, or /sys is not mounted")
            .remedy("use a kernel built with CONFIG_UPROBE_EVENTS=y, and mount /sys");
    }
    Verdict::ok("attached one by one, each in one process")
}

/// Most frames that a sample can carry.
const WANTED_FRAMES: i64 = tracer_common::event::MAX_STACK as i64;

fn max_stack(c: &Context<'_>) -> Verdict {
    let Some(frames) = c.host.number("/proc/sys/kernel/perf_event_max_stack") else {
        return Verdict::limited("unknown: kernel.perf_event_max_stack cannot be read");
    };
    if frames >= WANTED_FRAMES {
        return Verdict::ok(format!("{frames} frames"));
    }
    Verdict::limited(format!("stacks are cut after {frames} frames")).remedy(format!(
        "sysctl kernel.perf_event_max_stack={WANTED_FRAMES}"
    ))
}

/// What `kernel.kptr_restrict` means is in Documentation/admin-guide/sysctl/kernel.rst.
fn kernel_symbols(c: &Context<'_>) -> Verdict {
    const REMEDY: &str = "sysctl kernel.kptr_restrict=1, and run as root or with CAP_SYSLOG";
    let syslog = has(effective(c.host), CAP_SYSLOG);
    match c.host.number("/proc/sys/kernel/kptr_restrict") {
        Some(restrict @ 2..) => Verdict::limited(format!(
            "kernel.kptr_restrict is {restrict}: kernel frames stay addresses"
        ))
        .remedy(REMEDY),
        Some(restrict) if syslog => {
            Verdict::ok(format!("readable; kernel.kptr_restrict is {restrict}"))
        }
        _ => Verdict::limited("CAP_SYSLOG is missing: kernel frames may stay addresses")
            .remedy(REMEDY),
    }
}

fn jit(c: &Context<'_>) -> Verdict {
    match c.host.number("/proc/sys/net/core/bpf_jit_enable") {
        Some(0) => Verdict::limited("programs are interpreted: several times slower")
            .remedy("sysctl net.core.bpf_jit_enable=1"),
        Some(_) => Verdict::ok("on"),
        None => Verdict::limited("unknown: net.core.bpf_jit_enable cannot be read"),
    }
}

/// Linux 5.11 and later charge maps to the memory cgroup instead (kernel/bpf/syscall.c).
fn memlock(c: &Context<'_>) -> Verdict {
    const ENOUGH: u64 = 64 << 20;
    const CAP_SYS_RESOURCE: u32 = 24;
    if c.kernel.try_feature(Feature::UnlockedMaps).is_ok() {
        return Verdict::ok("does not count: maps are charged to the memory cgroup");
    }
    if has(effective(c.host), CAP_SYS_RESOURCE) {
        return Verdict::ok("raised by tracer itself as needed (RLIMIT_MEMLOCK)");
    }
    let limits = c.host.text("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max locked memory"));
    let soft = line.and_then(|l| l.split_whitespace().next()).unwrap_or("");
    match soft.parse::<u64>() {
        Ok(bytes) if bytes < ENOUGH => {
            let bytes = crate::term::bytes(bytes);
            Verdict::limited(format!("maps may take {bytes} only")).remedy("ulimit -l unlimited")
        }
        _ if soft.is_empty() => Verdict::limited("unknown: /proc/self/limits cannot be read"),
        _ => Verdict::ok(format!("{soft} (RLIMIT_MEMLOCK)")),
    }
}

/// Inode of the first pid namespace: `PROC_PID_INIT_INO` in include/linux/proc_ns.h.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

fn pid_namespace(c: &Context<'_>) -> Verdict {
    match c.host.link("/proc/self/ns/pid") {
        Ok(link) if link == FIRST_PID_NAMESPACE => Verdict::ok("that of the host"),
        Ok(link) => Verdict::limited(format!(
            "inside a container ({link}): ids seen here are not the host's"
        ))
        .remedy("run on the host, or in a container with the host's pid namespace"),
        Err(e) => Verdict::limited(format!("unknown: /proc/self/ns/pid: {e}")),
    }
}

fn cgroup(c: &Context<'_>) -> Verdict {
    if c.host.exists("/sys/fs/cgroup/cgroup.controllers") {
        return Verdict::ok("version 2 at /sys/fs/cgroup");
    }
    if c.host.exists("/sys/fs/cgroup/unified/cgroup.controllers") {
        return Verdict::ok("version 2 at /sys/fs/cgroup/unified, beside version 1");
    }
    Verdict::limited("version 2 is not mounted: --cgroup cannot work, -p can")
        .remedy("mount -t cgroup2 none /sys/fs/cgroup/unified")
}

fn tracefs(c: &Context<'_>) -> Verdict {
    let mounted = [
        "/sys/kernel/tracing/events",
        "/sys/kernel/debug/tracing/events",
    ];
    match mounted.iter().find(|path| c.host.exists(path)) {
        Some(path) => Verdict::ok(path.trim_end_matches("/events")),
        None => Verdict::ok("not mounted, and not needed"),
    }
}
