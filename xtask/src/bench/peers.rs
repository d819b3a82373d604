//! Everybody who is measured, one row each: us and the tools people use today.

use std::fmt;

/// What a tool is run for. Tools of one purpose are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Counts system calls.
    Count,
    /// Writes every system call.
    Lines,
    /// Waits for a call that the target does not make.
    Filter,
    /// Samples stacks.
    Profile,
    /// Time off the CPU, by stack.
    OffCpu,
    /// Run-queue latency.
    RunQueue,
    /// Go's garbage collections.
    Collections,
}

/// Which package a tool belongs to; it decides how one knows that the tool is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Tracer,
    Strace,
    Perf,
    Bpftrace,
    /// The tools of libbpf-tools: compiled ahead, they need BTF.
    Libbpf,
    /// bcc's Python tools: compiled at each start, they need kernel headers.
    Bcc,
}

impl Family {
    /// All but ourselves.
    pub(super) const OTHERS: [Self; 5] = [
        Self::Strace,
        Self::Perf,
        Self::Bpftrace,
        Self::Libbpf,
        Self::Bcc,
    ];

    /// The Debian package.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Tracer => "tracer",
            Self::Strace => "strace",
            Self::Perf => "linux-perf",
            Self::Bpftrace => "bpftrace",
            Self::Libbpf => "libbpf-tools",
            Self::Bcc => "bpfcc-tools",
        }
    }
}

/// How a tool meets its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// On a CPU of its own.
    Attached,
    /// On the workload's CPU: the quickest place for tools that stop the target at each call.
    SameCpu,
    /// It launches the workload.
    Launching,
}

/// One tool in one use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// In JSON; never changes.
    pub(super) id: &'static str,
    /// As a person would type it, without the process id.
    pub(super) label: &'static str,
    pub(super) purpose: Purpose,
    pub(super) family: Family,
    pub(super) how: How,
    /// Program and arguments; `{pid}` is the target's process id, `{file}` where it may write.
    pub(super) line: &'static str,
    /// One more argument, with spaces in it; empty for none.
    pub(super) script: &'static str,
    /// It stands for its tool where not every use can be measured.
    pub(super) main: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)
    }
}

/// A row: everything that differs from one to the next.
const fn row(
    id: &'static str,
    family: Family,
    purpose: Purpose,
    main: bool,
    label: &'static str,
    line: &'static str,
) -> Peer {
    Peer {
        id,
        label,
        purpose,
        family,
        how: How::Attached,
        line,
        script: "",
        main,
    }
}

impl Peer {
    const fn with(mut self, script: &'static str) -> Self {
        self.script = script;
        self
    }

    const fn how(mut self, how: How) -> Self {
        self.how = how;
        self
    }
}

const ENTRIES: &str = "tracepoint:raw_syscalls:sys_enter /pid == {pid}/ { @[args->id] = count(); }";

const LATENCY: &str = "tracepoint:raw_syscalls:sys_enter /pid == {pid}/ { @start[tid] = nsecs; } \
     tracepoint:raw_syscalls:sys_exit /@start[tid]/ \
     { @ns[args->id] = hist(nsecs - @start[tid]); delete(@start[tid]); }";

const SAMPLES: &str = "profile:hz:99 /pid == {pid}/ { @[ustack, kstack] = count(); }";

const OFF_CPU: &str = "tracepoint:sched:sched_switch { \
     if (pid == {pid}) { @off[args->prev_pid] = nsecs; } \
     if (@off[args->next_pid]) { @ns[args->next_pid] = hist(nsecs - @off[args->next_pid]); \
     delete(@off[args->next_pid]); } }";

const RUN_QUEUE: &str = "tracepoint:sched:sched_wakeup, tracepoint:sched:sched_wakeup_new \
     { @ready[args->pid] = nsecs; } \
     tracepoint:sched:sched_switch { if (@ready[args->next_pid]) \
     { @ns = hist(nsecs - @ready[args->next_pid]); } delete(@ready[args->next_pid]); }";

use Family::{Bcc, Bpftrace, Libbpf, Perf, Strace, Tracer};
use Purpose::{Collections, Count, Filter, Lines, OffCpu, Profile, RunQueue};

