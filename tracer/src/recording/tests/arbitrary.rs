//! Generators of arbitrary events: every body but `RunEnd`, every field.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::event::{
    Body, Capture, CaptureStatus, CodeMapping, CpuQuota, CreatorSamples, Event, Exec, Exit, Fork,
    FrameSymbol, GcAssists, GcTrigger, GoAssist, GoCreator, GoDelay, GoHandoff, GoHandoffs,
    GoMaxProcs, GoProcessorUse, GoScheduling, GoStop, GoroutineWait, HandoffCause, Latency, Losses,
    OffCpuStack, ProbeLoss, ProcessInfo, RunEnd, RunQueueThread, RunStart, Sample, Seen, Signal,
    Space, StackEnd, StopReason, SymbolOrigin, SymbolizedAddress, Symbols, SyscallEnter,
    SyscallExit, SyscallLatency, ThreadCpu, Wait, Waker,
};
use crate::go::gc::{GcCounters, GcCpu, GcCycle, GcPacing, GcState, GcWall, GoalBy};

pub(super) fn event() -> impl Strategy<Value = Event> {
    let who = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u16>());
    (who, option::of(any::<u64>()), body()).prop_map(|((time_ns, pid, tid, cpu), goid, body)| {
        Event {
            time_ns,
            pid,
            tid,
            cpu,
            goid,
            body,
        }
    })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        kernel_body(),
        aggregate_body(),
        fact_body(),
        Just(Body::Tick),
    ]
}

fn text() -> impl Strategy<Value = String> {
    ".{0,20}"
}

fn kernel_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        syscall_enter().prop_map(Body::SyscallEnter),
        syscall_exit().prop_map(Body::SyscallExit),
        (
            any::<u32>(),
            option::of(vec(any::<u8>(), 48)),
            any::<bool>()
        )
            .prop_map(|(signo, info, ignored)| Body::Signal(Signal {
                signo,
                info,
                ignored
            })),
        (any::<u32>(), any::<u32>(), text()).prop_map(|(child_pid, child_tid, comm)| {
            Body::Fork(Fork {
                child_pid,
                child_tid,
                comm,
            })
        }),
        (any::<u32>(), text()).prop_map(|(old_tid, comm)| Body::Exec(Exec { old_tid, comm })),
        (any::<u32>(), any::<bool>(), text()).prop_map(|(status, last_thread, comm)| {
            Body::Exit(Exit {
                status,
                last_thread,
                comm,
                place: None,
            })
        }),
        sample().prop_map(Body::Sample),
        trigger().prop_map(Body::GcTrigger),
        gc_cycle().prop_map(|cycle| Body::GcCycle(Box::new(cycle))),
        gc_state().prop_map(|state| Body::GcState(Box::new(state))),
        go_stop().prop_map(|stop| Body::GoStop(Box::new(stop))),
        Just(Body::GoStarted),
        go_creator().prop_map(|creator| Body::GoCreator(Box::new(creator))),
        go_handoffs().prop_map(|handoffs| Body::GoHandoffs(Box::new(handoffs))),
        go_assist().prop_map(|assist| Body::GoAssist(Box::new(assist))),
        (any::<[u64; 2]>(), option::of(any::<u64>())).prop_map(|([count, time_ns], user_ns)| {
            Body::GcAssists(GcAssists {
                count,
                time_ns,
                user_ns,
            })
        }),
    ]
}

