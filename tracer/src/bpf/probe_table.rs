//! Every probe: what it is called, where it attaches, what needs it and what it costs.

use tracer_common::probe::ProbeId;

/// Where a program attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A kernel tracepoint, through BTF.
    Tracepoint(&'static str),
    /// A timer on every CPU.
    CpuClock,
    /// A function of the Go runtime, after its stack check.
    GoFunction(&'static str),
}

/// What is captured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    SyscallStream,
    SyscallStats,
    /// Births and deaths: needed by all.
    Process,
    Samples,
    OffCpu,
    RunQueue,
    GoGc,
    GoSchedule,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name in losses and in `-v`; also the program's name in the object.
    pub program: &'static str,
    /// Its counters.
    pub id: ProbeId,
    pub attach: Attach,
    pub group: Group,
}

const fn row(program: &'static str, id: ProbeId, attach: Attach, group: Group) -> Probe {
    Probe {
        program,
        id,
        attach,
        group,
    }
}

/// All probes, in the order in which they are attached and detached: beginnings before ends, so that
/// few ends are seen whose beginning was not.
pub const PROBES: &[Probe] = &[
    row(
        "process_fork",
        ProbeId::Fork,
        Attach::Tracepoint("sched_process_fork"),
        Group::Process,
    ),
    row(
        "process_exec",
        ProbeId::Exec,
        Attach::Tracepoint("sched_process_exec"),
        Group::Process,
    ),
    row(
        "process_exit",
        ProbeId::Exit,
        Attach::Tracepoint("sched_process_exit"),
        Group::Process,
    ),
    row(
        "signal_deliver",
        ProbeId::Signal,
        Attach::Tracepoint("signal_deliver"),
        Group::SyscallStream,
    ),
    row(
        "syscall_enter",
        ProbeId::SyscallEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStream,
    ),
    row(
        "syscall_exit",
        ProbeId::SyscallExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStream,
    ),
    row(
        "syscall_count_enter",
        ProbeId::SyscallCountEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStats,
    ),
    row(
        "syscall_count_exit",
        ProbeId::SyscallCountExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStats,
    ),
    row("sample", ProbeId::Sample, Attach::CpuClock, Group::Samples),
    row(
        "off_cpu_wakeup",
        ProbeId::OffCpuWakeup,
        Attach::Tracepoint("sched_wakeup"),
        Group::OffCpu,
    ),
    row(
        "off_cpu_switch",
        ProbeId::OffCpuSwitch,
        Attach::Tracepoint("sched_switch"),
        Group::OffCpu,
    ),
    row(
        "run_queue_wakeup",
        ProbeId::RunQueueWakeup,
        Attach::Tracepoint("sched_wakeup"),
        Group::RunQueue,
    ),
    row(
        "run_queue_wakeup_new",
        ProbeId::RunQueueWakeup,
        Attach::Tracepoint("sched_wakeup_new"),
        Group::RunQueue,
    ),
    row(
        "run_queue_switch",
        ProbeId::RunQueueSwitch,
        Attach::Tracepoint("sched_switch"),
        Group::RunQueue,
    ),
    row(
        "go_gc_trigger",
        ProbeId::GoGcTrigger,
        Attach::GoFunction("runtime.(*gcControllerState).startCycle"),
        Group::GoGc,
    ),
    row(
        "go_gc_cycle",
        ProbeId::GoGcCycle,
        Attach::GoFunction("runtime.freeStackSpans"),
        Group::GoGc,
    ),
    row(
        "go_schedule",
        ProbeId::GoSchedule,
        Attach::GoFunction("runtime.schedule"),
        Group::GoSchedule,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_number_has_a_row_and_names_are_unique() {
        for id in ProbeId::ALL {
            assert!(PROBES.iter().any(|p| p.id == id), "{id:?} has no row");
        }
        for (i, probe) in PROBES.iter().enumerate() {
            assert!(PROBES[..i].iter().all(|p| p.program != probe.program));
        }
    }

    #[test]
    fn the_object_and_the_table_have_the_same_programs() {
        let object = aya_obj::Object::parse(crate::bpf::kernel::OBJECT).expect("our own object");
        for probe in PROBES {
            assert!(
                object.programs.contains_key(probe.program),
                "no program {}",
                probe.program
            );
        }
        assert_eq!(object.programs.len(), PROBES.len(), "a program has no row");
    }
}
