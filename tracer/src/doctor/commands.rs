//! Which commands will work.

use super::report::{CheckResult, CommandResult, ProcessReport, Status};

/// One row of [`COMMANDS`].
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub name: &'static str,
    /// Checks of the host without which it does not work; limits in them limit it.
    pub host: &'static [&'static str],
    /// Features of tracer of which the same holds.
    pub features: &'static [&'static str],
    /// Checks of the process of which the same holds.
    pub process: &'static [&'static str],
}

/// The commands that trace, and what each needs.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "strace",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "ring-buffer",
            "tracepoints",
            "pid-namespace",
        ],
        features: &["processes", "syscall-lines"],
        process: &["state"],
    },
    Command {
        name: "strace -c",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "tracepoints",
            "pid-namespace",
        ],
        features: &["processes", "syscall-counts"],
        process: &["state"],
    },
    Command {
        name: "profile",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "ring-buffer",
            "perf-events",
            "stacks",
            "perf-event-max-stack",
            "kernel-symbols",
            "pid-namespace",
        ],
        features: &["processes", "samples"],
        process: &["state", "symbols", "frame-pointers"],
    },
    Command {
        name: "offcpu",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "tracepoints",
            "stacks",
            "perf-event-max-stack",
            "kernel-symbols",
            "pid-namespace",
        ],
        features: &["processes", "off-cpu"],
        process: &["state", "symbols", "frame-pointers"],
    },
    Command {
        name: "offcpu --wakers",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "tracepoints",
            "stacks",
            "perf-event-max-stack",
            "kernel-symbols",
            "pid-namespace",
        ],
        features: &["processes", "off-cpu", "wakers"],
        process: &["state", "symbols", "frame-pointers"],
    },
    Command {
        name: "wall",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "ring-buffer",
            "tracepoints",
            "perf-events",
            "stacks",
            "perf-event-max-stack",
            "kernel-symbols",
            "pid-namespace",
        ],
        features: &["processes", "samples", "off-cpu", "on-cpu"],
        process: &["state", "symbols", "frame-pointers"],
    },
    Command {
        name: "sched",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "tracepoints",
            "pid-namespace",
        ],
        features: &["processes", "run-queue"],
        process: &["state"],
    },
    Command {
        name: "sched --go",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "tracepoints",
            "uprobes",
            "pid-namespace",
        ],
        features: &["processes", "run-queue", "go-handoffs"],
        process: &["state", "go"],
    },
    Command {
        name: "gc",
        host: &[
            "privileges",
            "lockdown",
            "btf",
            "ring-buffer",
            "uprobes",
            "pid-namespace",
        ],
        features: &["processes", "go-gc"],
        process: &["state", "memory", "go"],
    },
];

/// What the checks mean for each command.
pub(super) fn conclude(
    host: &[CheckResult],
    features: &[CheckResult],
    process: Option<&ProcessReport>,
) -> Vec<CommandResult> {
    let process = process.map_or(&[][..], |p| &p.checks);
    let conclude_one = |command: &Command| {
        let of_host = host.iter().filter(|r| command.host.contains(&&*r.id));
        let of_tracer = features
            .iter()
            .filter(|r| command.features.contains(&&*r.id));
        let of_process = process.iter().filter(|r| command.process.contains(&&*r.id));
        let results: Vec<_> = of_host.chain(of_tracer).chain(of_process).collect();
        let worst = results.iter().map(|r| r.verdict.status).max();
        let status = worst.unwrap_or(Status::Ok);
        let why = results
            .iter()
            .filter(|r| status != Status::Ok && r.verdict.status == status)
            .map(|r| r.id.clone())
            .collect();
        CommandResult {
            name: command.name.to_owned(),
            status,
            why,
        }
    };
    COMMANDS.iter().map(conclude_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{CHECKS, FEATURES, PROCESS_CHECKS};

    #[test]
    fn ids_are_unique_and_commands_name_existing_checks() {
        let host: Vec<_> = CHECKS.iter().map(|c| c.id).collect();
        let process: Vec<_> = PROCESS_CHECKS.iter().map(|c| c.id).collect();
        let features: Vec<_> = FEATURES.iter().map(|c| c.id).collect();
        for ids in [&host, &features, &process] {
            let mut unique = ids.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), ids.len());
        }
        for command in COMMANDS {
            assert!(
                command.host.iter().all(|id| host.contains(id)),
                "{}",
                command.name
            );
            assert!(
                command.features.iter().all(|id| features.contains(id)),
                "{}",
                command.name
            );
            assert!(
                command.process.iter().all(|id| process.contains(id)),
                "{}",
                command.name
            );
        }
    }
}