/// Not a number is not equal to itself, so the share is any other.
fn gc_cycle() -> impl Strategy<Value = GcCycle> {
    let fraction = any::<f64>().prop_filter("is a number", |f| !f.is_nan());
    let ids = (any::<u32>(), any::<i32>(), any::<bool>(), any::<bool>());
    let numbers = (any::<[u64; 9]>(), any::<[u64; 9]>());
    (ids, fraction, numbers).prop_map(
        |((number, procs, forced, leak_check), cpu_fraction, (times, sizes))| GcCycle {
            number,
            start_ns: times[0],
            start_monotonic_ns: times[1],
            cpu_fraction,
            wall: GcWall {
                sweep_term: times[2],
                mark: times[3],
                mark_term: times[4],
            },
            cpu: GcCpu {
                sweep_term: times[5],
                assist: times[6],
                dedicated: times[7],
                fractional: times[8],
                idle: sizes[0],
                mark_term: sizes[1],
            },
            pause_ns: sizes[2],
            heap_start: sizes[3],
            heap_end: sizes[4],
            heap_marked: sizes[5],
            heap_goal: sizes[6],
            stacks: sizes[7],
            globals: sizes[8],
            procs,
            forced,
            leak_check,
        },
    )
}

fn gc_state() -> impl Strategy<Value = GcState> {
    let goal_by = prop_oneof![
        Just(GoalBy::Gogc),
        Just(GoalBy::HeapMinimum),
        Just(GoalBy::MemoryLimit),
        Just(GoalBy::Nothing),
    ];
    let maybe = || option::of(any::<u64>());
    let pacing = (option::of(any::<u32>()), maybe(), maybe(), goal_by, maybe());
    (pacing, any::<[u64; 4]>(), any::<u32>()).prop_map(
        |((gogc, memory_limit, goal, goal_by, trigger), numbers, forced)| GcState {
            pacing: GcPacing {
                gogc,
                memory_limit,
                mapped: numbers[0],
                heap_live: numbers[1],
                goal,
                goal_by,
                trigger,
            },
            counters: GcCounters {
                forced,
                pause_total_ns: numbers[2],
                last_end_ns: numbers[3],
            },
        },
    )
}

fn go_stop() -> impl Strategy<Value = GoStop> {
    let maybe = || option::of(any::<u64>());
    let times = (any::<u64>(), maybe(), maybe(), maybe(), maybe());
    let counts = (option::of(any::<u32>()), any::<[u32; 2]>());
    (times, counts, option::of(go_delay())).prop_map(
        |(
            (began_ns, started_ns, finished_ns, woke_ns, runtime_start_ns),
            (reason, [processors, seen]),
            last,
        )| GoStop {
            reason,
            began_ns,
            started_ns,
            finished_ns,
            woke_ns,
            runtime_start_ns,
            processors,
            seen,
            last,
        },
    )
}

fn go_delay() -> impl Strategy<Value = GoDelay> {
    let ids = (any::<[u32; 3]>(), option::of(any::<u64>()), any::<bool>());
    let syscall = option::of(any::<u32>());
    (ids, any::<[u64; 5]>(), syscall, stack(), vec(frame(), 0..4)).prop_map(
        |(([processor, tid, status], goid, moved_on), times, syscall, stack, frames)| GoDelay {
            processor,
            tid,
            stopped_ns: times[0],
            goid,
            moved_on,
            status,
            runnable_ns: times[1],
            fault_ns: times[2],
            syscall_ns: times[3],
            untold_ns: times[4],
            syscall,
            stack,
            frames,
        },
    )
}

fn trigger() -> impl Strategy<Value = GcTrigger> {
    prop_oneof![
        Just(GcTrigger::Heap),
        Just(GcTrigger::Time),
        Just(GcTrigger::Forced),
        any::<u64>().prop_map(GcTrigger::Other),
    ]
}

fn capture() -> impl Strategy<Value = Capture> {
    let status = prop_oneof![
        Just(CaptureStatus::Ok),
        Just(CaptureStatus::Truncated),
        Just(CaptureStatus::Fault),
        Just(CaptureStatus::End),
    ];
    let place = (any::<u8>(), any::<u8>(), any::<u8>());
    (place, status, any::<u64>(), vec(any::<u8>(), 0..64)).prop_map(
        |((arg, kind, index), status, wanted, data)| Capture {
            arg,
            kind,
            index,
            status,
            wanted,
            data,
        },
    )
}

