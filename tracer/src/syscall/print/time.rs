//! Times, timers and the results of `time`.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Custom, Layout};
use crate::syscall::flags::time;

use super::fields::As;
use super::printer::{ERESTART_RESTARTBLOCK, Phase, Printer, put};
use super::struct_bytes::StructBytes;

/// `struct timespec`.
pub static TIMESPEC: Layout = Layout {
    size: 16,
    print: |p, b| p.seconds(b, "nsec"),
};

/// `struct timeval`.
pub static TIMEVAL: Layout = Layout {
    size: 16,
    print: |p, b| p.seconds(b, "usec"),
};

/// `struct itimerval`.
pub static ITIMERVAL: Layout = Layout {
    size: 32,
    print: |p, b| p.timer(b, "usec"),
};

/// `struct itimerspec`.
pub static ITIMERSPEC: Layout = Layout {
    size: 32,
    print: |p, b| p.timer(b, "nsec"),
};

/// `struct timezone`.
pub static TIMEZONE: Layout = Layout {
    size: 8,
    print: |p, b| {
        put!(
            p,
            "{{tz_minuteswest={}, tz_dsttime={}}}",
            b.i32_at(0),
            b.i32_at(4)
        );
    },
};

/// `struct timex` (`linux/timex.h`).
pub static TIMEX: Layout = Layout {
    size: 208,
    print: |p, b| {
        p.record(
            b,
            &[
                ("modes", 0, As::Flags32(&time::ADJ)),
                ("offset", 8, As::I64),
                ("freq", 16, As::I64),
                ("maxerror", 24, As::U64),
                ("esterror", 32, As::U64),
                ("status", 40, As::Flags32(&time::STA)),
                ("constant", 48, As::I64),
                ("precision", 56, As::U64),
                ("tolerance", 64, As::I64),
                ("time", 72, As::With(|p, b| p.seconds(b, "usec"))),
                ("tick", 88, As::I64),
                ("ppsfreq", 96, As::I64),
                ("jitter", 104, As::I64),
                ("shift", 112, As::I32),
                ("stabil", 120, As::I64),
                ("jitcnt", 128, As::I64),
                ("calcnt", 136, As::I64),
                ("errcnt", 144, As::I64),
                ("stbcnt", 152, As::I64),
                ("tai", 160, As::I32),
            ],
        );
    },
};

/// Result of `adjtimex`: the state of the clock.
pub fn adjtimex_result(p: &mut Printer<'_>, ret: i64) {
    p.clock_state(0, ret);
}

/// Result of `clock_adjtime`.
pub fn clock_adjtime_result(p: &mut Printer<'_>, ret: i64) {
    p.clock_state(1, ret);
}

/// `time_t` of `time`.
pub static TIME_T: Layout = Layout {
    size: 8,
    print: |p, b| {
        put!(p, "[{} /* ", b.i64_at(0));
        p.date(b.i64_at(0), "");
        p.text(" */]");
    },
};

/// `struct utimbuf`.
pub static UTIMBUF: Layout = Layout {
    size: 16,
    print: |p, b| {
        for (i, name) in ["{actime=", ", modtime="].into_iter().enumerate() {
            put!(p, "{name}{} /* ", b.i64_at(i * 8));
            p.date(b.i64_at(i * 8), "");
            p.text(" */");
        }
        p.text("}");
    },
};

/// `struct timeval[2]` of `utimes`.
pub static UTIMES: Layout = Layout {
    size: 32,
    print: |p, b| {
        p.pair(b, |p, b| {
            p.seconds(b, "usec");
            p.date_comment(b, 6);
        });
    },
};

/// `struct timespec[2]` of `utimensat`.
pub static UTIMENS: Layout = Layout {
    size: 32,
    print: |p, b| {
        p.pair(b, |p, b| match b.u64_at(8) {
            // `UTIME_NOW` and `UTIME_OMIT` of `linux/stat.h`.
            0x3fff_ffff => p.text("UTIME_NOW"),
            0x3fff_fffe => p.text("UTIME_OMIT"),
            _ => {
                p.seconds(b, "nsec");
                p.date_comment(b, 9);
            }
        });
    },
};

