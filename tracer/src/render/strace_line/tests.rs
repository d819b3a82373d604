use super::*;
use crate::event::{Capture, ProbeLoss, RunStart, StopReason};
use crate::syscall::filter::{SyscallSet, parse};
use crate::syscall::machine::Machine;
use crate::syscall::qualify::{QuietSet, SignalSet, StatusSet};
use tracer_common::capture::kind;

mod chosen;
mod outputs;

const NOSLEEP: u32 = 230;

fn at(time_us: u64, tid: u32, body: Body) -> Event {
    Event {
        time_ns: time_us * 1000,
        pid: 100,
        tid,
        cpu: 0,
        goid: Some(7),
        body,
    }
}

fn enter(time_us: u64, tid: u32, nr: u32, args: [u64; 6]) -> Event {
    let enter = SyscallEnter {
        nr,
        args,
        ..SyscallEnter::default()
    };
    at(time_us, tid, Body::SyscallEnter(enter))
}

fn exit(time_us: u64, tid: u32, nr: u32, ret: i64) -> Event {
    let exit = SyscallExit {
        nr,
        ret,
        ..SyscallExit::default()
    };
    at(time_us, tid, Body::SyscallExit(exit))
}

fn gone(time_us: u64, tid: u32, status: u32) -> Event {
    let exit = Exit {
        status,
        last_thread: true,
        comm: String::new(),
        place: None,
    };
    at(time_us, tid, Body::Exit(exit))
}

fn end(reason: StopReason) -> Event {
    let end = RunEnd {
        reason,
        ..RunEnd::default()
    };
    at(9_000_000, 0, Body::RunEnd(Box::new(end)))
}

/// The numbers here are those of x86_64.
fn sink(options: LineOptions) -> StraceLines<Vec<u8>> {
    let mut sink = StraceLines::new(options, Vec::new(), "out");
    sink.calls.decoder.set_machine(Some(Machine::X86_64));
    sink
}

fn lines(options: LineOptions, events: &[Event]) -> String {
    let mut sink = sink(options);
    for event in events {
        sink.event(event).expect("a vector takes everything");
    }
    String::from_utf8(sink.into_inner().expect("one output")).expect("ASCII")
}

fn bare() -> LineOptions {
    LineOptions {
        prefix: Prefix::Bare,
        ..LineOptions::default()
    }
}

#[test]
fn a_call_alone_is_one_line() {
    let events = [
        enter(0, 100, 3, [5, 0, 0, 0, 0, 0]),
        exit(1, 100, 3, 0),
        enter(2, 100, 3, [99, 0, 0, 0, 0, 0]),
        exit(3, 100, 3, -9),
        enter(4, 100, 451, [1, 0x2000, 0, 0, 0, 0]),
        exit(5, 100, 451, 0),
        enter(6, 100, 500, [1, 0x2000, 0, 0, 0, 0]),
        exit(7, 100, 500, -38),
    ];
    assert_eq!(
        lines(LineOptions::default(), &events),
        "\
close(5)                                = 0
close(99)                               = -1 EBADF (Bad file descriptor)
cachestat(1, 0x2000, NULL, 0)           = 0
syscall_0x1f4(0x1, 0x2000, 0, 0, 0, 0)  = -1 ENOSYS (Function not implemented)
"
    );
}

#[test]
fn threads_from_before_the_attach_count_for_the_prefix() {
    let getppid = |threads: &[u32]| {
        let events = [
            at(0, 0, Body::Threads(threads.to_vec())),
            enter(1, 101, 110, [0; 6]),
            exit(2, 101, 110, 1),
        ];
        lines(LineOptions::default(), &events)
    };
    assert!(getppid(&[100, 101]).starts_with("[pid   101] getppid("));
    assert!(getppid(&[101]).starts_with("getppid("));
}

