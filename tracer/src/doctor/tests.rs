//! Hosts and kernels that tests make up, and the one they run on.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::bpf::{Group, PROBES, Refusal, RunningKernel};

/// Refuses what is listed, with the error number beside it, and the programs listed.
struct FakeKernel(Vec<(Feature, i32)>, &'static [&'static str]);

impl Features for FakeKernel {
    fn try_feature(&self, feature: Feature) -> io::Result<()> {
        let refused = self.0.iter().find(|r| r.0 == feature);
        refused.map_or(Ok(()), |r| Err(io::Error::from_raw_os_error(r.1)))
    }

    fn try_programs(&self, group: Group) -> Vec<Refusal> {
        let of_group = PROBES.iter().filter(|p| p.group == group);
        of_group
            .filter(|p| self.1.contains(&p.program))
            .map(|p| Refusal {
                program: p.program,
                errno: Some(libc::EINVAL),
                why: format!("cannot load {}", p.program),
                without: p.without,
            })
            .collect()
    }
}

/// The one feature that does tracing no good.
const FAULTABLE: (Feature, i32) = (Feature::FaultableSyscalls, libc::EINVAL);

fn everything() -> FakeKernel {
    lacking(Vec::new())
}

fn lacking(mut refused: Vec<(Feature, i32)>) -> FakeKernel {
    refused.push(FAULTABLE);
    FakeKernel(refused, &[])
}

/// A root directory with files in it.
struct FakeHost(TempDir);

impl FakeHost {
    /// A host where everything works for root.
    fn new() -> Self {
        let host = Self(tempfile::tempdir().expect("a directory"));
        for (path, text) in [
            ("proc/sys/kernel/osrelease", "6.12.107+deb13-cloud-amd64\n"),
            ("proc/sys/kernel/arch", "x86_64\n"),
            ("proc/sys/kernel/perf_event_paranoid", "2\n"),
            ("proc/sys/kernel/perf_event_max_stack", "127\n"),
            ("proc/sys/kernel/kptr_restrict", "0\n"),
            ("proc/sys/net/core/bpf_jit_enable", "1\n"),
            (
                "proc/self/status",
                "Name:\ttracer\nCapEff:\t000001ffffffffff\n",
            ),
            (
                "sys/kernel/security/lockdown",
                "[none] integrity confidentiality\n",
            ),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("sys/bus/event_source/devices/uprobe/type", "9\n"),
        ] {
            host.write(path, text.as_bytes());
        }
        host.write("sys/kernel/btf/vmlinux", &0xeb9f_u16.to_ne_bytes());
        host.link("proc/self/ns/pid", "pid:[4026531836]");
        host
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        let _ = fs::remove_file(&path);
        symlink(target, path).expect("new");
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.0.path().join(path)).expect("was there");
    }

    fn process(&self, pid: u32, status: &str, exe: &str) {
        self.write(&format!("proc/{pid}/status"), status.as_bytes());
        self.write(&format!("proc/{pid}/mem"), b"");
        self.link(&format!("proc/{pid}/exe"), exe);
    }

    fn examine(&self, kernel: &FakeKernel, pid: Option<u32>) -> DoctorReport {
        examine(&Host::at(self.0.path()), kernel, pid).expect("examined")
    }
}

fn find<'a>(checks: &'a [CheckResult], id: &str) -> &'a Verdict {
    let found = checks.iter().find(|c| c.id == id);
    &found.expect("there is such a check").verdict
}

fn command<'a>(report: &'a DoctorReport, name: &str) -> &'a CommandResult {
    let found = report.commands.iter().find(|c| c.name == name);
    found.expect("there is such a command")
}

#[test]
fn on_a_host_with_everything_all_commands_work() {
    let report = FakeHost::new().examine(&everything(), None);
    for check in report.checks.iter().chain(&report.features) {
        assert_eq!(check.verdict.status, Status::Ok, "{check:?}");
        assert_eq!(check.verdict.remedy, None, "{check:?}");
    }
    for command in &report.commands {
        assert_eq!(
            (command.status, command.why.len()),
            (Status::Ok, 0),
            "{command:?}"
        );
    }
    assert_eq!(report.exit_code(), 0);
}

