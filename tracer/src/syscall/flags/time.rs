//! Clocks and timers: `time.h`.

use super::Names;

pub static CLOCK: Names = Names {
    zero: None,
    unknown: "CLOCK_???",
    names: &[
        (0, "CLOCK_REALTIME"),
        (1, "CLOCK_MONOTONIC"),
        (2, "CLOCK_PROCESS_CPUTIME_ID"),
        (3, "CLOCK_THREAD_CPUTIME_ID"),
        (4, "CLOCK_MONOTONIC_RAW"),
        (5, "CLOCK_REALTIME_COARSE"),
        (6, "CLOCK_MONOTONIC_COARSE"),
        (7, "CLOCK_BOOTTIME"),
        (8, "CLOCK_REALTIME_ALARM"),
        (9, "CLOCK_BOOTTIME_ALARM"),
        (0xa, "CLOCK_SGI_CYCLE"),
        (0xb, "CLOCK_TAI"),
    ],
};

pub static TIMER_ABSTIME: Names = Names {
    zero: None,
    unknown: "TIMER_???",
    names: &[(1, "TIMER_ABSTIME")],
};

pub static ITIMER: Names = Names {
    zero: None,
    unknown: "ITIMER_???",
    names: &[
        (0, "ITIMER_REAL"),
        (1, "ITIMER_VIRTUAL"),
        (2, "ITIMER_PROF"),
    ],
};