/// All of them, in the tables' order.
#[rustfmt::skip]
pub(super) const PEERS: &[Peer] = &[
    row("tracer-count", Tracer, Count, true, "tracer strace -c", "tracer strace -c -p {pid}"),
    row("strace-count", Strace, Count, true, "strace -c -f", "strace -c -f -p {pid}"),
    row("strace-count-same-cpu", Strace, Count, false, "strace -c -f (same CPU)", "strace -c -f -p {pid}").how(How::SameCpu),
    row("perf-trace-count", Perf, Count, true, "perf trace -s", "perf trace -s -p {pid}"),
    row("bpftrace-count", Bpftrace, Count, true, "bpftrace count", "bpftrace -B none -e").with(ENTRIES),
    row("bpftrace-latency", Bpftrace, Count, false, "bpftrace latency", "bpftrace -B none -e").with(LATENCY),
    row("libbpf-syscount", Libbpf, Count, true, "syscount", "syscount -p {pid}"),
    row("libbpf-syscount-latency", Libbpf, Count, false, "syscount -L", "syscount -L -p {pid}"),
    row("bcc-syscount", Bcc, Count, true, "syscount-bpfcc", "syscount-bpfcc -p {pid}"),

    row("tracer-lines", Tracer, Lines, true, "tracer strace -o FILE", "tracer strace --force -o {file} -p {pid}"),
    row("tracer-goroutines", Tracer, Lines, false, "tracer strace --goroutines -o FILE", "tracer strace --goroutines --force -o {file} -p {pid}"),
    row("strace-lines", Strace, Lines, true, "strace -f -o FILE", "strace -f -o {file} -p {pid}"),
    row("strace-lines-same-cpu", Strace, Lines, false, "strace -f -o FILE (same CPU)", "strace -f -o {file} -p {pid}").how(How::SameCpu),
    row("perf-trace-lines", Perf, Lines, true, "perf trace -o FILE", "perf trace -o {file} -p {pid}"),

    row("tracer-filter", Tracer, Filter, false, "tracer strace -e trace=execve", "tracer strace -e trace=execve -o /dev/null -p {pid}"),
    row("strace-seccomp", Strace, Filter, false, "strace --seccomp-bpf -f -e trace=execve", "strace --seccomp-bpf -f -e trace=execve -o /dev/null").how(How::Launching),

    row("tracer-profile-99", Tracer, Profile, true, "tracer profile -F 99", "tracer profile -F 99 -p {pid}"),
    row("tracer-profile-999", Tracer, Profile, false, "tracer profile -F 999", "tracer profile -F 999 -p {pid}"),
    row("perf-record-99", Perf, Profile, true, "perf record -F 99 -g", "perf record -F 99 -g -o {file} -p {pid}"),
    row("perf-record-999", Perf, Profile, false, "perf record -F 999 -g", "perf record -F 999 -g -o {file} -p {pid}"),
    row("bpftrace-profile-99", Bpftrace, Profile, false, "bpftrace profile:hz:99", "bpftrace -B none -e").with(SAMPLES),
    row("bcc-profile-99", Bcc, Profile, true, "profile-bpfcc -F 99", "profile-bpfcc -F 99 -p {pid}"),

    row("tracer-offcpu", Tracer, OffCpu, true, "tracer offcpu", "tracer offcpu -p {pid}"),
    row("libbpf-offcputime", Libbpf, OffCpu, true, "offcputime", "offcputime -p {pid}"),
    row("bcc-offcputime", Bcc, OffCpu, true, "offcputime-bpfcc", "offcputime-bpfcc -p {pid}"),
    row("bpftrace-offcpu", Bpftrace, OffCpu, false, "bpftrace off-CPU time, no stacks", "bpftrace -B none -e").with(OFF_CPU),

    row("tracer-sched", Tracer, RunQueue, true, "tracer sched", "tracer sched -p {pid}"),
    row("tracer-sched-go", Tracer, RunQueue, true, "tracer sched --go", "tracer sched --go -p {pid}"),
    row("tracer-schedtrace", Tracer, RunQueue, true, "tracer sched --schedtrace 1s", "tracer sched --schedtrace 1s -p {pid}"),
    row("perf-sched", Perf, RunQueue, true, "perf sched record", "perf sched record -o {file}"),
    row("libbpf-runqlat", Libbpf, RunQueue, true, "runqlat", "runqlat -p {pid}"),
    row("bcc-runqlat", Bcc, RunQueue, true, "runqlat-bpfcc", "runqlat-bpfcc -p {pid}"),
    row("bpftrace-runqlat", Bpftrace, RunQueue, false, "bpftrace run-queue latency", "bpftrace -B none -e").with(RUN_QUEUE),

    row("tracer-gc", Tracer, Collections, true, "tracer gc", "tracer gc -p {pid}"),
];

/// The id of the row called `label`, also for those that are no peer.
pub(super) fn id_of(label: &str) -> String {
    let peer = PEERS.iter().find(|peer| peer.label == label);
    peer.map_or_else(|| slug(label), |peer| peer.id.to_owned())
}

/// `text` as an identifier of lower-case letters, digits and `_`.
pub(super) fn slug(text: &str) -> String {
    let spelled = text.replace('%', "percent").to_lowercase();
    let words = spelled.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_labels_are_unique() {
        for field in [|peer: &Peer| peer.id, |peer: &Peer| peer.label] {
            let mut all: Vec<_> = PEERS.iter().map(field).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), PEERS.len());
        }
    }

    #[test]
    fn every_tool_of_the_comparison_has_a_row() {
        for family in Family::OTHERS {
            assert!(PEERS.iter().any(|peer| peer.family == family), "{family:?}");
        }
        let launched = PEERS.iter().filter(|peer| peer.how == How::Launching);
        assert!(launched.clone().all(|peer| !peer.line.contains("{pid}")));
    }

    #[test]
    fn ids_of_rows_that_are_no_peer() {
        assert_eq!(id_of("strace -c -f"), "strace-count");
        assert_eq!(id_of("empty BPF pair"), "empty_bpf_pair");
        assert_eq!(slug("C getppid added ns"), "c_getppid_added_ns");
        assert_eq!(slug("tool CPU %"), "tool_cpu_percent");
    }
}