/// Each fault changes the verdict of its check, says why, and how to mend it.
#[test]
fn each_fault_of_the_host_is_found() {
    type Fault = fn(&FakeHost);
    let cases: &[(&str, Fault, Status, &str, &str)] = &[
        (
            "privileges",
            |h| h.write("proc/self/status", b"CapEff:\t0000000000000000\n"),
            Status::Missing,
            "without CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE",
            "run as root",
        ),
        (
            "privileges",
            // CAP_BPF and CAP_PERFMON.
            |h| h.write("proc/self/status", b"CapEff:\t000000c000000000\n"),
            Status::Limited,
            "CAP_SYS_PTRACE is missing",
            "run as root",
        ),
        (
            "privileges",
            // CAP_SYS_ADMIN and CAP_SYS_PTRACE, as on kernels before 5.8.
            |h| h.write("proc/self/status", b"CapEff:\t0000000000280000\n"),
            Status::Ok,
            "CAP_SYS_ADMIN and CAP_SYS_PTRACE are there",
            "",
        ),
        (
            "lockdown",
            |h| {
                h.write(
                    "sys/kernel/security/lockdown",
                    b"none integrity [confidentiality]\n",
                )
            },
            Status::Missing,
            "confidentiality: programs may not read kernel memory",
            "boot without",
        ),
        (
            "lockdown",
            |h| {
                h.write(
                    "sys/kernel/security/lockdown",
                    b"none [integrity] confidentiality\n",
                )
            },
            Status::Ok,
            "integrity: allows tracing",
            "",
        ),
        (
            "btf",
            |h| h.remove("sys/kernel/btf/vmlinux"),
            Status::Missing,
            "/sys/kernel/btf/vmlinux: No such file",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
        ),
        (
            "btf",
            |h| h.write("sys/kernel/btf/vmlinux", b"??"),
            Status::Missing,
            "/sys/kernel/btf/vmlinux holds something else",
            "use a kernel",
        ),
        (
            "perf-event-max-stack",
            |h| h.write("proc/sys/kernel/perf_event_max_stack", b"32\n"),
            Status::Limited,
            "stacks are cut after 32 frames",
            "sysctl kernel.perf_event_max_stack=127",
        ),
        (
            "kernel-symbols",
            |h| h.write("proc/sys/kernel/kptr_restrict", b"2\n"),
            Status::Limited,
            "kernel.kptr_restrict is 2",
            "sysctl kernel.kptr_restrict=1",
        ),
        (
            "bpf-jit",
            |h| h.write("proc/sys/net/core/bpf_jit_enable", b"0\n"),
            Status::Limited,
            "programs are interpreted",
            "sysctl net.core.bpf_jit_enable=1",
        ),
        (
            "pid-namespace",
            |h| h.link("proc/self/ns/pid", "pid:[4026532201]"),
            Status::Limited,
            "inside a container (pid:[4026532201])",
            "run on the host",
        ),
        (
            "cgroup",
            |h| h.remove("sys/fs/cgroup/cgroup.controllers"),
            Status::Limited,
            "version 2 is not mounted",
            "mount -t cgroup2",
        ),
        (
            "uprobes",
            |h| fs::remove_dir_all(h.0.path().join("sys/bus")).expect("was there"),
            Status::Missing,
            "this kernel has none",
            "use a kernel built with CONFIG_UPROBE_EVENTS=y",
        ),
    ];
    for (id, fault, status, detail, remedy) in cases {
        let host = FakeHost::new();
        fault(&host);
        let report = host.examine(&everything(), None);
        let verdict = find(&report.checks, id);
        assert_eq!(verdict.status, *status, "{id}: {verdict:?}");
        assert!(verdict.detail.starts_with(detail), "{id}: {verdict:?}");
        let got = verdict.remedy.as_deref().unwrap_or("");
        assert!(
            got.starts_with(remedy) && got.is_empty() == remedy.is_empty(),
            "{verdict:?}"
        );
    }
}

