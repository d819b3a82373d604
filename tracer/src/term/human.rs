//! Quantities with three significant digits and a unit.

const NS_UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
const BYTE_UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const RATE_UNITS: [(&str, f64); 4] = [("/s", 1.0), (" k/s", 1e3), (" M/s", 1e6), (" G/s", 1e9)];

/// A time in ns, such as `870 ns`, `1.23 ms`, `10.0 s`; from ten minutes `12m 05s`, from an hour
/// `3h 07m`.
#[must_use]
pub fn ns(time: u64) -> String {
    if time < 1000 {
        return format!("{time} ns");
    }
    let seconds = time / 1_000_000_000;
    if seconds >= 3600 {
        return format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
    }
    if seconds >= 600 {
        return format!("{}m {:02}s", seconds / 60, seconds % 60);
    }
    let (unit, digits) = scale(time as f64, &NS_UNITS);
    format!("{digits} {unit}")
}

/// A size, such as `512 B` or `1.50 MiB`.
#[must_use]
pub fn bytes(size: u64) -> String {
    if size < 1024 {
        return format!("{size} B");
    }
    let (mut value, mut unit) = (size as f64 / 1024.0, 1);
    // 1023.5 would be rounded to the four digits of the next unit.
    while value >= 1023.5 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", significant(value), BYTE_UNITS[unit])
}

/// A number of things per second, such as `0.42/s`, `17/s` or `1.20 M/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second <= 0.0 {
        return "0/s".to_owned();
    }
    let (unit, digits) = scale(per_second, &RATE_UNITS);
    format!("{digits}{unit}")
}

/// A share with one decimal, such as `0.4 %`; `-` of nothing.
#[must_use]
pub fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 && part.is_finite() {
        format!("{:.1} %", part / whole * 100.0)
    } else {
        "-".to_owned()
    }
}

/// A number and its noun: `1 thread`, `2 threads`, `2 processes`.
#[must_use]
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The unit that leaves less than four digits, and the digits.
fn scale(value: f64, units: &[(&'static str, f64)]) -> (&'static str, String) {
    let fits = |&(_, size): &(&str, f64)| value / size < 999.5;
    let &(unit, size) = units
        .iter()
        .find(|u| fits(u))
        .or(units.last())
        .expect("there are units");
    (unit, significant(value / size))
}

/// Three significant digits; more before the point when there are more.
fn significant(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_change_unit_where_the_rounded_value_does() {
        for (time, want) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 µs"),
            (1_234_567, "1.23 ms"),
            (99_949, "99.9 µs"),
            (99_950, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (10_000_000_000, "10.0 s"),
            (599_999_999_999, "600 s"),
            (600_000_000_000, "10m 00s"),
            (3_599_999_999_999, "59m 59s"),
            (3_600_000_000_000, "1h 00m"),
            (u64::MAX, "5124095h 34m"),
        ] {
            assert_eq!(ns(time), want, "{time}");
        }
    }

    #[test]
    fn sizes_rates_shares_and_nouns() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(1536 << 10), "1.50 MiB");
        assert_eq!(bytes((1 << 20) - 1), "1.00 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(rate(0.0), "0/s");
        assert_eq!(rate(f64::NAN), "0/s");
        assert_eq!(rate(0.417), "0.42/s");
        assert_eq!(rate(17.0), "17.0/s");
        assert_eq!(rate(1_200_000.0), "1.20 M/s");
        assert_eq!(percent(1.0, 250.0), "0.4 %");
        assert_eq!(percent(1.0, 0.0), "-");
        assert_eq!(plural(1, "process", "processes"), "1 process");
        assert_eq!(plural(0, "process", "processes"), "0 processes");
    }
}