fn syscall_enter() -> impl Strategy<Value = SyscallEnter> {
    let flags = (any::<bool>(), any::<bool>());
    (any::<u32>(), any::<[u64; 6]>(), vec(capture(), 0..4), flags).prop_map(
        |(nr, args, captures, (compat, captures_cut))| SyscallEnter {
            nr,
            args,
            captures,
            compat,
            captures_cut,
        },
    )
}

fn syscall_exit() -> impl Strategy<Value = SyscallExit> {
    let flags = (any::<bool>(), any::<bool>());
    (any::<u32>(), any::<i64>(), vec(capture(), 0..4), flags).prop_map(
        |(nr, ret, captures, (compat, captures_cut))| SyscallExit {
            nr,
            ret,
            captures,
            compat,
            captures_cut,
        },
    )
}

fn stack() -> impl Strategy<Value = Vec<u64>> {
    vec(any::<u64>(), 0..127)
}

fn stack_end() -> impl Strategy<Value = StackEnd> {
    use StackEnd::{Guessed, Lost, Missing, Root, Unknown};
    prop_oneof![
        Just(Unknown),
        Just(Missing),
        Just(Root),
        Just(Lost),
        Just(Guessed)
    ]
}

fn sample() -> impl Strategy<Value = Sample> {
    (text(), stack(), stack(), stack_end(), any::<bool>()).prop_map(
        |(comm, kernel, user, user_end, truncated)| Sample {
            comm,
            kernel,
            user,
            user_end,
            truncated,
        },
    )
}

fn latency() -> impl Strategy<Value = Latency> {
    let buckets = vec((any::<u16>(), any::<u64>()), 0..20);
    (any::<[u64; 5]>(), buckets).prop_map(|([count, errors, total_ns, min_ns, max_ns], buckets)| {
        Latency {
            count,
            errors,
            total_ns,
            min_ns,
            max_ns,
            buckets,
        }
    })
}

fn aggregate_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (any::<u32>(), latency()).prop_map(|(nr, latency)| {
            Body::SyscallLatency(Box::new(SyscallLatency { nr, latency }))
        }),
        off_cpu().prop_map(|s| Body::OffCpuStack(Box::new(s))),
        wait().prop_map(|w| Body::Wait(Box::new(w))),
        (text(), any::<u64>(), any::<u64>()).prop_map(|(comm, elapsed_ns, cpu_ns)| {
            Body::ThreadCpu(Box::new(ThreadCpu {
                comm,
                elapsed_ns,
                cpu_ns,
            }))
        }),
        (text(), any::<[u64; 3]>(), latency()).prop_map(
            |(comm, [voluntary, involuntary, migrations], latency)| {
                Body::RunQueueThread(Box::new(RunQueueThread {
                    comm,
                    voluntary,
                    involuntary,
                    migrations,
                    latency,
                }))
            }
        ),
        any::<u64>().prop_map(Body::GoSchedules),
        go_scheduling().prop_map(|s| Body::GoScheduling(Box::new(s))),
        goroutine_wait().prop_map(|w| Body::GoroutineWait(Box::new(w))),
        any::<[u64; 2]>().prop_map(|[creator, samples]| {
            Body::CreatorSamples(CreatorSamples { creator, samples })
        }),
    ]
}

fn goroutine_wait() -> impl Strategy<Value = GoroutineWait> {
    let flags = (any::<bool>(), any::<bool>());
    (any::<u32>(), any::<[u64; 4]>(), stack(), flags).prop_map(
        |(reason, [creator, waits, time_ns, max_ns], stack, (truncated, open))| GoroutineWait {
            reason,
            creator,
            stack,
            truncated,
            waits,
            time_ns,
            max_ns,
            open,
        },
    )
}