#[test]
fn each_refusal_of_the_kernel_is_found() {
    let (eperm, einval) = (libc::EPERM, libc::EINVAL);
    for (refused, id, status, detail) in [
        (
            vec![(Feature::RingBuffer, eperm)],
            "ring-buffer",
            Status::Missing,
            "not permitted (Operation not permitted",
        ),
        (
            vec![(Feature::RingBuffer, einval)],
            "ring-buffer",
            Status::Missing,
            "this kernel does not have it (Invalid argument",
        ),
        (
            vec![(Feature::BtfTracepoint, libc::ENOENT)],
            "tracepoints",
            Status::Missing,
            "this kernel does not have it (No such file",
        ),
        (
            vec![(Feature::BtfTracepoint, eperm)],
            "tracepoints",
            Status::Missing,
            "not permitted",
        ),
        (
            vec![(Feature::GetStack, eperm)],
            "stacks",
            Status::Missing,
            "not permitted",
        ),
        (
            vec![(Feature::StackMap, einval)],
            "stacks",
            Status::Limited,
            "this kernel",
        ),
        (
            vec![(Feature::CpuClock, libc::EACCES)],
            "perf-events",
            Status::Missing,
            "not permitted (Permission denied (os error 13)): kernel.perf_event_paranoid is 2",
        ),
    ] {
        let report = FakeHost::new().examine(&lacking(refused), None);
        let verdict = find(&report.checks, id);
        assert_eq!(verdict.status, status, "{verdict:?}");
        assert!(verdict.detail.starts_with(detail), "{verdict:?}");
    }
}

#[test]
fn commands_follow_from_the_checks() {
    let kernel = lacking(vec![
        (Feature::CpuClock, libc::EPERM),
        (Feature::CompareExchange, libc::EINVAL),
    ]);
    let report = FakeHost::new().examine(&kernel, None);
    let profile = command(&report, "profile");
    assert_eq!(
        (profile.status, &*profile.why),
        (Status::Missing, &["perf-events".to_owned()][..])
    );
    assert_eq!(command(&report, "strace").status, Status::Ok);
    let counts = command(&report, "strace -c");
    assert_eq!(
        (counts.status, &*counts.why),
        (Status::Limited, &["syscall-counts".to_owned()][..])
    );
    assert_eq!(command(&report, "offcpu").status, Status::Ok);
    assert_eq!(report.exit_code(), 0);
}

/// Linux before 5.11 counts maps against the limit, which root may raise.
#[test]
fn the_limit_on_locked_memory_matters_where_maps_count_and_it_cannot_be_raised() {
    let kernel = lacking(vec![(Feature::UnlockedMaps, libc::EPERM)]);
    let host = FakeHost::new();
    let verdict = |host: &FakeHost| find(&host.examine(&kernel, None).checks, "memlock").clone();
    assert_eq!(verdict(&host).status, Status::Ok);
    // CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE.
    host.write("proc/self/status", b"CapEff:\t000000c000080000\n");
    host.write(
        "proc/self/limits",
        b"Limit                     Soft Limit           Hard Limit           Units\n\
          Max locked memory         8388608              8388608              bytes\n",
    );
    let limited = verdict(&host);
    assert_eq!(limited.status, Status::Limited);
    assert_eq!(limited.detail, "maps may take 8.00 MiB only");
    assert_eq!(limited.remedy.as_deref(), Some("ulimit -l unlimited"));
    let modern = host.examine(&everything(), None);
    assert_eq!(find(&modern.checks, "memlock").status, Status::Ok);
}

#[test]
fn features_work_work_differently_or_are_not_here() {
    let examined = |kernel: &FakeKernel, id: &str| {
        let report = FakeHost::new().examine(kernel, None);
        find(&report.features, id).clone()
    };
    let old = lacking(vec![(Feature::CompareExchange, libc::EINVAL)]);
    let counts = examined(&old, "syscall-counts");
    assert_eq!(counts.status, Status::Limited);
    assert!(counts.detail.contains("by thread"), "{counts:?}");
    assert_eq!(counts.remedy.as_deref(), Some("use Linux 5.12 or later"));

    let newest = FakeKernel(Vec::new(), &[]);
    assert_eq!(examined(&newest, "syscall-counts").status, Status::Ok);
    let without_tracefs = FakeKernel(vec![(Feature::PerfTracepoint, libc::ENOENT)], &[]);
    for id in ["processes", "syscall-lines", "syscall-counts"] {
        let newest = examined(&without_tracefs, id);
        assert_eq!(newest.status, Status::Limited);
        assert!(newest.detail.contains("preempted"), "{newest:?}");
        let remedy = newest.remedy.expect("there is one");
        assert!(remedy.contains("mount -t tracefs"), "{remedy}");
    }

    let refuses = FakeKernel(vec![FAULTABLE], &["signal_deliver", "sample"]);
    let lines = examined(&refuses, "syscall-lines");
    assert_eq!(
        (lines.status, &*lines.detail),
        (
            Status::Limited,
            "signals are not shown: cannot load signal_deliver"
        )
    );
    let samples = examined(&refuses, "samples");
    assert_eq!(
        (samples.status, &*samples.detail),
        (Status::Missing, "cannot load sample")
    );
    assert!(samples.remedy.is_some());
    let report = FakeHost::new().examine(&refuses, None);
    assert_eq!(command(&report, "profile").why, ["samples"]);
    assert_eq!(command(&report, "offcpu").status, Status::Ok);
}

