//! Every probe: what it is called, where it attaches, what needs it and what it costs.

use tracer_common::probe::ProbeId;

use super::{Abilities, BpfError, Refusal};

/// Where a program attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A kernel tracepoint, through BTF.
    Tracepoint(&'static str),
    /// A kernel tracepoint, CATEGORY/NAME, through a perf event.
    PerfTracepoint(&'static str, &'static str),
    /// A timer on every CPU, or a counter of [`super::SampleEvent`].
    CpuClock,
    /// A function of the Go runtime, after its stack check.
    GoFunction(&'static str),
    /// As [`Attach::GoFunction`], the first of these that the release has.
    GoFunctionOf(&'static [&'static str]),
    /// Where a function of the Go runtime calls another one.
    GoCall {
        function: &'static str,
        called: &'static str,
        at: CallPlace,
    },
    /// Where the call of another function returns to that it calls in one place.
    GoReturn {
        function: &'static str,
        called: &'static str,
    },
}

/// Which call of a function it is; where there are more or fewer than it says, there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPlace {
    Only,
    FirstOfTwo,
    SecondOfTwo,
}

impl CallPlace {
    /// Its position among the calls, and how many there are.
    #[must_use]
    pub const fn of(self) -> (usize, usize) {
        match self {
            Self::Only => (0, 1),
            Self::FirstOfTwo => (0, 2),
            Self::SecondOfTwo => (1, 2),
        }
    }
}

impl Attach {
    /// Whether it is in a Go program, not in the kernel.
    #[must_use]
    pub const fn is_in_go(self) -> bool {
        matches!(
            self,
            Self::GoFunction(_)
                | Self::GoFunctionOf(_)
                | Self::GoCall { .. }
                | Self::GoReturn { .. }
        )
    }
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
    /// Who ends waits: beside [`Group::OffCpu`].
    Wakers,
    /// Time on the CPU, exactly: the probes of [`Group::OffCpu`] measure it, too.
    OnCpu,
    RunQueue,
    GoGc,
    GoSchedule,
    /// Stops of the world.
    GoStop,
    /// Waits of goroutines.
    GoWaits,
    /// Goroutines that are made, and that end.
    GoCreation,
    /// Their first run: beside [`Group::GoCreation`].
    GoFirstRun,
    /// Goroutines that mark for the garbage collector.
    GoAssist,
    /// Goroutines that wait for others to do that: beside [`Group::GoAssist`].
    GoAssistWait,
    /// Threads that lose their P in system calls.
    GoHandoff,
}

impl Group {
    /// What it captures, as "no …" would go on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyscallStream => "system calls",
            Self::SyscallStats => "counts of system calls",
            Self::Process => "births and ends of processes",
            Self::Samples => "samples",
            Self::OffCpu => "time off the CPU",
            Self::Wakers => "wakers",
            Self::OnCpu => "exact time on the CPU",
            Self::RunQueue => "waits for a CPU",
            Self::GoGc => "garbage collections",
            Self::GoSchedule => "rounds of Go's scheduler",
            Self::GoStop => "stops of the world",
            Self::GoWaits => "waits of goroutines",
            Self::GoCreation => "goroutines that come and go",
            Self::GoFirstRun => "first runs of goroutines",
            Self::GoAssist => "GC assists",
            Self::GoAssistWait => "waits in GC assists",
            Self::GoHandoff => "handoffs of Ps",
        }
    }
}

/// On which kernels a probe is used, where others do the same in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// Where [`Abilities::steadier_by_perf`].
    Steadier,
    /// Elsewhere.
    NotSteadier,
    /// Elsewhere, if programs can compare and exchange.
    CompareExchange,
    /// Elsewhere, if they cannot.
    NoCompareExchange,
}

/// With which walks of user stacks a probe is used, where another does the same with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// It takes no such stack.
    Any,
    /// With unwind tables: where [`Abilities::unwinding`].
    Tables,
    /// Along frame pointers: elsewhere.
    Pointers,
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
    pub when: When,
    pub walk: Walk,
    /// What is lost when the kernel refuses this probe; `None`: all that the group is for.
    pub without: Option<&'static str>,
}