fn go_scheduling() -> impl Strategy<Value = GoScheduling> {
    let seen = || any::<[u64; 2]>().prop_map(|[sum, max]| Seen { sum, max });
    let p = (any::<[u64; 4]>(), seen()).prop_map(|(n, queue)| GoProcessorUse {
        running: n[0],
        in_syscall: n[1],
        stopped: n[2],
        queue,
        ticks: n[3],
    });
    let procs =
        (any::<[u32; 3]>(), any::<u64>()).prop_map(|([last, min, max], changes)| GoMaxProcs {
            last,
            min,
            max,
            changes,
        });
    let quota =
        (option::of(any::<u64>()), any::<[u64; 3]>()).prop_map(|(milli_cpus, n)| CpuQuota {
            milli_cpus,
            periods: n[0],
            throttled: n[1],
            throttled_ns: n[2],
        });
    let looks = (any::<u64>(), procs, vec(p, 0..4));
    let numbers = [seen(), seen(), seen(), seen(), seen()];
    let counts = (
        option::of(latency()),
        option::of(any::<u64>()),
        option::of(any::<u32>()),
    );
    (looks, numbers, counts, option::of(quota)).prop_map(
        |((looks, gomaxprocs, processors), seen, (latency, created, cpus_allowed), quota)| {
            let [
                global_queue,
                idle_processors,
                threads,
                idle_threads,
                spinning_threads,
            ] = seen;
            GoScheduling {
                looks,
                gomaxprocs,
                processors,
                global_queue,
                idle_processors,
                threads,
                idle_threads,
                spinning_threads,
                latency,
                created,
                cpus_allowed,
                quota,
            }
        },
    )
}

fn off_cpu() -> impl Strategy<Value = OffCpuStack> {
    let stacks = (stack(), stack(), stack_end(), any::<bool>());
    (text(), any::<u32>(), stacks, any::<[u64; 4]>()).prop_map(
        |(
            comm,
            state,
            (kernel, user, user_end, truncated),
            [count, blocked_ns, runnable_ns, max_ns],
        )| {
            OffCpuStack {
                comm,
                state,
                kernel,
                user,
                user_end,
                truncated,
                count,
                blocked_ns,
                runnable_ns,
                max_ns,
            }
        },
    )
}

fn wait() -> impl Strategy<Value = Wait> {
    let ids = (any::<u32>(), any::<u32>(), text());
    let stacks = (stack(), stack(), any::<bool>());
    let waker = (ids, stacks).prop_map(|((pid, tid, comm), (kernel, user, user_missing))| Waker {
        pid,
        tid,
        comm,
        kernel,
        user,
        user_missing,
    });
    let flags = (any::<bool>(), any::<bool>());
    (off_cpu(), flags, option::of(waker)).prop_map(|(stack, (before_run, open), waker)| Wait {
        stack,
        before_run,
        open,
        waker,
    })
}

fn fact_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        run_start().prop_map(|s| Body::RunStart(Box::new(s))),
        (text(), text(), option::of(text())).prop_map(|(comm, exe, go_version)| {
            Body::Process(Box::new(ProcessInfo {
                comm,
                exe,
                go_version,
            }))
        }),
        vec(symbolized(), 0..6)
            .prop_map(|addresses| Body::Symbols(Box::new(Symbols { addresses }))),
        losses().prop_map(Body::Losses),
        vec(any::<u32>(), 0..5).prop_map(Body::Threads),
        vec(code_mapping(), 0..4).prop_map(Body::Code),
    ]
}

fn run_start() -> impl Strategy<Value = RunStart> {
    let clock = (any::<i64>(), any::<i32>());
    let host = (text(), text(), any::<u32>(), text());
    let asked = (
        vec(any::<u32>(), 0..4),
        vec(text(), 0..4),
        vec(text(), 0..4),
        any::<u32>(),
        option::of(text()),
    );
    (clock, host, asked).prop_map(
        |(
            (wall_offset_ns, utc_offset_s),
            (arch, kernel_release, cpus, tracer_version),
            (pids, command, kinds, sample_hz, sample_event),
        )| RunStart {
            wall_offset_ns,
            utc_offset_s,
            arch,
            kernel_release,
            cpus,
            pids,
            command,
            kinds,
            sample_hz,
            sample_event,
            tracer_version,
        },
    )
}