#[test]
fn facts_about_the_kernel_are_reported_whether_they_matter_or_not() {
    let kernel = lacking(vec![(Feature::AttachCookie, libc::EINVAL)]);
    let report = FakeHost::new().examine(&kernel, None);
    assert_eq!(report.kernel_features.len(), Feature::ALL.len());
    for fact in &report.kernel_features {
        let lacks = ["attach-cookie", "faultable-syscalls"].contains(&&*fact.id);
        assert_eq!(fact.works, !lacks, "{fact:?}");
        assert_eq!(fact.works, fact.error.is_none(), "{fact:?}");
    }
    assert!(report.commands.iter().all(|c| c.status == Status::Ok));
}

#[test]
fn without_any_working_command_the_exit_code_says_so() {
    let host = FakeHost::new();
    host.write("proc/self/status", b"CapEff:\t0000000000000000\n");
    host.process(
        5,
        "Name:\tcat\nState:\tS (sleeping)\nTgid:\t5\nVmSize:\t8 kB\nThreads:\t1\n",
        "/bin/cat",
    );
    let report = host.examine(&everything(), Some(5));
    assert!(report.commands.iter().all(|c| c.status == Status::Missing));
    assert_eq!(report.exit_code(), 3);

    let host = FakeHost::new();
    host.process(
        5,
        "Name:\tgone\nState:\tZ (zombie)\nTgid:\t5\nVmSize:\t8 kB\nThreads:\t1\n",
        "/bin/cat",
    );
    assert_eq!(host.examine(&everything(), Some(5)).exit_code(), 5);

    let missing = examine(&Host::at(host.0.path()), &everything(), Some(6)).expect_err("no such");
    assert_eq!(missing.exit_code(), 4);
}

#[test]
fn processes_are_described() {
    let host = FakeHost::new();
    let own = fs::canonicalize("/proc/self/exe").expect("we run");
    let own = own.to_str().expect("a path in UTF-8");
    let status = "Name:\tev\x1bil\nState:\tR (running)\nTgid:\t7\nTracerPid:\t9\nVmSize:\t8 kB\nThreads:\t3\n\
                  NSpid:\t7\t1\n";
    host.process(7, status, own);
    let report = host.examine(&everything(), Some(7));
    let process = report.process.as_ref().expect("asked for");
    assert_eq!(
        (process.facts.threads, process.facts.inner_pid),
        (3, Some(1))
    );
    assert_eq!(process.facts.exe.as_deref(), Some(own));
    assert!(
        find(&process.checks, "state")
            .detail
            .contains("process 9 has it under ptrace")
    );
    assert!(
        find(&process.checks, "namespace")
            .detail
            .contains("its id is 1")
    );
    assert_eq!(find(&process.checks, "symbols").status, Status::Ok);
    assert!(
        find(&process.checks, "go")
            .detail
            .contains("not a Go executable")
    );
    assert_eq!(command(&report, "gc").why, ["go"]);
    assert_eq!(command(&report, "strace").status, Status::Ok);
    assert!(doctor_text(&report).contains("PROCESS 7 (ev\\u{1b}il)"));

    host.process(
        8,
        "Name:\tworker\nState:\tS (sleeping)\nTgid:\t7\nVmSize:\t8 kB\nThreads:\t3\n",
        own,
    );
    let report = host.examine(&everything(), Some(8));
    let state = find(&report.process.as_ref().expect("asked for").checks, "state");
    assert_eq!(state.detail, "it is a thread of process 7");
    assert_eq!(state.remedy.as_deref(), Some("use -p 7"));
}

#[test]
fn kernel_threads_have_no_code_of_their_own() {
    let host = FakeHost::new();
    let status = "Name:\tkworker/0:1\nState:\tI (idle)\nTgid:\t9\nThreads:\t1\n";
    host.write("proc/9/status", status.as_bytes());
    let report = host.examine(&everything(), Some(9));
    let checks = &report.process.as_ref().expect("asked for").checks;
    assert_eq!(
        find(checks, "executable").detail,
        "none: it is a kernel thread"
    );
    for name in ["sched", "offcpu", "profile"] {
        assert_eq!(command(&report, name).status, Status::Ok, "{name}");
    }
    assert_eq!(command(&report, "gc").why, ["memory", "go"]);
}