impl Probe {
    /// Whether it is the one to use on a kernel with these abilities.
    #[must_use]
    pub const fn suits(&self, abilities: Abilities) -> bool {
        let Abilities {
            compare_exchange,
            steadier_by_perf,
            unwinding,
            ..
        } = abilities;
        let walks = match self.walk {
            Walk::Any => true,
            Walk::Tables => unwinding,
            Walk::Pointers => !unwinding,
        };
        let is_here = match self.when {
            When::Always => true,
            When::Steadier => steadier_by_perf,
            When::NotSteadier => !steadier_by_perf,
            When::CompareExchange => !steadier_by_perf && compare_exchange,
            When::NoCompareExchange => !steadier_by_perf && !compare_exchange,
        };
        walks && is_here
    }

    /// What its refusal means.
    #[must_use]
    pub fn refused(&self, error: &BpfError) -> Refusal {
        Refusal {
            program: self.program,
            errno: error.os_error(),
            why: shortened(&error.to_string()),
            without: self.without,
        }
    }

    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    const fn walk(self, walk: Walk) -> Self {
        Self { walk, ..self }
    }

    const fn without(self, lost: &'static str) -> Self {
        Self {
            without: Some(lost),
            ..self
        }
    }
}

/// The two ends of a long text: what failed, and the last that the kernel's check says of it.
fn shortened(text: &str) -> String {
    const HEAD: usize = 160;
    const TAIL: usize = 240;
    let count = text.chars().count();
    if count <= HEAD + TAIL {
        return text.to_owned();
    }
    let head: String = text.chars().take(HEAD).collect();
    let tail: String = text.chars().skip(count - TAIL).collect();
    format!("{} … {}", head.trim_end(), tail.trim_start())
}