/// Events in the order of a run of strace -f -o, with the lines it printed.
#[test]
fn interleaved_calls_are_split_as_strace_splits_them() {
    let events = [
        enter(0, 3972, 61, [u64::MAX, 0x7000, 0, 0, 0, 0]),
        enter(1, 3974, 273, [0x7f8d_2fde_ea20, 24, 0, 0, 0, 0]),
        exit(2, 3974, 273, 0),
        enter(3, 3974, 231, [3, 0, 0, 0, 0, 0]),
        gone(4, 3974, 0x300),
        exit(5, 3972, 61, 3974),
        enter(
            6,
            3972,
            202,
            [0x7f8d_2fde_d990, 0x109, 3973, 0, 0, 0xffff_ffff],
        ),
        enter(7, 3973, 39, [0; 6]),
        exit(8, 3973, 39, 3972),
        exit(9, 3972, 202, 0),
        gone(10, 3972, 0x8b),
    ];
    assert_eq!(
        lines(bare(), &events),
        "\
3972  wait4(-1,  <unfinished ...>
3974  set_robust_list(0x7f8d2fdeea20, 24) = 0
3974  exit_group(3)                     = ?
3974  +++ exited with 3 +++
3972  <... wait4 resumed>0x7000, 0, NULL) = 3974
3972  futex(0x7f8d2fded990, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, 3973, NULL, FUTEX_BITSET_MATCH_ANY <unfinished ...>
3973  getpid()                          = 3972
3972  <... futex resumed>)              = 0
3972  +++ killed by SIGSEGV (core dumped) +++
"
    );
}

#[test]
fn the_prefix_appears_while_there_are_several_threads() {
    let events = [
        enter(0, 100, 39, [0; 6]),
        exit(1, 100, 39, 100),
        enter(2, 101, 39, [0; 6]),
        exit(3, 101, 39, 100),
        gone(4, 101, 0),
        enter(5, 100, 39, [0; 6]),
        exit(6, 100, 39, 100),
    ];
    let expected = "\
getpid()                                = 100
[pid   101] getpid()                    = 100
[pid   101] +++ exited with 0 +++
getpid()                                = 100
";
    assert_eq!(lines(LineOptions::default(), &events), expected);
    let goroutines = LineOptions {
        goroutines: true,
        ..LineOptions::default()
    };
    assert!(lines(goroutines, &events).contains("[pid   101 g 7] getpid()"));
}

#[test]
fn times_are_those_of_the_options() {
    let start = RunStart {
        wall_offset_ns: 1_700_000_000_000_000_000,
        utc_offset_s: 3600,
        arch: "x86_64".to_owned(),
        ..RunStart::default()
    };
    let events = [
        at(0, 0, Body::RunStart(Box::new(start))),
        enter(1_000_000, 100, 39, [0; 6]),
        exit(1_000_037, 100, 39, 100),
        enter(1_500_000, 100, 39, [0; 6]),
        exit(1_500_001, 100, 39, 100),
    ];
    let with = |timestamp: &str, relative: bool| {
        let options = LineOptions {
            timestamp: Timestamp::parse(timestamp).expect("valid"),
            relative: relative.then(Precision::default),
            durations: Some(Precision::default()),
            ..LineOptions::default()
        };
        lines(options, &events)
    };
    assert_eq!(
        with("us", false),
        "\
23:13:21.000000 getpid()                = 100 <0.000037>
23:13:21.500000 getpid()                = 100 <0.000001>
"
    );
    assert!(with("time", false).starts_with("23:13:21 getpid()"));
    assert!(with("unix,us", false).starts_with("1700000001.000000 getpid()"));
    assert_eq!(
        with("none", true),
        "     0.000000 getpid()                  = 100 <0.000037>
     0.500000 getpid()                  = 100 <0.000001>
"
    );
}