/// `struct tms` in clock ticks of 10 ms.
pub static TMS: Layout = Layout {
    size: 32,
    print: |p, b| {
        let names = [
            "{tms_utime=",
            ", tms_stime=",
            ", tms_cutime=",
            ", tms_cstime=",
        ];
        for (i, name) in names.into_iter().enumerate() {
            let ticks = b.i64_at(i * 8);
            put!(p, "{name}{ticks}");
            if ticks != 0 {
                let hundredths = ticks.unsigned_abs() % 100;
                put!(p, " /* {}.{hundredths:02} s */", ticks / 100);
            }
        }
        p.text("}");
    },
};

/// Time left of `nanosleep`: stored only when a signal interrupts the sleep.
pub static REMAINING: Custom = Custom {
    rules: &[CaptureRule {
        kind: capture::kind::STRUCT,
        phase: capture::phase::EXIT,
        len_from: capture::len::FIXED,
        size: 16,
        arg: 0,
        len_arg: 0,
        word: 0,
    }],
    at_exit: |_| true,
    print: |p, index| match p.ret() {
        ERESTART_RESTARTBLOCK => p.structure(Phase::Exit, index, &TIMESPEC),
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Result of `time`.
pub fn time_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if ret != 0 {
        p.note("", |p| p.date(ret, ""));
    }
}

impl Printer<'_> {
    /// strace says nothing where it could not show the structure in argument `index`.
    fn clock_state(&mut self, index: usize, ret: i64) {
        put!(self, "{ret}");
        let name = time::ADJUST_STATE.get(ret.cast_unsigned());
        if let (Some(name), Some(_)) = (name, self.bytes(Phase::Exit, index, 208)) {
            self.note("", |p| p.text(name));
        }
    }

    /// `{tv_sec=1, tv_nsec=2}`.
    pub(super) fn seconds(&mut self, b: &[u8], unit: &str) {
        put!(
            self,
            "{{tv_sec={}, tv_{unit}={}}}",
            b.i64_at(0),
            b.i64_at(8)
        );
    }

    fn timer(&mut self, b: &[u8], unit: &str) {
        self.text("{it_interval=");
        self.seconds(b, unit);
        self.text(", it_value=");
        self.seconds(b.get(16..).unwrap_or_default(), unit);
        self.text("}");
    }

    fn pair(&mut self, b: &[u8], print: impl Fn(&mut Self, &[u8])) {
        self.text("[");
        print(self, b);
        self.text(", ");
        print(self, b.get(16..).unwrap_or_default());
        self.text("]");
    }

    /// As [`Self::date_comment`], of seconds and nanoseconds; nothing for the beginning of time.
    pub(super) fn time_comment(&mut self, seconds: i64, nanoseconds: u64) {
        if seconds != 0 || nanoseconds != 0 {
            self.date_comment_of(seconds, nanoseconds, 9);
        }
    }

    /// ` /* 1970-01-01T00:00:01.000002+0000 */`, in UTC.
    fn date_comment(&mut self, b: &[u8], digits: usize) {
        self.date_comment_of(b.i64_at(0), b.u64_at(8), digits);
    }

    fn date_comment_of(&mut self, seconds: i64, fraction: u64, digits: usize) {
        if fraction >= 10_u64.pow(digits as u32) {
            return;
        }
        self.text(" /* ");
        let fraction = match fraction {
            0 => String::new(),
            _ => format!(".{fraction:0digits$}"),
        };
        self.date(seconds, &fraction);
        self.text(" */");
    }

    /// A date in UTC.
    fn date(&mut self, seconds: i64, fraction: &str) {
        let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
        let (year, month, day) = civil(days);
        put!(
            self,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}+0000",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
    }

    /// `left {tv_sec=1, tv_nsec=2}` of an argument the kernel updated.
    pub(super) fn time_left(&mut self, index: usize, unit: &str) {
        if let Some(b) = self.bytes(Phase::Exit, index, 16) {
            self.text("left ");
            self.seconds(b, unit);
        }
    }
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar: eras of 400
/// years that begin on March 1.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(19_675), (2023, 11, 14));
        // No overflow at the ends of what a `time_t` can say.
        civil(i64::MAX / 86400);
        civil(i64::MIN / 86400);
    }
}