/// Needs the executables that the fixture task builds; says so when they are not there.
#[test]
fn go_programs_are_recognised() {
    let Some(root) = std::env::var_os("TRACER_FIXTURES") else {
        eprintln!("go_programs_are_recognised: skipped, TRACER_FIXTURES is not set");
        return;
    };
    let files = |path: std::path::PathBuf| fs::read_dir(path).expect("fixtures").flatten();
    let versions = files(std::path::PathBuf::from(root).join("go"));
    for exe in versions.flat_map(|version| files(version.path())) {
        if exe.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let exe = exe.path();
        let host = FakeHost::new();
        let status = "Name:\tgo\nState:\tS (sleeping)\nTgid:\t7\nVmSize:\t8 kB\nThreads:\t4\n";
        host.process(7, status, exe.to_str().expect("a path in UTF-8"));
        let report = host.examine(&everything(), Some(7));
        let process = report.process.as_ref().expect("asked for");
        let version = process.facts.go_version.as_deref().unwrap_or("none");
        println!("{}: {}", exe.display(), find(&process.checks, "go").detail);
        assert!(version.starts_with("go1."), "{}: {version}", exe.display());
        assert_eq!(find(&process.checks, "frame-pointers").detail, "kept by Go");
        assert_eq!(find(&process.checks, "symbols").status, Status::Ok);
        assert_ne!(
            command(&report, "gc").status,
            Status::Missing,
            "{}",
            exe.display()
        );
    }
}

#[test]
fn text_is_aligned_and_shows_remedies() {
    let host = FakeHost::new();
    host.write("proc/sys/kernel/perf_event_max_stack", b"64\n");
    let mut report = host.examine(&lacking(vec![(Feature::CpuClock, libc::EACCES)]), None);
    let shown = ["kernel", "perf-events", "perf-event-max-stack", "tracefs"];
    report.checks.retain(|c| shown.contains(&&*c.id));
    report.features.retain(|f| f.id == "samples");
    report
        .commands
        .retain(|c| ["profile", "sched"].contains(&&*c.name));
    assert_eq!(
        doctor_text(&report),
        "HOST
kernel                ok       Linux 6.12.107+deb13-cloud-amd64 on x86_64
perf-events           missing  not permitted (Permission denied (os error 13)): \
kernel.perf_event_paranoid is 2
                               -> a seccomp filter or security module forbids it: allow bpf and \
perf_event_open there
perf-event-max-stack  limited  stacks are cut after 64 frames
                               -> sysctl kernel.perf_event_max_stack=127
tracefs               ok       not mounted, and not needed

FEATURE
samples  ok  works

COMMAND
profile  no     see perf-events
sched    works

`tracer doctor -p PID` examines a process too
"
    );
}

#[test]
fn the_report_survives_json() {
    let host = FakeHost::new();
    host.process(
        7,
        "Name:\ta\nState:\tR (running)\nTgid:\t7\nVmSize:\t8 kB\nThreads:\t1\n",
        "/proc/self/exe",
    );
    let report = host.examine(&everything(), Some(7));
    let json = serde_json::to_string(&report).expect("serializes");
    assert!(json.contains(r#"{"id":"btf","purpose":"#), "{json}");
    let back: DoctorReport = serde_json::from_str(&json).expect("deserializes");
    assert_eq!(back, report);
}

/// On the machine of the test: whatever it allows, every check comes to a verdict.
#[test]
fn this_host_and_this_process_are_examined() {
    let kernel = RunningKernel::default();
    let report = examine(&Host::live(), &kernel, Some(std::process::id())).expect("we run");
    println!("{}", doctor_text(&report));
    assert_eq!(report.checks.len(), CHECKS.len());
    assert_eq!(report.features.len(), FEATURES.len());
    let process = report.process.expect("asked for");
    assert_eq!(process.checks.len(), PROCESS_CHECKS.len());
    assert_eq!(
        find(&process.checks, "memory").status,
        Status::Ok,
        "our own"
    );
    assert_eq!(
        find(&process.checks, "executable").status,
        Status::Ok,
        "our own"
    );
    assert!(process.facts.threads >= 1);
}