#[test]
fn what_is_open_at_the_end_says_so() {
    let call = enter(0, 100, 0, [3, 0x7000, 10, 0, 0, 0]);
    let attached = lines(
        LineOptions::default(),
        &[call.clone(), end(StopReason::Interrupted)],
    );
    assert_eq!(attached, "read(3,  <detached ...>\n");
    let exited = lines(
        LineOptions::default(),
        &[call.clone(), end(StopReason::TargetExited)],
    );
    assert_eq!(exited, "read(3,  <unfinished ...>\n");
    let killed = lines(LineOptions::default(), &[call, gone(1, 100, 9)]);
    assert_eq!(
        killed,
        "read(3,  <unfinished ...>)              = ?\n+++ killed by SIGKILL +++\n"
    );
}

#[test]
fn an_end_without_a_beginning_is_resumed() {
    assert_eq!(
        lines(LineOptions::default(), &[exit(0, 100, NOSLEEP, 0)]),
        "<... clock_nanosleep resumed>)          = 0\n"
    );
}

#[test]
fn a_signal_that_is_ignored_comes_after_the_call_and_a_stop_is_told() {
    let signal = |signo, ignored| {
        Body::Signal(Signal {
            signo,
            info: None,
            ignored,
        })
    };
    let events = [
        enter(0, 100, 39, [0; 6]),
        at(1, 100, signal(17, true)),
        exit(2, 100, 39, 100),
        at(3, 100, signal(28, true)),
        at(4, 100, signal(19, false)),
    ];
    let expected = "\
getpid()                                = 100
--- SIGCHLD ---
--- SIGWINCH ---
--- SIGSTOP ---
--- stopped by SIGSTOP ---
";
    assert_eq!(lines(LineOptions::default(), &events), expected);
}

#[test]
fn signals_and_losses_have_lines_of_their_own() {
    let mut info = vec![0; 48];
    info[0] = 17;
    info[8] = 1;
    info[16..24].copy_from_slice(&[0x86, 0x0f, 0, 0, 0, 0, 0, 0]);
    info[24] = 3;
    let signal = |info| {
        Body::Signal(Signal {
            signo: 17,
            info,
            ignored: false,
        })
    };
    let losses = Losses {
        probes: vec![ProbeLoss {
            ring_full: 5,
            ..ProbeLoss::default()
        }],
        undecodable: 1,
    };
    let events = [
        at(0, 100, signal(Some(info))),
        enter(1, 100, 34, [0; 6]),
        at(2, 0, Body::Losses(losses)),
        at(3, 100, signal(None)),
        exit(4, 100, 34, -514),
    ];
    assert_eq!(
        lines(LineOptions::default(), &events),
        "\
--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3974, si_uid=0, si_status=3, si_utime=0, si_stime=0} ---
pause( <unfinished ...>
<lost 6 events>
--- SIGCHLD ---
<... pause resumed>)                    = ? ERESTARTNOHAND (To be restarted if no handler)
"
    );
}

#[test]
fn an_exec_in_a_thread_takes_the_leaders_place() {
    let exec = Exec {
        old_tid: 101,
        comm: "ls".into(),
    };
    let events = [
        enter(0, 100, 34, [0; 6]),
        enter(1, 101, 59, [0; 6]),
        at(2, 100, Body::Exec(exec)),
        exit(3, 100, 59, 0),
    ];
    assert_eq!(
        lines(bare(), &events),
        "\
100   pause( <unfinished ...>
101   execve(NULL, NULL, NULL <unfinished ...>
100   <... pause resumed>)              = ?
100   +++ superseded by execve in pid 101 +++
100   <... execve resumed>)             = 0
"
    );
}

#[test]
fn a_restarted_call_is_named() {
    let events = [
        enter(0, 100, 35, [0; 6]),
        exit(1, 100, 35, -516),
        enter(2, 100, 219, [0; 6]),
        exit(3, 100, 219, -516),
        enter(4, 100, 219, [0; 6]),
        exit(5, 100, 219, 0),
        enter(6, 100, 219, [0; 6]),
        exit(7, 100, 219, 0),
    ];
    let text = lines(LineOptions::default(), &events);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("= ? ERESTART_RESTARTBLOCK (Interrupted by signal)"));
    assert!(lines[1].starts_with("restart_syscall(<... resuming interrupted nanosleep ...>) = ?"));
    assert_eq!(
        lines[2],
        "restart_syscall(<... resuming interrupted nanosleep ...>) = 0"
    );
    assert_eq!(
        lines[3],
        "restart_syscall(<... resuming interrupted system call ...>) = 0"
    );
}