fn code_mapping() -> impl Strategy<Value = CodeMapping> {
    let build_id = option::of(vec(any::<u8>(), 0..21));
    (any::<[u64; 3]>(), text(), build_id).prop_map(|([start, end, offset], file, build_id)| {
        CodeMapping {
            start,
            end,
            offset,
            file,
            build_id,
        }
    })
}

fn symbolized() -> impl Strategy<Value = SymbolizedAddress> {
    let space = prop_oneof![Just(Space::Kernel), Just(Space::User)];
    let module = (option::of(text()), any::<u64>());
    let place = (space, any::<u64>(), any::<bool>());
    (place, vec(frame(), 0..4), module).prop_map(
        |((space, address, caller), frames, (module, module_offset))| SymbolizedAddress {
            space,
            address,
            caller,
            frames,
            module,
            module_offset,
        },
    )
}

fn go_creator() -> impl Strategy<Value = GoCreator> {
    let place = option::of(frame());
    (any::<[u64; 3]>(), place, latency()).prop_map(
        |([created_at, created, ended], place, first_runs)| GoCreator {
            created_at,
            place,
            created,
            ended,
            first_runs,
        },
    )
}

fn go_handoffs() -> impl Strategy<Value = GoHandoffs> {
    let cause = prop_oneof![
        Just(HandoffCause::Retaken),
        Just(HandoffCause::Blocking),
        Just(HandoffCause::Locked),
        Just(HandoffCause::Other),
        Just(HandoffCause::NoProcessor),
    ];
    let place = || option::of(frame());
    let one =
        (cause, place(), place(), any::<u64>()).prop_map(|(cause, own, call, count)| GoHandoff {
            cause,
            own,
            call,
            count,
        });
    vec(one, 0..3).prop_map(|places| GoHandoffs { places })
}

fn go_assist() -> impl Strategy<Value = GoAssist> {
    let place = || option::of(frame());
    (any::<[u64; 7]>(), place(), place(), place()).prop_map(|(numbers, creator, allocator, own)| {
        GoAssist {
            created_at: numbers[0],
            creator,
            allocator,
            own,
            count: numbers[1],
            time_ns: numbers[2],
            max_ns: numbers[3],
            waits: numbers[4],
            wait_ns: numbers[5],
            max_wait_ns: numbers[6],
        }
    })
}

fn frame() -> impl Strategy<Value = FrameSymbol> {
    let origin = prop_oneof![
        Just(SymbolOrigin::Kernel),
        Just(SymbolOrigin::Native),
        Just(SymbolOrigin::Go),
        Just(SymbolOrigin::CLibrary),
    ];
    let place = (option::of(text()), option::of(any::<u32>()));
    (text(), any::<u64>(), place, any::<bool>(), origin).prop_map(
        |(function, offset, (file, line), inlined, origin)| FrameSymbol {
            function,
            offset,
            file,
            line,
            inlined,
            origin,
        },
    )
}

fn losses() -> impl Strategy<Value = Losses> {
    let probe = (text(), any::<[u64; 6]>()).prop_map(
        |(probe, [ring_full, map_full, unpaired, stacks, faults, left_out])| ProbeLoss {
            probe,
            ring_full,
            map_full,
            unpaired,
            stacks,
            faults,
            left_out,
        },
    );
    (vec(probe, 0..4), any::<u64>()).prop_map(|(probes, undecodable)| Losses {
        probes,
        undecodable,
    })
}

/// Not among the others: it ends a stream.
pub(super) fn run_end() -> impl Strategy<Value = RunEnd> {
    let reason = prop_oneof![
        Just(StopReason::Duration),
        Just(StopReason::Interrupted),
        Just(StopReason::TargetExited),
        Just(StopReason::OutputClosed),
        Just(StopReason::OutputFailed),
    ];
    let status = option::of(any::<u32>());
    (reason, any::<[u64; 3]>(), losses(), status).prop_map(
        |(reason, [duration_ns, hits, own_cpu_ns], losses, command_status)| RunEnd {
            reason,
            duration_ns,
            hits,
            losses,
            own_cpu_ns,
            command_status,
        },
    )
}
