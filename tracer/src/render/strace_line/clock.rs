//! Times as strace prints them.

use std::fmt::Write;

/// Digits of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    Seconds,
    Milliseconds,
    #[default]
    Microseconds,
    Nanoseconds,
}

impl Precision {
    /// Reads `s`, `ms`, `us` or `ns`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "s" => Some(Self::Seconds),
            "ms" => Some(Self::Milliseconds),
            "us" => Some(Self::Microseconds),
            "ns" => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    /// Appends the fraction of a second, cut and not rounded, with its point.
    fn push_fraction(self, out: &mut String, ns: u64) {
        let _ = match self {
            Self::Seconds => Ok(()),
            Self::Milliseconds => write!(out, ".{:03}", ns / 1_000_000),
            Self::Microseconds => write!(out, ".{:06}", ns / 1000),
            Self::Nanoseconds => write!(out, ".{ns:09}"),
        };
    }

    /// Appends a duration: seconds, filled up to `width`, and the fraction.
    pub(super) fn push(self, out: &mut String, ns: u64, width: usize) {
        let _ = write!(out, "{:>width$}", ns / NS);
        self.push_fraction(out, ns % NS);
    }
}

const NS: u64 = 1_000_000_000;

/// Form of absolute times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `12:34:56`, local time.
    Time,
    /// Seconds since 1970 UTC.
    Unix,
}

/// Absolute time in front of each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    pub format: TimeFormat,
    pub precision: Precision,
}

impl Timestamp {
    /// What `-t`, `-tt` and `-ttt` mean.
    #[must_use]
    pub const fn of_count(count: u8) -> Option<Self> {
        let (format, precision) = match count {
            0 => return None,
            1 => (TimeFormat::Time, Precision::Seconds),
            2 => (TimeFormat::Time, Precision::Microseconds),
            _ => (TimeFormat::Unix, Precision::Microseconds),
        };
        Some(Self { format, precision })
    }

    /// Reads `[[format:]FORMAT[,[precision:]PRECISION]]`, where the parts may stand in any order.
    ///
    /// # Errors
    /// The part that is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut format = Some(TimeFormat::Time);
        let mut precision = Precision::Seconds;
        for part in text.split(',') {
            let (key, value) = part.split_once(':').unwrap_or(("", part));
            match (key, value, Precision::parse(value)) {
                ("" | "format", "none", _) => format = None,
                ("" | "format", "time", _) => format = Some(TimeFormat::Time),
                ("" | "format", "unix", _) => format = Some(TimeFormat::Unix),
                ("" | "precision", _, Some(digits)) => precision = digits,
                _ => return Err(part.to_owned()),
            }
        }
        Ok(format.map(|format| Self { format, precision }))
    }

    /// Appends a time in ns since 1970 UTC; local time is `offset_s` ahead of UTC.
    pub(super) fn push(self, out: &mut String, utc_ns: i128, offset_s: i32) {
        let seconds = utc_ns.div_euclid(NS.into());
        let fraction = u64::try_from(utc_ns.rem_euclid(NS.into())).unwrap_or(0);
        let _ = match self.format {
            TimeFormat::Unix => write!(out, "{seconds}"),
            TimeFormat::Time => {
                let local = (seconds + i128::from(offset_s)).rem_euclid(86400);
                let (hours, minutes) = (local / 3600, local / 60 % 60);
                write!(out, "{hours:02}:{minutes:02}:{:02}", local % 60)
            }
        };
        self.precision.push_fraction(out, fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clocks of runs of strace 6.1 with each format and precision.
    #[test]
    fn absolute_times_are_cut_to_their_precision() {
        let utc_ns = 1_795_263_889_747_913_982;
        let cases = [
            ("s", "12:24:49"),
            ("time,ms", "12:24:49.747"),
            ("us", "12:24:49.747913"),
            ("format:time,precision:ns", "12:24:49.747913982"),
            ("unix", "1795263889"),
            ("format:unix,precision:ms", "1795263889.747"),
            ("us,unix", "1795263889.747913"),
        ];
        for (text, expected) in cases {
            let mut out = String::new();
            let stamp = Timestamp::parse(text).expect(text).expect(text);
            stamp.push(&mut out, utc_ns, 0);
            assert_eq!(out, expected, "{text}");
        }
        assert_eq!(Timestamp::parse("none"), Ok(None));
        assert_eq!(Timestamp::parse("time,foo"), Err("foo".into()));
        assert_eq!(
            Timestamp::parse("precision:unix"),
            Err("precision:unix".into())
        );
    }

    #[test]
    fn durations_have_the_digits_of_their_precision() {
        let text = |precision: Precision, width| {
            let mut out = String::new();
            precision.push(&mut out, 1_002_003_999, width);
            out
        };
        assert_eq!(text(Precision::Seconds, 0), "1");
        assert_eq!(text(Precision::Milliseconds, 6), "     1.002");
        assert_eq!(text(Precision::Microseconds, 0), "1.002003");
        assert_eq!(text(Precision::Nanoseconds, 0), "1.002003999");
    }

    #[test]
    fn a_count_of_t_is_a_format() {
        assert_eq!(Timestamp::of_count(0), None);
        assert_eq!(
            Timestamp::of_count(2),
            Timestamp::parse("us").expect("valid")
        );
        assert_eq!(
            Timestamp::of_count(9),
            Timestamp::parse("unix,us").expect("valid")
        );
    }
}