const fn row(program: &'static str, id: ProbeId, attach: Attach, group: Group) -> Probe {
    Probe {
        program,
        id,
        attach,
        group,
        when: When::Always,
        walk: Walk::Any,
        without: None,
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
    )
    .without("children are not followed")
    .when(When::NotSteadier),
    row(
        "process_fork_at_wakeup",
        ProbeId::Fork,
        Attach::Tracepoint("sched_wakeup_new"),
        Group::Process,
    )
    .without("children are not followed")
    .when(When::Steadier),
    row(
        "process_exec",
        ProbeId::Exec,
        Attach::Tracepoint("sched_process_exec"),
        Group::Process,
    )
    .without("programs that replace the first are not noticed")
    .when(When::NotSteadier),
    row(
        "process_exec_steady",
        ProbeId::Exec,
        Attach::PerfTracepoint("sched", "sched_process_exec"),
        Group::Process,
    )
    .without("programs that replace the first are not noticed")
    .when(When::Steadier),
    row(
        "process_exec_arguments",
        ProbeId::Exec,
        Attach::Tracepoint("sched_process_exec"),
        Group::SyscallStream,
    )
    .without("arguments of execve that were not in memory are shown as addresses")
    .when(When::Steadier),
    row(
        "process_exit",
        ProbeId::Exit,
        Attach::Tracepoint("sched_process_exit"),
        Group::Process,
    )
    .without("ends of threads are not noticed")
    .when(When::NotSteadier),
    row(
        "process_exit_steady",
        ProbeId::Exit,
        Attach::PerfTracepoint("sched", "sched_process_exit"),
        Group::Process,
    )
    .without("ends of threads are not noticed")
    .when(When::Steadier),
    row(
        "signal_deliver",
        ProbeId::Signal,
        Attach::Tracepoint("signal_deliver"),
        Group::SyscallStream,
    )
    .without("signals are not shown"),
    row(
        "signal_generate",
        ProbeId::SignalGenerate,
        Attach::Tracepoint("signal_generate"),
        Group::SyscallStream,
    )
    .without("signals that are ignored or end the process are not shown"),
    row(
        "syscall_enter",
        ProbeId::SyscallEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStream,
    )
    .when(When::NotSteadier)
    .walk(Walk::Pointers),
    row(
        "syscall_enter_steady",
        ProbeId::SyscallEnter,
        Attach::PerfTracepoint("raw_syscalls", "sys_enter"),
        Group::SyscallStream,
    )
    .when(When::Steadier)
    .walk(Walk::Pointers),
    row(
        "syscall_enter_unwind",
        ProbeId::SyscallEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStream,
    )
    .when(When::NotSteadier)
    .walk(Walk::Tables),
    row(
        "syscall_enter_steady_unwind",
        ProbeId::SyscallEnter,
        Attach::PerfTracepoint("raw_syscalls", "sys_enter"),
        Group::SyscallStream,
    )
    .when(When::Steadier)
    .walk(Walk::Tables),
    row(
        "syscall_exit",
        ProbeId::SyscallExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStream,
    )
    .when(When::NotSteadier)
    .walk(Walk::Pointers),
    row(
        "syscall_exit_steady",
        ProbeId::SyscallExit,
        Attach::PerfTracepoint("raw_syscalls", "sys_exit"),
        Group::SyscallStream,
    )
    .when(When::Steadier)
    .walk(Walk::Pointers),
    row(
        "syscall_exit_unwind",
        ProbeId::SyscallExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStream,
    )
    .when(When::NotSteadier)
    .walk(Walk::Tables),
    row(
        "syscall_exit_steady_unwind",
        ProbeId::SyscallExit,
        Attach::PerfTracepoint("raw_syscalls", "sys_exit"),
        Group::SyscallStream,
    )
    .when(When::Steadier)
    .walk(Walk::Tables),
    row(
        "syscall_count_enter",
        ProbeId::SyscallCountEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStats,
    )
    .when(When::CompareExchange),
    row(
        "syscall_count_exit",
        ProbeId::SyscallCountExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStats,
    )
    .when(When::CompareExchange),
    row(
        "syscall_count_enter_by_thread",
        ProbeId::SyscallCountEnter,
        Attach::Tracepoint("sys_enter"),
        Group::SyscallStats,
    )
    .when(When::NoCompareExchange),
    row(
        "syscall_count_enter_steady",
        ProbeId::SyscallCountEnter,
        Attach::PerfTracepoint("raw_syscalls", "sys_enter"),
        Group::SyscallStats,
    )
    .when(When::Steadier),
    row(
        "syscall_count_exit_by_thread",
        ProbeId::SyscallCountExit,
        Attach::Tracepoint("sys_exit"),
        Group::SyscallStats,
    )
    .when(When::NoCompareExchange),
    row(
        "syscall_count_exit_steady",
        ProbeId::SyscallCountExit,
        Attach::PerfTracepoint("raw_syscalls", "sys_exit"),
        Group::SyscallStats,
    )
    .when(When::Steadier),
    row("sample", ProbeId::Sample, Attach::CpuClock, Group::Samples).walk(Walk::Pointers),
    row(
        "sample_unwind",
        ProbeId::Sample,
        Attach::CpuClock,
        Group::Samples,
    )
    .walk(Walk::Tables),
    row(
        "on_cpu_new",
        ProbeId::OnCpuNew,
        Attach::Tracepoint("sched_wakeup_new"),
        Group::OnCpu,
    )
    .without("the first wait of new threads is not measured"),
    row(
        "off_cpu_wakeup",
        ProbeId::OffCpuWakeup,
        Attach::Tracepoint("sched_wakeup"),
        Group::OffCpu,
    )
    .without("waits for a CPU count as blocked"),
    row(
        "off_cpu_switch",
        ProbeId::OffCpuSwitch,
        Attach::Tracepoint("sched_switch"),
        Group::OffCpu,
    )
    .walk(Walk::Pointers),
    row(
        "off_cpu_switch_unwind",
        ProbeId::OffCpuSwitch,
        Attach::Tracepoint("sched_switch"),
        Group::OffCpu,
    )
    .walk(Walk::Tables),
    row(
        "off_cpu_waker",
        ProbeId::OffCpuWaker,
        Attach::Tracepoint("sched_waking"),
        Group::Wakers,
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
    )
    .without("the first wait of new threads is not measured"),
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
    )
    .without("what began a cycle is not known"),
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
    row(
        "go_stop_switch",
        ProbeId::GoStopSwitch,
        Attach::Tracepoint("sched_switch"),
        Group::GoStop,
    )
    .without("whether who delays a stop of the world is on a CPU is not known"),
    row(
        "go_stop",
        ProbeId::GoStop,
        Attach::GoFunction("runtime.stopTheWorldWithSema"),
        Group::GoStop,
    ),
    row(
        "go_stopped",
        ProbeId::GoStopped,
        Attach::GoFunction("runtime.gcstopm"),
        Group::GoStop,
    )
    .without("who delays a stop of the world is not known"),
    row(
        "go_start",
        ProbeId::GoStart,
        Attach::GoFunction("runtime.startTheWorldWithSema"),
        Group::GoStop,
    ),
    row(
        "go_started",
        ProbeId::GoStarted,
        Attach::GoCall {
            function: "runtime.startTheWorldWithSema",
            called: "runtime.wakep",
            at: CallPlace::Only,
        },
        Group::GoStop,
    )
    .without("the time until the Ps run again is not measured"),
    row(
        "go_park",
        ProbeId::GoPark,
        Attach::GoFunction("runtime.gopark"),
        Group::GoWaits,
    ),
    row(
        "go_execute",
        ProbeId::GoExecute,
        Attach::GoFunction("runtime.execute"),
        Group::GoWaits,
    ),
    row(
        "go_end",
        ProbeId::GoEnd,
        Attach::GoFunction("runtime.goexit0"),
        Group::GoCreation,
    )
    .without("ends of goroutines are not counted"),
    row(
        "go_first_run",
        ProbeId::GoFirstRun,
        Attach::GoFunction("runtime.execute"),
        Group::GoFirstRun,
    ),
    row(
        "go_create",
        ProbeId::GoCreate,
        Attach::GoCall {
            function: "runtime.newproc.func1",
            called: "runtime.runqput",
            at: CallPlace::Only,
        },
        Group::GoCreation,
    ),
    row(
        "go_assist",
        ProbeId::GoAssist,
        Attach::GoCall {
            function: "runtime.gcAssistAlloc1",
            called: "runtime.nanotime1",
            at: CallPlace::FirstOfTwo,
        },
        Group::GoAssist,
    ),
    row(
        "go_assisted",
        ProbeId::GoAssisted,
        Attach::GoCall {
            function: "runtime.gcAssistAlloc1",
            called: "runtime.nanotime1",
            at: CallPlace::SecondOfTwo,
        },
        Group::GoAssist,
    ),
    row(
        "go_assist_wait",
        ProbeId::GoAssistWait,
        Attach::GoCall {
            function: "runtime.gcParkAssist",
            called: "runtime.gopark",
            at: CallPlace::Only,
        },
        Group::GoAssistWait,
    ),
    row(
        "go_assist_resumed",
        ProbeId::GoAssistResumed,
        Attach::GoReturn {
            function: "runtime.gcParkAssist",
            called: "runtime.gopark",
        },
        Group::GoAssistWait,
    ),
    row(
        "go_handoff",
        ProbeId::GoHandoff,
        Attach::GoFunction("runtime.handoffp"),
        Group::GoHandoff,
    )
    .without("Ps that threads lose are not counted"),
    row(
        "go_no_processor",
        ProbeId::GoNoProcessor,
        Attach::GoFunctionOf(&["runtime.exitsyscallNoP", "runtime.exitsyscall0"]),
        Group::GoHandoff,
    )
    .without("goroutines that come back from system calls to no P are not counted"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_probed_on_every_kernel() {
        let suiting = |compare_exchange, steadier_by_perf, unwinding| {
            let abilities = Abilities {
                compare_exchange,
                typed_task: true,
                steadier_by_perf,
                unwinding,
            };
            // The steady form of `process_exec` is two programs.
            let half = "process_exec_arguments";
            let probes = PROBES.iter().filter(|p| p.suits(abilities));
            probes
                .filter(|p| p.program != half)
                .map(|p| (p.id, p.group, p.without))
                .collect::<Vec<_>>()
        };
        let modern = suiting(true, false, false);
        for other in [(false, false), (true, true), (false, true)] {
            for unwinding in [false, true] {
                let same = suiting(other.0, other.1, unwinding);
                assert_eq!(same, modern, "{other:?}, {unwinding}");
            }
        }
    }

    #[test]
    fn long_reasons_keep_both_ends() {
        assert_eq!(shortened("short"), "short");
        let long = format!("refused: {}R1 is no pointer", "é ".repeat(5000));
        let short = shortened(&long);
        assert!(short.chars().count() < 410);
        assert!(short.starts_with("refused: é") && short.ends_with("R1 is no pointer"));
    }

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
