//! The line above what was kept.

use std::fmt::Write;

use super::ring::Limits;
use crate::event::RunStart;
use crate::term;

/// What a dump is. Times are those of `CLOCK_MONOTONIC`, in ns.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// Why there is one.
    pub reason: &'a str,
    /// When it was asked for.
    pub time_ns: u64,
    /// When the oldest of what is there happened.
    pub oldest_ns: Option<u64>,
    /// What is missing since it was too much, and what that is.
    pub dropped: (u64, &'static str),
    /// What is kept.
    pub limits: Limits,
}

impl Heading<'_> {
    /// `=== tracer flight: SIGUSR1 at 2026-11-21 18:10:21.123456; from 9.97 s before ===`
    pub(super) fn text(&self, start: &RunStart) -> String {
        let when = local(self.time_ns, start);
        let mut text = format!("=== tracer flight: {} at {when}; ", self.reason);
        let window = term::ns(self.limits.window_ns);
        let _ = match self.oldest_ns {
            Some(oldest) => {
                let ago = term::ns(self.time_ns.saturating_sub(oldest));
                write!(text, "from {ago} before")
            }
            None => write!(text, "nothing new in the last {window}"),
        };
        let (dropped, unit) = self.dropped;
        if dropped > 0 {
            let size = term::bytes(self.limits.bytes as u64);
            let _ = write!(
                text,
                "; {dropped} older {unit} of the last {window} did not fit in {size}"
            );
        }
        text + " ==="
    }
}

/// Date and local time, in microseconds.
fn local(time_ns: u64, start: &RunStart) -> String {
    const NS: i128 = 1_000_000_000;
    let ns = i128::from(time_ns) + i128::from(start.wall_offset_ns);
    let seconds = ns.div_euclid(NS) + i128::from(start.utc_offset_s);
    let seconds = libc::time_t::try_from(seconds).unwrap_or(0);
    // SAFETY: `tm` is plain data; both are valid for the time of the call.
    let tm = unsafe {
        let mut tm = std::mem::zeroed::<libc::tm>();
        libc::gmtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    let date = format!(
        "{:04}-{:02}-{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday
    );
    let micros = ns.rem_euclid(NS) / 1000;
    format!(
        "{date} {:02}:{:02}:{:02}.{micros:06}",
        tm.tm_hour, tm.tm_min, tm.tm_sec
    )
}
