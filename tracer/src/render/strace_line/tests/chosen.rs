//! Which calls, signals and messages are shown.

use super::*;
use crate::syscall::filter;

#[test]
fn calls_are_chosen_by_name_result_and_duration() {
    let events = [
        enter(0, 100, 3, [5, 0, 0, 0, 0, 0]),
        exit(500, 100, 3, 0),
        enter(1000, 100, 3, [6, 0, 0, 0, 0, 0]),
        exit(3000, 100, 3, -9),
        enter(4000, 100, 39, [0; 6]),
        exit(4001, 100, 39, 1),
    ];
    let count = |options| lines(options, &events).lines().count();
    let all = LineOptions::default;
    let failed = lines(
        LineOptions {
            statuses: StatusSet::FAILED,
            ..all()
        },
        &events,
    );
    assert_eq!(
        failed,
        "close(6)                                = -1 EBADF (Bad file descriptor)\n"
    );
    assert_eq!(
        count(LineOptions {
            statuses: StatusSet::SUCCESSFUL,
            ..all()
        }),
        2
    );
    assert_eq!(
        count(LineOptions {
            min_time_ns: 400_000,
            ..all()
        }),
        2
    );
    let calls = filter::parse("close").expect("valid");
    assert_eq!(count(LineOptions { calls, ..all() }), 2);
}

#[test]
fn signals_and_messages_are_chosen() {
    let with = |signals: &str, quiet: u8| {
        let options = LineOptions {
            signals: SignalSet::parse(signals).expect("valid"),
            quiet: QuietSet::of_count(quiet),
            prefix: Prefix::Never,
            follow: true,
            ..LineOptions::default()
        };
        lines(options, &lives())
    };
    let all = "--- SIGUSR1 ---\n+++ exited with 1 +++\n+++ killed by SIGTERM +++\n";
    assert_eq!(with("all", 0), all);
    assert_eq!(with("none", 0), "+++ exited with 1 +++\n");
    assert_eq!(with("usr1", 2), "--- SIGUSR1 ---\n");
}

#[test]
fn calls_are_chosen_by_path_and_shown_with_it() {
    let at_cwd = (-100i64).cast_unsigned();
    let open = |time_us, path: &str, fd| {
        let call = SyscallEnter {
            nr: 257,
            args: [at_cwd, 0x7000, 0, 0, 0, 0],
            captures: vec![Capture {
                arg: 1,
                kind: kind::STRING,
                data: path.into(),
                ..Capture::default()
            }],
            ..SyscallEnter::default()
        };
        // No process has this id (`PID_MAX_LIMIT` is 2^22), so `/proc` does not interfere.
        let mut events = [
            at(time_us, 100, Body::SyscallEnter(call)),
            exit(time_us + 1, 100, 257, fd),
        ];
        events.iter_mut().for_each(|e| e.pid = 1 << 30);
        events
    };
    let close = |time_us, fd| {
        let mut events = [
            enter(time_us, 100, 3, [fd, 0, 0, 0, 0, 0]),
            exit(time_us + 1, 100, 3, 0),
        ];
        events.iter_mut().for_each(|e| e.pid = 1 << 30);
        events
    };
    let events = [
        open(0, "/no/a", 3),
        open(2, "/no/b", 4),
        close(4, 3),
        close(6, 4),
    ]
    .concat();
    let mut options = LineOptions {
        paths: vec!["/no/b".to_owned()],
        ..LineOptions::default()
    };
    options.decode.track_descriptors = true;
    assert_eq!(
        lines(options.clone(), &events),
        "openat(AT_FDCWD, \"/no/b\", O_RDONLY)     = 4\n\
         close(4)                                = 0\n"
    );
    options.paths.clear();
    options.decode.descriptors = crate::syscall::qualify::DescriptorDetails::PATH;
    let text = lines(options, &events);
    assert!(
        text.contains(" = 3</no/a>\n") && text.contains("close(4</no/b>) "),
        "{text}"
    );
}
