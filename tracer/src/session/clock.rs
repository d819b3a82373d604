//! The clocks of a run.

/// `CLOCK_MONOTONIC`, the clock of events.
pub(crate) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// What to add to an event's time to get ns since 1970.
pub(super) fn wall_offset_ns() -> i64 {
    let wall = clock_ns(libc::CLOCK_REALTIME);
    wall.wrapping_sub(now_ns()).cast_signed()
}

/// Offset of local time from UTC, in seconds.
pub(super) fn utc_offset_s() -> i32 {
    // SAFETY: `tm` is plain data and valid for `localtime_r`.
    unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut tm = std::mem::zeroed::<libc::tm>();
        libc::localtime_r(&raw const now, &raw mut tm);
        i32::try_from(tm.tm_gmtoff).unwrap_or(0)
    }
}

/// CPU time that the tracer used, user and system.
pub(super) fn own_cpu_ns() -> u64 {
    // SAFETY: `usage` is plain data and valid.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |t: libc::timeval| {
        t.tv_sec.cast_unsigned() * 1_000_000_000 + t.tv_usec.cast_unsigned() * 1000
    };
    ns(usage.ru_utime) + ns(usage.ru_stime)
}