#[test]
fn missed_memory_is_counted() {
    let mut sink = sink(LineOptions::default());
    let mut open = SyscallEnter {
        nr: 2,
        args: [0x7000, 0, 0, 0, 0, 0],
        ..SyscallEnter::default()
    };
    sink.event(&at(0, 1, Body::SyscallEnter(open.clone())))
        .expect("written");
    sink.event(&exit(1, 1, 2, 3)).expect("written");
    assert_eq!(sink.faults(), 1);
    open.captures = vec![Capture {
        kind: kind::STRING,
        data: b"/x".to_vec(),
        ..Capture::default()
    }];
    sink.event(&at(2, 1, Body::SyscallEnter(open)))
        .expect("written");
    assert_eq!(sink.faults(), 1);
    let text = String::from_utf8(sink.into_inner().expect("one output")).expect("ASCII");
    assert!(text.starts_with("open(0x7000, O_RDONLY)                  = 3\nopen(\"/x\", O_RDONLY"));
}

/// A signal, a child and ends of both kinds, which options leave out one by one.
fn lives() -> Vec<Event> {
    let fork = Fork {
        child_pid: 101,
        child_tid: 101,
        comm: String::new(),
    };
    vec![
        at(0, 100, Body::Fork(fork)),
        at(
            1,
            100,
            Body::Signal(Signal {
                signo: 10,
                info: None,
                ignored: false,
            }),
        ),
        gone(2, 101, 0x100),
        gone(3, 100, 15),
    ]
}

#[test]
fn a_process_is_let_go_at_execve() {
    let options = LineOptions {
        detach_on_execve: true,
        ..LineOptions::default()
    };
    let events = [
        enter(0, 100, 59, [0; 6]),
        exit(1, 100, 59, 0),
        enter(2, 100, 39, [0; 6]),
    ];
    assert_eq!(
        lines(options, &events),
        "execve(NULL, NULL, NULL <detached ...>\n"
    );
}

#[test]
fn numbers_stand_before_calls() {
    let options = LineOptions {
        numbers: true,
        slowest: 0,
        ..LineOptions::default()
    };
    let events = [
        gone(0, 101, 0),
        enter(1, 100, 39, [0; 6]),
        exit(2, 100, 39, 100),
    ];
    assert_eq!(
        lines(options, &events),
        "[????] +++ exited with 0 +++\n[  39] getpid()                         = 100\n"
    );
}

#[test]
fn a_recording_of_another_machine_has_that_machines_calls() {
    let chosen = |arch: &str, calls| {
        let start = RunStart {
            arch: arch.to_owned(),
            ..RunStart::default()
        };
        let flags = 0x8000 | 0x4000;
        let events = [
            at(0, 0, Body::RunStart(Box::new(start))),
            enter(1, 100, 56, [u64::MAX - 99, 0, flags, 0, 0, 0]),
            exit(2, 100, 56, 3),
        ];
        let options = LineOptions {
            calls,
            ..LineOptions::default()
        };
        lines(options, &events)
    };
    let text = |arch| chosen(arch, SyscallSet::ALL);
    let aarch64 = "openat(AT_FDCWD, NULL, O_RDONLY|O_NOFOLLOW|O_DIRECTORY) = 3\n";
    assert_eq!(text("aarch64"), aarch64);
    let openat = parse("openat").expect("a call");
    assert_eq!(chosen("aarch64", openat), aarch64);
    assert_eq!(chosen("x86_64", openat), "");
    assert!(text("x86_64").starts_with("clone(child_stack=NULL, "));
    assert!(text("riscv64").starts_with("syscall_0x38(0xffffffffffffff9c, 0, 0xc000, "));
}
